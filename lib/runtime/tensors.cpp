#include "runtime/tensors.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include <ATen/ATen.h>

#include <planaria/base/check.hpp>

namespace planaria::runtime {
namespace {

constexpr std::uintptr_t alignment_bytes = 64;

constexpr std::array<std::pair<at::ScalarType, const char*>, 10> type_names{{
    {at::kDouble, "F64"},
    {at::kFloat, "F32"},
    {at::kHalf, "F16"},
    {at::kBFloat16, "BF16"},
    {at::kLong, "I64"},
    {at::kInt, "I32"},
    {at::kShort, "I16"},
    {at::kChar, "I8"},
    {at::kByte, "U8"},
    {at::kBool, "BOOL"},
}};

}  // namespace

at::Tensor canonical(const at::Tensor& tensor) {
  at::Tensor contiguous = tensor.contiguous();
  const auto address = reinterpret_cast<std::uintptr_t>(contiguous.const_data_ptr());
  if (address % alignment_bytes != 0) return contiguous.clone();
  return contiguous;
}

std::span<const std::byte> bytes_of(const at::Tensor& tensor) {
  check(tensor.is_contiguous(), "bytes of a tensor that is not contiguous");
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

std::span<std::byte> mutable_bytes_of(const at::Tensor& tensor) {
  check(tensor.is_contiguous(), "bytes of a tensor that is not contiguous");
  return {static_cast<std::byte*>(tensor.mutable_data_ptr()), tensor.nbytes()};
}

checkpoint::TensorInfo info_of(const at::Tensor& tensor, std::string name) {
  checkpoint::TensorInfo info;
  info.name = std::move(name);
  info.shape = tensor.sizes().vec();
  for (const auto& [type, text] : type_names) {
    if (type == tensor.scalar_type()) info.dtype = text;
  }
  check(!info.dtype.empty(), "a tensor's type has no name in safetensors");
  return info;
}

std::optional<at::ScalarType> scalar_type_named(const std::string& dtype) {
  for (const auto& [type, text] : type_names) {
    if (dtype == text) return type;
  }
  return std::nullopt;
}

at::Tensor tensor_over(const transport::Buffer& buffer, std::span<std::byte> data,
                       at::ScalarType type, const std::vector<std::int64_t>& shape) {
  return at::from_blob(
      data.data(), shape, [owner = buffer.owner()](void*) mutable { owner.reset(); },
      at::TensorOptions().dtype(type));
}

namespace {

// Independent sums hide each other's latency; more than this many gain nothing.
constexpr std::size_t side_by_side = 8;

template <class Number>
struct Chain {
  const Number* values = nullptr;
  std::int64_t left = 0;
  std::size_t result = 0;  // whose sum it is
};

// Adds `count` elements to each chain's sum. A chain takes its own elements in order, so its bits
// are those of a plain loop over it.
template <class Number>
void add_squares(std::array<Chain<Number>, side_by_side>& chains, std::int64_t count,
                 std::array<double, side_by_side>& sums) {
  std::array<double, side_by_side> local = sums;
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::size_t c = 0; c < side_by_side; ++c) {
      const auto value = static_cast<double>(chains[c].values[i]);
      local[c] += value * value;
    }
  }
  sums = local;
  for (auto& chain : chains) {
    chain.values += count;
    chain.left -= count;
  }
}

template <class Number>
double add_rest(const Chain<Number>& chain, double sum) {
  for (std::int64_t i = 0; i < chain.left; ++i) {
    const auto value = static_cast<double>(chain.values[i]);
    sum += value * value;
  }
  return sum;
}

// Eight chains run together; one that ends gives its place to the next tensor.
template <class Number>
void sum_squares(std::vector<Chain<Number>> waiting, std::vector<double>& results) {
  std::array<Chain<Number>, side_by_side> chains;
  std::array<double, side_by_side> sums{};
  std::size_t next = 0;
  std::size_t running = 0;
  while (running < side_by_side && next < waiting.size()) chains[running++] = waiting[next++];
  while (running == side_by_side) {
    const auto shortest = std::min_element(
        chains.begin(), chains.end(), [](const auto& a, const auto& b) { return a.left < b.left; });
    add_squares(chains, shortest->left, sums);
    const auto place = static_cast<std::size_t>(shortest - chains.begin());
    results[shortest->result] = sums[place];
    sums[place] = 0;
    if (next < waiting.size()) {
      *shortest = waiting[next++];
    } else {
      std::swap(chains[place], chains[--running]);
      std::swap(sums[place], sums[running]);
    }
  }
  for (std::size_t c = 0; c < running; ++c) {
    results[chains[c].result] = add_rest(chains[c], sums[c]);
  }
}

}  // namespace

std::vector<double> squared_norms(const std::vector<at::Tensor>& tensors) {
  std::vector<double> results(tensors.size());
  std::vector<at::Tensor> kept;  // what the chains point into
  std::vector<Chain<float>> singles;
  std::vector<Chain<double>> doubles;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const bool single = tensors[i].scalar_type() == at::kFloat;
    kept.push_back(single ? tensors[i].contiguous() : tensors[i].to(at::kDouble).contiguous());
    const at::Tensor& tensor = kept.back();
    if (single) {
      singles.push_back({tensor.const_data_ptr<float>(), tensor.numel(), i});
    } else {
      doubles.push_back({tensor.const_data_ptr<double>(), tensor.numel(), i});
    }
  }
  sum_squares(std::move(singles), results);
  sum_squares(std::move(doubles), results);
  return results;
}

bool passes_gradient(const at::Tensor& tensor) {
  return at::isFloatingType(tensor.scalar_type());
}

}  // namespace planaria::runtime
