// checkpoint/safetensors.hpp: the safetensors file format, read and written. Floor 6, no LibTorch.
// Format: u64 LE header length, JSON {name: {dtype, shape, data_offsets}}, raw data. Only dense,
// little-endian tensors of the dtypes of tensor_block.hpp. Is not: a checkpoint store, nor a guard
// against a file that another process shortens while it is mapped (that raises SIGBUS).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/checkpoint/tensor_block.hpp>

namespace planaria::checkpoint {

/// The longest header that is read or written, as in the format's own library.
inline constexpr std::uint64_t safetensors_header_bytes_max = 100'000'000;

/// Writes a file tensor by tensor, in the order announced, into PATH.partial; close() renames it,
/// so a half-written file never has the name. Destroyed without close(), it removes PATH.partial.
/// The header is padded with spaces so that the data starts at a multiple of 64. One thread at a
/// time.
class SafetensorsWriter {
 public:
  /// Names of buffers are added to the metadata as "planaria.buffers" (state_hash.hpp). Refused
  /// with invalid_input: names that repeat, are empty or "__metadata__", unknown dtypes, tied
  /// copies (their first use holds them). unavailable: the system refuses the file, with its
  /// reason.
  [[nodiscard]] static Result<SafetensorsWriter> create(
      const std::string& path, const std::vector<TensorInfo>& tensors,
      const std::map<std::string, std::string>& metadata);
  SafetensorsWriter(SafetensorsWriter&&) noexcept;
  SafetensorsWriter& operator=(SafetensorsWriter&&) noexcept;
  ~SafetensorsWriter();
  /// Appends the next tensor's data, whole or in pieces that add up: a piece that crosses into the
  /// next tensor is refused. exhausted: the disk is full. After a fault the writer only repeats it.
  [[nodiscard]] Result<void> write(std::span<const std::byte> data);
  /// Checks that everything announced was written, flushes to disk and gives the file its name.
  [[nodiscard]] Result<void> close();

 private:
  struct State;
  explicit SafetensorsWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// A file mapped read-only. Every offset was checked against the file's length and the shapes.
class SafetensorsFile {
 public:
  /// invalid_input names the file and what is wrong with it.
  [[nodiscard]] static Result<SafetensorsFile> open(const std::string& path);
  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;
  ~SafetensorsFile();
  /// The tensors in the order of their data. Roles: buffer for those the metadata lists under
  /// "planaria.buffers", parameter for all others.
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const;
  /// The data of the tensor named `name`, not aligned (copy it), or nothing.
  [[nodiscard]] std::optional<std::span<const std::byte>> data(const std::string& name) const;
  [[nodiscard]] const TensorInfo* find(const std::string& name) const;
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const;

 private:
  struct State;
  explicit SafetensorsFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace planaria::checkpoint
