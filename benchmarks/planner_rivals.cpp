// What does planning well gain? For every number of workers: our step, the one Varuna would choose
// and the one Oobleck would, all three priced by the same cost model, as a table in markdown.
//
//   build/release/bin/bench_planner_rivals --step 25
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <planaria/planner/best_plan.hpp>

#include "planner/gpt_cases.hpp"
#include "planner/rival_plans.hpp"

namespace planaria {
namespace {

struct Options {
  std::vector<int> workers;
  int workers_min = 1;
  int workers_max = 300;
  int step = 1;
  int micro_batches = 512;
  std::int64_t memory_gib = 32;
  double gigabytes_per_s = 2;
  std::string schedule = "1f1b";
};

/// How much longer the rivals' steps are than ours, in percent.
struct Summary {
  std::vector<double> varuna, oobleck;
  std::vector<double> search_ms;  // ours
};

/// "12 x 8 + 2 x 9": so many pipelines of so many stages.
std::string counts_of(const Plan& plan) {
  std::vector<std::size_t> depths;
  for (const auto& pipeline : plan.pipelines) depths.push_back(pipeline.stages.size());
  std::sort(depths.begin(), depths.end());
  std::string text;
  for (auto at = depths.begin(); at != depths.end();) {
    const auto end = std::upper_bound(at, depths.end(), *at);
    text += fmt::format("{}{} x {}", text.empty() ? "" : " + ", end - at, *at);
    at = end;
  }
  return text;
}

/// "12345.6 (12 x 8, recompute)"
std::string text_of(const std::optional<Plan>& plan) {
  if (!plan) return "does not fit";
  bool recompute = false;
  for (const auto& pipeline : plan->pipelines) {
    for (const auto& stage : pipeline.stages) recompute = recompute || stage.recompute;
  }
  return fmt::format("{:.1f} ({}{})", plan->step_ms, counts_of(*plan),
                     recompute ? ", recompute" : "");
}

/// What the rival's step takes more, in percent; kept in `all`.
std::string advantage(const std::optional<Plan>& ours, const std::optional<Plan>& rival,
                      std::vector<double>& all) {
  if (!ours || !rival) return "";
  all.push_back(((rival->step_ms / ours->step_ms) - 1) * 100);
  return fmt::format("{:.1f}", all.back());
}

void print_row(const Options& options, const Profile& profile, const Cluster& cluster,
               Summary& summary) {
  const rivals::RivalRequest rival{
      .profile = &profile,
      .cluster = &cluster,
      .micro_batches = options.micro_batches,
      .micro_batch_size = gpt_cases::micro_batch_size,
      .schedule = options.schedule == "any" ? "1f1b" : options.schedule};
  BestPlanRequest request{.profile = &profile,
                          .cluster = &cluster,
                          .micro_batches = options.micro_batches,
                          .micro_batch_size = gpt_cases::micro_batch_size};
  if (options.schedule != "any") request.schedule = options.schedule;
  const auto start = std::chrono::steady_clock::now();
  auto answer = best_plan(request);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  std::optional<Plan> ours;
  if (answer) ours = std::move(answer).value().plan;
  const auto varuna = rivals::varuna_plan(rival);
  const auto oobleck = rivals::oobleck_plan(rival);
  fmt::print("| {} | {} | {} | {} | {} | {} | {:.1f} |\n", cluster.workers.size(), text_of(ours),
             text_of(varuna), text_of(oobleck), advantage(ours, varuna, summary.varuna),
             advantage(ours, oobleck, summary.oobleck), took.count());
  std::fflush(stdout);
  summary.search_ms.push_back(took.count());
}

std::string spread_of(std::vector<double> values) {
  if (values.empty()) return "none";
  std::sort(values.begin(), values.end());
  return fmt::format("median {:.1f}, least {:.1f}, most {:.1f}", values[values.size() / 2],
                     values.front(), values.back());
}

void print_table(const char* title, const Options& options, const Profile& profile,
                 const std::function<Cluster(int workers)>& cluster) {
  fmt::print("{}\n\n", title);
  fmt::print(
      "| workers | ours, ms | Varuna, ms | Oobleck, ms | Varuna takes more, % "
      "| Oobleck takes more, % | our search, ms |\n|---|---|---|---|---|---|---|\n");
  Summary summary;
  std::vector<int> numbers = options.workers;
  if (numbers.empty()) {
    for (int n = options.workers_min; n <= options.workers_max; n += options.step) {
      numbers.push_back(n);
    }
  }
  for (const int workers : numbers) print_row(options, profile, cluster(workers), summary);
  fmt::print("\nVaruna takes more, %: {}. Oobleck: {}. Our search, ms: {}.\n\n",
             spread_of(summary.varuna), spread_of(summary.oobleck), spread_of(summary.search_ms));
}

}  // namespace
}  // namespace planaria

int main(int count, char** arguments) {
  planaria::Options options;
  CLI::App program{"our plans against those that Varuna and Oobleck would choose"};
  program.add_option("--workers", options.workers, "these numbers of workers, not all");
  program.add_option("--min", options.workers_min, "fewest workers")->check(CLI::Range(1, 4096));
  program.add_option("--max", options.workers_max, "most workers")->check(CLI::Range(1, 4096));
  program.add_option("--step", options.step, "every so many workers")->check(CLI::Range(1, 4096));
  program.add_option("--micro-batches", options.micro_batches, "in a step")
      ->check(CLI::Range(1, 65536));
  program.add_option("--memory-gib", options.memory_gib, "of each worker")
      ->check(CLI::Range(1, 1024));
  program.add_option("--gigabytes-per-s", options.gigabytes_per_s, "of each link")
      ->check(CLI::Range(0.001, 1000.0));
  program.add_option("--schedule", options.schedule, "of all three; any: ours of any, theirs 1f1b");
  CLI11_PARSE(program, count, arguments);
  const planaria::Profile profile = planaria::gpt_cases::gpt(options.gigabytes_per_s);
  const std::int64_t memory_bytes = options.memory_gib * planaria::gpt_cases::gibibyte;
  planaria::print_table("Workers alike:", options, profile, [&](int workers) {
    return planaria::identical_workers(workers, memory_bytes);
  });
  planaria::print_table("Every third worker of speed 0.6:", options, profile, [&](int workers) {
    return planaria::gpt_cases::every_third(workers, memory_bytes, 0.6);
  });
  return 0;
}
