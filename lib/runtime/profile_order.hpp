// runtime/profile_order.hpp: a program that `planaria profile` has started. Private.
// Is: that it was, and its part of the measurement. Is not: the measurement (profiling_parts.hpp).
#pragma once

#include <planaria/runtime/trainer.hpp>

namespace planaria::runtime {

/// Whether this program was started by `planaria profile`.
[[nodiscard]] bool profile_asked();
/// Measures, or is the other worker, in place of training; says how that ended. Requires
/// profile_asked().
[[nodiscard]] TrainingOutcome take_part_in_profile(const TrainerOptions& trainer);

}  // namespace planaria::runtime
