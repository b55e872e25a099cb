// cli/schedule_build.hpp: picks who builds the schedule that was asked for. Private.
// Is: the one place that knows fixed rules, searches and degraded schedules apart.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/schedule/actions.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/memory.hpp>
#include <planaria/schedule/simulate.hpp>

namespace planaria::cli {

struct BuildRequest {
  std::string kind;
  PipelineShape shape;  // of one pipeline
  int chunks = 2;       // of interleaved
  std::vector<StageCosts> costs;
  std::vector<StageMemory> memory;
  std::vector<std::int64_t> limit_bytes;  // [rank of a pipeline]; empty: none
  int sends_in_flight = 0;
  std::optional<double> overlapped_ms;
  std::uint64_t seed = 1;
  // Several pipelines.
  int width = 1;
  std::vector<int> lost;  // [stage]: how many workers; empty: none
  int in_flight_limit = 0;
  bool staggered = false;
};

struct Built {
  Schedule schedule;
  std::optional<double> bound_ms;  // proven: nothing ends before, whatever its order
  std::string remark;              // what a search has to say of itself, or nothing
};

/// Returns how chunks of that kind lie, as a schedule without actions.
[[nodiscard]] Schedule placed(const std::string& kind, PipelineShape shape, int chunks);
/// Builds; a search goes on while `keep_going` says so. Faults as the builders have them.
[[nodiscard]] Result<Built> build(const BuildRequest& request,
                                  const std::function<bool()>& keep_going);

}  // namespace planaria::cli
