// liveput/policy.hpp: who decides in which layout workers train. Floor 4, pure.
// Is: the interface of all policies (policies.hpp has ours and the field's) and what they are told.
// Is not: the simulator (simulation.hpp).
#pragma once

#include <algorithm>
#include <span>
#include <string>

#include <planaria/availability/trace.hpp>
#include <planaria/liveput/prices.hpp>

namespace planaria {

/// What a policy knows when it decides for an interval.
struct Situation {
  GridLayout layout;       // that ran until now; empty: none
  double leftover_ms = 0;  // that its last change still takes
  bool first = true;       // nothing was decided before
  /// Every interval until now, the one to decide for at the end: what has come and gone in it is
  /// known.
  std::span<const IntervalCounts> history;
  /// Losses of the next intervals that are known already, the next one first.
  std::span<const int> noticed_lost;
  /// The same intervals zone by zone, each as long as `history`, which is their sum; one at least
  /// within simulate().
  std::span<const std::span<const IntervalCounts>> zones = {};
  /// A change begun before that nobody waits for, and how long it still takes until its stop:
  /// `layout` trains until then. Empty: none.
  GridLayout coming;
  double coming_ms = 0;

  [[nodiscard]] const IntervalCounts& now() const { return history.back(); }
  [[nodiscard]] int workers_before() const { return now().count - now().joined + now().lost; }
};

/// Time in which nobody trains, and time before it in which the layout that ran goes on.
struct Charge {
  double ms = 0;
  /// In addition, where an earlier change is still under way and must be begun anew.
  double again_ms = 0;
  double background_ms = 0;
};

/// How long nobody trains from an interval's begin on. May outlast it.
struct Standing {
  double ms = 0;
  [[nodiscard]] double within(double interval_ms) const { return std::min(ms, interval_ms); }
  [[nodiscard]] double beyond(double interval_ms) const { return std::max(0.0, ms - interval_ms); }
};

/// Returns what a change adds to what the last one still takes: it is dropped for the new one.
[[nodiscard]] Standing standing_of(double leftover_ms, const Charge& charge);

/// How an interval goes after a choice, and what of it is left for the next.
struct Course {
  double standing_ms = 0;  // nobody trains
  double before_ms = 0;    // the layout that ran until now goes on
  bool arrived = true;     // the chosen layout trains, or all stand still for it
  double leftover_ms = 0;  // as Situation's
  double coming_ms = 0;    // as Situation's; above 0 where it has not arrived
};

/// Returns the course of an interval. A change without background is begun at once, as
/// standing_of() has it. One with background drops nothing: what the last change still takes goes
/// on beside it, then the layout that ran trains, then all stand still.
[[nodiscard]] Course course_of(double leftover_ms, const Charge& charge, double interval_ms);

struct Choice {
  GridLayout layout;  // empty: nobody trains
  Charge charge;
  double rate = 1;          // of the layout's samples per second
  double lost_samples = 0;  // earned before, to be done again
  std::string explanation;
};

class Policy {
 public:
  virtual ~Policy() = default;
  /// Called once an interval, in order. Requires a layout of at most now().count workers.
  virtual Choice choose(const Situation& situation) = 0;
};

/// Returns what changing to `to` by live migration costs in this situation: the expected price, and
/// a restart without newcomers where another change is dropped for it. What is coming already takes
/// only what is left of it, unless somebody was lost meanwhile.
[[nodiscard]] Charge migration_charge(const PriceModel& prices, const Situation& situation,
                                      const GridLayout& to);

/// Returns how fast a layout of layouts() trains; 0 for none. O(log layouts).
[[nodiscard]] double samples_per_s(const PriceModel& prices, const GridLayout& layout);

/// Returns the layout of at most `workers` workers that trains fastest; of equals the narrowest,
/// then the shallowest; empty where none is so small. O(layouts).
[[nodiscard]] GridLayout best_layout(const PriceModel& prices, int workers);

}  // namespace planaria
