// Processes, what befalls them, and their agents.
#include "protocol/simulated_cluster.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace planaria::protocol {
namespace {

using Kind = ClusterFault::Kind;

}  // namespace

void Cluster::start_process(int wanted) {
  const std::size_t index = processes_.size();
  processes_.emplace_back();
  begin_process(index, wanted);
}

void Cluster::begin_process(std::size_t index, int wanted) {
  Process& process = processes_[index];
  process.connection = next_connection_++;
  lines_[process.connection] = {index, {}, false, false};
  process.worker.reset();
  process.toy = std::make_unique<ToyProcess>(options_.spec, world_of(index));
  const Join join{options_.spec, fmt::format("host:{}:{}", index, process.connection),
                  WorkerId{wanted}, static_cast<std::int64_t>(index)};
  to_agent(index, agent::Start{join});
}

ToyProcess::World Cluster::world_of(std::size_t index) {
  return {
      .send =
          [this, index](WorkerId to, const ToyFrame& frame) {
            if (frame.kind == ToyFrame::Kind::state) {
              const WorkerId self = *processes_[index].agent.worker;
              watch_.state_sent({frame.layer, self, to}, frame.step);
            }
            const auto peer = process_called(to);
            if (!peer || !processes_[index].links.contains(*peer)) return;
            processes_[*peer].from_peers[index].emplace_back(*processes_[index].agent.worker,
                                                             frame);
          },
      .connect = [this, index](const Member& member) { return connect(index, member); },
      .may_send =
          [this, index](WorkerId worker) {
            const auto peer = process_called(worker);
            if (!peer) return false;
            Process& process = processes_[index];
            return process.links.contains(*peer) || !process.from_peers[*peer].empty();
          },
      .tell_agent =
          [this, index](const agent::Input& input) { processes_[index].local.push_back(input); },
      .throws =
          [this](Step step, MicroBatchId micro_batch, LayerId layer) {
            const auto& planned = options_.throws;
            const bool here = planned && planned->step == step &&
                              planned->micro_batch == micro_batch && planned->layer == layer;
            const bool throws = here && report_.thrown < planned->times;
            report_.thrown += throws ? 1 : 0;
            return throws;
          },
      .evaluates =
          [this](Step level) {
            const int every = options_.evaluate_every;
            return every > 0 && level.value % every == 0;
          },
      .breaks = [this](const std::string& what) { watch_.breaks(what); },
      .computed = [this](Step step, MicroBatchId micro_batch,
                         LayerId layer) { watch_.computed(step, micro_batch, layer); },
  };
}

// The process that calls itself so, alive or not.
std::optional<std::size_t> Cluster::process_called(WorkerId worker) const {
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    const auto& name =
        processes_[i].agent.worker ? processes_[i].agent.worker : processes_[i].worker;
    if (name == worker) return i;
  }
  return std::nullopt;
}

// Who listens there: a process that joins anew has another address.
std::optional<std::size_t> Cluster::process_at(const std::string& address) const {
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    if (fmt::format("host:{}:{}", i, processes_[i].connection) == address) return i;
  }
  return std::nullopt;
}

bool Cluster::connect(std::size_t index, const Member& member) {
  const auto peer = process_at(member.address);
  if (!peer || !processes_[*peer].alive || processes_[*peer].end) return false;
  if (cut_.contains(std::minmax(index, *peer))) return false;
  processes_[index].links.insert(*peer);
  processes_[*peer].links.insert(index);
  return true;
}

void Cluster::unlink(std::size_t a, std::size_t b, const std::string& why) {
  for (const auto& [from, to] : {std::pair{a, b}, std::pair{b, a}}) {
    Process& process = processes_[to];
    if (process.links.erase(from) == 0) continue;
    const auto& gone = processes_[from];
    const auto worker = gone.agent.worker ? gone.agent.worker : gone.worker;
    if (process.alive && worker) process.local.emplace_back(agent::PeerLost{*worker, why});
  }
}

void Cluster::unlink_all(std::size_t index, const std::string& why) {
  const auto links = processes_[index].links;
  for (const std::size_t peer : links) unlink(index, peer, why);
  for (Process& other : processes_) other.from_peers.erase(index);
  processes_[index].from_peers.clear();
}

void Cluster::strike(const ClusterFault& fault) {
  const auto index = static_cast<std::size_t>(fault.process);
  if (fault.kind == Kind::join) {
    story("fault", "another process starts");
    return start_process(-2);
  }
  if (fault.kind == Kind::signal) return to_coordinator(StopRequested{"signal 15"});
  if (index >= processes_.size()) return;
  Process& process = processes_[index];
  if (!process.alive || process.end) return;
  const std::string name = fmt::format("process {} (worker {})", index,
                                       process.agent.worker ? process.agent.worker->value : -1);
  switch (fault.kind) {
    case Kind::crash:
      story("fault", name + " is killed");
      return crash(index);
    case Kind::stop:
      story("fault", name + " is stopped");
      process.stopped = true;
      return;
    case Kind::go_on:
      if (process.stopped) story("fault", name + " goes on");
      process.stopped = false;
      process.alive_due = now_;
      return;
    case Kind::cut: {
      const auto other = static_cast<std::size_t>(fault.other);
      if (other >= processes_.size() || other == index) return;
      story("fault", fmt::format("{} and process {} are cut apart", name, other));
      cut_.insert(std::minmax(index, other));
      return unlink(index, other, "the connection broke");
    }
    default:
      process.duplicates = true;
      return;
  }
}

void Cluster::crash(std::size_t index) {
  Process& process = processes_[index];
  process.alive = false;
  Line& line = lines_[process.connection];
  // Some of what it sent last never left the machine.
  while (!line.messages.empty() && random_.below(3) == 0) line.messages.pop_back();
  line.ends = true;
  for (auto& other : processes_) {
    auto& frames = other.from_peers[index];
    while (!frames.empty() && random_.below(3) == 0) frames.pop_back();
  }
  const auto links = process.links;
  for (const std::size_t peer : links) unlink(index, peer, "killed");
}

void Cluster::deliver_from_coordinator(std::size_t index) {
  const auto message = decode(take(processes_[index].from_coordinator));
  if (!message) return watch_.breaks(message.fault().sentence);
  to_agent(index, agent::FromCoordinator{message.value()});
}

void Cluster::to_agent(std::size_t index, const agent::Input& input) {
  Process& process = processes_[index];
  const auto view_before = process.agent.view ? process.agent.view->view : ViewNumber{0};
  const auto decision = options_.agent_step(process.agent, input);
  if (decision.explanation.empty()) watch_.breaks("a decision of an agent is unexplained");
  story(fmt::format("  worker {}", process.agent.worker ? process.agent.worker->value : -1),
        decision.explanation);
  if (process.agent.view && process.agent.view->view < view_before) {
    watch_.breaks(
        fmt::format("process {} went back to view {}", index, process.agent.view->view.value));
  }
  if (process.agent.worker) process.toy->become(*process.agent.worker);
  for (const auto& command : decision.commands) {
    std::visit([&](const auto& known) { carry_out(index, known); }, command);
  }
}

void Cluster::carry_out(std::size_t index, const agent::TellEvaluation& told) {
  watch_.evaluated(told.evaluation);
  processes_[index].toy->evaluation_told(told.evaluation);
}

void Cluster::carry_out(std::size_t index, const agent::SendMessage& send) {
  const Process& process = processes_[index];
  Line& line = lines_[process.connection];
  if (process.alive && !line.closed) line.messages.push_back(encode(send.message));
}

void Cluster::carry_out(std::size_t index, const agent::Abort& abort) {
  processes_[index].toy->abort(abort.view);
}

// It leaves as a worker and comes back as another.
void Cluster::carry_out(std::size_t index, const agent::Rejoin&) {
  unlink_all(index, "it left");
  lines_[processes_[index].connection].closed = true;
  processes_[index].from_coordinator.clear();
  processes_[index].local.clear();
  std::erase_if(cut_,
                [&](const auto& pair) { return pair.first == index || pair.second == index; });
  begin_process(index, -2);
}

void Cluster::carry_out(std::size_t index, const agent::Finish& finish) {
  if (processes_[index].end) watch_.breaks("an agent finished twice");
  processes_[index].end = finish;
  lines_[processes_[index].connection].ends = true;
}

}  // namespace planaria::protocol
