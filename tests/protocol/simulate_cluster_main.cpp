// simulate_cluster: replays one seed of the cluster simulation, or looks for a failing one.
//   simulate_cluster --seed 17            the whole story of seed 17
//   simulate_cluster --from 0 --count N   N seeds; the first that fails, with its command
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "protocol/scenario.hpp"

namespace {

using planaria::protocol::ClusterOptions;
using planaria::protocol::ClusterReport;

int replay(std::uint64_t seed) {
  ClusterOptions scenario = planaria::protocol::scenario_of(seed);
  scenario.tell_story = true;
  const ClusterReport report = planaria::protocol::run_cluster(scenario);
  fmt::print("seed {}: {}\n", seed, planaria::protocol::text_of(scenario));
  for (const std::string& line : report.story) fmt::print("{}\n", line);
  if (!report.broken.empty()) {
    fmt::print("BROKEN: {}\n", report.broken);
    return 1;
  }
  fmt::print("{} steps, {} lost, {} rolled back, {} of {} computed again, status {}{}\n",
             report.records.size(), report.losses, report.rolled_back, report.redone,
             report.computed, report.outcome->status,
             report.outcome->sentence.empty() ? "" : ": " + report.outcome->sentence);
  return 0;
}

int search(std::uint64_t from, std::uint64_t count) {
  int done = 0;
  int rolled_back = 0;
  int lost = 0;
  for (std::uint64_t seed = from; seed < from + count; ++seed) {
    const ClusterReport report =
        planaria::protocol::run_cluster(planaria::protocol::scenario_of(seed));
    if (!report.broken.empty()) {
      fmt::print("seed {}: {}\n  replay it: simulate_cluster --seed {}\n", seed, report.broken,
                 seed);
      return 1;
    }
    done += report.outcome->status == 0 ? 1 : 0;
    rolled_back += report.rolled_back;
    lost += report.losses;
  }
  fmt::print("{} seeds: none broken; {} runs done, {} workers lost, {} roll-backs\n", count, done,
             lost, rolled_back);
  return 0;
}

int usage() {
  fmt::print(stderr, "simulate_cluster: must be --seed N, or --from N --count N\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int i) { return std::strtoull(argv[i], nullptr, 10); };
  if (argc == 3 && std::string_view(argv[1]) == "--seed") return replay(number(2));
  const bool asked =
      argc == 5 && std::string_view(argv[1]) == "--from" && std::string_view(argv[3]) == "--count";
  return asked ? search(number(2), number(4)) : usage();
}
