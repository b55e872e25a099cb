// protocol/cbor_shape.hpp: is this CBOR that encode() could have written? Private to protocol.
// Is: a check before the library reads, which recurses without limit on nested input and throws on
// lengths no memory holds. Is not: a reader.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace planaria::protocol {

/// Returns nothing where `bytes` are one whole item of definite lengths, at most 32 levels deep,
/// with text keys, valid UTF-8, no tags and no byte strings; else what is wrong: "byte 12: …".
/// O(bytes).
[[nodiscard]] std::optional<std::string> misshapen(std::span<const std::byte> bytes);

/// Returns `text` with what is not UTF-8 replaced: a user's exception may say anything.
[[nodiscard]] std::string valid_utf8(std::string_view text);

}  // namespace planaria::protocol
