#include "runtime/tensors.hpp"

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

template <class Number>
double squared_norm_of(const Number* values, std::int64_t count) {
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto value = static_cast<double>(values[i]);
    sum += value * value;
  }
  return sum;
}

}  // namespace

double squared_norm(const at::Tensor& tensor) {
  const at::Tensor contiguous = tensor.contiguous();
  if (contiguous.scalar_type() == at::kFloat) {
    return squared_norm_of(contiguous.const_data_ptr<float>(), contiguous.numel());
  }
  const at::Tensor wide = contiguous.to(at::kDouble);
  return squared_norm_of(wide.const_data_ptr<double>(), wide.numel());
}

}  // namespace planaria::runtime
