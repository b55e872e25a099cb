#include "protocol/cluster.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include <fmt/format.h>

#include <planaria/base/random.hpp>

#include "protocol/toy_worker.hpp"

namespace planaria::protocol {
namespace {

using Bytes = std::vector<std::byte>;

struct Process {
  bool alive = true;
  bool gone = false;               // the coordinator has seen the end of its connection
  std::optional<WorkerId> worker;  // once admitted
  agent::AgentState agent;
  ToyWorker toy;
  std::optional<agent::Finish> end;
  std::deque<Bytes> to_coordinator;
  std::deque<Bytes> from_coordinator;
  std::deque<agent::Input> local;    // its compute thread's results, in order
  std::deque<agent::Input> noticed;  // peers it has seen vanish
};

class Cluster {
 public:
  explicit Cluster(const ClusterOptions& options)
      : options_(options), random_(options.seed), state_(options.coordinator) {
    for (int i = 0; i < options.coordinator.workers; ++i) start_process(i);
  }

  ClusterReport run() {
    while (report_.deliveries < 100'000) {
      if (options_.lost_process && report_.deliveries == options_.lost_before_delivery) {
        lose(static_cast<std::size_t>(*options_.lost_process));
      }
      if (options_.stop_before_delivery == report_.deliveries) {
        to_coordinator(StopRequested{"signal 15"});
      }
      auto possible = deliveries();
      if (possible.empty()) break;
      ++report_.deliveries;
      now_ = now_ + Milliseconds{1};
      possible[random_.below(possible.size())]();
    }
    finish_checks();
    return std::move(report_);
  }

 private:
  void breaks(const std::string& what) {
    if (report_.broken.empty()) report_.broken = what;
  }

  void start_process(int wanted) {
    const std::size_t index = processes_.size();
    processes_.emplace_back();
    const Join join{options_.spec, fmt::format("host:{}", index), WorkerId{wanted},
                    static_cast<std::int64_t>(index)};
    to_agent(index, agent::Start{join});
  }

  // Everything that may happen next: the head of each queue.
  std::vector<std::function<void()>> deliveries() {
    std::vector<std::function<void()>> possible;
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      Process& process = processes_[i];
      if (!process.gone && !process.to_coordinator.empty()) {
        possible.emplace_back([this, i] { deliver_to_coordinator(i); });
      }
      if (!process.alive && !process.gone && process.to_coordinator.empty()) {
        possible.emplace_back([this, i] { connection_ended(i); });
      }
      if (!process.alive || process.end) continue;
      if (!process.from_coordinator.empty()) {
        possible.emplace_back([this, i] {
          to_agent(i, agent::FromCoordinator{decoded(take(processes_[i].from_coordinator))});
        });
      }
      if (!process.local.empty()) {
        possible.emplace_back([this, i] { to_agent(i, take(processes_[i].local)); });
      }
      if (!process.noticed.empty()) {
        possible.emplace_back([this, i] { to_agent(i, take(processes_[i].noticed)); });
      }
    }
    if (!host_.empty()) possible.emplace_back([this] { to_coordinator(take(host_)); });
    return possible;
  }

  template <class T>
  static T take(std::deque<T>& queue) {
    T front = std::move(queue.front());
    queue.pop_front();
    return front;
  }

  Message decoded(const Bytes& bytes) {
    auto message = decode(bytes);
    if (!message) breaks(message.fault().sentence);
    return std::move(message).value();
  }

  // ---- the lost process

  void lose(std::size_t index) {
    Process& process = processes_[index];
    if (!process.alive || process.end) return;
    process.alive = false;
    // Some of what it sent last never left the machine.
    while (!process.to_coordinator.empty() && random_.below(3) == 0) {
      process.to_coordinator.pop_back();
    }
    for (Process& peer : processes_) {
      if (peer.alive && peer.agent.view && process.worker) {
        peer.noticed.emplace_back(agent::PeerLost{*process.worker, "killed"});
      }
    }
  }

  void connection_ended(std::size_t index) {
    Process& process = processes_[index];
    process.gone = true;
    const bool joining = state_.phase == CoordinatorState::Phase::joining;
    if (process.worker) to_coordinator(WorkerLost{*process.worker, "killed"});
    if (!joining) return;
    report_.lost_while_joining = true;  // the launcher starts another
    start_process(-2);
  }

  // ---- the coordinator

  void deliver_to_coordinator(std::size_t index) {
    Process& process = processes_[index];
    const Message message = decoded(take(process.to_coordinator));
    if (process.worker) {
      to_coordinator(Received{*process.worker, message});
    } else if (const auto* join = std::get_if<Join>(&message)) {
      to_coordinator(JoinRequest{index, *join});
    } else {
      breaks(fmt::format("process {} sent a {} before it joined", index, name_of(message)));
    }
  }

  void to_coordinator(const Input& input) {
    const bool over = state_.phase == CoordinatorState::Phase::finished;
    const Decision decision = options_.coordinator_step(state_, input, now_);
    if (decision.explanation.empty()) breaks("a decision of the coordinator has no explanation");
    if (over && !decision.commands.empty()) breaks("the coordinator went on after its end");
    for (const Command& command : decision.commands) {
      std::visit([this](const auto& known) { carry_out(known); }, command);
    }
  }

  Process* process_of(WorkerId worker) {
    for (Process& process : processes_) {
      if (process.worker == worker && !process.gone) return &process;
    }
    return nullptr;
  }

  void carry_out(const Admit& admit) { processes_[admit.connection].worker = admit.worker; }
  void carry_out(const TurnAway& turned) {
    processes_[turned.connection].from_coordinator.push_back(encode(Refuse{turned.why}));
  }
  void carry_out(const Send& send) {
    if (const auto* commit = std::get_if<Commit>(&send.message)) committed(commit->record);
    Process* process = process_of(send.to);
    if (process == nullptr) return breaks(fmt::format("worker {} is not there", send.to.value));
    process->from_coordinator.push_back(encode(send.message));
  }
  void carry_out(const Emit& emit) { report_.events.push_back(emit.event); }
  void carry_out(const SpecFixed&) {
    if (std::exchange(spec_fixed_, true)) breaks("the spec was fixed twice");
  }
  void carry_out(const LedgerLine& line) {
    if (line.step != ledger_.next()) breaks("the ledger's lines are not in order");
    ledger_ = line.step;
  }
  void carry_out(const StoreModel& store) { report_.stored = store.layers; }
  void carry_out(const LayerStored& stored) {
    if (stored.layer.value != layers_stored_) breaks("layers are not stored in order");
    if (++layers_stored_ == static_cast<int>(report_.stored.size())) {
      host_.emplace_back(ModelStored{});
    }
  }
  void carry_out(const Finish& finish) {
    if (report_.outcome) breaks("the coordinator finished twice");
    report_.outcome = finish;
  }

  // A record must be new and next, or the same for everyone; and everybody has computed its step.
  void committed(const CommitRecord& record) {
    auto& records = report_.records;
    if (!records.empty() && records.back().step == record.step) {
      if (records.back() != record) breaks("a step has two records");
      return;
    }
    const Step next = records.empty() ? Step{1} : records.back().step.next();
    if (record.step != next)
      breaks(fmt::format("step {} was committed out of order", record.step.value));
    for (const auto& pipeline : state_.view.layout.pipelines) {
      for (const auto& stage : pipeline.stages) {
        if (computed_.contains({stage.worker, record.step})) continue;
        breaks(fmt::format("step {} was committed before worker {} computed it", record.step.value,
                           stage.worker.value));
      }
    }
    records.push_back(record);
  }

  // ---- the agents

  void to_agent(std::size_t index, const agent::Input& input) {
    if (const auto* computed = std::get_if<agent::Computed>(&input)) {
      computed_.insert({*processes_[index].agent.worker, computed->report.step});
    }
    const auto decision = options_.agent_step(processes_[index].agent, input);
    if (decision.explanation.empty()) breaks("a decision of an agent has no explanation");
    for (const auto& command : decision.commands) {
      std::visit([&](const auto& known) { carry_out(processes_[index], known); }, command);
    }
  }

  static void carry_out(Process&, const agent::TellEvaluation&) {}
  static void carry_out(Process& process, const agent::SendMessage& send) {
    process.to_coordinator.push_back(encode(send.message));
  }
  void carry_out(Process& process, const agent::Build& build) {
    process.toy = ToyWorker(options_.spec, build.view, *process.agent.worker);
    process.local.emplace_back(agent::Built{build.view.view});
  }
  void carry_out(Process& process, const agent::Compute& compute) {
    if (!process.toy.active()) breaks("an idle worker computes");
    if (process.toy.level().next() != compute.step) breaks("a worker computes at a wrong level");
    if (options_.throws_in_step == compute.step) {
      process.local.emplace_back(agent::WorkerFailed{
          Failed{"bad sample", FaultKind::unavailable, compute.step, MicroBatchId{0}, LayerId{0}}});
      return;
    }
    process.local.emplace_back(agent::Computed{process.toy.compute(compute.step)});
  }
  void carry_out(Process& process, const agent::Apply& apply) {
    const int worker = process.agent.worker->value;
    const CommitRecord& record = apply.record;
    if (std::ranges::find(report_.records, record) == report_.records.end()) {
      breaks(fmt::format("worker {} applied step {}, which was not committed", worker,
                         record.step.value));
    }
    if (record.step != process.toy.level().next()) {
      breaks(fmt::format("worker {} applied step {} at level {}", worker, record.step.value,
                         process.toy.level().value));
    }
    process.toy.apply(record);
    process.local.emplace_back(agent::AppliedRecord{process.toy.applied()});
  }
  static void carry_out(Process& process, const agent::SendLayerState& send) {
    process.local.emplace_back(agent::SentState{send.layer});
  }
  // What is being computed ends: with nothing, or with a fault that says why.
  void carry_out(Process& process, const agent::Abort&) {
    for (agent::Input& input : process.local) {
      if (!std::holds_alternative<agent::Computed>(input)) continue;
      const auto kind = random_.below(2) == 0 ? FaultKind::cancelled : FaultKind::peer_lost;
      input = agent::WorkerFailed{Failed{"a receive ended", kind}};
    }
  }
  void carry_out(Process& process, const agent::Finish& finish) {
    if (process.end) breaks("an agent finished twice");
    process.end = finish;
  }

  // ---- what must hold once nothing is under way

  void finish_checks() {
    if (!report_.outcome) return breaks("the coordinator never finished");
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      const Process& process = processes_[i];
      if (!process.alive) continue;
      if (!process.end) return breaks(fmt::format("process {} never finished", i));
      report_.ends.push_back(*process.end);
      const bool same = process.end->status == report_.outcome->status &&
                        process.end->sentence == report_.outcome->sentence;
      if (!same) {
        breaks(fmt::format("process {} ended with \"{}\", the coordinator with \"{}\"", i,
                           process.end->sentence, report_.outcome->sentence));
      }
    }
    const Step committed = report_.records.empty() ? Step{0} : report_.records.back().step;
    if (ledger_ != committed) breaks("the ledger does not hold every committed step");
  }

  const ClusterOptions& options_;
  Random random_;
  CoordinatorState state_;
  Instant now_;
  std::deque<Process> processes_;  // references stay while it grows
  std::deque<Input> host_;
  std::set<std::pair<WorkerId, Step>> computed_;
  Step ledger_{0};
  int layers_stored_ = 0;
  bool spec_fixed_ = false;
  ClusterReport report_;
};

}  // namespace

ClusterReport run_cluster(const ClusterOptions& options) {
  return Cluster(options).run();
}

}  // namespace planaria::protocol
