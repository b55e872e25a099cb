// schedule/builders.hpp: the schedules of the field, one builder each. Floor 2, pure.
#pragma once

#include <string>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/schedule/actions.hpp>

namespace planaria {

struct PipelineShape {
  int stages = 1;         // p, at least 1
  int micro_batches = 1;  // m, at least 1
};

/// GPipe (Huang et al., 2019): all forwards, then all fused backwards, both in index order.
[[nodiscard]] Schedule gpipe(PipelineShape shape);
/// 1F1B (PipeDream-Flush, Narayanan et al., 2021): rank r runs p-r-1 forwards, then forward and
/// backward in turn, then the remaining backwards. Peak in flight: min(p-r, m).
[[nodiscard]] Schedule one_forward_one_backward(PipelineShape shape);

/// The kinds that build_schedule knows, in the order help prints them: "gpipe", "1f1b".
[[nodiscard]] const std::vector<std::string>& schedule_kinds();
/// Builds by name; an unknown one is invalid_input naming what is allowed.
[[nodiscard]] Result<Schedule> build_schedule(const std::string& kind, PipelineShape shape);

}  // namespace planaria
