// runtime/tensors.hpp: LibTorch tensors as bytes and back, always aligned to 64. Private.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <planaria/base/result.hpp>
#include <planaria/checkpoint/tensor_block.hpp>
#include <planaria/runtime/layers.hpp>
#include <planaria/transport/frame.hpp>

namespace planaria::runtime {

/// Kernels give other bits on other alignments and layouts, so every tensor that crosses a layer
/// boundary, also within a worker, is made contiguous and 64-byte aligned. Copies only where
/// needed.
[[nodiscard]] at::Tensor canonical(const at::Tensor& tensor);

/// The raw data of a contiguous tensor, valid while it lives.
[[nodiscard]] std::span<const std::byte> bytes_of(const at::Tensor& tensor);
[[nodiscard]] std::span<std::byte> mutable_bytes_of(const at::Tensor& tensor);

/// Type and shape for the wire or a file. Requires a type safetensors has.
[[nodiscard]] checkpoint::TensorInfo info_of(const at::Tensor& tensor, std::string name = {});
/// The LibTorch type named `dtype`, or nothing.
[[nodiscard]] std::optional<at::ScalarType> scalar_type_named(const std::string& dtype);

/// A tensor over `data` inside `buffer`, which it keeps alive. No copy.
[[nodiscard]] at::Tensor tensor_over(const transport::Buffer& buffer, std::span<std::byte> data,
                                     at::ScalarType type, const std::vector<std::int64_t>& shape);

/// Sums of squares, each in element order in double (PROTOCOL 1). O(elements); one tensor's sum is
/// a chain of additions that wait for each other, so several tensors are summed side by side.
[[nodiscard]] std::vector<double> squared_norms(const std::vector<at::Tensor>& tensors);

/// Whether a gradient comes back for what crosses a boundary.
[[nodiscard]] bool passes_gradient(const at::Tensor& tensor);

}  // namespace planaria::runtime
