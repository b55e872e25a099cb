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

/// Returns the row of a worker that computes nothing and shadows `layers`, in words.
[[nodiscard]] StripPart shadow_row_of(const HeldBytes& held, WorkerId worker,
                                      const std::string& layers, const StripScale& scale);

/// Returns what colours and lines mean, from (0, 0) on; `has_recompute` and `has_shadows` say
/// whether there are any.
[[nodiscard]] std::string strip_legend(bool has_recompute, bool has_shadows);
/// Returns the style sheet that strips need besides panel_style().
[[nodiscard]] std::string strip_style();
/// Returns the fills that strips need, as an element.
[[nodiscard]] std::string strip_fills();

}  // namespace planaria
