// host/fault_striker.hpp: a worker's own part in `--faults`. Floor 7, no LibTorch.
// Is: asked at each point of a step, it kills, stops or throws where PLANARIA_FAULTS orders that,
// and keeps the page that says where the worker stands. Is not: who decides which worker has
// joined or was promoted; it is told. One thread, the compute thread. Without PLANARIA_FAULTS a
// point costs one branch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include <planaria/base/ids.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>
#include <planaria/host/faults.hpp>

namespace planaria::host {

/// Set beside PLANARIA_FAULTS where that holds random faults: "workers,spares" of the start, with
/// which every process expands them to the same orders.
inline constexpr const char* env_fault_bounds = "PLANARIA_FAULT_BOUNDS";

/// Thrown by at() for an order to throw, as if by user code.
class ThrownOnPurpose : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct StrikerOptions {
  std::string orders;      // PLANARIA_FAULTS; empty: none
  std::string bounds;      // PLANARIA_FAULT_BOUNDS; needed for random faults alone
  std::int64_t steps = 1;  // of the run
  std::string run_dir;     // where the page goes, below workers/; empty: none is kept
  WorkerId self{-2};
  bool joined_later = false;  // after the run began
  /// Writes the event `fault_injected` of step with these fields, in the kernel's hands when it
  /// returns (JsonLines): the worker is killed right after.
  std::function<void(Step, Json fields)> tell;
  /// Sends a signal to this process; for tests. Empty: raise(3).
  std::function<void(int signal)> raise;
};

class FaultStriker {
 public:
  /// Does nothing, at no cost.
  FaultStriker();
  ~FaultStriker();
  FaultStriker(FaultStriker&&) noexcept;
  FaultStriker& operator=(FaultStriker&&) noexcept;

  /// Reads the orders; invalid_input where they are malformed. A page that cannot be kept is done
  /// without: only where a worker stood when it was killed from outside is then unknown.
  [[nodiscard]] static Result<FaultStriker> create(StrikerOptions options);
  /// The same with orders and bounds from the environment; does nothing where PLANARIA_FAULTS is
  /// not set.
  [[nodiscard]] static Result<FaultStriker> from_environment(StrikerOptions options);

  /// Notes where the worker stands and carries out the first order that strikes there: tells it,
  /// then kills or stops this process, or throws ThrownOnPurpose. After a stop it returns when the
  /// process goes on. O(orders).
  void at(const FaultPoint& point) {
    if (impl_) strike_at(point);
  }

  /// Tell which worker was the last to join after the run began, and the last that a view promoted
  /// (promoted_by).
  void joined(WorkerId worker);
  void promoted(WorkerId worker);
  /// This process has joined again, as `self`: orders that have struck it stay struck.
  void joins_again(WorkerId self);

 private:
  class Impl;
  explicit FaultStriker(std::unique_ptr<Impl> impl);
  void strike_at(const FaultPoint& point);
  std::unique_ptr<Impl> impl_;
};

}  // namespace planaria::host
