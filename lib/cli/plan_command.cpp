// `planaria plan`: the best pipelines for these machines.
#include <charconv>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/clock.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>
#include <planaria/planner/best_plan.hpp>
#include <planaria/planner/plan_picture.hpp>
#include <planaria/planner/recompute.hpp>

#include "cli/commands.hpp"
#include "cli/option_names.hpp"
#include "cli/option_ranges.hpp"
#include "cli/plan_text.hpp"
#include "cli/recompute_option.hpp"

namespace planaria::cli {
namespace {

constexpr int count_max = 1'000'000;
constexpr int lane_size_max = 100'000;
constexpr double gibibyte = 1024.0 * 1024 * 1024;
constexpr double gibibytes_max = 900'000;
constexpr double search_max_ms = 3'600'000;
constexpr double throughput_max = 1e15;
constexpr double search_usual_ms = 1000;

struct PlanFlags {
  std::string profile, output;
  std::optional<std::string> cluster, svg;
  std::optional<int> workers;
  std::optional<double> memory_gib;
  int micro_batches = 0;
  std::optional<int> micro_batch_size;
  std::string lane_size = "1";
  std::string schedule = "any";
  std::string recompute = "any";
  int survive = 0;
  std::string shadows = "any";
  std::optional<double> min_throughput, search_ms;
  std::optional<int> width, depth;
  bool explain = false;
  bool json = false;
};

Result<Cluster> read_cluster(const PlanFlags& flags) {
  if (flags.cluster) {
    if (flags.workers || flags.memory_gib) {
      return Fault::invalid_input(
          "--cluster: says which workers there are, must not be there with --workers or "
          "--memory-gib");
    }
    PLANARIA_TRY(json, read_json_file(*flags.cluster));
    return cluster_from_json(json, *flags.cluster);
  }
  if (!flags.workers || !flags.memory_gib) {
    return Fault::invalid_input(
        fmt::format("{}: missing, must say which workers there are: --cluster FILE, or --workers N "
                    "and --memory-gib G",
                    flags.workers ? "--memory-gib" : "--cluster"));
  }
  return identical_workers(*flags.workers,
                           static_cast<std::int64_t>(std::floor(*flags.memory_gib * gibibyte)));
}

Result<std::optional<int>> read_lane_size(const std::string& text) {
  if (text == "any") return std::optional<int>();
  int lane_size = 0;
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, lane_size);
  if (error == std::errc() && last == end && lane_size >= 1 && lane_size <= lane_size_max) {
    return std::optional(lane_size);
  }
  return Fault::invalid_input(fmt::format(
      "--lane-size: {}, must be any or a whole number from 1 to {}", text, lane_size_max));
}

/// The fields that options give.
const std::vector<std::string>& option_fields() {
  static const std::vector<std::string> all{"micro_batches", "micro_batch_size", "lane_size",
                                            "schedule",      "survive",          "width",
                                            "depth",         "min_throughput"};
  return all;
}

Result<PlanFound> find(const PlanFlags& flags) {
  PLANARIA_TRY(lane_size, read_lane_size(flags.lane_size));
  PLANARIA_TRY(json, read_json_file(flags.profile));
  PlanFound found;
  PLANARIA_TRY(profile, profile_from_json(json, flags.profile));
  found.profile = std::move(profile);
  PLANARIA_TRY(cluster, read_cluster(flags));
  found.cluster = std::move(cluster);
  const SystemClock clock;
  const Instant begin = clock.now();
  const double search_ms = flags.search_ms.value_or(flags.schedule == "auto" ? search_usual_ms : 0);
  BestPlanRequest request;
  request.profile = &found.profile;
  request.cluster = &found.cluster;
  request.micro_batches = flags.micro_batches;
  request.micro_batch_size = flags.micro_batch_size;
  request.lane_size = lane_size;
  if (flags.schedule != "any") request.schedule = flags.schedule;
  request.recompute = recompute_named(flags.recompute).value();
  request.survive = flags.survive;
  request.shadows = flags.shadows == "any";
  request.min_samples_per_s = flags.min_throughput;
  request.width = flags.width;
  request.depth = flags.depth;
  request.explain = flags.explain;
  request.keep_going = [&](double part) { return (clock.now() - begin).value < part * search_ms; };
  auto best = best_plan(request);
  if (!best) return as_option(best.fault(), option_fields());
  found.best = std::move(best).value();
  found.search_ms = (clock.now() - begin).value;
  return found;
}

std::string json_of(const PlanFound& found, bool explain) {
  Json json = to_json(found.best.plan);
  json["search"] = {{"candidates", found.best.plan.candidates}, {"ms", found.search_ms}};
  if (explain) json["explain"] = found.best.explanation;
  return json.dump();
}

Result<void> write_picture(const PlanFound& found, const std::string& path) {
  PLANARIA_TRY(svg, svg_of_plan(found.best.plan, found.profile, found.cluster));
  return write_file_atomically(path, svg);
}

int plan(const PlanFlags& flags) {
  const auto found = find(flags);
  if (!found.ok()) return failed(found.fault());
  if (flags.svg) {
    if (const auto written = write_picture(found.value(), *flags.svg); !written.ok()) {
      return failed(written.fault());
    }
  }
  return print_result(
      flags.json ? json_of(found.value(), flags.explain) : text_of(found.value(), flags.explain),
      flags.output);
}

void add_machines(CLI::App& app, PlanFlags& flags) {
  app.add_option("--profile", flags.profile, "What the model's layers cost: planaria profile")
      ->required()
      ->type_name("FILE");
  app.add_option("--cluster", flags.cluster, "The workers there are, and the links between them")
      ->type_name("FILE");
  app.add_option("--workers", flags.workers,
                 "So many workers alike, in place of --cluster. 1 to 10000")
      ->check(between(1, 10'000))
      ->type_name("N");
  app.add_option("--memory-gib", flags.memory_gib, "What each of --workers has. 0 to 900000")
      ->check(between(0.0, gibibytes_max))
      ->type_name("G");
}

void add_shape(CLI::App& app, PlanFlags& flags) {
  app.add_option("--micro-batches", flags.micro_batches, "Micro-batches of a step. 1 to 100000")
      ->required()
      ->check(between(1, 100'000))
      ->type_name("M");
  app.add_option("--micro-batch-size", flags.micro_batch_size,
                 "Samples of each, one of the profile's sizes; default: the one of most samples a "
                 "second")
      ->check(between(1, count_max))
      ->type_name("m");
  app.add_option("--lane-size", flags.lane_size,
                 "Micro-batches that are added in order, or any: larger lanes need less memory for "
                 "gradients and give coarser shares. 1 to 100000; default 1")
      ->type_name("K");
  app.add_option("--schedule", flags.schedule,
                 "A schedule's name, or any: gpipe, 1f1b, zb-h1, zb-h2 or auto; default any")
      ->type_name("NAME");
  app.add_option("--recompute", flags.recompute,
                 "never, always, or any: the stages that do not fit otherwise; default any")
      ->check(recompute_names())
      ->type_name("WHICH");
  app.add_option("--width", flags.width, "Exactly so many pipelines; default: chosen")
      ->check(between(1, 10'000))
      ->type_name("D");
  app.add_option("--depth", flags.depth, "Exactly so many workers in each; default: chosen")
      ->check(between(1, 4096))
      ->type_name("P");
}

void add_promises(CLI::App& app, PlanFlags& flags) {
  app.add_option("--survive", flags.survive,
                 "Any so many workers may be lost, and every layer still has a holder. 0 to 10000; "
                 "default 0")
      ->check(between(0, 10'000))
      ->type_name("F");
  app.add_option("--shadows", flags.shadows,
                 "never, or any: where --survive wants more holders than there are pipelines; "
                 "default any")
      ->check(CLI::IsMember({"never", "any"}).description(""))
      ->type_name("WHICH");
  app.add_option("--min-throughput", flags.min_throughput,
                 "Samples a second below which no plan is good enough (exit 1)")
      ->check(between(0.0, throughput_max))
      ->type_name("X");
}

void add_outputs(CLI::App& app, PlanFlags& flags) {
  app.add_option("--search-ms", flags.search_ms,
                 "How long schedules of the pipelines' own are searched for, where --schedule "
                 "allows auto. 0 to 3600000; default 1000 for auto, 0 for any")
      ->check(between(0.0, search_max_ms))
      ->type_name("X");
  app.add_flag("--explain", flags.explain,
               "Say what the other plans would cost, or why they cannot be");
  app.add_option("--svg", flags.svg, "Draw the plan: layers, stages, memory, predicted timeline")
      ->type_name("FILE");
  app.add_flag("--json", flags.json,
               "Print one JSON object: a plan, whose layout run --layout takes");
  app.add_option("-o", flags.output, "Write the answer to FILE in place of stdout")
      ->type_name("FILE");
}

}  // namespace

void add_plan(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand("plan", "Choose the best pipelines for any machines");
  sub->footer(
      "Chooses pipelines, cuts, shares, schedule and recompute together, memory being a hard "
      "limit.\n"
      "Exit status 1 when nothing fits: then it says what would.\n\n"
      "  planaria plan --profile profile.json --workers 32 --memory-gib 16 --micro-batches 64\n"
      "  planaria plan --profile profile.json --cluster cluster.json --micro-batches 64 "
      "--survive 1 --json");
  auto flags = std::make_shared<PlanFlags>();
  add_machines(*sub, *flags);
  add_shape(*sub, *flags);
  add_promises(*sub, *flags);
  add_outputs(*sub, *flags);
  sub->callback([flags, &action] { action = [flags] { return plan(*flags); }; });
}

}  // namespace planaria::cli
