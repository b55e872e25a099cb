// An evaluation: forward only at a committed level, the mean over its samples in index order.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include <planaria/model/sample_order.hpp>

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
  const EvaluationOrder order{spec.dataset_samples, spec.evaluation_samples, spec.micro_batch_size};
  const int count = order.micro_batches();
  const bool complete = losses.size() == static_cast<std::size_t>(count) &&
                        (count == 0 || losses.rbegin()->first.value == count - 1);
  if (!complete) {
    return wrong(level, fmt::format("{} micro-batches were computed, must be 0 to {}",
                                    losses.size(), count - 1));
  }
  double sum = 0;
  for (const auto& [micro_batch, loss] : losses) {
    sum += loss * static_cast<double>(order.size_of(micro_batch));
  }
  return Evaluation{level, sum / static_cast<double>(spec.evaluation_samples),
                    spec.evaluation_samples};
}

// The level of every layer: of the step before the one in flight, or of the last.
Step level_of(const CoordinatorState& state) {
  const bool ended = state.phase == Phase::applying || state.phase == Phase::storing;
  return ended ? state.step : Step{state.step.value - 1};
}

// The last layer's holders have the losses; they wait for nobody else.
bool all_evaluated(const CoordinatorState& state) {
  const auto holders = active_on(state, LayerId{layer_count(state) - 1});
  return std::ranges::all_of(holders,
                             [&](WorkerId worker) { return state.evaluated.contains(worker); });
}

}  // namespace

// Nobody begins a view after the last record only to evaluate it again.
void give_up_evaluation_if_broken(CoordinatorState& state, Decision& decision) {
  const bool waited_for = state.phase == Phase::applying && !state.halted &&
                          state.evaluating == state.step &&
                          !state.evaluations.contains(state.step) && !state.evaluation_given_up;
  const bool whole = std::ranges::all_of(
      active_workers(state), [&](WorkerId worker) { return state.members.contains(worker); });
  if (!waited_for || whole) return;
  state.evaluation_given_up = true;
  state.evaluated.clear();
  state.applied.clear();
  const auto why = fmt::format(
      "the evaluation of level {}, the last, is given up: a worker that "
      "computes it is gone",
      state.step.value);
  send_to_all(state, Halt{why}, decision);
  decision.explanation += "; " + why;
}

Decision on_evaluating(CoordinatorState& state, WorkerId from, const Evaluating& evaluating) {
  const auto what = fmt::format("worker {} evaluates level {}", from.value, evaluating.step.value);
  // A loop that came in while steps were done again is behind the others'.
  if (const auto told = state.evaluations.find(evaluating.step); told != state.evaluations.end()) {
    return {{Send{from, told->second}}, what + ", which is known"};
  }
  if (evaluating.view != state.view.view || evaluating.step != level_of(state)) {
    return ignored(what, fmt::format("the run is at level {}", level_of(state).value));
  }
  if (state.evaluating == evaluating.step) return {{}, what + ", as others do"};
  state.evaluating = evaluating.step;
  Decision decision{{}, what + ": everybody hears of it"};
  send_to_all(state, EvaluationBegun{evaluating.step, from}, decision);
  give_up_evaluation_if_broken(state, decision);
  return decision;
}

Decision on_evaluated(CoordinatorState& state, WorkerId from, const Evaluated& evaluated,
                      Instant now) {
  const auto what =
      fmt::format("evaluation of level {} by worker {}", evaluated.step.value, from.value);
  if (state.phase != Phase::training && state.phase != Phase::applying) {
    return ignored(what, fmt::format("the run is {}", name_of(state.phase)));
  }
  if (evaluated.view != state.view.view) {
    return ignored(what,
                   fmt::format("view {}, must be {}", evaluated.view.value, state.view.view.value));
  }
  if (!place_of(state.view.layout, from)) return ignored(what, "it is idle");
  const Step level = level_of(state);
  if (evaluated.step != level) {
    return ignored(what, fmt::format("the run is at level {}", level.value));
  }
  if (state.spec->evaluation_samples == 0) return ignored(what, "this run has no such samples");
  if (state.evaluation_given_up) return ignored(what, "it is given up");
  state.evaluated[from] = evaluated;
  if (!all_evaluated(state)) return {{}, what + ": others are not done"};
  auto mean = mean_of(state, level);
  state.evaluated.clear();
  if (!mean) return end_run(state, 1, mean.fault().sentence);
  const Evaluation& evaluation = mean.value();
  state.evaluations[level] = evaluation;
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
