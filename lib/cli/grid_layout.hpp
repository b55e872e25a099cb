// cli/grid_layout.hpp: how pipelines that are all alike are written. Private to cli.
#pragma once

#include <string>

#include <fmt/format.h>

#include <planaria/base/json.hpp>
#include <planaria/liveput/setting.hpp>

namespace planaria::cli {

/// Returns "4 x 8", width and depth, or "1 x 8 shadowed".
[[nodiscard]] inline std::string grid_text(const GridLayout& layout) {
  return fmt::format("{} x {}{}", layout.width, layout.depth,
                     layout.shadows > 0 ? " shadowed" : "");
}

/// Adds width and depth to what is said of a layout, and shadows where it has any.
inline void add_grid(const GridLayout& layout, Json& json) {
  json["width"] = layout.width;
  json["depth"] = layout.depth;
  if (layout.shadows > 0) json["shadows"] = layout.shadows;
}

}  // namespace planaria::cli
