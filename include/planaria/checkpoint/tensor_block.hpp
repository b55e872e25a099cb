// checkpoint/tensor_block.hpp: tensors as bytes that say what they are. Floor 6, no LibTorch.
// Is: dtype, shape, name and raw data, for the wire and the disk. Is not: arithmetic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>

namespace planaria::checkpoint {

/// What a tensor is to its layer. Hashes and files take parameters first, then buffers, then state.
enum class Role { parameter, buffer, optimizer };

/// Everything about a tensor but its data. dtype in safetensors' words: F64 F32 F16 BF16 I64 I32
/// I16 I8 U8 BOOL. Data is row-major, little-endian, contiguous.
struct TensorInfo {
  std::string name;  // "<layer>.<path>"; optimizer state: "<layer>.<path>:exp_avg"
  std::string dtype;
  std::vector<std::int64_t> shape;
  Role role = Role::parameter;
  /// A tied parameter's first use holds it; later uses say so here and are left out of files and
  /// hashes.
  bool tied_copy = false;
  friend bool operator==(const TensorInfo&, const TensorInfo&) = default;
};

/// Returns the bytes of one element, or 0 for an unknown dtype.
[[nodiscard]] std::size_t element_bytes(const std::string& dtype);
/// Returns elements times element_bytes. Aborts on a shape with a negative dimension or of more
/// than 2^62 bytes: what comes from outside went through tensor_info_from_json, which refuses both.
[[nodiscard]] std::uint64_t data_bytes(const TensorInfo& info);
/// Returns {"name", "dtype", "shape", "role", "tied_copy"}; the last only where it is true.
[[nodiscard]] Json to_json(const TensorInfo& info);
/// Reads the same; invalid_input names `source`, the field, its value and what is allowed.
[[nodiscard]] Result<TensorInfo> tensor_info_from_json(const Json& json, const std::string& source);

/// A frame's payload for several tensors: a header (padded with zeros to 64 bytes), then each
/// tensor's data, each starting at a multiple of 64 from the payload's start. Names may be empty.
/// Returns the header for `infos`; the caller sends it, each data piece, and padding between
/// (behind the last piece it may be sent or left out). The header: u64 LE length of the JSON, the
/// JSON, zeros.
[[nodiscard]] std::vector<std::byte> block_header(const std::vector<TensorInfo>& infos);
/// Returns how many zero bytes follow `size` bytes up to the next multiple of 64.
[[nodiscard]] std::size_t padding_after(std::uint64_t size);

/// Returns the bytes of the whole payload for `infos`, without padding behind the last tensor.
[[nodiscard]] std::uint64_t block_bytes(const std::vector<TensorInfo>& infos);

struct BlockTensor {
  TensorInfo info;
  std::span<std::byte> data;  // inside the payload, 64-byte aligned if the payload is
};
/// Reads a payload; corrupt where lengths do not add up or the header is not readable. No data is
/// copied. A block is a list: names may repeat. O(header).
[[nodiscard]] Result<std::vector<BlockTensor>> parse_block(std::span<std::byte> payload);

}  // namespace planaria::checkpoint
