// schedule/markup.hpp: what may stand in XML, and numbers as pictures show them. Floor 2, pure.
// Is: texts and numbers that are well-formed in any SVG or page. Is not: a picture (draw.hpp), nor
// a writer of elements of any kind.
#pragma once

#include <string>
#include <string_view>

namespace planaria {

/// Returns the text as XML 1.0 may hold it, in content and in attributes: & < > " ' as entities,
/// bytes that are no UTF-8 and characters that XML forbids as U+FFFD.
[[nodiscard]] std::string escaped(std::string_view text);
/// Returns at most `characters` of a UTF-8 text, the last one then "…".
[[nodiscard]] std::string shortened(const std::string& text, std::size_t characters);
/// Returns a coordinate with at most `decimals` decimals and no zeros behind them: "12.5", "3".
[[nodiscard]] std::string decimal(double value, int decimals = 2);
/// Returns a time or rate as people read it: "33", "0.601", "1234.5", "2.5e-05".
[[nodiscard]] std::string figure(double value);
/// Returns a <text> of that class of the style sheet, the text escaped.
[[nodiscard]] std::string text_at(double x, double y, const char* style_class,
                                  const std::string& text);

}  // namespace planaria
