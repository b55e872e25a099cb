// runtime/profiling.hpp: measures what a trainer's layers cost here: a profile. Floor 8, LibTorch.
// Is: the library call behind `planaria profile`: times and bytes of each layer, by the runtime's
// own code, and transfers between two workers that compute. Is not: a training (no weight outlives
// it, nothing is written), nor a plan (planner/).
//
//   const auto measured = planaria::measure_profile(options, {.micro_batch_sizes = {1, 2, 4}});
//   if (measured) std::puts(planaria::to_json(measured.value().profile).dump().c_str());
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/model/profile.hpp>
#include <planaria/runtime/trainer.hpp>

namespace planaria {

struct ProfilingOptions {
  /// What the profile is of; not empty.
  std::string model = "model";
  /// Samples per micro-batch to measure at, ascending, each 1 to half of the data set; empty: the
  /// trainer's own alone.
  std::vector<int> micro_batch_sizes = {};
  /// How often each number is measured, after a round that is not counted; its median is written.
  /// More takes longer and stands more noise. Odd, 1 to 999.
  int repeats = 9;
  /// Hears what is being done, in words: "round 2 of 9".
  std::function<void(const std::string&)> on_progress = {};
};

/// How far repeats lie apart: the range of their middle half by their median.
struct Spread {
  double median = 0;       // over all numbers
  double largest = 0;      // of all numbers
  std::string largest_of;  // which that is: "block0, forward of 2 samples"
};

struct MeasuredProfile {
  Profile profile;
  Spread compute;
  Spread transfer;
};

/// Measures every layer at each size, one layer at a time: a worker needs the memory of one, beside
/// what passes between layers. Each round walks back from the last layer with the real gradients of
/// the real outputs, so that repeats of a number lie far apart in time. Transfers are measured
/// between this process's two ends of a Unix socket, one of them on a thread of its own; `planaria
/// profile` takes a second process. The caller's thread is prepared as by prepare_process().
/// invalid_input for options that cannot train or be measured, unavailable where user code fails.
[[nodiscard]] Result<MeasuredProfile> measure_profile(const TrainerOptions& trainer,
                                                      const ProfilingOptions& options = {});

}  // namespace planaria
