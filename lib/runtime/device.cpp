#include "runtime/device.hpp"

#include <cstdlib>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <fmt/format.h>
#include <torch/cuda.h>

#ifdef PLANARIA_HAS_CUDA
#include <cuda_runtime_api.h>  // of CUDA all that the wheel of LibTorch brings
#endif

#include <planaria/base/check.hpp>

namespace planaria::runtime {
namespace {

void seed_one(at::Generator generator, std::uint64_t key) {
  const std::lock_guard lock(generator.mutex());
  generator.set_current_seed(key);
}

constexpr const char* why_no_cuda =
#ifdef PLANARIA_HAS_CUDA
    "no GPU is found here";
#else
    "this build has no CUDA (configure with the preset cuda)";
#endif

}  // namespace

Result<Device> Device::named(const std::string& name, WorkerId worker) {
  if (name == "cpu") return Device();
  const bool numbered = name.rfind("cuda:", 0) == 0;
  const bool digits = numbered && name.size() > 5 && name.size() < 9 &&
                      name.find_first_not_of("0123456789", 5) == std::string::npos;
  if (name != "cuda" && !digits) {
    return Fault::invalid_input(fmt::format("device: {}, must be cpu, cuda or cuda:N", name));
  }
  const auto count = int{static_cast<unsigned char>(torch::cuda::device_count())};
  if (count == 0) {
    return Fault::invalid_input(fmt::format("device: {}, must be cpu: {}", name, why_no_cuda));
  }
  const int index = digits ? std::atoi(name.c_str() + 5) : std::max(worker.value, 0) % count;
  if (index >= count) {
    return Fault::invalid_input(
        fmt::format("device: {}, must be cuda:0 to cuda:{}", name, count - 1));
  }
  return Device(c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index)));
}

std::string Device::kind() const {
  if (is_cpu()) return "cpu";
#ifdef PLANARIA_HAS_CUDA
  cudaDeviceProp properties{};
  if (::cudaGetDeviceProperties(&properties, device_.index()) != cudaSuccess) return "cuda";
  return fmt::format("{} sm_{}{}", properties.name, properties.major, properties.minor);
#else
  return "cuda";
#endif
}

void Device::prepare() const {
  if (is_cpu()) return;
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/1);
  at::Context& context = at::globalContext();
  context.setDeterministicAlgorithms(/*mode=*/true, /*warn_only=*/false);
  context.setBenchmarkCuDNN(false);
  context.setFloat32MatmulPrecision("highest");  // no TF32 in products
  context.setAllowTF32CuDNN(false);              // nor in convolutions
}

at::Tensor Device::here(const at::Tensor& tensor) const {
  return tensor.device() == device_ ? tensor : tensor.to(device_);
}

void Device::seed(std::uint64_t key) const {
  seed_one(at::detail::getDefaultCPUGenerator(), key);
  if (!is_cpu()) seed_one(at::globalContext().defaultGenerator(device_), key);
}

at::Tensor on_host(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  at::Tensor host =
      at::empty(tensor.sizes(), tensor.options().device(c10::kCPU).pinned_memory(true));
  host.copy_(tensor);  // waits for the kernels that compute it
  return host;
}

std::vector<at::Tensor> on_host(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> hosts;
  hosts.reserve(tensors.size());
  for (const at::Tensor& tensor : tensors) hosts.push_back(on_host(tensor));
  return hosts;
}

}  // namespace planaria::runtime
