// What a schedule would take if nothing but its kernels took time: planaria's own simulation, from
// a command line.
//
//   bench_step_ideal --micro-batches 8 --forward-ms 42 41 --backward-ms 88 90
//
// One --forward-ms and one --backward-ms per stage, of one micro-batch; --send-ms for what a
// message takes from one stage to the next, to see how much of it a schedule hides. Prints one JSON
// object.
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/simulate.hpp>

namespace planaria {
namespace {

Result<SimulatedSchedule> ideal(const std::string& kind, int micro_batches,
                                const std::vector<double>& forward_ms,
                                const std::vector<double>& backward_ms, double send_ms) {
  if (forward_ms.size() != backward_ms.size()) {
    return Fault::invalid_input(fmt::format("backward-ms: {} stages, must be {} as forward-ms",
                                            backward_ms.size(), forward_ms.size()));
  }
  PLANARIA_TRY(schedule,
               build_schedule(kind, {static_cast<int>(forward_ms.size()), micro_batches}));
  std::vector<StageCosts> costs;
  for (std::size_t i = 0; i < forward_ms.size(); ++i) {
    costs.push_back(
        {.forward_ms = forward_ms[i], .backward_input_ms = backward_ms[i], .send_ms = send_ms});
  }
  return simulate(schedule, costs);
}

}  // namespace
}  // namespace planaria

int main(int argc, char** argv) {
  std::string kind = "1f1b";
  int micro_batches = 8;
  std::vector<double> forward_ms;
  std::vector<double> backward_ms;
  double send_ms = 0;
  CLI::App app("Simulates a schedule from the times of its kernels alone");
  app.add_option("--schedule", kind, "1f1b or gpipe")->capture_default_str();
  app.add_option("--micro-batches", micro_batches, "Micro-batches per step")->capture_default_str();
  app.add_option("--forward-ms", forward_ms, "Forward of one micro-batch, by stage")->required();
  app.add_option("--backward-ms", backward_ms, "Fused backward of one micro-batch, by stage")
      ->required();
  app.add_option("--send-ms", send_ms, "A message between stages")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const auto simulated = planaria::ideal(kind, micro_batches, forward_ms, backward_ms, send_ms);
  if (!simulated) {
    std::fprintf(stderr, "bench_step_ideal: %s\n", simulated.fault().sentence.c_str());
    return 2;
  }
  fmt::print("{{\"version\": 1, \"makespan_ms\": {}, \"bubble_rate\": {}}}\n",
             simulated.value().makespan_ms, simulated.value().bubble_rate);
  return 0;
}
