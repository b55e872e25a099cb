#include "protocol/cluster.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>

#include <fmt/format.h>

#include <planaria/base/random.hpp>

#include "protocol/cluster_watch.hpp"
#include "protocol/toy_process.hpp"

namespace planaria::protocol {
namespace {

using Bytes = std::vector<std::byte>;
using Kind = ClusterFault::Kind;

constexpr int deliveries_max = 400'000;
constexpr Milliseconds alive_every{100};
constexpr Milliseconds tick_every{50};

template <class T>
T take(std::deque<T>& queue) {
  T front = std::move(queue.front());
  queue.pop_front();
  return front;
}

// A process, and its connection to the coordinator.
struct Process {
  bool alive = true;
  bool stopped = false;
  bool duplicates = false;
  std::uint64_t connection = 0;
  std::optional<WorkerId> worker;  // as the coordinator knows it
  agent::AgentState agent;
  std::unique_ptr<ToyProcess> toy;
  std::optional<agent::Finish> end;
  Instant alive_due;
  std::deque<agent::Input> local;  // results of its compute thread, and what it noticed
  std::deque<Bytes> from_coordinator;
  std::map<std::size_t, std::deque<std::pair<WorkerId, ToyFrame>>> from_peers;  // by process
  std::set<std::size_t> links;  // processes that it is connected to
};

// What a connection brings to the coordinator.
struct Line {
  std::size_t process = 0;
  std::deque<Bytes> messages;
  bool ends = false;    // after the messages
  bool closed = false;  // by the coordinator
};

class Cluster {
 public:
  explicit Cluster(const ClusterOptions& options)
      : options_(options),
        random_(options.seed),
        state_(options.coordinator),
        watch_(options, report_) {
    const int count = options.coordinator.workers + options.coordinator.spares;
    for (int i = 0; i < count; ++i) start_process(i);
  }

  ClusterReport run() {
    std::size_t next_fault = 0;
    while (report_.deliveries < deliveries_max && report_.broken.empty() && !over()) {
      while (next_fault < options_.faults.size() &&
             options_.faults[next_fault].before_delivery <= report_.deliveries) {
        strike(options_.faults[next_fault++]);
      }
      pass_time();
      auto possible = deliveries();
      if (possible.empty()) {
        if (!skip_time(next_fault)) break;
        continue;
      }
      ++report_.deliveries;
      now_ = now_ + Milliseconds{options_.ms_per_delivery};
      possible[random_.below(possible.size())]();
      watch_.after_delivery(state_, stores());
    }
    finish_checks();
    return std::move(report_);
  }

 private:
  void story(const std::string& who, const std::string& what) {
    if (!options_.tell_story) return;
    report_.story.push_back(fmt::format("{:8.1f} ms  {:<14} {}", now_.since_start_ms, who, what));
  }

  // ---- time

  void pass_time() {
    for (Process& process : processes_) {
      const bool speaks = process.alive && !process.stopped && !process.end && process.worker;
      if (!speaks || now_ < process.alive_due) continue;
      process.alive_due = now_ + alive_every;
      lines_[process.connection].messages.push_back(encode(Alive{}));
    }
    if (now_ < tick_due_) return;
    tick_due_ = now_ + tick_every;
    to_coordinator(Tick{});
  }

  // Nothing is under way: time goes on to what is due next.
  bool skip_time(std::size_t next_fault) {
    if (next_fault < options_.faults.size()) {
      report_.deliveries = options_.faults[next_fault].before_delivery;
      return true;
    }
    if (++idle_rounds_ > 2000) return false;
    now_ = now_ + Milliseconds{10};
    return true;
  }

  // Everything that may happen next: the head of each queue.
  std::vector<std::function<void()>> deliveries() {
    std::vector<std::function<void()>> possible;
    for (auto& [connection, line] : lines_) {
      if (line.closed) continue;
      if (!line.messages.empty()) {
        possible.emplace_back([this, id = connection] { deliver_to_coordinator(id); });
      } else if (line.ends) {
        possible.emplace_back([this, id = connection] { connection_ended(id); });
      }
    }
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      Process& process = processes_[i];
      if (!process.alive || process.stopped || process.end) continue;
      if (!process.from_coordinator.empty()) {
        possible.emplace_back([this, i] { deliver_from_coordinator(i); });
      }
      // Who is no member by then finds nobody there any more.
      if (report_.outcome && process.from_coordinator.empty() && process.local.empty()) {
        possible.emplace_back([this, i] { to_agent(i, agent::CoordinatorLost{"it has left"}); });
      }
      if (!process.local.empty()) {
        possible.emplace_back([this, i] { to_agent(i, take(processes_[i].local)); });
      }
      for (auto& [peer, frames] : process.from_peers) {
        if (frames.empty()) continue;
        possible.emplace_back([this, i, from = peer] {
          const auto [worker, frame] = take(processes_[i].from_peers[from]);
          processes_[i].toy->frame_arrived(worker, frame);
        });
      }
    }
    // Compute threads last, and only one of those that can do anything: most wait.
    std::vector<std::size_t> idle;
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      if (processes_[i].alive && !processes_[i].stopped && !processes_[i].end) idle.push_back(i);
    }
    if (!possible.empty() && random_.below(3) != 0) return possible;
    while (!idle.empty()) {
      const std::size_t chosen = random_.below(idle.size());
      const Process& process = processes_[idle[chosen]];
      if (process.toy->work()) {
        if (process.worker) {
          watch_.stands(*process.worker, process.toy->level());
        }
        watch_.after_delivery(state_, stores());
        ++report_.deliveries;
        return deliveries_after_work();
      }
      idle.erase(idle.begin() + static_cast<std::ptrdiff_t>(chosen));
    }
    return possible;
  }
  static std::vector<std::function<void()>> deliveries_after_work() {
    return {[] {}};
  }

  // ---- processes

  void start_process(int wanted) {
    const std::size_t index = processes_.size();
    processes_.emplace_back();
    begin_process(index, wanted);
  }

  void begin_process(std::size_t index, int wanted) {
    Process& process = processes_[index];
    process.connection = next_connection_++;
    lines_[process.connection] = {index, {}, false, false};
    process.worker.reset();
    process.toy = std::make_unique<ToyProcess>(options_.spec, world_of(index));
    const Join join{options_.spec, fmt::format("host:{}:{}", index, process.connection),
                    WorkerId{wanted}, static_cast<std::int64_t>(index)};
    to_agent(index, agent::Start{join});
  }

  ToyProcess::World world_of(std::size_t index) {
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
  std::optional<std::size_t> process_called(WorkerId worker) const {
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      const auto& name =
          processes_[i].agent.worker ? processes_[i].agent.worker : processes_[i].worker;
      if (name == worker) return i;
    }
    return std::nullopt;
  }

  // Who listens there: a process that joins anew has another address.
  std::optional<std::size_t> process_at(const std::string& address) const {
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      if (fmt::format("host:{}:{}", i, processes_[i].connection) == address) return i;
    }
    return std::nullopt;
  }

  bool connect(std::size_t index, const Member& member) {
    const auto peer = process_at(member.address);
    if (!peer || !processes_[*peer].alive || processes_[*peer].end) return false;
    if (cut_.contains(std::minmax(index, *peer))) return false;
    processes_[index].links.insert(*peer);
    processes_[*peer].links.insert(index);
    return true;
  }

  void unlink(std::size_t a, std::size_t b, const std::string& why) {
    for (const auto& [from, to] : {std::pair{a, b}, std::pair{b, a}}) {
      Process& process = processes_[to];
      if (process.links.erase(from) == 0) continue;
      const auto& gone = processes_[from];
      const auto worker = gone.agent.worker ? gone.agent.worker : gone.worker;
      if (process.alive && worker) process.local.emplace_back(agent::PeerLost{*worker, why});
    }
  }

  void unlink_all(std::size_t index, const std::string& why) {
    const auto links = processes_[index].links;
    for (const std::size_t peer : links) unlink(index, peer, why);
    for (Process& other : processes_) other.from_peers.erase(index);
    processes_[index].from_peers.clear();
  }

  void strike(const ClusterFault& fault) {
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

  void crash(std::size_t index) {
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

  // ---- the coordinator

  void deliver_to_coordinator(std::uint64_t connection) {
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

  std::optional<WorkerId> worker_of(std::uint64_t connection) const {
    const auto found = admitted_.find(connection);
    return found == admitted_.end() ? std::nullopt : std::optional(found->second);
  }

  void connection_ended(std::uint64_t connection) {
    lines_[connection].closed = true;
    const auto worker = worker_of(connection);
    const bool joining = state_.phase == CoordinatorState::Phase::joining;
    if (worker) to_coordinator(WorkerLost{*worker, "killed"});
    if (joining) start_process(-2);  // the launcher starts another
  }

  void to_coordinator(const Input& input) {
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
  Process* process_of(WorkerId worker) {
    for (const auto& [connection, admitted] : admitted_) {
      if (admitted != worker || lines_[connection].closed) continue;
      Process& process = processes_[lines_[connection].process];
      return process.connection == connection ? &process : nullptr;
    }
    return nullptr;
  }

  void carry_out(const Admit& admit) {
    admitted_[admit.connection] = admit.worker;
    processes_[lines_[admit.connection].process].worker = admit.worker;
  }
  void carry_out(const TurnAway& turned) {
    processes_[lines_[turned.connection].process].from_coordinator.push_back(
        encode(Refuse{turned.why}));
  }
  void carry_out(const Send& send) {
    watch_.sent(send.message, state_, stores());
    Process* process = process_of(send.to);
    if (process != nullptr) process->from_coordinator.push_back(encode(send.message));
  }
  void carry_out(const Disconnect& disconnect) {
    for (const auto& [connection, admitted] : admitted_) {
      if (admitted == disconnect.worker) lines_[connection].closed = true;
    }
  }
  void carry_out(const Emit& emit) {
    report_.events.push_back(emit.event);
    watch_.event(emit.event, state_, stores());
  }
  void carry_out(const SpecFixed&) {
    if (std::exchange(spec_fixed_, true)) watch_.breaks("the spec was fixed twice");
  }
  void carry_out(const LedgerLine& line) { watch_.ledger(line); }
  void carry_out(const StoreModel& store) {
    report_.stored = store.layers;
    if (!store.holders_agree) watch_.breaks("holders differ at the end");
    layers_stored_ = 0;
  }
  void carry_out(const LayerStored& stored) {
    if (stored.layer.value != layers_stored_) watch_.breaks("layers are not stored in order");
    if (++layers_stored_ == static_cast<int>(report_.stored.size())) to_coordinator(ModelStored{});
  }
  void carry_out(const Finish& finish) {
    if (report_.outcome) watch_.breaks("the coordinator finished twice");
    report_.outcome = finish;
    if (layers_stored_ < static_cast<int>(report_.stored.size())) report_.stored.clear();
  }

  // ---- the agents

  void deliver_from_coordinator(std::size_t index) {
    const auto message = decode(take(processes_[index].from_coordinator));
    if (!message) return watch_.breaks(message.fault().sentence);
    to_agent(index, agent::FromCoordinator{message.value()});
  }

  void to_agent(std::size_t index, const agent::Input& input) {
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

  template <class Queued>
  void carry_out(std::size_t index, const Queued& command) {
    if constexpr (std::is_same_v<Queued, agent::Apply>) {
      watch_.applied(*processes_[index].agent.worker, command.record);
    }
    processes_[index].toy->queue(command);
  }
  void carry_out(std::size_t index, const agent::TellEvaluation& told) {
    watch_.evaluated(told.evaluation);
    processes_[index].toy->evaluation_told(told.evaluation);
  }
  void carry_out(std::size_t index, const agent::SendMessage& send) {
    const Process& process = processes_[index];
    Line& line = lines_[process.connection];
    if (process.alive && !line.closed) line.messages.push_back(encode(send.message));
  }
  void carry_out(std::size_t index, const agent::Abort& abort) {
    processes_[index].toy->abort(abort.view);
  }
  // It leaves as a worker and comes back as another.
  void carry_out(std::size_t index, const agent::Rejoin&) {
    unlink_all(index, "it left");
    lines_[processes_[index].connection].closed = true;
    processes_[index].from_coordinator.clear();
    processes_[index].local.clear();
    std::erase_if(cut_,
                  [&](const auto& pair) { return pair.first == index || pair.second == index; });
    begin_process(index, -2);
  }
  void carry_out(std::size_t index, const agent::Finish& finish) {
    if (processes_[index].end) watch_.breaks("an agent finished twice");
    processes_[index].end = finish;
    lines_[processes_[index].connection].ends = true;
  }

  // ---- the watch from outside

  std::map<WorkerId, const ToyStore*> stores() const {
    std::map<WorkerId, const ToyStore*> stores;
    for (const Process& process : processes_) {
      if (process.alive && process.worker) stores[*process.worker] = &process.toy->store();
    }
    return stores;
  }

  bool over() const {
    if (!report_.outcome) return false;
    return std::ranges::all_of(processes_, [](const Process& process) {
      return !process.alive || process.stopped || process.end;
    });
  }

  void finish_checks() {
    if (!report_.outcome) return watch_.breaks("the coordinator never finished");
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      const Process& process = processes_[i];
      if (!process.alive || process.stopped) continue;
      if (!process.end) return watch_.breaks(fmt::format("process {} never finished", i));
    }
    watch_.at_end();
  }

  const ClusterOptions& options_;
  Random random_;
  CoordinatorState state_;
  ClusterReport report_;
  ClusterWatch watch_;
  Instant now_;
  Instant tick_due_;
  int idle_rounds_ = 0;
  std::deque<Process> processes_;  // references stay while it grows
  std::map<std::uint64_t, Line> lines_;
  std::map<std::uint64_t, WorkerId> admitted_;
  std::set<std::pair<std::size_t, std::size_t>> cut_;
  std::uint64_t next_connection_ = 1;
  int layers_stored_ = 0;
  bool spec_fixed_ = false;
};

}  // namespace

ClusterReport run_cluster(const ClusterOptions& options) {
  return Cluster(options).run();
}

}  // namespace planaria::protocol
