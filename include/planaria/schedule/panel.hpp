// schedule/panel.hpp: pictures of schedules as parts of larger pictures. Floor 2, pure.
// Is: the panels that draw.hpp's files are made of, their style sheet and the element around them.
// Is not: a whole file (draw.hpp).
#pragma once

#include <string>
#include <vector>

#include <planaria/schedule/draw.hpp>

namespace planaria {

/// One schedule's part of an SVG, from (0, 0) on: title, figures, legend, ranks, axis.
struct Panel {
  std::string markup;
  double width_px = 0;
  double height_px = 0;
};

/// Returns each drawing's panel, all on one scale of time and of memory; as detailed as svg_of()
/// draws them. What they define has ids of its own within one call. Same requirements, but that
/// there may be none. O(actions).
[[nodiscard]] std::vector<Panel> panels_of(const std::vector<ScheduleDrawing>& drawings);

/// Returns the style sheet that panels need, light and dark, for all within svg_element().
[[nodiscard]] std::string panel_style();

/// Returns an <svg> of that size around `content`; `title` is what a screen reader tells.
[[nodiscard]] std::string svg_element(double width_px, double height_px, const std::string& title,
                                      const std::string& content);
/// Returns the same as a whole file (XML 1.0, UTF-8).
[[nodiscard]] std::string svg_file(double width_px, double height_px, const std::string& title,
                                   const std::string& content);

}  // namespace planaria
