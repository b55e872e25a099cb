#include <planaria/checkpoint/state_hash.hpp>

#include <string_view>

#include <planaria/checkpoint/safetensors.hpp>

#include "checkpoint/bytes.hpp"

namespace planaria::checkpoint {

void add_tensor(Xxh3Stream128& stream, const TensorInfo& info, std::span<const std::byte> data) {
  check_equal(data.size(), data_bytes(info), "a tensor's data and its shape");
  constexpr std::string_view end("\0", 1);
  stream.add(info.name);
  stream.add(end);
  stream.add(info.dtype);
  stream.add(end);
  stream.add(little_endian(info.shape.size()));
  for (const std::int64_t dimension : info.shape) {
    stream.add(little_endian(static_cast<std::uint64_t>(dimension)));
  }
  stream.add(data);
}

void StateHasher::add(const TensorInfo& info, std::span<const std::byte> data) {
  if (info.tied_copy) return;
  if (info.role == Role::parameter) add_tensor(weights_, info, data);
  add_tensor(state_, info, data);
}

Result<std::string> weights_hash_of_file(const std::string& path) {
  PLANARIA_TRY(file, SafetensorsFile::open(path));
  Xxh3Stream128 stream;
  for (const TensorInfo& info : file.tensors()) {
    if (info.role == Role::parameter) add_tensor(stream, info, *file.data(info.name));
  }
  return stream.hex();
}

}  // namespace planaria::checkpoint
