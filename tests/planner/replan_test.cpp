#include <planaria/planner/replan.hpp>

#include <functional>
#include <limits>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "planner/even_layout.hpp"
#include "planner/replan_verifier.hpp"

namespace planaria {
namespace {

std::vector<WorkerId> ids(const std::vector<int>& numbers) {
  std::vector<WorkerId> workers;
  for (const int number : numbers) workers.push_back(WorkerId{number});
  return workers;
}

// Pipelines planned for `before`, running: everybody holds what it computes or shadows.
ReplanCase running(int layers, int width, int depth, const std::vector<int>& before,
                   int copies = 2) {
  ReplanCase request;
  request.layer_costs.assign(static_cast<std::size_t>(layers), 1.0);
  request.layer_bytes.assign(static_cast<std::size_t>(layers), std::int64_t{1} << 20);
  request.micro_batches = 8;
  request.width = width;
  request.depth = depth;
  request.ms_per_byte = 0x1.0p-20;  // a layer takes 1 ms
  request.copies = copies;
  request.workers = ids(before);
  Layout layout = even_layout(request.layer_costs, request.micro_batches, width, depth);
  for (auto& pipeline : layout.pipelines) {
    for (auto& stage : pipeline.stages) {
      stage.worker = request.workers[static_cast<std::size_t>(stage.worker.value)];
    }
  }
  layout.shadows = place_shadows(layout, request.layer_bytes, request.workers, {}, copies);
  request.holders = holders_in(layout);
  request.before = layout;
  return request;
}

Replan answer_to(const ReplanCase& request) {
  const auto answer = replan(request);
  if (!answer) FAIL(answer.fault().sentence);
  require_consistent(request, answer.value());
  return answer.value();
}

// "3 of w0 [0..1] w2 [2..3]; ..." with shares in front.
std::string text_of_pipelines(const Layout& layout) {
  std::string text;
  for (const auto& pipeline : layout.pipelines) {
    text += fmt::format("{}{}:", text.empty() ? "" : "; ", pipeline.micro_batches);
    for (const auto& stage : pipeline.stages) {
      text += fmt::format(" w{}[{}..{}]", stage.worker.value, stage.layers.first.value,
                          stage.layers.last.value);
    }
  }
  return text;
}

std::string text_of(const std::vector<Transfer>& transfers) {
  std::vector<std::string> texts;
  for (const Transfer& transfer : transfers) {
    texts.push_back(
        fmt::format("{}:{}>{}", transfer.layer.value, transfer.from.value, transfer.to.value));
  }
  return fmt::format("{}", fmt::join(texts, " "));
}

}  // namespace

TEST_CASE("a pipeline of four that loses its second stage goes on without a transfer", "[unit]") {
  ReplanCase request = running(8, 1, 4, {0, 1, 2, 3});
  request.workers = ids({0, 2, 3});
  request.horizon_steps = 0.01;
  const Replan answer = answer_to(request);
  CHECK(text_of_pipelines(answer.layout) == "8: w0[0..3] w2[4..5] w3[6..7]");
  CHECK(answer.transfers.empty());
  CHECK(answer.transfer_ms == 0);
  // Worker 0 alone holds layers 2 and 3 now, and worker 1's shadows of 0 and 1 are gone.
  CHECK(text_of(answer.fills) == "0:0>2 1:0>2 2:0>2 3:0>2");
  CHECK(answer.explanation ==
        "1 pipeline x 3 stages (the pipelines of before, repaired): nothing to transfer, predicted "
        "step 33.3333, the least of 4 ways");
}

TEST_CASE("with a long horizon the layers are spread anew, whatever has to be sent", "[unit]") {
  ReplanCase request = running(8, 1, 4, {0, 1, 2, 3});
  request.workers = ids({0, 2, 3});
  request.horizon_steps = 1e6;
  const Replan answer = answer_to(request);
  CHECK(answer.step_ms == Approx(step_ms_of(anew(request), request.layer_costs)));
  CHECK(text_of_pipelines(answer.layout) == "8: w0[0..2] w2[3..5] w3[6..7]");
  CHECK(!answer.transfers.empty());
  CHECK(answer.explanation.find("to transfer (") != std::string::npos);
}

TEST_CASE("how long the answer will be used decides between waiting and a slow step", "[unit]") {
  ReplanCase request = running(8, 1, 4, {0, 1, 2, 3});
  request.workers = ids({0, 2, 3});
  double step_ms_before = std::numeric_limits<double>::infinity();
  double transfer_ms_before = 0;
  for (const double horizon : {0.0, 0.01, 0.1, 1.0, 10.0, 1e3, 1e6}) {
    request.horizon_steps = horizon;
    const Replan answer = answer_to(request);
    INFO(horizon << ": " << answer.explanation);
    CHECK(answer.step_ms <= step_ms_before);
    CHECK(answer.transfer_ms >= transfer_ms_before);
    step_ms_before = answer.step_ms;
    transfer_ms_before = answer.transfer_ms;
  }
}

TEST_CASE("two pipelines of two that lose one worker go on with the whole one", "[unit]") {
  ReplanCase request = running(4, 2, 2, {0, 1, 2, 3});
  request.workers = ids({0, 2, 3});
  const Replan soon = answer_to(request);
  CHECK(text_of_pipelines(soon.layout) == "8: w2[0..1] w3[2..3]");
  CHECK(soon.explanation ==
        "1 pipeline x 2 stages (the complete pipelines of before), 1 worker without a stage: "
        "nothing to transfer, predicted step 18, the least of 3 ways");
  // The worker that is left over shadows what it holds and is filled with the rest.
  CHECK(soon.layout.shadows ==
        std::vector<ShadowAssignment>{
            {WorkerId{0}, {LayerId{0}, LayerId{1}, LayerId{2}, LayerId{3}}}});
  CHECK(text_of(soon.fills) == "2:3>0 3:3>0");
  request.horizon_steps = 1000;
  const Replan later = answer_to(request);
  CHECK(text_of_pipelines(later.layout) == "5: w0[0..1] w3[2..3]; 3: w2[0..3]");
  CHECK(text_of(later.transfers) == "2:3>2 3:3>2");
  CHECK(later.transfer_ms == 2);
  CHECK(later.bytes == std::int64_t{2} << 20);
}

TEST_CASE("one of four replicas leaves, and nothing moves", "[unit]") {
  ReplanCase request = running(4, 4, 1, {0, 1, 2, 3});
  request.workers = ids({0, 1, 3});
  for (const double horizon : {0.0, 1e6}) {
    request.horizon_steps = horizon;
    const Replan answer = answer_to(request);
    CHECK(text_of_pipelines(answer.layout) == "3: w0[0..3]; 3: w1[0..3]; 2: w3[0..3]");
    CHECK(answer.transfers.empty());
    CHECK(answer.fills.empty());
  }
}

TEST_CASE("uneven pipelines lose a stage of the deeper one", "[unit]") {
  // Depths 2 and 1; each layer is held twice, so there are no shadows.
  ReplanCase request = running(4, 1, 1, {0});
  request.workers = ids({0, 1, 2});
  request.width = 2;
  request.depth = 2;
  request.holders.clear();
  request.before = Layout{
      .pipelines = {
          {5, {{{LayerId{0}, LayerId{1}}, WorkerId{0}}, {{LayerId{2}, LayerId{3}}, WorkerId{1}}}},
          {3, {{{LayerId{0}, LayerId{3}}, WorkerId{2}}}}}};
  request.holders = holders_in(*request.before);
  request.workers = ids({0, 2});
  CHECK(text_of_pipelines(answer_to(request).layout) == "8: w2[0..3]");
  request.horizon_steps = 100;
  const Replan answer = answer_to(request);
  CHECK(text_of_pipelines(answer.layout) == "4: w0[0..3]; 4: w2[0..3]");
  CHECK(text_of(answer.transfers) == "2:2>0 3:2>0");
}

TEST_CASE("a spare that shadows the lost stage takes its place", "[unit]") {
  ReplanCase request = running(8, 1, 4, {2, 3, 5, 7, 11});
  REQUIRE(request.before->shadows.back().worker == WorkerId{11});  // the ends of the pipeline
  request.workers = ids({3, 5, 7, 11});
  request.horizon_steps = 1;
  const Replan answer = answer_to(request);
  CHECK(text_of_pipelines(answer.layout) == "8: w11[0..1] w3[2..3] w5[4..5] w7[6..7]");
  CHECK(answer.transfers.empty());
}

TEST_CASE("a joiner computes only where the horizon pays for what it must be sent", "[unit]") {
  ReplanCase request = running(8, 1, 2, {0, 1});
  request.width = std::nullopt;
  request.depth = std::nullopt;
  request.workers = ids({0, 1, 9});
  const Replan soon = answer_to(request);
  CHECK(text_of_pipelines(soon.layout) == "8: w0[0..3] w1[4..7]");
  CHECK(soon.explanation.starts_with("1 pipeline x 2 stages (as before), 1 worker without"));
  request.horizon_steps = 1e6;
  const Replan later = answer_to(request);
  CHECK(later.step_ms == Approx(step_ms_of(anew(request), request.layer_costs)));
  CHECK(place_of(later.layout, WorkerId{9}).has_value());
}

TEST_CASE("without a worker to lose everything stays as it was", "[unit]") {
  const ReplanCase request = running(8, 2, 3, {0, 1, 2, 3, 4, 5});
  const Replan answer = answer_to(request);
  CHECK(answer.layout == *request.before);
  CHECK(answer.transfers.empty());
  CHECK(answer.fills.empty());
}

TEST_CASE("of equals the pipelines of before stay, though others would leave fewer idle",
          "[unit]") {
  // The second layer takes no time: a second stage gains nothing.
  ReplanCase request = running(2, 1, 1, {0});
  request.layer_costs = {3, 0};
  request.micro_batches = 1;
  request.before->pipelines[0].micro_batches = 1;
  request.workers = ids({0, 1});
  for (auto& [layer, holders] : request.holders) holders = {WorkerId{0}, WorkerId{1}};
  request.width.reset();
  request.depth.reset();
  request.horizon_steps = 1;
  CHECK(text_of_pipelines(answer_to(request).layout) == "1: w0[0..1]");
  request.before.reset();
  CHECK(text_of_pipelines(answer_to(request).layout) == "1: w0[0..0] w1[1..1]");
}

TEST_CASE("two lost at once: neighbours are repaired where each layer has a holder left",
          "[unit]") {
  ReplanCase request = running(8, 1, 4, {0, 1, 2, 3});
  request.workers = ids({0, 3});  // 0 shadows 2 and 3, 3 shadows 4 and 5
  const Replan answer = answer_to(request);
  CHECK(text_of_pipelines(answer.layout) == "8: w0[0..3] w3[4..7]");
  CHECK(answer.transfers.empty());
  request.workers = ids({0, 2});
  CHECK(text_of_pipelines(answer_to(request).layout).find("w0[0..3]") != std::string::npos);
  request.workers = ids({2, 3});
  const auto lost = replan(request);
  REQUIRE(!lost.ok());
  CHECK(lost.fault().kind == FaultKind::infeasible);
  CHECK(lost.fault().sentence == "layers 0, 1, 2, 3: held by none of the 2 workers there are");
}

TEST_CASE("transfers of one layer to many come from all that hold it", "[unit]") {
  ReplanCase request = running(1, 2, 1, {0, 1});
  request.workers = ids({0, 1, 2, 3});
  request.width = 4;
  request.depth = std::nullopt;
  request.horizon_steps = 1e6;
  const Replan answer = answer_to(request);
  CHECK(answer.layout.pipelines.size() == 4);
  CHECK(text_of(answer.transfers) == "0:0>2 0:1>3");
  CHECK(answer.transfer_ms == 1);
}

TEST_CASE("what was asked holds as far as workers allow", "[unit]") {
  ReplanCase request = running(6, 2, 3, {0, 1, 2, 3, 4, 5});
  request.before = std::nullopt;
  for (const WorkerId worker : request.workers) {
    for (int i = 0; i < 6; ++i) request.holders[LayerId{i}].insert(worker);
  }
  const auto shape = [&](int workers, std::optional<int> width, std::optional<int> depth) {
    ReplanCase fewer = request;
    fewer.workers.resize(static_cast<std::size_t>(workers));
    fewer.width = width;
    fewer.depth = depth;
    return text_of(answer_to(fewer).layout);
  };
  CHECK(shape(6, 2, 3) == "2 pipelines x 3 stages");
  CHECK(shape(5, 2, 3) == "pipelines of 3, 2 stages");
  CHECK(shape(3, 2, 3) == "pipelines of 2, 1 stages");
  CHECK(shape(1, 2, 3) == "1 pipeline x 1 stage");
  CHECK(shape(6, 2, 2) == "2 pipelines x 2 stages");
  CHECK(shape(5, 6, std::nullopt) == "5 pipelines x 1 stage");
  CHECK(shape(5, std::nullopt, 3) == "1 pipeline x 3 stages");
  CHECK(shape(2, std::nullopt, 3) == "1 pipeline x 2 stages");
}

TEST_CASE("replan refuses by field, value and limit", "[unit]") {
  using R = ReplanCase&;
  const auto refused = [](const std::function<void(R)>& change) -> std::string {
    ReplanCase request = running(4, 1, 2, {0, 1});
    change(request);
    const auto answer = replan(request);
    if (answer.ok()) return "answered";
    CHECK(answer.fault().kind == FaultKind::invalid_input);
    return answer.fault().sentence;
  };
  CHECK(refused([](R) {}) == "answered");
  CHECK(refused([](R r) { r.layer_bytes.pop_back(); }) ==
        "layer_bytes: 3, must be 4, one per layer");
  CHECK(
      refused([](R r) { r.layer_bytes[1] = -1; }).starts_with("layer_bytes[1]: -1, must be 0 to "));
  CHECK(refused([](R r) {
          r.workers = ids({7, 7});
        }) == "cluster: id: 7 twice, must be of one worker");
  CHECK(refused([](R r) { r.workers = ids({-1, 7}); }) == "cluster: id: -1, must be at least 0");
  CHECK(refused([](R r) { r.workers.clear(); }) == "workers: 0, must be 1 to 10000");
  CHECK(refused([](R r) { r.copies = 0; }) == "copies: 0, must be at least 1");
  CHECK(refused([](R r) { r.width = 0; }) == "width: 0, must be at least 1");
  CHECK(refused([](R r) { r.depth = -2; }) == "depth: -2, must be at least 1");
  CHECK(refused([](R r) {
          r.depth = 5, r.workers = ids({0, 1, 2, 3, 4});
        }) == "depth: 5, must be at most 4, the number of layers");
  CHECK(refused([](R r) { r.ms_per_byte = -0.5; }) ==
        "ms_per_byte: -0.5, must be a finite number from 0");
  CHECK(refused([](R r) { r.horizon_steps = std::numeric_limits<double>::infinity(); }) ==
        "horizon_steps: inf, must be a finite number from 0");
  CHECK(refused([](R r) { r.before->pipelines[0].stages.pop_back(); }) ==
        "before: pipelines[0].stages[0].last_layer: 1, must be 3, the last layer");
  CHECK(refused([](R r) { r.schedule = "zb-h9"; }) ==
        "schedule: zb-h9, must be one of gpipe, 1f1b, interleaved, zb-h1, zb-h2, zb-v, v-half, "
        "v-min, dualpipe-v, varuna, varuna-jit, auto");
  CHECK(refused([](R r) { r.layer_costs.clear(), r.layer_bytes.clear(); }) ==
        "layers: 0, must be 1 to 4096");
}

}  // namespace planaria
