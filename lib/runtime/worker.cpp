// The training loop's calls: each step is seen once, whatever becomes of it meanwhile.
#include "runtime/worker.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <planaria/base/check.hpp>

#include "runtime/process.hpp"

namespace planaria::runtime {

namespace agent = protocol::agent;

void Worker::join() {
  if (const auto connected = connect_to_coordinator(); !connected) {
    outcome_ = outcome_of(connected.fault());
    return;
  }
  while (!outcome_ && !built_) do_again(wait_for_command());
}

std::optional<Step> Worker::begin_step() {
  while (!outcome_) {
    const agent::Command command = wait_for_command();
    const auto* next = std::get_if<agent::Compute>(&command);
    if (next != nullptr && next->step > done_ && !stale(*next)) {
      return current_ = shown_step_ = next->step;
    }
    do_again(command);
  }
  return std::nullopt;
}

void Worker::forward_backward() {
  while (!outcome_) {
    const agent::Command command = wait_for_command();
    const auto* next = std::get_if<agent::Compute>(&command);
    if (next != nullptr && !stale(*next)) {
      if (next->step > current_) return;  // the run went on without this worker
      if (next->step == current_) {
        drop_command();
        if (compute(*next)) return;
        continue;
      }
    }
    do_again(command);
  }
}

std::optional<StepMetrics> Worker::commit(double rate) {
  if (report_) report(rate);
  while (!outcome_) {
    const agent::Command command = [&] {
      const auto span = spans_.measure("commit");
      return wait_for_command();
    }();
    if (const auto* apply = std::get_if<agent::Apply>(&command);
        apply != nullptr && apply->record.step == current_) {
      drop_command();
      if (auto metrics = carry_out(*apply)) return metrics;
      continue;  // it failed: the end comes
    }
    const auto* next = std::get_if<agent::Compute>(&command);
    if (next != nullptr && !stale(*next)) {
      if (next->step > current_) return std::nullopt;
      if (next->step == current_) {
        drop_command();
        if (compute(*next)) report(rate);
        continue;
      }
    }
    do_again(command);
  }
  return std::nullopt;
}

std::optional<EvaluationMetrics> Worker::evaluate() {
  const Step level = done_;
  while (!outcome_) {
    // At this level the next step, or the end, is what waits: only then do all evaluate together.
    // After a view change that is so once the view has begun, where need be after doing steps
    // again.
    const agent::Command command = wait_for_command();
    const auto* next = std::get_if<agent::Compute>(&command);
    const bool step_waits = next != nullptr && !stale(*next);
    if (step_waits && next->step > level.next()) return std::nullopt;  // joined anew, later
    const bool end_waits = std::holds_alternative<agent::HandOver>(command) && !aborted_;
    if (!(step_waits && next->step == level.next()) && !end_waits) {
      do_again(command);
      continue;
    }
    deliver(agent::EvaluationStarted{level});
    auto evaluated = executor_->evaluate(level);
    if (!evaluated) {
      tell_fault(evaluated.fault());
    } else if (stage_->holds_last()) {
      deliver(agent::EvaluationComputed{std::move(evaluated).value()});
    }
    if (auto found = wait_for_evaluation(level)) return found;
  }
  return std::nullopt;
}

// Nothing where the view is given up first.
std::optional<EvaluationMetrics> Worker::wait_for_evaluation(Step level) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return aborted_ || evaluations_.contains(level); });
  const auto found = evaluations_.find(level);
  if (found == evaluations_.end()) return std::nullopt;
  const EvaluationMetrics metrics{level, found->second.loss, found->second.samples, self_};
  evaluations_.erase(evaluations_.begin(), std::next(found));
  return metrics;
}

void Worker::fail(const std::string& why) {
  if (outcome_) return;
  tell_fault(Fault::unavailable(why));
  while (!outcome_) do_again(wait_for_command());
}

// The oldest command stays in the queue until drop_command(): the loop may do something else first.
agent::Command Worker::wait_for_command() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !commands_.empty(); });
  return commands_.front();
}

void Worker::drop_command() {
  const std::lock_guard lock(mutex_);
  commands_.pop_front();
}

bool Worker::stale(const agent::Compute& command) {
  const std::lock_guard lock(mutex_);
  return command.view < floor_;
}

// Carries out and drops what the loop must not see: what needs no step, and steps that it has seen
// before.
void Worker::do_again(const agent::Command& command) {
  drop_command();
  if (const auto* next = std::get_if<agent::Compute>(&command)) {
    if (stale(*next)) return;
    check(next->step <= done_, "a step that the loop has to compute was taken from it");
    if (compute(*next)) report(0);
  } else if (const auto* apply = std::get_if<agent::Apply>(&command)) {
    static_cast<void>(carry_out(*apply));
  } else {
    carry_out_between_steps(command);
  }
}

void Worker::carry_out_between_steps(const agent::Command& command) {
  if (const auto* finish = std::get_if<agent::Finish>(&command)) {
    outcome_ = {finish->status, finish->sentence};
  } else if (const auto* connect = std::get_if<agent::Connect>(&command)) {
    carry_out(*connect);
  } else if (const auto* prepare = std::get_if<agent::Prepare>(&command)) {
    carry_out(*prepare);
  } else if (const auto* hand_over = std::get_if<agent::HandOver>(&command)) {
    carry_out(*hand_over);
  } else if (const auto* rejoin = std::get_if<agent::Rejoin>(&command)) {
    carry_out(*rejoin);
  } else if (const auto* copies = std::get_if<agent::SendCopies>(&command)) {
    carry_out(*copies);
  } else {
    carry_out(std::get<agent::SendLayerState>(command));
  }
}

// True once this worker's part is computed; the record, or another view, comes.
bool Worker::compute(const agent::Compute& command) {
  deliver(agent::StepStarted{command.step});
  shown_step_ = command.step;
  if (!executor_->computes()) strike(host::FaultPhase::idle, command.step);
  auto computed = executor_->compute(command.step, command.salvage);
  if (computed) {
    report_ = std::move(computed).value();
  } else {
    tell_fault(computed.fault());
  }
  return report_.has_value();
}

void Worker::report(double rate) {
  protocol::Report report = *std::exchange(report_, std::nullopt);
  const Step step = shown_step_;
  report.rate = rate;
  if (executor_->computes()) deliver(agent::Computed{std::move(report)});
  strike(host::FaultPhase::reported, step);
  if (executor_->shadows()) receive_shadows(step);
}

void Worker::receive_shadows(Step step) {
  const auto span = spans_.measure("shadow");
  install_arrived();
  if (!stage_->filling().empty()) strike(host::FaultPhase::fill, step);
  auto report = executor_->receive_shadows(step);
  if (report) {
    deliver(agent::Shadowed{std::move(report).value()});
  } else {
    // A sender that is lost: another view comes, or a record that does not need this worker.
    tell_fault(report.fault());
  }
}

void Worker::tell_fault(const Fault& fault) {
  // A lost peer, an abort or a passed view is known to the agent by another way and needs no
  // answer.
  if (aborted_ || fault.kind == FaultKind::peer_lost || fault.kind == FaultKind::stale_view ||
      fault.kind == FaultKind::cancelled) {
    return;
  }
  protocol::Failed failed{fault.sentence, fault.kind};
  if (executor_ != nullptr && executor_->failure()) failed = *executor_->failure();
  if (stage_ != nullptr && stage_->failure()) failed = *stage_->failure();
  deliver(agent::WorkerFailed{std::move(failed)});
}

}  // namespace planaria::runtime
