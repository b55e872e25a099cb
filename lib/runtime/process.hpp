// runtime/process.hpp: what this process is, for identity and for reports. Private.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/model/run_spec.hpp>
#include <planaria/runtime/trainer.hpp>

namespace planaria::runtime {

/// Resident bytes now, and the most there ever were, from /proc; 0 where that cannot be read.
[[nodiscard]] std::int64_t resident_bytes();
[[nodiscard]] std::int64_t peak_resident_bytes();

/// The numeric address of the interface through which "tcp:host:port" or "host:port" is reached;
/// 127.0.0.1 where that cannot be told.
[[nodiscard]] std::string local_host_towards(const std::string& address);

/// Everything that changes the bits of a run and is not in RunSpec's own fields, in a fixed order.
[[nodiscard]] Result<std::vector<Property>> identity_of(const TrainerOptions& options);

/// Checks the options and makes the run's spec from them; invalid_input.
[[nodiscard]] Result<RunSpec> spec_of(const TrainerOptions& options, std::int64_t steps);

}  // namespace planaria::runtime
