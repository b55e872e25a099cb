#include "runtime/data_samples.hpp"

#include <vector>

#include <ATen/core/Tensor.h>

#include <planaria/base/hash.hpp>

#include "runtime/tensors.hpp"

namespace planaria::runtime {

Tensors samples_of(const Dataset& dataset, std::span<const std::int64_t> ids, SampleEnd end) {
  Tensors tensors = end == SampleEnd::inputs ? dataset.inputs(ids) : dataset.targets(ids);
  for (at::Tensor& tensor : tensors) tensor = canonical(tensor);
  return tensors;
}

std::uint64_t hash_of_samples(const Tensors& tensors) {
  std::vector<std::span<const std::byte>> bytes;
  bytes.reserve(tensors.size());
  for (const at::Tensor& tensor : tensors) bytes.push_back(bytes_of(tensor));
  return xxh3_64(bytes);
}

}  // namespace planaria::runtime
