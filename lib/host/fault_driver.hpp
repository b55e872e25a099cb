// host/fault_driver.hpp (private): the launcher's part in `--faults`.
// Is: the clock of faults fed with the run's events, what the workers did to themselves read from
// their files, and what the launcher did written to its own. Is not: processes and signals, which
// are RunWatch's. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <planaria/base/clock.hpp>
#include <planaria/base/json.hpp>
#include <planaria/host/faults.hpp>
#include <planaria/host/run_directory.hpp>
#include <planaria/observe/events.hpp>

namespace planaria::host {

struct FaultDriverOptions {
  FaultPlan plan;      // proven by check_faults
  FaultBounds bounds;  // of the start
  RunDirectory directory;
};

class FaultDriver {
 public:
  explicit FaultDriver(FaultDriverOptions options);

  /// Return what is to be done now: because of an event of the run, and by time and by what the
  /// workers' pages say. `now` is the run's clock.
  [[nodiscard]] std::vector<FaultCommand> take(const Json& event, Instant now);
  [[nodiscard]] std::vector<FaultCommand> look(Instant now);
  /// Returns when look() has something to do by time alone, after `now`.
  [[nodiscard]] std::optional<Instant> next_due(Instant now) const;

  /// Writes that `order` struck `worker` at `at`, in the phase and step in which it really was, or
  /// died, as far as its page says.
  void tell(const FaultOrder& order, WorkerId worker, Instant at);
  /// Notes that an order came too late: its worker had ended by itself.
  void missed(const FaultOrder& order);
  /// Returns whether `worker` was killed or stopped on purpose, by itself or from here.
  [[nodiscard]] bool has_struck(WorkerId worker) const { return struck_.contains(worker); }
  /// Returns the orders that have not struck, as written. Once all workers have ended.
  [[nodiscard]] std::vector<std::string> unstruck() const;

  /// Return PLANARIA_FAULTS and PLANARIA_FAULT_BOUNDS for a worker that starts now.
  [[nodiscard]] std::string orders_for_worker() const;
  [[nodiscard]] std::string bounds_for_worker() const;

 private:
  /// A worker's file as far as it has been read.
  struct Tail {
    std::uint64_t strikes = 0;
    std::int64_t offset = 0;
  };
  void read_strikes(WorkerId worker, Tail& tail, Instant now, std::vector<FaultCommand>& commands);

  FaultDriverOptions options_;
  FaultClock clock_;
  bool expanded_ = false;
  std::map<WorkerId, Tail> tails_;
  std::vector<std::string> missed_;
  std::set<WorkerId> struck_;
  std::optional<JsonLines> events_;
  ViewNumber view_{0};
};

}  // namespace planaria::host
