// checkpoint/bytes.hpp: 64-bit numbers as little-endian bytes, private to this module.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace planaria::checkpoint {

/// Returns the eight bytes of `value`, least significant first.
[[nodiscard]] inline std::array<std::byte, 8> little_endian(std::uint64_t value) {
  std::array<std::byte, 8> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(value >> (8 * i));
  return bytes;
}

/// Reads the first eight of `bytes`, which the caller has checked to be there.
[[nodiscard]] inline std::uint64_t from_little_endian(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  return value;
}

}  // namespace planaria::checkpoint
