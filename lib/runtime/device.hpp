// runtime/device.hpp: where a worker computes: the CPU, or a GPU of CUDA. Private.
// Is: choosing it, and moving tensors to it and back. It needs no CUDA header: LibTorch's own
// dispatch does the work where libtorch_cuda is linked. Is not: how gradients travel (they are
// staged through host memory; NCCL is not used yet).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>

namespace planaria::runtime {

/// A value: cheap to copy.
class Device {
 public:
  Device() = default;  // the CPU
  /// "cpu", "cuda" (the GPU numbered `worker` modulo how many there are) or "cuda:N".
  /// invalid_input says what is allowed here: without libtorch_cuda or without a GPU, cpu alone.
  [[nodiscard]] static Result<Device> named(const std::string& name, WorkerId worker);

  [[nodiscard]] bool is_cpu() const { return device_.is_cpu(); }
  [[nodiscard]] c10::Device torch_device() const { return device_; }
  /// What must be equal on all workers for equal bits: "cpu", or the kind of GPU.
  [[nodiscard]] std::string kind() const;
  /// Makes the device's kernels repeatable: deterministic algorithms, no TF32, a fixed workspace.
  /// Before its first kernel.
  void prepare() const;
  /// Returns the tensor on this device, itself where it is there already.
  [[nodiscard]] at::Tensor here(const at::Tensor& tensor) const;
  /// Seeds LibTorch's default generators, the CPU's and this device's.
  void seed(std::uint64_t key) const;

 private:
  explicit Device(c10::Device device) : device_(device) {}
  c10::Device device_{c10::kCPU};
};

/// Returns the tensor in host memory: itself where it is there, else a copy in pinned memory, which
/// the GPU writes without a second copy.
[[nodiscard]] at::Tensor on_host(const at::Tensor& tensor);
[[nodiscard]] std::vector<at::Tensor> on_host(const std::vector<at::Tensor>& tensors);

}  // namespace planaria::runtime
