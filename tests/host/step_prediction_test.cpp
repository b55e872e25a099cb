// Steps as simulated, beside what was measured of them: what a simulation of the same durations
// explains is predicted, what it does not is the difference.
#include "host/step_prediction.hpp"

#include <catch2/catch.hpp>

#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/simulate.hpp>

namespace planaria::host {
namespace {

Layout two_stages(int first = 0, int second = 1) {
  const auto stage = [](int layer, int worker) {
    return StageAssignment{{LayerId{layer}, LayerId{layer}}, WorkerId{worker}};
  };
  return {{{4, {stage(0, first), stage(1, second)}}}, {}};
}

Json view_event(const Layout& layout, int view = 1) {
  return {{"event", "view"}, {"view", view}, {"layout", to_json(layout)}};
}

Json span(int step, int worker, const Action& action, double begin_ms, double end_ms) {
  return {{"t_ms", end_ms},
          {"view", 1},
          {"step", step},
          {"event", "span"},
          {"worker", worker},
          {"micro_batch", 8 + action.micro_batch},  // as in a later pipeline
          {"kind", "action"},
          {"ms", end_ms - begin_ms},
          {"action", std::string(1, static_cast<char>(action.kind))},
          {"chunk", action.chunk}};
}

// Every action of `schedule` as it would be measured if all went as simulated, from 100 ms on.
std::vector<Json> measured(const Schedule& schedule, const StageCosts& costs, int step = 3) {
  const auto simulated = simulate(
      schedule, std::vector<StageCosts>(static_cast<std::size_t>(schedule.stages()), costs));
  std::vector<Json> spans;
  for (std::size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    for (std::size_t at = 0; at < schedule.ranks[rank].size(); ++at) {
      const SimulatedAction& times = simulated.value().ranks[rank].actions[at];
      spans.push_back(span(step, static_cast<int>(rank), schedule.ranks[rank][at],
                           100 + times.start_ms, 100 + times.end_ms));
    }
  }
  return spans;
}

std::vector<PredictedStep> predicted(const Layout& layout, const std::vector<Json>& spans) {
  StepPredictions predictions;
  predictions.add_view(view_event(layout));
  for (const Json& one : spans) CHECK(predictions.add_span(one));
  return predictions.predicted();
}

}  // namespace

TEST_CASE("a step that went as simulated is predicted, hand-overs and all", "[unit]") {
  for (const Schedule& schedule :
       {one_forward_one_backward({2, 4}), zero_bubble_h2({2, 4}), gpipe({2, 4})}) {
    INFO(text_of(schedule));
    const auto steps = predicted(two_stages(), measured(schedule, {3, 4, 2, 0.5}));
    REQUIRE(steps.size() == 1);
    CHECK(steps[0].step == 3);
    CHECK(steps[0].send_ms == Approx(0.5));
    CHECK(steps[0].predicted_ms == Approx(steps[0].measured_ms));
    CHECK(steps[0].predicted.at(0).front().begin_ms == Approx(100));
    CHECK(steps[0].predicted.at(1).front().begin_ms == Approx(103.5));
    CHECK(steps[0].predicted.at(1).front().micro_batch == 8);
  }
}

TEST_CASE("time in which nobody did anything is not predicted", "[unit]") {
  auto spans = measured(one_forward_one_backward({2, 4}), {3, 4, 2, 0});
  double last_ms = 0;
  for (Json& one : spans) {  // all stand still for 5 ms in the middle
    if (one["t_ms"].get<double>() > 130) one["t_ms"] = one["t_ms"].get<double>() + 5;
    last_ms = std::max(last_ms, one["t_ms"].get<double>());
  }
  const auto steps = predicted(two_stages(), spans);
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].measured_ms == Approx(last_ms - 100));
  CHECK(steps[0].measured_ms - steps[0].predicted_ms == Approx(5));
}

TEST_CASE("a slow action is its own duration, and predicted", "[unit]") {
  auto spans = measured(one_forward_one_backward({2, 1}), {3, 4, 2, 0});
  // F0 and G0 on worker 0, F0 and G0 on worker 1 behind: the last takes 10 more.
  spans[3]["ms"] = 16.0;
  spans[3]["t_ms"] = spans[3]["t_ms"].get<double>() + 10;
  spans[1]["t_ms"] = spans[1]["t_ms"].get<double>() + 10;
  const auto steps = predicted(two_stages(), spans);
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].predicted_ms == Approx(3 + 3 + 16 + 6));
  CHECK(steps[0].measured_ms == Approx(3 + 3 + 16 + 6));
}

TEST_CASE("chunks are told apart", "[unit]") {
  const Schedule schedule = zero_bubble_v({2, 4});
  Layout layout = two_stages();
  layout.pipelines[0].stages.push_back({{LayerId{2}, LayerId{2}}, WorkerId{1}});
  layout.pipelines[0].stages.push_back({{LayerId{3}, LayerId{3}}, WorkerId{0}});
  const auto steps = predicted(layout, measured(schedule, {3, 4, 2, 0.25}));
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].predicted_ms == Approx(steps[0].measured_ms));
}

TEST_CASE("steps that were broken off or begun again are left out", "[unit]") {
  const auto whole = measured(one_forward_one_backward({2, 4}), {3, 4, 2, 0});
  auto broken_off = whole;
  broken_off.pop_back();
  CHECK(predicted(two_stages(), broken_off).empty());
  auto twice = whole;
  twice.push_back(whole.front());
  CHECK(predicted(two_stages(), twice).empty());
  CHECK(predicted(two_stages(0, 2), whole).empty());  // worker 2 has told nothing
  auto both = whole;
  for (const Json& one : measured(one_forward_one_backward({2, 4}), {3, 4, 2, 0}, 4)) {
    both.push_back(one);
  }
  CHECK(predicted(two_stages(), both).size() == 2);
}

TEST_CASE("other spans are no actions", "[unit]") {
  StepPredictions predictions;
  Json other = span(1, 0, {ActionKind::forward, 0}, 0, 1);
  other["kind"] = "forward";
  CHECK_FALSE(predictions.add_span(other));
  predictions.add_view({{"event", "worker_lost"}});
  CHECK(predictions.predicted().empty());
}

}  // namespace planaria::host
