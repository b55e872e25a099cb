// The CUDA road by itself: calls of the runtime and of c10_cuda, and pinned memory from the backend
// in torch_cuda, compiled and linked. It needs no compiler of CUDA's, only the headers that come
// beside LibTorch, and no GPU; where there is none it says so.
#include <cstdio>

#include <ATen/core/CachingHostAllocator.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#ifndef PLANARIA_HAS_CUDA
#error "planaria_torch must define PLANARIA_HAS_CUDA where PLANARIA_CUDA is ON"
#endif

int main() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) {
    std::printf("SKIPPED: %s\n", cudaGetErrorString(error));
    return 0;
  }
  const c10::cuda::CUDAStream stream = c10::cuda::getCurrentCUDAStream();
  const c10::DataPtr pinned = at::getHostAllocator(at::kCUDA)->allocate(4096);
  stream.synchronize();
  std::printf("%d GPU, stream %lld, 4096 bytes pinned\n", count,
              static_cast<long long>(stream.id()));
  return pinned.get() == nullptr ? 1 : 0;
}
