#include "host/step_prediction.hpp"

#include <algorithm>
#include <limits>

#include <planaria/planner/chunks.hpp>
#include <planaria/schedule/simulate.hpp>
#include <planaria/schedule/validate.hpp>

namespace planaria::host {
namespace {

/// A step of pipelines that run as one as a schedule, with what each action took.
struct MeasuredSchedule {
  Schedule schedule;
  std::vector<std::int64_t> workers;  // by rank; without actions where it is in an earlier line
  std::vector<std::vector<StepAction>> actions;
};

std::optional<MeasuredSchedule> schedule_of(
    const Layout& layout, const std::vector<int>& joined,
    const std::map<std::int64_t, std::vector<StepAction>>& by_worker) {
  MeasuredSchedule found;
  found.schedule.width = static_cast<int>(joined.size());
  std::map<int, int> numbers;  // of the step's micro-batches, within the pipelines
  for (const int index : joined) {
    const PipelineAssignment& pipeline = layout.pipelines[static_cast<std::size_t>(index)];
    const auto form = form_of(pipeline);
    if (!form) return std::nullopt;
    found.schedule.placement = form->placement;
    found.schedule.chunks = form->chunks;
    const auto ranks = pipeline.stages.size() / static_cast<std::size_t>(form->chunks);
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      const std::int64_t worker = pipeline.stages[rank].worker.value;
      const auto measured = by_worker.find(worker);
      if (measured == by_worker.end()) return std::nullopt;
      const bool is_new = std::ranges::find(found.workers, worker) == found.workers.end();
      found.workers.push_back(worker);
      auto& actions = found.actions.emplace_back();
      if (is_new) actions = measured->second;
      for (const StepAction& action : actions) numbers[action.micro_batch] = 0;
    }
  }
  for (auto& [micro_batch, number] : numbers) number = found.schedule.micro_batches++;
  for (const auto& actions : found.actions) {
    auto& rank = found.schedule.ranks.emplace_back();
    for (const StepAction& action : actions) {
      rank.push_back(
          {static_cast<ActionKind>(action.kind), numbers.at(action.micro_batch), action.chunk});
    }
  }
  if (!validate(found.schedule).ok()) return std::nullopt;
  return found;
}

// What a receiver that stood still waited for beyond the sender's end, in the median.
double hand_over_ms(const MeasuredSchedule& measured) {
  std::map<std::tuple<bool, int, int>, double> ended;  // (gradient, stage, micro-batch)
  const Schedule& schedule = measured.schedule;
  const auto each = [&](const auto& use) {
    for (std::size_t rank = 0; rank < measured.actions.size(); ++rank) {
      for (std::size_t at = 0; at < measured.actions[rank].size(); ++at) {
        const StepAction& action = measured.actions[rank][at];
        const bool back = action.kind == 'B' || action.kind == 'G';
        if (action.kind != 'F' && !back) continue;
        use(rank, at, action, back, schedule.stage_of(static_cast<int>(rank), action.chunk));
      }
    }
  };
  each([&](std::size_t, std::size_t, const StepAction& action, bool back, int stage) {
    ended[{back, stage, action.micro_batch}] = action.end_ms;
  });
  std::vector<double> took;
  each([&](std::size_t rank, std::size_t at, const StepAction& action, bool back, int stage) {
    const auto sent = ended.find({back, back ? stage + 1 : stage - 1, action.micro_batch});
    if (sent == ended.end() || at == 0) return;
    const double idle_since = measured.actions[rank][at - 1].end_ms;
    if (idle_since < sent->second) took.push_back(std::max(0.0, action.begin_ms - sent->second));
  });
  if (took.empty()) return 0;
  const auto middle = took.begin() + static_cast<std::ptrdiff_t>(took.size() / 2);
  std::nth_element(took.begin(), middle, took.end());
  return *middle;
}

std::optional<PredictedStep> predict(const MeasuredSchedule& measured) {
  PredictedStep step;
  double first_ms = std::numeric_limits<double>::infinity();
  double last_ms = 0;
  std::vector<std::vector<double>> durations;
  for (const auto& actions : measured.actions) {
    auto& row = durations.emplace_back();
    for (const StepAction& action : actions) {
      row.push_back(std::max(0.0, action.end_ms - action.begin_ms));
      first_ms = std::min(first_ms, action.begin_ms);
      last_ms = std::max(last_ms, action.end_ms);
    }
  }
  step.measured_ms = last_ms - first_ms;
  step.send_ms = hand_over_ms(measured);
  const std::vector<StageCosts> costs(static_cast<std::size_t>(measured.schedule.stages()),
                                      {0, 0, 0, step.send_ms});
  const auto simulated = simulate(measured.schedule, costs, {.durations_ms = &durations});
  if (!simulated) return std::nullopt;
  step.predicted_ms = simulated.value().makespan_ms;
  for (std::size_t rank = 0; rank < measured.actions.size(); ++rank) {
    if (measured.actions[rank].empty()) continue;
    auto& actions = step.predicted[measured.workers[rank]];
    actions = measured.actions[rank];
    for (std::size_t at = 0; at < actions.size(); ++at) {
      const SimulatedAction& times = simulated.value().ranks[rank].actions[at];
      actions[at].begin_ms = first_ms + times.start_ms;
      actions[at].end_ms = first_ms + times.end_ms;
    }
  }
  return step;
}

}  // namespace

void StepPredictions::add_view(const Json& event) {
  if (event.value("event", "") != "view" || !event.contains("layout")) return;
  auto layout = layout_from_json(event.at("layout"), "view");
  if (layout) layouts_[event.at("view").get<std::int64_t>()] = std::move(layout).value();
}

bool StepPredictions::add_span(const Json& span) {
  if (span.at("kind") != "action" || !span.contains("action") || !span.contains("chunk")) {
    return false;
  }
  const double end_ms = span.at("t_ms").get<double>();
  measured_[{span.at("step").get<std::int64_t>(), span.value("view", std::int64_t{0})}]
           [span.at("worker").get<std::int64_t>()]
               .push_back({span.at("action").get_ref<const std::string&>().front(),
                           span.at("chunk").get<int>(), span.at("micro_batch").get<int>(),
                           end_ms - span.at("ms").get<double>(), end_ms});
  return true;
}

std::vector<PredictedStep> StepPredictions::predicted() const {
  std::vector<PredictedStep> all;
  for (const auto& [key, by_worker] : measured_) {
    const auto layout = layouts_.find(std::get<1>(key));
    if (layout == layouts_.end()) continue;
    for (std::size_t i = 0; i < layout->second.pipelines.size(); ++i) {
      const auto joined = joined_with(layout->second, static_cast<int>(i));
      if (joined.front() != static_cast<int>(i)) continue;
      const auto measured = schedule_of(layout->second, joined, by_worker);
      if (!measured) continue;
      auto step = predict(*measured);
      if (!step) continue;
      step->step = std::get<0>(key);
      step->pipeline = static_cast<int>(i);
      all.push_back(std::move(*step));
    }
  }
  return all;
}

}  // namespace planaria::host
