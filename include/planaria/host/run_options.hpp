// host/run_options.hpp: what `planaria run` was asked for, and how its children learn of it.
// Floor 7.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <planaria/base/clock.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>
#include <planaria/model/run_spec.hpp>
#include <planaria/protocol/coordinator.hpp>

namespace planaria::host {

/// Names of the environment variables by which processes of a run find each other.
inline constexpr const char* env_coordinator =
    "PLANARIA_COORDINATOR";  // "unix:/p", "tcp:h:p", "h:p"
inline constexpr const char* env_secret_file = "PLANARIA_SECRET_FILE";
inline constexpr const char* env_worker = "PLANARIA_WORKER";    // wanted number, from 0
inline constexpr const char* env_run_dir = "PLANARIA_RUN_DIR";  // for the worker's own events
inline constexpr const char* env_run_options = "PLANARIA_RUN_OPTIONS";  // JSON, below
inline constexpr const char* env_progress_fd = "PLANARIA_PROGRESS_FD";  // events to the launcher
/// Set in place of PLANARIA_COORDINATOR for `--transport in-process`: the program hosts the
/// coordinator itself and runs all workers as threads.
inline constexpr const char* env_in_process = "PLANARIA_IN_PROCESS";  // "1"
/// When the run began on the machine's monotonic clock, so that every process on it counts `t_ms`
/// from one zero and their events merge by time (RunClock).
inline constexpr const char* env_run_began_ms = "PLANARIA_RUN_BEGAN_MS";

struct RunOptions {
  protocol::CoordinatorOptions coordinator;
  std::string listen;                // where the coordinator listens; empty: chosen by the launcher
  std::string run_dir;               // empty: keep no run directory
  std::vector<std::string> command;  // PROGRAM ARGS…, for run.json
  std::string transport = "unix";    // unix, tcp or in-process, for run.json
  std::string faults;                // faults on purpose (host/faults.hpp); empty: none
};
[[nodiscard]] Json to_json(const RunOptions& options);
[[nodiscard]] Result<RunOptions> run_options_from_json(const Json& json, const std::string& source);

/// Proves that the faults asked for can strike in a run of this spec; invalid_input as
/// check_faults() of host/faults.hpp.
[[nodiscard]] Result<void> check_faults(const RunOptions& options, const RunSpec& spec);

/// The machine's monotonic clock counted from PLANARIA_RUN_BEGAN_MS, or from construction where
/// that is not set. Any thread.
class RunClock final : public Clock {
 public:
  RunClock();
  [[nodiscard]] Instant now() const override;

 private:
  double zero_ms_ = 0;
};
/// Returns the machine's monotonic clock in milliseconds: what PLANARIA_RUN_BEGAN_MS is set to.
[[nodiscard]] double monotonic_now_ms();

}  // namespace planaria::host
