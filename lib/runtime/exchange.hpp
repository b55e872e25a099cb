// runtime/exchange.hpp: tensors to and from the workers of the view. Private.
// Is: worker ids instead of connections, tensors instead of bytes. Is not: who sends what.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>
#include <planaria/runtime/layers.hpp>
#include <planaria/transport/transport.hpp>

#include "runtime/device.hpp"
#include "runtime/held_layer.hpp"

namespace planaria::runtime {

using PeerMap = std::map<WorkerId, transport::PeerId>;

/// Called from the compute thread. Sends do not wait: a tensor is kept alive until the kernel has
/// it, and a lost peer is told by the transport's watcher, not here. A worker without a connection
/// is like a lost one: what is sent to it is dropped, a receive from it ends with peer_lost.
class Exchange {
 public:
  /// What is received lies on `device`.
  Exchange(transport::Transport& transport, PeerMap peers, Device device = {})
      : transport_(transport), peers_(std::move(peers)), device_(device) {}

  /// Sends canonical tensors as one frame.
  void send(WorkerId to, const transport::FrameKey& key, const Tensors& tensors);
  /// Waits for such a frame; the tensors lie in it, aligned. peer_lost, stale_view, cancelled,
  /// corrupt.
  [[nodiscard]] Result<Tensors> receive(WorkerId from, const transport::FrameKey& key);
  /// The same with names and roles.
  void send_described(WorkerId to, const transport::FrameKey& key, const DescribedTensors& tensors);
  [[nodiscard]] Result<DescribedTensors> receive_described(WorkerId from,
                                                           const transport::FrameKey& key);
  /// Sends one contiguous tensor's data and nothing else: both sides know type and shape.
  void send_raw(WorkerId to, const transport::FrameKey& key, const at::Tensor& tensor);
  /// Waits for such a frame of `elements` of `type`.
  [[nodiscard]] Result<at::Tensor> receive_raw(WorkerId from, const transport::FrameKey& key,
                                               at::ScalarType type, std::int64_t elements);

 private:
  [[nodiscard]] std::optional<transport::PeerId> peer(WorkerId worker) const;
  [[nodiscard]] Result<transport::Buffer> wait(WorkerId from, const transport::FrameKey& key);
  transport::Transport& transport_;
  PeerMap peers_;
  Device device_;
};

/// Sends tensors (each with what it is) to `peer` as one block, borrowed until `done` runs.
void send_block(transport::Transport& transport, transport::PeerId peer,
                const transport::FrameKey& key, const DescribedTensors& tensors);

/// Reads such a block; the tensors lie in it, in host memory, and keep it alive. corrupt.
[[nodiscard]] Result<DescribedTensors> read_block(const transport::Buffer& payload);

}  // namespace planaria::runtime
