// host/loss_figures.hpp (private): what losses and joins cost a run, from its events. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include <planaria/base/json.hpp>

namespace planaria::host {

/// Adds up a run's merged events, in order of time. Events of another kind, and fields of another
/// type, change nothing.
///
/// A loss is a `worker_lost` after the run began. It counts from the worker's last `fault_injected`
/// (kill, stop, partition), else from `worker_lost`: detect_ms to `worker_lost`, view_ms to the
/// first `view` after it, transfer_ms to the end of what that and later views wait for (`resumed`,
/// else the view itself), resume_ms to the next `step_committed`. What did not happen before that
/// commit is null: nobody needs a view for a worker that nothing was missed of.
///
/// A join is a `worker_joined` after the run began: fill_ms to the `migration_end` that names it in
/// `to` (without such a list: the first one after a view that has it as a member); null where it
/// got nothing. waited_ms is how long the others waited for it: how much later than usual in the
/// view before (the median) the first action after a commit began, where a planned view with the
/// joiner began at that commit.
class LossFigures {
 public:
  void add(const Json& event);

  /// Returns `recoveries` and `joins` in the order of their events, `workers_lost`, and
  /// `lost_step_ms`: the time between a fault and its resume, overlapping times once.
  [[nodiscard]] Json fields() const;

 private:
  struct Loss {
    std::int64_t worker = 0;
    double fault_ms = 0;
    std::optional<double> lost_ms, view_ms, transfer_ms, resume_ms;
  };
  struct Joined {
    std::int64_t worker = 0;
    double joined_ms = 0;
    bool member = false;
    std::optional<double> filled_ms;
    double waited_ms = 0;
  };
  struct Commit {
    double t_ms = 0;
    std::int64_t step = 0;
  };

  void fault(const Json& event, double t_ms);
  void lost(const Json& event, double t_ms);
  void view(const Json& event, double t_ms);
  void moved(const Json& event, double t_ms);
  void resumed(double t_ms);
  void committed(const Json& event, double t_ms);
  void began_computing(const Json& event, double t_ms);
  [[nodiscard]] double lost_step_ms() const;

  bool began_ = false;
  std::int64_t workers_lost_ = 0;
  std::map<std::int64_t, double> faults_;  // by worker, until it is told lost
  std::vector<Loss> losses_;
  std::size_t open_ = 0;  // losses before this one are resumed
  std::vector<Joined> joins_;
  std::optional<Commit> commit_;    // the last, until an action of the next step begins
  std::vector<double> gaps_ms_;     // of the view that stands, from a commit to the first action
  std::set<std::size_t> entering_;  // joins whose first view begins at the next commit
};

}  // namespace planaria::host
