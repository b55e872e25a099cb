// Coming into a run, its views, and leaving it.
#include <algorithm>
#include <chrono>
#include <set>

#include <unistd.h>

#include <fmt/format.h>

#include <planaria/base/check.hpp>

#include "runtime/process.hpp"
#include "runtime/worker.hpp"

namespace planaria::runtime {

namespace agent = protocol::agent;
using transport::FrameKey;
using transport::FrameKind;

namespace {

constexpr double connect_ms_max = 10000;
// A member that is there answers at once; one that is stopped does not.
constexpr double connect_to_peer_ms_max = 2000;
constexpr std::chrono::milliseconds peer_arrives_max{2000};

std::set<LayerId> roles_of(const Layout& layout, WorkerId worker) {
  const std::vector<LayerId> computed = computed_by(layout, worker);
  std::set<LayerId> layers(computed.begin(), computed.end());
  for (const LayerId layer : shadowed_by(layout, worker)) layers.insert(layer);
  return layers;
}

bool computes(const Layout& layout, WorkerId worker, LayerId layer) {
  const auto active = active_holders(layout, layer);
  return std::ranges::find(active, worker) != active.end();
}

}  // namespace

Result<void> Worker::connect_to_coordinator() {
  if (address_.empty()) {
    PLANARIA_TRY(address, transport_->listen(options_.listen));
    address_ = std::move(address);
  }
  {
    auto connected =
        transport_->connect(options_.coordinator, transport::not_yet_joined, connect_ms_max);
    if (!connected) return connected.fault();
    const std::lock_guard lock(mutex_);
    coordinator_ = connected.value();
  }
  deliver(agent::Start{{options_.spec, address_, options_.wanted, ::getpid()}});
  return {};
}

// Who comes connects to all who were there, so that each pair has one connection.
void Worker::carry_out(const agent::Connect& command) {
  {
    const std::lock_guard lock(mutex_);
    self_ = *agent_.worker;
  }
  std::vector<WorkerId> unreachable;
  for (const protocol::Member& member : command.members) {
    auto peer = transport_->connect(member.address, self_, connect_to_peer_ms_max);
    const std::lock_guard lock(mutex_);
    if (peer) {
      peers_[member.worker] = peer.value();
    } else {
      gone_.insert(member.worker);
      unreachable.push_back(member.worker);
    }
  }
  deliver(agent::PeersConnected{std::move(unreachable)});
}

// The run has gone on without this worker: it comes back as another, that holds nothing.
void Worker::carry_out(const agent::Rejoin& command) {
  std::vector<transport::PeerId> connections;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [worker, peer] : peers_) connections.push_back(peer);
    peers_.clear();
    gone_.clear();
    coordinator_.reset();
    commands_.clear();
    evaluations_.clear();
  }
  for (const transport::PeerId peer : connections) transport_->disconnect(peer);
  executor_.reset();
  stage_.reset();
  events_.reset();
  report_.reset();
  view_ = {};
  level_ = Step{-1};
  options_.wanted = transport::not_yet_joined;
  rejoined_ = true;
  if (const auto connected = connect_to_coordinator(); !connected) {
    outcome_ = {1, fmt::format("the coordinator was lost: {}", command.why)};
  }
}

void Worker::carry_out(const agent::Prepare& command) {
  {
    const std::lock_guard lock(mutex_);
    if (command.view.view < floor_) return;
    aborted_ = false;
  }
  if (const auto prepared = prepare(command.view); !prepared) {
    tell_fault(prepared.fault());
    return;  // and another view comes, or the end of the run
  }
  built_ = true;
  deliver(
      agent::Prepared{command.view.view, held_bytes(), stage_->salvaged(command.view.first_step)});
}

std::vector<protocol::LayerBytes> Worker::held_bytes() const {
  std::vector<protocol::LayerBytes> sizes;
  for (const HeldLayer& held : stage_->layers()) {
    std::int64_t bytes = 0;
    for (const auto& [info, tensor] : held.state()) {
      bytes += static_cast<std::int64_t>(tensor.nbytes());
    }
    sizes.push_back({held.id, bytes});
  }
  return sizes;
}

Result<void> Worker::prepare(const protocol::NewView& view) {
  executor_.reset();
  begin_first_view(view);
  done_ = std::max(done_, std::max(view.again_until, Step{view.first_step.value - 1}));
  level_ = Step{view.first_step.value - 1};
  stage_->compute_on({});
  if (level_ == Step{0}) {
    arrivals_.keep_only(Step{-1});
    PLANARIA_TRY_VOID(stage_->build(roles_of(view.layout, self_)));
  } else {
    stage_->forget_filling();
    arrivals_.keep_only(level_);
    send_copies(view.moves, level_);
    PLANARIA_TRY_VOID(receive_moves(view));
  }
  return take_roles(view);
}

// What this worker computes in the view and does not hold is on its way.
Result<void> Worker::receive_moves(const protocol::NewView& view) {
  for (const protocol::Move& move : view.moves) {
    if (move.to != self_ || !computes(view.layout, self_, move.layer)) continue;
    strike(host::FaultPhase::migrate, view.first_step);
    std::optional<transport::Buffer> payload;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] {
        payload = arrivals_.take(move.layer, level_);
        return payload || aborted_;
      });
    }
    if (!payload) return Fault::cancelled("the view was given up while layers were sent");
    PLANARIA_TRY(state, read_block(*payload));
    PLANARIA_TRY_VOID(stage_->install(move.layer, level_, state));
  }
  return {};
}

// The first time: what every view needs.
void Worker::begin_first_view(const protocol::NewView& view) {
  if (stage_ != nullptr) return;
  open_events();
  record_came_ = clock_.now();
  const auto device = Device::named(options_.trainer->device, self_);
  check(device.ok(), "a device that was checked before");
  device.value().prepare();
  StageOptions stage_options{options_.trainer, options_.generator, device.value(), {}, {}};
  if (events_) {
    stage_options.on_action = [this](char kind, Step step, MicroBatchId micro_batch, LayerId first,
                                     LayerId last) {
      write_computed(kind, step, micro_batch, first, last);
    };
  }
  stage_options.before_layer = [this](char kind, Step step, MicroBatchId micro_batch,
                                      LayerId layer) {
    const auto phase = kind == 'F' ? host::FaultPhase::forward : host::FaultPhase::backward;
    striker_.at({step, phase, micro_batch, layer});
  };
  stage_ = Stage::create(stage_options);
  make_striker(view.view > ViewNumber{1});
}

// Executor and roles of a view whose layers are there.
Result<void> Worker::take_roles(const protocol::NewView& view) {
  tell_striker_of(view);
  view_ = view;
  const ExecutorContext context{self_,
                                options_.trainer,
                                &*order_,
                                &aborted_,
                                &spans_,
                                {options_.spec.dataset_samples, options_.spec.evaluation_samples,
                                 options_.spec.micro_batch_size},
                                &striker_};
  PLANARIA_TRY(device, Device::named(options_.trainer->device, self_));
  PLANARIA_TRY(executor, Executor::create(context, view, *stage_,
                                          Exchange(*transport_, wait_for_peers(view), device)));
  executor_ = std::move(executor);
  tell_modules_without_split();
  return {};
}

// Once: who asked for a schedule of halves should know what of them stays whole.
void Worker::tell_modules_without_split() {
  if (told_of_modules_ || !executor_->splits_backward()) return;
  const std::vector<std::string> modules = stage_->modules_without_split();
  if (modules.empty()) return;
  told_of_modules_ = true;
  constexpr std::size_t named_max = 3;
  std::string names;
  for (std::size_t i = 0; i < std::min(named_max, modules.size()); ++i) {
    names += (i == 0 ? "" : ", ") + modules[i];
  }
  if (modules.size() > named_max) names += fmt::format(" and {} more", modules.size() - named_max);
  fmt::print(stderr,
             "worker {}: {}: weight gradients are computed with those of the inputs, since only "
             "planaria's Linear, LayerNorm and Embedding put them off\n",
             self_.value, names);
}

// Members are connected before they are in a view; only this side may not have noticed yet.
PeerMap Worker::wait_for_peers(const protocol::NewView& view) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, peer_arrives_max, [&] {
    return aborted_ || std::ranges::all_of(view.members, [&](const protocol::Member& member) {
             return member.worker == self_ || peers_.contains(member.worker) ||
                    gone_.contains(member.worker);
           });
  });
  return peers_;
}

// Which worker joined last, and whom the view promotes.
void Worker::tell_striker_of(const protocol::NewView& view) {
  if (view_.view == ViewNumber{0}) {
    if (view.view > ViewNumber{1}) striker_.joined(self_);
    return;
  }
  for (const protocol::Member& member : view.members) {
    if (!std::ranges::count(view_.members, member.worker, &protocol::Member::worker)) {
      striker_.joined(member.worker);
    }
  }
  if (const auto promoted = host::promoted_by(view_.layout, view.layout)) {
    striker_.promoted(*promoted);
  }
}

std::optional<StepMetrics> Worker::carry_out(const agent::Apply& command) {
  const auto span = spans_.measure("apply");
  const protocol::CommitRecord& record = command.record;
  const bool in_view = executor_ != nullptr;
  try {
    if (in_view) {
      strike(host::FaultPhase::committed, record.step);
      stage_->apply(record);
    }
  } catch (const std::exception& error) {
    tell_fault(Fault::unavailable(fmt::format("after step {}, the optimizer failed: {}",
                                              record.step.value, sentence_of(error))));
    return std::nullopt;
  }
  level_ = record.step;
  done_ = std::max(done_, level_);
  last_applied_ = record.last;
  if (in_view) drop_layers_without_role();
  if (command.next) {
    {
      const std::lock_guard lock(mutex_);
      aborted_ = command.next->view < floor_;
    }
    begin_first_view(*command.next);
    transport_->advance_view(command.next->view);
    if (const auto taken = take_roles(*command.next); !taken) {
      tell_fault(taken.fault());
      return std::nullopt;
    }
    built_ = true;
  }
  send_copies(command.moves, level_);
  return metrics_of(record);
}

// A shadow that missed a gradient nobody waited for can follow no longer, and goes too.
void Worker::drop_layers_without_role() {
  const auto roles = roles_of(view_.layout, self_);
  for (const LayerId layer : stage_->held()) {
    if (!roles.contains(layer) || stage_->level_of(layer) != level_) stage_->drop(layer);
  }
}

// States of layers that this worker shadows and does not hold yet.
void Worker::install_arrived() {
  for (const LayerId layer : shadowed_by(view_.layout, self_)) {
    if (stage_->holds(layer)) continue;
    const auto level = arrivals_.newest(layer, level_);
    if (!level) continue;
    strike(host::FaultPhase::fill, shown_step_);
    const auto payload = arrivals_.take(layer, *level);
    const auto state = read_block(*payload);
    const auto installed =
        state ? stage_->install(layer, *level, state.value()) : Result<void>(state.fault());
    // Where a gradient since then is missing it cannot be used; it is sent again in another view.
    if (!installed && installed.fault().kind != FaultKind::stale_view) {
      tell_fault(installed.fault());
    }
  }
}

void Worker::send_copies(const std::vector<protocol::Move>& moves, Step level) {
  for (const protocol::Move& move : moves) {
    if (move.from != self_) continue;
    strike(host::FaultPhase::migrate, level.next());
    const bool there =
        stage_ != nullptr && stage_->holds(move.layer) && stage_->level_of(move.layer) == level;
    check(there, "a state is to be sent that this worker does not hold");
    std::optional<transport::PeerId> peer;
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = peers_.find(move.to); found != peers_.end()) peer = found->second;
    }
    if (!peer) continue;  // it is gone, which the coordinator hears too
    const FrameKey key{FrameKind::state, ViewNumber{0}, level, move.layer, MicroBatchId{-1}, 0};
    send_block(*transport_, *peer, key, stage_->copy_state(move.layer));
  }
}

void Worker::carry_out(const agent::SendCopies& command) {
  send_copies(command.moves, command.level);
}

void Worker::carry_out(const agent::HandOver& command) {
  last_applied_ = false;
  deliver(agent::AppliedRecord{applied(command.level)});
}

void Worker::carry_out(const agent::SendLayerState& command) {
  transport::PeerId coordinator{};
  {
    const std::lock_guard lock(mutex_);
    if (!coordinator_) return;
    coordinator = *coordinator_;
  }
  std::int32_t part = 0;
  for (auto& tensor : stage_->layer(command.layer).state()) {
    const FrameKey key{FrameKind::state, view_.view,       Step{command.attempt},
                       command.layer,    MicroBatchId{-1}, part++};
    send_block(*transport_, coordinator, key, {std::move(tensor)});
  }
  deliver(agent::SentState{command.layer, command.attempt});
}

void Worker::strike(host::FaultPhase phase, Step step) {
  striker_.at({step, phase, std::nullopt, std::nullopt});
}

}  // namespace planaria::runtime
