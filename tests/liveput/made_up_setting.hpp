// liveput/made_up_setting.hpp: settings of a few workers, drawn. Every number is in the range of
// the measured ones, no two alike.
#pragma once

#include <planaria/base/random.hpp>
#include <planaria/liveput/setting.hpp>

namespace planaria {

/// Returns a setting of at most 6 workers and of pipelines of up to 3 stages; wider is faster.
[[nodiscard]] inline Setting made_up_setting(Random& random) {
  const auto drawn = [&](double low, double high) {
    return low + ((high - low) * random.uniform());
  };
  Setting setting{.model = "made up", .max_workers = 6, .state_bytes_per_parameter = 12};
  for (int layer = 0; layer < 5; ++layer) {
    setting.layer_parameters.push_back(drawn(1e6, 9e6));
  }
  setting.transfer = {{1, 0.1}, {1'000'000, drawn(2, 50)}, {100'000'000, drawn(200, 4000)}};
  setting.rendezvous_ms = drawn(0, 9000);
  setting.growth_extra_ms = drawn(0, 3000);
  setting.process_ms = drawn(0, 500);
  setting.checkpoint_ms = drawn(0, 20'000);
  for (int depth = 1; depth <= 3; ++depth) {
    setting.model_build.push_back({depth, drawn(10, 4000)});
    for (int width = 1; width * depth <= setting.max_workers; ++width) {
      setting.throughput.push_back({{width, depth}, 1, width * depth * drawn(5, 7)});
      const double shrink_ms = drawn(100, 3000);
      setting.regroup.push_back({{width, depth}, shrink_ms * drawn(1, 8), shrink_ms});
    }
  }
  return setting;
}

}  // namespace planaria
