#include "runtime/worker.hpp"

#include <algorithm>
#include <set>

#include <unistd.h>

#include <fmt/format.h>

#include <planaria/base/check.hpp>

#include "runtime/process.hpp"

namespace planaria::runtime {

namespace agent = protocol::agent;
using transport::FrameKey;
using transport::FrameKind;

namespace {

constexpr double connect_ms_max = 10000;

}  // namespace

Worker::Worker(WorkerOptions options, std::unique_ptr<transport::Transport> transport)
    : options_(std::move(options)), transport_(std::move(transport)) {
  order_ = SampleOrder::create({options_.spec.seed, options_.spec.dataset_samples,
                                options_.spec.micro_batches, options_.spec.micro_batch_size})
               .value();
  transport_->watch({
      .connected = [this](transport::PeerId peer,
                          const transport::PeerInfo& info) { on_connected(peer, info); },
      .lost = [this](transport::PeerId peer, const transport::PeerInfo&,
                     const Fault& fault) { on_lost(peer, fault); },
      .refused = {},
  });
  transport_->subscribe(FrameKind::control,
                        [this](transport::PeerId peer, const FrameKey&,
                               const transport::Buffer& payload) { on_control(peer, payload); });
}

// A loop may leave in the middle of a run. What the transport still tells while it goes is heard,
// but nothing is asked of it any more.
Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  transport_.reset();
}

// ---- any thread

// Steps the agent and carries out what cannot wait; the rest is queued for the compute thread.
void Worker::deliver(const agent::Input& input) {
  const std::lock_guard lock(mutex_);
  for (const agent::Command& command : agent::step(agent_, input).commands) {
    const bool waits = std::holds_alternative<agent::Build>(command) ||
                       std::holds_alternative<agent::Compute>(command) ||
                       std::holds_alternative<agent::Apply>(command) ||
                       std::holds_alternative<agent::SendLayerState>(command) ||
                       std::holds_alternative<agent::Finish>(command);
    if (waits) {
      commands_.push_back(command);
    } else {
      carry_out_at_once(command);
    }
  }
  changed_.notify_all();
}

void Worker::carry_out_at_once(const agent::Command& command) {
  if (leaving_) return;
  if (const auto* send = std::get_if<agent::SendMessage>(&command)) {
    send_to_coordinator(send->message);
    return;
  }
  if (const auto* tell = std::get_if<agent::TellEvaluation>(&command)) {
    evaluation_ = tell->evaluation;
    return;
  }
  aborted_ = true;
  // Every pending receive belongs to the view that is over, so passing it ends them all.
  if (agent_.view) transport_->advance_view(agent_.view->view.next());
}

void Worker::send_to_coordinator(const protocol::Message& message) {
  if (!coordinator_) return;
  auto bytes = std::make_shared<std::vector<std::byte>>(protocol::encode(message));
  transport_->post(*coordinator_, FrameKey{}, {std::span<const std::byte>(*bytes)}, bytes);
}

void Worker::on_connected(transport::PeerId peer, const transport::PeerInfo& info) {
  const std::lock_guard lock(mutex_);
  peers_[info.worker] = peer;
  changed_.notify_all();
}

void Worker::on_lost(transport::PeerId peer, const Fault& fault) {
  bool was_coordinator = false;
  WorkerId worker = transport::not_yet_joined;
  {
    const std::lock_guard lock(mutex_);
    was_coordinator = coordinator_ == peer;
    for (const auto& [candidate, connection] : peers_) {
      if (connection == peer) worker = candidate;
    }
  }
  if (was_coordinator) {
    deliver(agent::CoordinatorLost{fault.sentence});
  } else {
    deliver(agent::PeerLost{worker, fault.sentence});
  }
}

void Worker::on_control(transport::PeerId peer, const transport::Buffer& payload) {
  {
    const std::lock_guard lock(mutex_);
    if (coordinator_ != peer) return;  // workers say nothing to each other that way
  }
  auto message = protocol::decode(payload.bytes());
  if (message) {
    deliver(agent::FromCoordinator{std::move(message).value()});
  } else {
    deliver(agent::CoordinatorLost{message.fault().sentence});
  }
}

void Worker::stop(const std::string& why) {
  deliver(agent::StopWanted{why});
}

// ---- compute thread

void Worker::join() {
  if (const auto connected = connect_to_coordinator(); !connected) {
    outcome_ = outcome_of(connected.fault());
    return;
  }
  while (!outcome_ && !built_) carry_out_between_steps(wait_for_command());
}

std::optional<Step> Worker::begin_step() {
  if (last_applied_) tell_applied();
  while (!outcome_) {
    const agent::Command command = wait_for_command();
    // An idle worker hears of a step by its record only.
    const bool goes_on = std::holds_alternative<agent::Compute>(command) ||
                         std::holds_alternative<agent::Apply>(command);
    if (goes_on) return shown_step_ = level_.next();
    carry_out_between_steps(command);
  }
  return std::nullopt;
}

void Worker::forward_backward() {
  if (outcome_) return;
  const agent::Command command = wait_for_command();
  const auto* compute = std::get_if<agent::Compute>(&command);
  if (compute == nullptr) return;
  drop_command();
  deliver(agent::StepStarted{compute->step});
  auto report = executor_->compute(compute->step);
  if (report) {
    report_ = std::move(report).value();
  } else {
    tell_fault(report.fault());
  }
}

std::optional<StepMetrics> Worker::commit(double rate) {
  if (outcome_) return std::nullopt;
  if (report_) {
    report_->rate = rate;
    deliver(agent::Computed{*std::exchange(report_, std::nullopt)});
  }
  const auto wait = [&] {
    const auto span = spans_.measure("commit");
    return wait_for_command();
  };
  while (!outcome_) {
    const agent::Command command = wait();
    if (const auto* apply = std::get_if<agent::Apply>(&command)) {
      drop_command();
      if (auto metrics = carry_out(*apply)) return metrics;
      continue;  // it failed: the end comes
    }
    check(!std::holds_alternative<agent::Compute>(command), "commit() before forward_backward()");
    carry_out_between_steps(command);
  }
  return std::nullopt;
}

std::optional<EvaluationMetrics> Worker::evaluate() {
  if (outcome_) return std::nullopt;
  deliver(agent::EvaluationStarted{level_});
  if (executor_ != nullptr) {
    auto evaluated = executor_->evaluate(level_);
    if (!evaluated) {
      tell_fault(evaluated.fault());
    } else if (stage_->holds_last()) {
      deliver(agent::EvaluationComputed{std::move(evaluated).value()});
    }
  }
  {
    std::unique_lock lock(mutex_);
    // What else may be queued by now is the next step, which waits, or the end.
    changed_.wait(lock, [&] {
      return (evaluation_ && evaluation_->step == level_) ||
             std::any_of(commands_.begin(), commands_.end(), [](const agent::Command& command) {
               return std::holds_alternative<agent::Finish>(command);
             });
    });
    if (evaluation_ && evaluation_->step == level_) {
      return EvaluationMetrics{level_, evaluation_->loss, evaluation_->samples, self_};
    }
  }
  while (!outcome_) {
    if (!carry_out_between_steps(wait_for_command())) drop_command();
  }
  return std::nullopt;
}

void Worker::fail(const std::string& why) {
  if (outcome_) return;
  tell_fault(Fault::unavailable(why));
  while (!outcome_) {
    if (!carry_out_between_steps(wait_for_command())) drop_command();
  }
}

Result<void> Worker::connect_to_coordinator() {
  PLANARIA_TRY(address, transport_->listen(options_.listen));
  {
    auto connected =
        transport_->connect(options_.coordinator, transport::not_yet_joined, connect_ms_max);
    if (!connected) return connected.fault();
    const std::lock_guard lock(mutex_);
    coordinator_ = connected.value();
  }
  deliver(agent::Start{{options_.spec, address, options_.wanted, ::getpid()}});
  return {};
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

// Carries out and drops what needs no training loop; false for what does, which stays.
bool Worker::carry_out_between_steps(const agent::Command& command) {
  if (const auto* finish = std::get_if<agent::Finish>(&command)) {
    outcome_ = {finish->status, finish->sentence};
  } else if (const auto* build = std::get_if<agent::Build>(&command)) {
    carry_out(*build);
  } else if (const auto* state = std::get_if<agent::SendLayerState>(&command)) {
    carry_out(*state);
  } else {
    return false;
  }
  drop_command();
  return true;
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

void Worker::carry_out(const agent::Build& command) {
  if (const auto built = build(command.view); !built) {
    tell_fault(built.fault());
    return;  // and the end of the run comes
  }
  built_ = true;
  deliver(agent::Built{command.view.view});
}

Result<void> Worker::build(const protocol::NewView& view) {
  {
    const std::lock_guard lock(mutex_);
    self_ = *agent_.worker;
  }
  view_ = view.view;
  layout_ = view.layout;
  transport_->advance_view(view.view);
  if (!events_) open_events();
  record_came_ = clock_.now();
  const auto place = place_of(view.layout, self_);
  if (!place) return {};  // idle: it only listens
  const StageAssignment& assignment =
      view.layout.pipelines[static_cast<std::size_t>(place->pipeline)]
          .stages[static_cast<std::size_t>(place->stage)];
  PLANARIA_TRY(device, Device::named(options_.trainer->device, self_));
  device.prepare();
  StageOptions stage_options{options_.trainer, options_.generator, device, {}};
  if (events_) {
    stage_options.on_action = [this](char kind, Step step, MicroBatchId micro_batch, LayerId first,
                                     LayerId last) {
      write_computed(kind, step, micro_batch, first, last);
    };
  }
  stage_ = Stage::create(stage_options);
  std::set<LayerId> layers;
  for (LayerId id = assignment.layers.first; id <= assignment.layers.last; id = id.next()) {
    layers.insert(id);
  }
  PLANARIA_TRY_VOID(stage_->build(layers));
  PLANARIA_TRY(peers, connect_to_peers(view));
  const ExecutorContext context{self_,
                                options_.trainer,
                                &*order_,
                                &aborted_,
                                &spans_,
                                {options_.spec.dataset_samples, options_.spec.evaluation_samples,
                                 options_.spec.micro_batch_size}};
  PLANARIA_TRY(executor, Executor::create(context, view, *stage_,
                                          Exchange(*transport_, std::move(peers), device)));
  executor_ = std::move(executor);
  return {};
}

// The higher id connects to the lower, so that each pair has one connection.
Result<PeerMap> Worker::connect_to_peers(const protocol::NewView& view) {
  const auto active = workers_of(view.layout);
  for (const protocol::Member& member : view.members) {
    if (member.worker >= self_) continue;
    if (std::find(active.begin(), active.end(), member.worker) == active.end()) continue;
    PLANARIA_TRY(peer, transport_->connect(member.address, self_, connect_ms_max));
    const std::lock_guard lock(mutex_);
    peers_[member.worker] = peer;
  }
  std::unique_lock lock(mutex_);
  PeerMap needed;
  changed_.wait(lock, [&] {
    needed.clear();
    for (const WorkerId worker : active) {
      if (const auto found = peers_.find(worker); found != peers_.end()) needed.insert(*found);
    }
    return aborted_ || needed.size() + 1 == active.size();
  });
  if (aborted_) return Fault::cancelled("the view was given up while peers connected");
  return needed;
}

std::optional<StepMetrics> Worker::carry_out(const agent::Apply& command) {
  const auto span = spans_.measure("apply");
  try {
    if (stage_ != nullptr) stage_->apply(command.record);
  } catch (const std::exception& error) {
    tell_fault(Fault::unavailable(fmt::format("after step {}, the optimizer failed: {}",
                                              command.record.step.value, sentence_of(error))));
    return std::nullopt;
  }
  level_ = command.record.step;
  last_applied_ = command.record.last;
  return metrics_of(command.record);
}

void Worker::tell_applied() {
  last_applied_ = false;
  deliver(agent::AppliedRecord{applied(level_)});
}

}  // namespace planaria::runtime
