// liveput/unsaved_work.hpp: what a loss would undo, where training is saved now and then. Private
// to liveput.
#pragma once

#include <cmath>

#include <planaria/liveput/policy.hpp>

namespace planaria {

/// What has been trained since the last of checkpoints that are taken every so many steps. Saving
/// takes no time here: it goes on in the background (Varuna, EuroSys 2022: to the local disk
/// first).
class UnsavedWork {
 public:
  explicit UnsavedWork(int checkpoint_steps) : checkpoint_steps_(checkpoint_steps) {}

  [[nodiscard]] double samples() const { return steps_ * samples_per_step_; }
  /// Leaves the share of it that is expected to be neither lost nor saved.
  void keep(double share) { steps_ *= share; }
  /// Trains `layout` for the part of an interval in which training does not stand still, `rate`
  /// times as fast as it could.
  void train(const MeasuredLayout& layout, double rate, double interval_ms, const Course& course) {
    const double trained_ms = interval_ms - course.standing_ms;
    samples_per_step_ = layout.samples_per_s * layout.step_ms / 1000;
    steps_ = std::fmod(steps_ + (trained_ms * rate / layout.step_ms), checkpoint_steps_);
  }

 private:
  int checkpoint_steps_;
  double steps_ = 0;
  double samples_per_step_ = 0;
};

/// Returns what a restart from a checkpoint takes: all processes and groups anew, a checkpoint
/// written and read, then all state to every stage. At first there is no checkpoint.
[[nodiscard]] inline Charge checkpoint_charge(const PriceModel& prices, const GridLayout& to,
                                              bool first) {
  const double begin_ms = prices.restart_ms(to, true);
  return {begin_ms + prices.read_all_ms(to) + (first ? 0 : prices.checkpoint_ms()), begin_ms};
}

}  // namespace planaria
