// transport/wire.hpp (private): the 64 bytes before every payload. Pure.
// Layout, little-endian: magic u32, kind u16, zero u16, view i64, step i64, layer i32,
// micro_batch i32, part i32, zero u32, payload bytes u64, payload XXH3-64 u64, XXH3-64 of these 56
// bytes u64. The header has a checksum of its own because its length decides how much is read next.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <planaria/base/result.hpp>
#include <planaria/transport/frame.hpp>

namespace planaria::transport {

inline constexpr std::size_t header_bytes = 64;
using HeaderBytes = std::array<std::byte, header_bytes>;

struct FrameHeader {
  FrameKey key;
  std::uint64_t payload_bytes = 0;
  std::uint64_t payload_xxh3 = 0;
  friend bool operator==(const FrameHeader&, const FrameHeader&) = default;
};

[[nodiscard]] HeaderBytes encode(const FrameHeader& header);
/// Reads a header; corrupt for another magic, a wrong checksum, an unknown kind or more than
/// `frame_bytes_max` bytes of payload.
[[nodiscard]] Result<FrameHeader> decode(std::span<const std::byte, header_bytes> bytes,
                                         std::uint64_t frame_bytes_max);

/// Returns e.g. "activation of view 3, step 41, layer 2, micro-batch 5, part 0", for sentences.
[[nodiscard]] std::string text_of(const FrameKey& key);

}  // namespace planaria::transport
