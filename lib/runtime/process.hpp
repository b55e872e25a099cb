// runtime/process.hpp: what this process is, for identity and for reports. Private.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>
#include <planaria/host/run_options.hpp>
#include <planaria/model/run_spec.hpp>
#include <planaria/runtime/trainer.hpp>

namespace planaria::runtime {

/// Resident bytes now, and the most there ever were, from /proc; 0 where that cannot be read.
[[nodiscard]] std::int64_t resident_bytes();
[[nodiscard]] std::int64_t peak_resident_bytes();

/// The numeric address of the interface through which "tcp:host:port" or "host:port" is reached;
/// 127.0.0.1 where that cannot be told.
[[nodiscard]] std::string local_host_towards(const std::string& address);

/// Makes the allocator keep what is freed for the next micro-batch. Every tensor above 128 KiB is
/// otherwise a mapping of its own, given back when it goes: the kernel then clears the same pages
/// again and again (about 5 % of a step of 8 blocks, d-model 256). What the user set in the
/// environment (MALLOC_…) stays. The process's own setting; harmless twice.
void keep_freed_memory();

/// The variable's value; empty where it is not set.
[[nodiscard]] std::string environment(const char* name);

/// What `planaria run --transport in-process` asks of the program, by its environment.
struct InProcessRunAsked {
  host::RunOptions options;
  std::function<void(const Json&)> on_event;  // tells the launcher; has told it already that we
                                              // listen
};
[[nodiscard]] Result<InProcessRunAsked> in_process_run_asked();

/// The learning rate of a step where the loop gives none of its own.
[[nodiscard]] double rate_of(const TrainerOptions& options, Step step);
/// How a run ends that goes no further for this reason.
[[nodiscard]] TrainingOutcome outcome_of(const Fault& fault);

/// Everything that changes the bits of a run and is not in RunSpec's own fields, in a fixed order.
[[nodiscard]] Result<std::vector<Property>> identity_of(const TrainerOptions& options);

/// Checks the options and makes the run's spec from them; invalid_input.
[[nodiscard]] Result<RunSpec> spec_of(const TrainerOptions& options, std::int64_t steps);

}  // namespace planaria::runtime
