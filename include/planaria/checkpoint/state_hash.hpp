// checkpoint/state_hash.hpp: the two hashes of docs/formats.md "Runs". Floor 6, no LibTorch.
// Is: one fixed order of bytes, so that two runs of any layout can be compared by 32 digits. Is
// not: a defence against an adversary.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <planaria/base/hash.hpp>
#include <planaria/base/result.hpp>
#include <planaria/checkpoint/tensor_block.hpp>

namespace planaria::checkpoint {

/// Adds one tensor to a stream: name, 0 byte, dtype, 0 byte, rank as u64 LE, each dimension as i64
/// LE, data.
void add_tensor(Xxh3Stream128& stream, const TensorInfo& info, std::span<const std::byte> data);

/// Both hashes over tensors that arrive in layer order, within a layer parameters, buffers, state.
/// weights: parameters alone; state: everything. Tied copies are left out of both.
class StateHasher {
 public:
  /// Takes the next tensor; `data` must be data_bytes(info) long. O(data).
  void add(const TensorInfo& info, std::span<const std::byte> data);
  [[nodiscard]] std::string weights_hex() const { return weights_.hex(); }
  [[nodiscard]] std::string state_hex() const { return state_.hex(); }

 private:
  Xxh3Stream128 weights_;
  Xxh3Stream128 state_;
};

/// Returns weights_xxh3_128 of a model file: its parameters in file order. A model.safetensors of
/// planaria lists its tensors' roles in the metadata ("planaria.buffers": names, comma-separated).
[[nodiscard]] Result<std::string> weights_hash_of_file(const std::string& path);

}  // namespace planaria::checkpoint
