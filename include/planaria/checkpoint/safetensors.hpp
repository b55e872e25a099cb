// checkpoint/safetensors.hpp: the safetensors file format, read and written. Floor 6, no LibTorch.
// Format: u64 LE header length, JSON {name: {dtype, shape, data_offsets}}, raw data.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <memory>
#include <string>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/checkpoint/tensor_block.hpp>

namespace planaria::checkpoint {

/// Writes a file tensor by tensor, in the order announced, into PATH.partial; close() renames it, so
/// a half-written file never has the name.
class SafetensorsWriter {
 public:
  [[nodiscard]] static Result<SafetensorsWriter> create(const std::string& path,
                                                        const std::vector<TensorInfo>& tensors,
                                                        const std::map<std::string, std::string>& metadata);
  SafetensorsWriter(SafetensorsWriter&&) noexcept;
  SafetensorsWriter& operator=(SafetensorsWriter&&) noexcept;
  ~SafetensorsWriter();
  /// Appends the next tensor's data, whole or in pieces that add up.
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
  /// The tensors in the order of their data.
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
