#include "cli/schedule_options.hpp"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/schedule/automatic.hpp>

#include "cli/option_ranges.hpp"
#include "cli/schedule_build.hpp"

namespace planaria::cli {
namespace {

constexpr int stages_max = 4096;
constexpr int micro_batches_max = 1'000'000;
constexpr double ms_max = 1e9;
constexpr double search_max_ms = 3'600'000;
constexpr std::int64_t bytes_max = 1'000'000'000'000;
constexpr std::int64_t limit_max = 1'000'000'000'000'000;

void add_shape(CLI::App& app, ScheduleFlags& flags) {
  app.add_option("--kind", flags.kind,
                 "What to build: " + join(kinds_and_automatic(), ", ") + "; default: the plan's")
      ->type_name("NAME");
  app.add_option("--stages", flags.stages,
                 "Ranks of a pipeline. 1 to 4096; default: as --costs or --plan have them")
      ->check(between(1, stages_max))
      ->type_name("P");
  app.add_option("--micro-batches", flags.micro_batches,
                 "Micro-batches of a pipeline. 1 to 1000000; default: the plan's")
      ->check(between(1, micro_batches_max))
      ->type_name("M");
  app.add_option("--chunks", flags.chunks, "Chunks a rank has, of interleaved. 1 to 64; default 2")
      ->check(between(1, 64))
      ->type_name("V");
  app.add_option("--check", flags.check,
                 "Prove or refute the schedule in this file (text form) and build none")
      ->type_name("FILE");
}

void add_costs(CLI::App& app, ScheduleFlags& flags) {
  const auto ms = [&](const char* name, std::optional<double>& into, const char* what,
                      const char* usual) {
    app.add_option(name, into, fmt::format("{}. 0 to 1000000000; default {}", what, usual))
        ->check(between(0.0, ms_max))
        ->type_name("X");
  };
  ms("--forward-ms", flags.forward_ms, "What F takes, and R, of one chunk", "1");
  ms("--backward-input-ms", flags.backward_input_ms, "What B takes", "1");
  ms("--backward-weight-ms", flags.backward_weight_ms, "What W takes; G takes B and W together",
     "1");
  ms("--send-ms", flags.send_ms, "What a send between ranks takes", "0");
  ms("--overlapped-ms", flags.overlapped_ms,
     "What an overlapped pair takes, at least its longer part", "both parts together");
  app.add_option("--sends-in-flight", flags.sends_in_flight,
                 "Sends of one rank at once. 0 to 1000000; default 0: any number")
      ->check(between(0, micro_batches_max))
      ->type_name("K");
  app.add_option("--costs", flags.costs, "What each stage costs and holds, in place of the above")
      ->type_name("FILE");
  app.add_option("--profile", flags.profile,
                 "A measured model: with --plan its stages' costs, in place of the above")
      ->type_name("FILE");
  app.add_option("--plan", flags.plan, "Which layers each stage has. With --profile")
      ->type_name("FILE");
  app.add_option("--pipeline", flags.pipeline,
                 "Which of the plan's pipelines. 0 to 1000000; default 0")
      ->check(between(0, micro_batches_max))
      ->type_name("I");
  app.add_option("--cluster", flags.cluster,
                 "The workers' speeds and links. With --plan; default: all alike, the profile's "
                 "transfer between them")
      ->type_name("FILE");
  app.add_option("--jitter", flags.jitter,
                 "Measured factors that times are multiplied by at random")
      ->type_name("FILE");
  app.add_option("--seed", flags.seed,
                 "What --jitter and auto draw from. 0 to 18446744073709551615; default 1")
      ->check(natural())
      ->type_name("N");
}

void add_memory(CLI::App& app, ScheduleFlags& flags) {
  const auto bytes = [&](const char* name, std::optional<std::int64_t>& into,
                         const std::string& words) {
    app.add_option(name, into, words)->check(between(std::int64_t{0}, bytes_max))->type_name("N");
  };
  bytes("--activation-bytes", flags.activation_bytes,
        "What a micro-batch of one chunk holds from F to B. 0 to 1000000000000; default 0");
  bytes("--weight-gradient-bytes", flags.weight_gradient_bytes,
        "What its W still needs after B. 0 to 1000000000000; default 0");
  bytes("--boundary-bytes", flags.boundary_bytes,
        "What it keeps where it is recomputed. 0 to 1000000000000; default 0");
  app.add_option("--memory-limit-bytes", flags.memory_limit_bytes,
                 "What a rank may hold. 0 to 1000000000000000; default: any number")
      ->check(between(std::int64_t{0}, limit_max))
      ->type_name("N");
  app.add_option("--search-ms", flags.search_ms,
                 "How long a search may take, of auto and around dead workers. 0 to 3600000; "
                 "default 1000")
      ->check(between(0.0, search_max_ms))
      ->type_name("T");
}

void add_degraded(CLI::App& app, ScheduleFlags& flags) {
  app.add_option("--width", flags.width, "Pipelines side by side. 1 to 1024; default 1")
      ->check(between(1, 1024))
      ->type_name("D");
  app.add_option("--lost", flags.lost,
                 "Dead workers: a stage, or with :n so many of that stage. With --width")
      ->type_name("S[:N],...");
  app.add_option("--in-flight-limit", flags.in_flight_limit,
                 "Micro-batches a rank may have between F and B. 1 to 1000000; default: any "
                 "number. With --width")
      ->check(between(1, micro_batches_max))
      ->type_name("K");
  app.add_flag("--staggered", flags.staggered,
               "Steps follow each other without a barrier: tells the period too. With --width");
}

void add_outputs(CLI::App& app, ScheduleFlags& flags) {
  app.add_option("--svg", flags.svg, "Draw the schedule")->type_name("FILE");
  app.add_option("--html", flags.html, "Write a page with the drawing and a table of ranks")
      ->type_name("FILE");
  app.add_option("--compare", flags.compare,
                 "A second schedule of the same shape and work, drawn beside it: a kind, or a file "
                 "in text form")
      ->type_name("NAME|FILE");
  app.add_flag("--json", flags.json, "Print one JSON object");
  app.add_option("-o", flags.output, "Write the answer to FILE in place of stdout")
      ->type_name("FILE");
}

using Named = std::pair<const char*, bool>;

/// Refuses the first given of `others` beside `option`.
Result<void> excludes(Named option, const std::vector<Named>& others, const char* why) {
  if (!option.second) return {};
  for (const auto& [name, given] : others) {
    if (!given) continue;
    return Fault::invalid_input(fmt::format("{}: not with {}, {}", name, option.first, why));
  }
  return {};
}

Result<void> needs(Named option, Named other) {
  if (!option.second || other.second) return {};
  return Fault::invalid_input(
      fmt::format("{}: only with {}, must be given too or left out", option.first, other.first));
}

}  // namespace

void add_schedule_options(CLI::App& app, ScheduleFlags& flags) {
  add_shape(app, flags);
  add_costs(app, flags);
  add_memory(app, flags);
  add_degraded(app, flags);
  add_outputs(app, flags);
}

Result<void> check_together(const ScheduleFlags& flags) {
  const Named check{"--check", flags.check.has_value()};
  const Named costs{"--costs", flags.costs.has_value()};
  const Named plan{"--plan", flags.plan.has_value()};
  const Named profile{"--profile", flags.profile.has_value()};
  const Named width{"--width", flags.width.has_value()};
  PLANARIA_TRY_VOID(excludes(check,
                             {{"--kind", flags.kind.has_value()},
                              {"--stages", flags.stages.has_value()},
                              {"--micro-batches", flags.micro_batches.has_value()},
                              {"--chunks", flags.chunks.has_value()},
                              {"--lost", flags.lost.has_value()},
                              {"--in-flight-limit", flags.in_flight_limit.has_value()}},
                             "whose file says that"));
  const std::vector<Named> by_flags{
      {"--forward-ms", flags.forward_ms.has_value()},
      {"--backward-input-ms", flags.backward_input_ms.has_value()},
      {"--backward-weight-ms", flags.backward_weight_ms.has_value()},
      {"--send-ms", flags.send_ms.has_value()},
      {"--activation-bytes", flags.activation_bytes.has_value()},
      {"--weight-gradient-bytes", flags.weight_gradient_bytes.has_value()},
      {"--boundary-bytes", flags.boundary_bytes.has_value()}};
  PLANARIA_TRY_VOID(excludes(costs, by_flags, "whose file says that"));
  PLANARIA_TRY_VOID(excludes(costs, {profile, plan}, "which has costs of its own"));
  PLANARIA_TRY_VOID(excludes(plan, by_flags, "whose stages say that"));
  PLANARIA_TRY_VOID(needs(profile, plan));
  PLANARIA_TRY_VOID(needs(plan, profile));
  PLANARIA_TRY_VOID(needs({"--cluster", flags.cluster.has_value()}, plan));
  PLANARIA_TRY_VOID(needs({"--pipeline", flags.pipeline.has_value()}, plan));
  PLANARIA_TRY_VOID(needs({"--lost", flags.lost.has_value()}, width));
  PLANARIA_TRY_VOID(needs({"--in-flight-limit", flags.in_flight_limit.has_value()}, width));
  PLANARIA_TRY_VOID(needs({"--staggered", flags.staggered}, width));
  if (!check.second && !flags.kind && !plan.second) {
    return Fault::invalid_input(fmt::format("--kind: missing, must be one of {}, or --check FILE",
                                            join(kinds_and_automatic(), ", ")));
  }
  return {};
}

}  // namespace planaria::cli
