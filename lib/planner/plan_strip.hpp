// planner/plan_strip.hpp: a kind of pipelines as a strip of layers and a row a worker. Private to
// planner.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <planaria/model/profile.hpp>

#include "planner/plan_kinds.hpp"

namespace planaria {

/// What all strips and rows of a picture share.
struct StripScale {
  double width_px = 0;          // from the picture's left margin to its right
  std::int64_t most_bytes = 0;  // at the end of a row's bar
  bool by_layer = true;         // an element a layer; else an element a stage
};

/// Margin on both sides.
inline constexpr double margin_px = 12;

/// A part of the picture, from (0, 0) down.
struct StripPart {
  std::string markup;
  double height_px = 0;
};

/// Returns the layers from left to right, all equally wide, coloured by stage. `size` is where the
/// micro-batch size stands in the profile.
[[nodiscard]] StripPart strip_of(const PipelineKind& kind, const Profile& profile, std::size_t size,
                                 const StripScale& scale);
/// Returns a row for each rank: its stages and layers, what it holds at most, its workers.
[[nodiscard]] StripPart rows_of(const PipelineKind& kind, const StripScale& scale);

/// What one worker holds: bars from left to right, and its memory behind them.
struct HeldBar {
  std::int64_t state_bytes = 0, gradient_bytes = 0, working_bytes = 0, shadow_bytes = 0;
  std::int64_t memory_bytes = 0;
};
/// Returns a worker's bar with its figures, `y_px` being its top.
[[nodiscard]] std::string bar_of(const HeldBar& held, double y_px, const StripScale& scale);
/// How tall a row with a bar is, to the next one.
inline constexpr double row_px = 18;

/// Returns what colours and lines mean, from (0, 0) on; `has_recompute` and `has_shadows` say
/// whether there are any.
[[nodiscard]] std::string strip_legend(bool has_recompute, bool has_shadows);
/// Returns the style sheet that strips need besides panel_style().
[[nodiscard]] std::string strip_style();
/// Returns the fills that strips need, as an element.
[[nodiscard]] std::string strip_fills();

}  // namespace planaria
