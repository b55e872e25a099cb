// cli/stage_terms.hpp: what stages cost and hold, and how far times spread, from files. Private.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>
#include <planaria/schedule/memory.hpp>
#include <planaria/schedule/simulate.hpp>

namespace planaria::cli {

/// What each stage costs and holds, wherever that was said.
struct StageTerms {
  std::vector<StageCosts> costs;
  std::vector<StageMemory> memory;
  std::vector<std::int64_t> limit_bytes;  // of a rank, by stage; empty: none
  std::vector<bool> recompute;            // the plan's wish; empty: none
  std::vector<int> workers;               // the plan's; empty: no plan
};

/// Reads the file of --costs; invalid_input names source and path of what is missing, unknown or
/// out of range.
[[nodiscard]] Result<StageTerms> costs_from_json(const Json& json, const std::string& source);
/// Reads the file of --jitter likewise.
[[nodiscard]] Result<Jitter> jitter_from_json(const Json& json, const std::string& source,
                                              std::uint64_t seed);

}  // namespace planaria::cli
