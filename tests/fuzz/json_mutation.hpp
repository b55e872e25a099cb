// A JSON text changed at one place, as another JSON text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace planaria::test {

/// Returns the text with one value replaced, removed, doubled or exchanged with another; nothing
/// where it is no JSON. Same text and seed, same answer.
[[nodiscard]] std::optional<std::string> mutated_json(std::string_view text, std::uint64_t seed);

}  // namespace planaria::test
