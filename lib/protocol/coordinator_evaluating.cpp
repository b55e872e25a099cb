// An evaluation: forward only at a committed level, the mean over its samples in index order.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "protocol/coordinator_transitions.hpp"

namespace planaria::protocol {
namespace {

using Phase = CoordinatorState::Phase;

Fault wrong(Step level, const std::string& what) {
  return Fault::corrupt(fmt::format("evaluation at level {}: {}", level.value, what));
}

// Sums in the order of the micro-batches, each weighed by its samples: the last may be shorter.
Result<Evaluation> mean_of(const CoordinatorState& state, Step level) {
  std::map<MicroBatchId, double> losses;
  for (const auto& [worker, evaluated] : state.evaluated) {
    for (const MicroBatchLoss& loss : evaluated.losses) {
      if (!losses.emplace(loss.micro_batch, loss.loss).second) {
        return wrong(level, fmt::format("micro-batch {} was computed twice, by worker {} at last",
                                        loss.micro_batch.value, worker.value));
      }
    }
  }
  const RunSpec& spec = *state.spec;
  const int count = evaluation_micro_batches(spec);
  const bool complete = losses.size() == static_cast<std::size_t>(count) &&
                        (count == 0 || losses.rbegin()->first.value == count - 1);
  if (!complete) {
    return wrong(level, fmt::format("{} micro-batches were computed, must be 0 to {}",
                                    losses.size(), count - 1));
  }
  double sum = 0;
  std::int64_t left = spec.evaluation_samples;
  for (const auto& [micro_batch, loss] : losses) {
    const std::int64_t samples = std::min<std::int64_t>(spec.micro_batch_size, left);
    sum += loss * static_cast<double>(samples);
    left -= samples;
  }
  return Evaluation{level, sum / static_cast<double>(spec.evaluation_samples),
                    spec.evaluation_samples};
}

// The last layer's holders have the losses; they wait for nobody else.
bool all_evaluated(const CoordinatorState& state) {
  const auto holders = holders_of(state, LayerId{layer_count(state) - 1});
  return std::ranges::all_of(holders,
                             [&](WorkerId worker) { return state.evaluated.contains(worker); });
}

}  // namespace

int evaluation_micro_batches(const RunSpec& spec) {
  return static_cast<int>((spec.evaluation_samples + spec.micro_batch_size - 1) /
                          spec.micro_batch_size);
}

Decision on_evaluated(CoordinatorState& state, WorkerId from, const Evaluated& evaluated,
                      Instant now) {
  const auto what =
      fmt::format("evaluation of level {} by worker {}", evaluated.step.value, from.value);
  const bool training = state.phase == Phase::training;
  if (!training && state.phase != Phase::applying) {
    return ignored(what, fmt::format("the run is {}", name_of(state.phase)));
  }
  if (evaluated.view != state.view.view) {
    return ignored(what,
                   fmt::format("view {}, must be {}", evaluated.view.value, state.view.view.value));
  }
  if (!place_of(state.view.layout, from)) return ignored(what, "it is idle");
  const Step level = training ? Step{state.step.value - 1} : state.step;
  if (evaluated.step != level) {
    return ignored(what, fmt::format("the run is at level {}", level.value));
  }
  if (state.spec->evaluation_samples == 0) return ignored(what, "this run has no such samples");
  if (training && !state.reports.empty()) {
    return end_run(
        state, 1,
        fmt::format("worker {} evaluates level {}, worker {} went on to step {}: the "
                    "same steps must be evaluated on every worker",
                    from.value, level.value, state.reports.begin()->first.value, state.step.value));
  }
  state.evaluated[from] = evaluated;
  if (!all_evaluated(state)) return {{}, what + ": others are not done"};
  auto mean = mean_of(state, level);
  state.evaluated.clear();
  if (!mean) return end_run(state, 1, mean.fault().sentence);
  const Evaluation& evaluation = mean.value();
  Decision decision;
  send_to_all(state, evaluation, decision);
  decision.commands.emplace_back(
      Emit{Event{now,
                 state.view.view,
                 level,
                 "evaluated",
                 {{"loss", evaluation.loss}, {"samples", evaluation.samples}}}});
  decision.explanation = fmt::format("level {} evaluated: loss {}", level.value, evaluation.loss);
  return decision;
}

}  // namespace planaria::protocol
