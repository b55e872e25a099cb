// runtime/allocation_watch.hpp: what tensors take, block by block, while a piece of code runs.
// Private. Is: a listener to LibTorch's allocators, of the CPU and of GPUs, by the hook that its
// profiler uses. Is not: the process's resident bytes (process.hpp), nor memory of anything but
// tensors.
#pragma once

#include <cstdint>
#include <memory>

#include <c10/util/ThreadLocalDebugInfo.h>

#include <planaria/runtime/layers.hpp>

namespace planaria::runtime {

/// Hears of every tensor storage that this thread allocates or frees while it lives, backward too.
/// A storage that was there before is no part of it.
class AllocationWatch {
 public:
  AllocationWatch();
  AllocationWatch(const AllocationWatch&) = delete;
  AllocationWatch& operator=(const AllocationWatch&) = delete;

  /// Bytes allocated since the watch began and not freed.
  [[nodiscard]] std::int64_t live_bytes() const;
  /// The most that live_bytes() was since the watch began, or since restart_peak().
  [[nodiscard]] std::int64_t peak_bytes() const;
  void restart_peak();
  /// What the tensors' storages take of live_bytes(), each storage once.
  [[nodiscard]] std::int64_t bytes_of(const Tensors& tensors) const;

 private:
  class Listener;
  std::shared_ptr<Listener> listener_;
  c10::DebugInfoGuard guard_;
};

}  // namespace planaria::runtime
