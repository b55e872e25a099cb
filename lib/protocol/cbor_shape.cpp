#include "protocol/cbor_shape.hpp"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include <planaria/base/json.hpp>

namespace planaria::protocol {
namespace {

constexpr int depth_max = 32;

// RFC 8949's major types and the extra values of type 7 that JSON needs.
enum Major { unsigned_number, negative_number, byte_text, text, list, map, tag, simple };

class Scanner {
 public:
  explicit Scanner(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::optional<std::string> scan() {
    if (!item(0)) return wrong_;
    if (at_ != bytes_.size()) return fmt::format("byte {}: {} bytes too many", at_, remaining());
    return std::nullopt;
  }

 private:
  [[nodiscard]] std::size_t remaining() const { return bytes_.size() - at_; }

  bool fail(const std::string& what) {
    wrong_ = fmt::format("byte {}: {}", at_, what);
    return false;
  }

  // Reads an item's first byte and the number that belongs to it.
  bool head(int& major, int& info, std::uint64_t& value) {
    if (remaining() == 0) return fail("ends too early");
    const auto first = std::to_integer<unsigned>(bytes_[at_]);
    major = static_cast<int>(first >> 5);
    info = static_cast<int>(first & 31U);
    if (info > 27) return fail("a length that is not told in advance");
    const std::size_t more = info < 24 ? 0 : std::size_t{1} << (info - 24);
    if (remaining() - 1 < more) return fail("ends too early");
    value = info < 24 ? static_cast<std::uint64_t>(info) : 0;
    for (std::size_t i = 1; i <= more; ++i) {
      value = value << 8 | std::to_integer<std::uint64_t>(bytes_[at_ + i]);
    }
    at_ += 1 + more;
    return true;
  }

  bool item(int depth) {
    if (depth > depth_max) return fail("nested too deep");
    int major = 0;
    int info = 0;
    std::uint64_t value = 0;
    if (!head(major, info, value)) return false;
    switch (major) {
      case unsigned_number:
        return true;
      case negative_number:
        return value <= static_cast<std::uint64_t>(INT64_MAX) || fail("a number below 64 bits");
      case text:
        return skip_text(value);
      case list:
        return items(value, depth);
      case map:
        return entries(value, depth);
      case simple:
        return (info >= 20 && info <= 22) || (info >= 25 && info <= 27) ||
               fail("a value that is no JSON");
      default:
        return fail("a byte string or tag");
    }
  }

  bool skip_text(std::uint64_t length) {
    if (length > remaining()) return fail("a text longer than the message");
    const auto* begin = reinterpret_cast<const char*>(bytes_.data() + at_);
    const std::string_view content(begin, static_cast<std::size_t>(length));
    if (valid_utf8(content) != content) return fail("a text that is not UTF-8");
    at_ += static_cast<std::size_t>(length);
    return true;
  }

  bool items(std::uint64_t count, int depth) {
    if (count > remaining()) return fail("a list longer than the message");
    for (std::uint64_t i = 0; i < count; ++i) {
      if (!item(depth + 1)) return false;
    }
    return true;
  }

  bool entries(std::uint64_t count, int depth) {
    if (count > remaining()) return fail("an object longer than the message");
    for (std::uint64_t i = 0; i < count; ++i) {
      int major = 0;
      int info = 0;
      std::uint64_t length = 0;
      if (!head(major, info, length)) return false;
      if (major != text) return fail("a key that is not a text");
      if (!skip_text(length) || !item(depth + 1)) return false;
    }
    return true;
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  std::string wrong_;
};

}  // namespace

std::optional<std::string> misshapen(std::span<const std::byte> bytes) {
  return Scanner(bytes).scan();
}

std::string valid_utf8(std::string_view text) {
  const bool ascii = std::ranges::all_of(text, [](char c) { return (c & 0x80) == 0; });
  if (ascii) return std::string(text);
  // The library replaces what is not UTF-8 when it writes; what it then reads back is.
  const std::string written = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
  return Json::parse(written).get<std::string>();
}

}  // namespace planaria::protocol
