// cli/schedule_inputs.hpp: what the options and files of `planaria schedule` say together. Private.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/schedule/actions.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/simulate.hpp>

#include "cli/schedule_options.hpp"
#include "cli/stage_terms.hpp"

namespace planaria::cli {

/// What a plan says beside its stages' terms.
struct PlanTerms {
  StageTerms stages;
  std::optional<std::string> kind;
  int micro_batches = 0;  // the pipeline's share
};
/// Reads --profile, --plan and --cluster: sums over each stage's layers at the plan's micro-batch
/// size, divided by the worker's speed; sends by the links, else the profile's transfer.
[[nodiscard]] Result<PlanTerms> read_plan_terms(const ScheduleFlags& flags);

/// All that is asked for, of a schedule that is to be built or was read.
struct ScheduleInputs {
  std::string kind;     // "file" where the schedule was read
  PipelineShape shape;  // of one pipeline
  int chunks = 2;       // of interleaved
  Schedule placement;   // how chunks lie; with actions where it was read
  StageTerms terms;
  bool by_flags = false;  // terms are the same for every stage
  bool asked_width = false;
  int width = 1;
  std::vector<int> lost;  // [stage]; empty: none
  std::optional<Jitter> jitter;
};

/// Reads the text form of --check or --compare, in pipelines of --width; invalid_input where it
/// cannot be read or is too large.
[[nodiscard]] Result<Schedule> read_schedule(const std::string& path, int width);
/// Reads every file that options name, but outputs and --compare. invalid_input names what does not
/// fit.
[[nodiscard]] Result<ScheduleInputs> read_inputs(const ScheduleFlags& flags);
/// Returns caps by rank of one pipeline, of terms by stage: the least of a rank's chunks.
[[nodiscard]] std::vector<std::int64_t> limits_by_rank(const Schedule& placement,
                                                       const StageTerms& terms);

}  // namespace planaria::cli
