// A setting small enough to reckon by hand.
#pragma once

#include <planaria/base/json.hpp>

namespace planaria::test {

/// Three layers, cut in the middle of their parameters; one worker trains 10 samples a second, two
/// in a row 18.
inline Json small_setting() {
  return Json::parse(R"({
    "version": 1, "model": "three layers", "samples_per_step": 8, "micro_batch_size": 1,
    "interval_s": 60, "max_workers": 2, "layer_parameters": [50, 50, 100],
    "state_bytes_per_parameter": 10, "partition_rule": "in words",
    "allowed_depths": [1, 2], "allowed_widths": [1],
    "throughput": [{"width": 1, "depth": 1, "step_ms": 800, "samples_per_s": 10},
                   {"width": 1, "depth": 2, "step_ms": 444, "samples_per_s": 18}],
    "transfer": [{"bytes": 1000, "ms": 1000}, {"bytes": 2000, "ms": 2000}],
    "rendezvous_ms": 4000, "growth_extra_ms": 0, "process_ms": 500, "checkpoint_ms": 6000,
    "model_build": [{"depth": 1, "ms": 1000}, {"depth": 2, "ms": 500}],
    "regroup": [{"width": 1, "depth": 1, "grow_ms": 500, "shrink_ms": 100},
                {"width": 1, "depth": 2, "grow_ms": 2000, "shrink_ms": 1000}]})");
}

}  // namespace planaria::test
