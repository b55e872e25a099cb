// What reaches a worker from outside, whatever its compute thread does.
#include <algorithm>
#include <chrono>

#include "runtime/worker.hpp"

namespace planaria::runtime {

namespace agent = protocol::agent;
using transport::FrameKey;
using transport::FrameKind;

namespace {

constexpr std::chrono::milliseconds alive_every{100};

// What the compute thread carries out in order; the rest happens at once.
bool waits(const agent::Command& command) {
  return !std::holds_alternative<agent::SendMessage>(command) &&
         !std::holds_alternative<agent::TellEvaluation>(command) &&
         !std::holds_alternative<agent::Abort>(command);
}

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
  transport_->subscribe(FrameKind::state,
                        [this](transport::PeerId, const FrameKey& key, transport::Buffer payload) {
                          on_state(key, std::move(payload));
                        });
  heart_ = std::thread([this] { tell_alive(); });
}

// A loop may leave in the middle of a run. What the transport still tells while it goes is heard,
// but nothing is asked of it any more.
Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  changed_.notify_all();
  heart_.join();
  transport_.reset();
}

// Not the compute thread's affair: an action may take longer than silence may last.
void Worker::tell_alive() {
  std::unique_lock lock(mutex_);
  while (!leaving_) {
    if (agent_.worker) send_to_coordinator(protocol::Alive{});
    changed_.wait_for(lock, alive_every, [&] { return leaving_; });
  }
}

void Worker::deliver(const agent::Input& input) {
  const std::lock_guard lock(mutex_);
  for (const agent::Command& command : agent::step(agent_, input).commands) {
    if (waits(command)) {
      // This connection is another worker's past.
      if (std::holds_alternative<agent::Rejoin>(command)) coordinator_.reset();
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
  } else if (const auto* tell = std::get_if<agent::TellEvaluation>(&command)) {
    evaluations_.insert_or_assign(tell->evaluation.step, tell->evaluation);
  } else {
    floor_ = std::max(floor_, std::get<agent::Abort>(command).view);
    aborted_ = true;
    // Ends every pending receive of the views that are over.
    transport_->advance_view(floor_);
  }
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
  std::optional<agent::Input> input;
  {
    const std::lock_guard lock(mutex_);
    if (coordinator_ == peer) {
      // A stopped worker that was given up may not get to read why; that it is out it can tell.
      const bool member = agent_.worker && agent_.phase != agent::AgentState::Phase::finished;
      coordinator_.reset();
      if (member) {
        input = agent::FromCoordinator{protocol::Evicted{fault.sentence}};
      } else {
        input = agent::CoordinatorLost{fault.sentence};
      }
    }
    for (const auto& [worker, connection] : peers_) {
      if (connection != peer) continue;
      input = agent::PeerLost{worker, fault.sentence};
      gone_.insert(worker);
    }
    std::erase_if(peers_, [&](const auto& entry) { return entry.second == peer; });
  }
  if (input) deliver(*input);
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

void Worker::on_state(const FrameKey& key, transport::Buffer payload) {
  arrivals_.put(key.layer, key.step, std::move(payload));
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

void Worker::stop(const std::string& why) {
  deliver(agent::StopWanted{why});
}

}  // namespace planaria::runtime
