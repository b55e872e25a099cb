// liveput/layout_text.hpp: a layout as explanations name it. Private to liveput.
#pragma once

#include <string>

#include <fmt/format.h>

#include <planaria/liveput/setting.hpp>

namespace planaria {

/// Returns e.g. "4x8": width, then depth; "1x8 shadowed".
[[nodiscard]] inline std::string text_of(const GridLayout& layout) {
  return fmt::format("{}x{}{}", layout.width, layout.depth, layout.shadows > 0 ? " shadowed" : "");
}

}  // namespace planaria
