#include <planaria/schedule/markup.hpp>

#include <cmath>
#include <cstdint>

#include <fmt/format.h>

#include <planaria/base/text.hpp>

namespace planaria {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";  // U+FFFD
constexpr std::string_view ellipsis = "\xe2\x80\xa6";

std::string_view entity_of(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return {};
  }
}

bool is_forbidden(std::string_view character) {
  const auto first = static_cast<std::uint8_t>(character[0]);
  if (character.size() == 1) return first < 0x20 && first != '\t' && first != '\n' && first != '\r';
  return character == "\xef\xbf\xbe" || character == "\xef\xbf\xbf";  // U+FFFE, U+FFFF
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t length = character_bytes(text);
    const std::string_view character = text.substr(0, length == 0 ? 1 : length);
    const std::string_view entity = entity_of(character[0]);
    if (length == 0 || is_forbidden(character)) {
      result += replacement;
    } else {
      result += entity.empty() ? character : entity;
    }
    text.remove_prefix(character.size());
  }
  return result;
}

std::string shortened(const std::string& text, std::size_t characters) {
  std::size_t count = 0;
  std::size_t cut = 0;  // where the last character that is kept would begin
  for (std::size_t at = 0; at < text.size(); ++count) {
    if (count + 1 == characters) cut = at;
    if (count == characters) return text.substr(0, cut) + std::string(ellipsis);
    const std::size_t length = character_bytes(std::string_view(text).substr(at));
    at += length == 0 ? 1 : length;
  }
  return text;
}

std::string decimal(double value, int decimals) {
  std::string text = fmt::format("{:.{}f}", value, decimals);
  if (text.find('.') == std::string::npos) return text;
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

std::string figure(double value) {
  const double size = std::abs(value);
  if (size != 0 && (size < 0.001 || size >= 1e9)) return fmt::format("{:.3g}", value);
  return decimal(value, size < 1 ? 4 : size < 1000 ? 3 : 1);
}

std::string text_at(double x, double y, const char* style_class, const std::string& text) {
  return fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\">{}</text>", style_class, decimal(x),
                     decimal(y), escaped(text));
}

}  // namespace planaria
