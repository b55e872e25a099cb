// cli/schedule_options.hpp: the options of `planaria schedule`. Private.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include <planaria/base/result.hpp>

namespace planaria::cli {

/// The options as they are given; nothing where they are not.
struct ScheduleFlags {
  // What to build, or to check.
  std::optional<std::string> kind, check;
  std::optional<int> stages, micro_batches, chunks;
  // What actions cost and hold.
  std::optional<double> forward_ms, backward_input_ms, backward_weight_ms, send_ms, overlapped_ms;
  std::optional<std::int64_t> activation_bytes, weight_gradient_bytes, boundary_bytes;
  std::optional<std::int64_t> memory_limit_bytes;
  std::optional<std::string> costs, profile, plan, cluster, jitter;
  std::optional<int> pipeline;
  int sends_in_flight = 0;
  std::uint64_t seed = 1;
  double search_ms = 1000;
  // Several pipelines, some of whose workers are dead.
  std::optional<int> width, in_flight_limit;
  std::optional<std::string> lost;
  bool staggered = false;
  // What comes out.
  std::optional<std::string> svg, html, compare;
  std::string output;
  bool json = false;
};

/// Adds all options to the subcommand, with the words of docs/options.md.
void add_schedule_options(CLI::App& app, ScheduleFlags& flags);
/// Refuses options that contradict each other or miss another; looks at no file.
[[nodiscard]] Result<void> check_together(const ScheduleFlags& flags);

}  // namespace planaria::cli
