#include "runtime/allocation_watch.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include <ATen/core/Tensor.h>
#include <c10/core/Allocator.h>

namespace planaria::runtime {

// The engine's threads of a GPU report too, hence the lock.
class AllocationWatch::Listener final : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void* block, std::int64_t bytes, std::size_t /*allocated*/,
                         std::size_t /*reserved*/, c10::Device /*device*/) override {
    const std::lock_guard lock(mutex_);
    if (bytes > 0) {
      blocks_[block] = bytes;
      live_bytes_ += bytes;
      peak_bytes_ = std::max(peak_bytes_, live_bytes_);
      return;
    }
    const auto found = blocks_.find(block);
    if (found == blocks_.end()) return;  // it was there before
    live_bytes_ -= found->second;
    blocks_.erase(found);
  }
  [[nodiscard]] bool memoryProfilingEnabled() const override { return true; }

  [[nodiscard]] std::int64_t live_bytes() const {
    const std::lock_guard lock(mutex_);
    return live_bytes_;
  }
  [[nodiscard]] std::int64_t peak_bytes() const {
    const std::lock_guard lock(mutex_);
    return peak_bytes_;
  }
  void restart_peak() {
    const std::lock_guard lock(mutex_);
    peak_bytes_ = live_bytes_;
  }
  [[nodiscard]] std::int64_t bytes_of(const std::set<const void*>& blocks) const {
    const std::lock_guard lock(mutex_);
    std::int64_t bytes = 0;
    for (const void* block : blocks) {
      const auto found = blocks_.find(block);
      if (found != blocks_.end()) bytes += found->second;
    }
    return bytes;
  }

 private:
  mutable std::mutex mutex_;
  std::map<const void*, std::int64_t> blocks_;
  std::int64_t live_bytes_ = 0;
  std::int64_t peak_bytes_ = 0;
};

AllocationWatch::AllocationWatch()
    : listener_(std::make_shared<Listener>()),
      guard_(c10::DebugInfoKind::PROFILER_STATE, listener_) {}

std::int64_t AllocationWatch::live_bytes() const {
  return listener_->live_bytes();
}

std::int64_t AllocationWatch::peak_bytes() const {
  return listener_->peak_bytes();
}

void AllocationWatch::restart_peak() {
  listener_->restart_peak();
}

std::int64_t AllocationWatch::bytes_of(const Tensors& tensors) const {
  std::set<const void*> blocks;
  for (const at::Tensor& tensor : tensors) {
    if (tensor.defined()) blocks.insert(tensor.storage().data());
  }
  return listener_->bytes_of(blocks);
}

}  // namespace planaria::runtime
