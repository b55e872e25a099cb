// transport/frame.hpp: what travels between two workers. Floor 6.
// Is: the header every frame carries and the memory payloads land in. Is not: what frames mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <planaria/base/ids.hpp>

namespace planaria::transport {

/// What a frame is. Each kind is either matched to a posted receive or handed to a subscriber.
enum class FrameKind : std::uint16_t {
  control = 1,     // protocol messages, subscribed
  activation = 2,  // stage to next stage, received
  gradient = 3,    // stage to previous stage, received
  partial = 4,     // a slice of a tree node's sum to its owner, received
  reduced = 5,     // a slice of the whole sum to a holder, received
  state = 6,       // tensors of a layer's state, subscribed
};

/// Names a frame within a connection; a receive is posted for exactly one key.
struct FrameKey {
  FrameKind kind = FrameKind::control;
  ViewNumber view;
  Step step;
  LayerId layer{-1};
  MicroBatchId micro_batch{-1};
  std::int32_t part = 0;  // slice, tensor or tree node, as the kind has it
  friend auto operator<=>(const FrameKey&, const FrameKey&) = default;
};

/// Memory aligned to 64 bytes, since kernels give other bits on other alignments. Movable, shared
/// ownership so that a tensor may keep it alive.
class Buffer {
 public:
  Buffer() = default;
  /// Allocates `size` bytes, uninitialised. Size 0 allocates nothing.
  explicit Buffer(std::size_t size);
  [[nodiscard]] std::byte* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<std::byte> bytes() const { return {data_.get(), size_}; }
  [[nodiscard]] const std::shared_ptr<std::byte[]>& owner() const { return data_; }

 private:
  std::shared_ptr<std::byte[]> data_;
  std::size_t size_ = 0;
};

}  // namespace planaria::transport
