#include "runtime/transfer_probe.hpp"

#include <atomic>
#include <cstddef>
#include <utility>

#include <planaria/base/check.hpp>

namespace planaria::runtime {
namespace {

using transport::Buffer;
using transport::FrameKey;
using transport::FrameKind;
using transport::PeerId;
using transport::PeerInfo;

constexpr std::int64_t least_bytes = 4;
constexpr std::int64_t second_bytes = 4096;
constexpr std::int64_t ratio = 4;
constexpr double connect_ms_max = 30000;
constexpr FrameKind there = FrameKind::activation;
constexpr FrameKind back = FrameKind::gradient;

FrameKey key_of(FrameKind kind, std::int64_t number) {
  return {kind, ViewNumber{1}, Step{number}, LayerId{0}, MicroBatchId{0}, 0};
}

}  // namespace

std::vector<std::int64_t> transfer_sizes(std::int64_t largest_bytes) {
  std::vector<std::int64_t> sizes{least_bytes, second_bytes};
  while (sizes.back() <= largest_bytes) sizes.push_back(sizes.back() * ratio);
  return sizes;
}

TransferProbe::TransferProbe(std::unique_ptr<transport::Transport> transport)
    : transport_(std::move(transport)) {
  transport_->watch(
      {.connected =
           [this](PeerId peer, const PeerInfo&) {
             const std::lock_guard lock(mutex_);
             peer_ = peer;
             changed_.notify_all();
           },
       .lost = [this](PeerId, const PeerInfo&, const Fault& fault) { give_up(fault); },
       .refused = {}});
  // On the I/O thread, where a frame is whole: a compute thread would look for it when it is done.
  transport_->subscribe(back, [this](PeerId, const FrameKey& key, const Buffer&) {
    const Instant now = clock_.now();
    const std::lock_guard lock(mutex_);
    if (key.step.value == sent_) came_back_ = now;
    changed_.notify_all();
  });
}

Result<std::string> TransferProbe::listen(const std::string& address) {
  return transport_->listen(address);
}

void TransferProbe::give_up(const Fault& why) {
  const std::lock_guard lock(mutex_);
  lost_ = why;
  changed_.notify_all();
}

Result<double> TransferProbe::there_and_back_ms(std::int64_t bytes, const BusyWork& work) {
  const auto payload = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(bytes));
  PeerId peer = 0;
  std::int64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    peer = *peer_;
    number = ++sent_;
    came_back_.reset();
  }
  const Instant begun = clock_.now();
  transport_->post(peer, key_of(there, number), {std::span<const std::byte>(*payload)}, payload);
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (came_back_) return (*came_back_ - begun).value;
      if (lost_) return *lost_;
    }
    PLANARIA_TRY_VOID(work());
  }
}

Result<std::vector<std::vector<double>>> TransferProbe::measure(
    const std::vector<std::int64_t>& sizes, int rounds, const BusyWork& work) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return peer_ || lost_; });
    if (!peer_) return *lost_;
  }
  std::vector<std::vector<double>> all(sizes.size());
  for (int round = 0; round <= rounds; ++round) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      PLANARIA_TRY(took_ms, there_and_back_ms(sizes[i], work));
      if (round > 0) all[i].push_back(took_ms / 2);
    }
  }
  return all;
}

Result<void> echo_transfers(transport::Transport& transport, const std::string& address,
                            const BusyWork& work) {
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  transport.watch({.connected = [](PeerId, const PeerInfo&) {},
                   .lost = [gone](PeerId, const PeerInfo&, const Fault&) { *gone = true; },
                   .refused = {}});
  transport.subscribe(there, [&transport](PeerId peer, const FrameKey& key, Buffer payload) {
    transport.post(peer, key_of(back, key.step.value), {payload.bytes()}, payload.owner());
  });
  PLANARIA_TRY_VOID(transport.connect(address, WorkerId{1}, connect_ms_max));
  while (!*gone) PLANARIA_TRY_VOID(work());
  return {};
}

}  // namespace planaria::runtime
