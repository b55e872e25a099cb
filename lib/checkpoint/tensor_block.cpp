#include <planaria/checkpoint/tensor_block.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "checkpoint/bytes.hpp"

namespace planaria::checkpoint {
namespace {

constexpr std::uint64_t alignment = 64;
constexpr std::uint64_t data_bytes_max = std::uint64_t{1} << 62;
constexpr std::size_t rank_max = 64;

constexpr std::array<std::pair<std::string_view, std::size_t>, 10> dtypes{{{"F64", 8},
                                                                           {"F32", 4},
                                                                           {"F16", 2},
                                                                           {"BF16", 2},
                                                                           {"I64", 8},
                                                                           {"I32", 4},
                                                                           {"I16", 2},
                                                                           {"I8", 1},
                                                                           {"U8", 1},
                                                                           {"BOOL", 1}}};

constexpr std::array<std::pair<Role, std::string_view>, 3> roles{
    {{Role::parameter, "parameter"}, {Role::buffer, "buffer"}, {Role::optimizer, "optimizer"}}};

std::string_view name_of(Role role) {
  for (const auto& [known, name] : roles) {
    if (known == role) return name;
  }
  check_failed("a role without a name", fmt::format("{}", static_cast<int>(role)));
}

// Nothing where a dimension is negative or the product passes data_bytes_max. A zero dimension ends
// it at once, so that [2^62, 2^62, 0] is an empty tensor in whatever order it is multiplied.
std::optional<std::uint64_t> checked_bytes(const std::vector<std::int64_t>& shape,
                                           std::uint64_t element) {
  for (const std::int64_t dimension : shape) {
    if (dimension < 0) return std::nullopt;
  }
  if (std::ranges::find(shape, 0) != shape.end()) return 0;
  std::uint64_t bytes = element;
  for (const std::int64_t dimension : shape) {
    if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(dimension), &bytes) ||
        bytes > data_bytes_max) {
      return std::nullopt;
    }
  }
  return bytes;
}

void read_shape(ObjectReader& reader, TensorInfo& info) {
  const Json& shape = reader.array("shape");
  if (shape.size() > rank_max) {
    reader.refuse("shape", fmt::format("{} dimensions, at most {}", shape.size(), rank_max));
    return;
  }
  for (const Json& dimension : shape) {
    // A list, not a number, would be shown at any length: dump() only what is small.
    if (!dimension.is_number_integer() ||
        (dimension.is_number_unsigned() && dimension.get<std::uint64_t>() > data_bytes_max) ||
        dimension.get<std::int64_t>() < 0) {
      reader.refuse("shape",
                    fmt::format("{}, must be whole numbers from 0",
                                dimension.is_number() ? dimension.dump() : dimension.type_name()));
      return;
    }
    info.shape.push_back(dimension.get<std::int64_t>());
  }
}

Result<std::vector<TensorInfo>> read_infos(std::string_view text) {
  const std::string source = "tensor block";
  PLANARIA_TRY(json, parse_json(text, source, {.depth_max = 4}));
  ObjectReader reader(json, source, "");
  const Json& list = reader.array("tensors");
  PLANARIA_TRY_VOID(reader.finish());
  std::vector<TensorInfo> infos;
  for (std::size_t i = 0; i < list.size(); ++i) {
    PLANARIA_TRY(info, tensor_info_from_json(list[i], fmt::format("{}: tensors[{}]", source, i)));
    infos.push_back(std::move(info));
  }
  return infos;
}

}  // namespace

std::size_t element_bytes(const std::string& dtype) {
  for (const auto& [name, bytes] : dtypes) {
    if (name == dtype) return bytes;
  }
  return 0;
}

std::uint64_t data_bytes(const TensorInfo& info) {
  const auto bytes = checked_bytes(info.shape, element_bytes(info.dtype));
  if (!bytes) {
    check_failed("a tensor's shape is negative or too large",
                 fmt::format("{} [{}]", info.name, fmt::join(info.shape, ", ")));
  }
  return *bytes;
}

Json to_json(const TensorInfo& info) {
  Json json = {{"name", info.name},
               {"dtype", info.dtype},
               {"shape", info.shape},
               {"role", std::string(name_of(info.role))}};
  if (info.tied_copy) json["tied_copy"] = true;
  return json;
}

Result<TensorInfo> tensor_info_from_json(const Json& json, const std::string& source) {
  ObjectReader reader(json, source, "");
  TensorInfo info;
  info.name = reader.text("name");
  info.dtype = reader.text("dtype");
  const std::string role = reader.text("role");
  info.tied_copy = reader.optional_boolean("tied_copy").value_or(false);
  read_shape(reader, info);
  if (element_bytes(info.dtype) == 0) {
    reader.refuse("dtype", fmt::format("'{}', must be one of F64, F32, F16, BF16, I64, I32, I16, "
                                       "I8, U8, BOOL",
                                       info.dtype.substr(0, 20)));
  }
  const auto* known =
      std::ranges::find_if(roles, [&](const auto& candidate) { return candidate.second == role; });
  if (known == roles.end()) {
    reader.refuse("role", fmt::format("'{}', must be one of parameter, buffer, optimizer", role));
  } else {
    info.role = known->first;
  }
  PLANARIA_TRY_VOID(reader.finish());
  if (!checked_bytes(info.shape, element_bytes(info.dtype))) {
    return Fault::invalid_input(fmt::format("{}: shape: [{}] of {}, must be at most 2^62 bytes",
                                            source, fmt::join(info.shape, ", "), info.dtype));
  }
  return info;
}

std::size_t padding_after(std::uint64_t size) {
  return static_cast<std::size_t>((alignment - size % alignment) % alignment);
}

std::vector<std::byte> block_header(const std::vector<TensorInfo>& infos) {
  Json list = Json::array();
  for (const TensorInfo& info : infos) {
    // The other side would call it corrupt; here it is this side's mistake.
    check(element_bytes(info.dtype) != 0, "a tensor block with an unknown dtype");
    list.push_back(to_json(info));
  }
  const std::string text = Json{{"tensors", std::move(list)}}.dump();
  std::vector<std::byte> header(8 + text.size() + padding_after(8 + text.size()));
  std::ranges::copy(little_endian(text.size()), header.begin());
  std::ranges::copy(std::as_bytes(std::span(text)), header.begin() + 8);
  return header;
}

std::uint64_t block_bytes(const std::vector<TensorInfo>& infos) {
  std::uint64_t end = block_header(infos).size();
  for (const TensorInfo& info : infos) end += padding_after(end) + data_bytes(info);
  return end;
}

Result<std::vector<BlockTensor>> parse_block(std::span<std::byte> payload) {
  if (payload.size() < 8) {
    return Fault::corrupt(
        fmt::format("tensor block: {} bytes, its header alone has at least 8", payload.size()));
  }
  const std::uint64_t length = from_little_endian(payload);
  if (length > payload.size() - 8) {
    return Fault::corrupt(fmt::format("tensor block: a header of {} bytes, {} are there", length,
                                      payload.size() - 8));
  }
  const std::string_view text(reinterpret_cast<const char*>(payload.data()) + 8, length);
  auto infos = read_infos(text);
  if (!infos) return Fault::corrupt(infos.fault().sentence);

  std::vector<BlockTensor> tensors;
  std::uint64_t end = 8 + length;
  for (TensorInfo& info : infos.value()) {
    const std::uint64_t begin = end + padding_after(end);
    const std::uint64_t bytes = data_bytes(info);
    if (begin > payload.size() || bytes > payload.size() - begin) {
      return Fault::corrupt(fmt::format(
          "tensor block: tensor '{}' has {} bytes from byte {} on, the block ends at {}", info.name,
          bytes, begin, payload.size()));
    }
    tensors.push_back({std::move(info), payload.subspan(begin, bytes)});
    end = begin + bytes;
  }
  if (payload.size() != end && payload.size() != end + padding_after(end)) {
    return Fault::corrupt(
        fmt::format("tensor block: {} bytes, its tensors end at byte {}", payload.size(), end));
  }
  return tensors;
}

}  // namespace planaria::checkpoint
