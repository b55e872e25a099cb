// The coordinator, its connections and its commands.
#include "protocol/simulated_cluster.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace planaria::protocol {

void Cluster::deliver_to_coordinator(std::uint64_t connection) {
  Line& line = lines_[connection];
  Process& process = processes_[line.process];
  const Bytes bytes = take(line.messages);
  const auto message = decode(bytes);
  if (!message) return watch_.breaks(message.fault().sentence);
  const int times = std::exchange(process.duplicates, false) ? 2 : 1;
  const auto worker = worker_of(connection);
  for (int i = 0; i < times; ++i) {
    if (worker) {
      to_coordinator(Received{*worker, message.value()});
    } else if (const auto* join = std::get_if<Join>(&message.value())) {
      to_coordinator(JoinRequest{connection, *join});
      return;
    } else {
      return watch_.breaks(fmt::format("process {} sent a {} before it joined", line.process,
                                       name_of(message.value())));
    }
    if (lines_[connection].closed) return;
  }
}

std::optional<WorkerId> Cluster::worker_of(std::uint64_t connection) const {
  const auto found = admitted_.find(connection);
  return found == admitted_.end() ? std::nullopt : std::optional(found->second);
}

void Cluster::connection_ended(std::uint64_t connection) {
  lines_[connection].closed = true;
  const auto worker = worker_of(connection);
  const bool joining = state_.phase == CoordinatorState::Phase::joining;
  if (worker) to_coordinator(WorkerLost{*worker, "killed"});
  if (joining) start_process(-2);  // the launcher starts another
}

void Cluster::to_coordinator(const Input& input) {
  const bool over = state_.phase == CoordinatorState::Phase::finished;
  const Decision decision = options_.coordinator_step(state_, input, now_);
  if (decision.explanation.empty()) watch_.breaks("a decision of the coordinator is unexplained");
  if (over && !decision.commands.empty()) watch_.breaks("the coordinator went on after its end");
  if (!std::holds_alternative<Tick>(input) || !decision.commands.empty()) {
    story("coordinator", decision.explanation);
  }
  if (decision.explanation.ends_with("counts, though it is late")) ++report_.late_fills;
  for (const Command& command : decision.commands) {
    std::visit([this](const auto& known) { carry_out(known); }, command);
  }
}

// The process that the coordinator means, over the connection that it was admitted on.
Process* Cluster::process_of(WorkerId worker) {
  for (const auto& [connection, admitted] : admitted_) {
    if (admitted != worker || lines_[connection].closed) continue;
    Process& process = processes_[lines_[connection].process];
    return process.connection == connection ? &process : nullptr;
  }
  return nullptr;
}

void Cluster::carry_out(const Admit& admit) {
  admitted_[admit.connection] = admit.worker;
  processes_[lines_[admit.connection].process].worker = admit.worker;
}

void Cluster::carry_out(const TurnAway& turned) {
  processes_[lines_[turned.connection].process].from_coordinator.push_back(
      encode(Refuse{turned.why}));
}

void Cluster::carry_out(const Send& send) {
  watch_.sent(send.message, state_, stores());
  Process* process = process_of(send.to);
  if (process != nullptr) process->from_coordinator.push_back(encode(send.message));
}

void Cluster::carry_out(const Disconnect& disconnect) {
  for (const auto& [connection, admitted] : admitted_) {
    if (admitted == disconnect.worker) lines_[connection].closed = true;
  }
}

void Cluster::carry_out(const Emit& emit) {
  report_.events.push_back(emit.event);
  watch_.event(emit.event, state_, stores());
}

void Cluster::carry_out(const SpecFixed&) {
  if (std::exchange(spec_fixed_, true)) watch_.breaks("the spec was fixed twice");
}

void Cluster::carry_out(const LedgerLine& line) {
  watch_.ledger(line);
}

void Cluster::carry_out(const StoreModel& store) {
  report_.stored = store.layers;
  if (!store.holders_agree) watch_.breaks("holders differ at the end");
  layers_stored_ = 0;
}

void Cluster::carry_out(const LayerStored& stored) {
  if (stored.layer.value != layers_stored_) watch_.breaks("layers are not stored in order");
  if (++layers_stored_ == static_cast<int>(report_.stored.size())) to_coordinator(ModelStored{});
}

void Cluster::carry_out(const Finish& finish) {
  if (report_.outcome) watch_.breaks("the coordinator finished twice");
  report_.outcome = finish;
  if (layers_stored_ < static_cast<int>(report_.stored.size())) report_.stored.clear();
}

}  // namespace planaria::protocol
