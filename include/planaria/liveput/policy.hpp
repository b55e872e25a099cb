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

  [[nodiscard]] const IntervalCounts& now() const { return history.back(); }
  [[nodiscard]] int workers_before() const { return now().count - now().joined + now().lost; }
};

/// Time in which nobody trains.
struct Charge {
  double ms = 0;
  /// In addition, where an earlier change is still under way and must be begun anew.
  double again_ms = 0;
};

/// How long nobody trains from an interval's begin on. May outlast it.
struct Standing {
  double ms = 0;
  [[nodiscard]] double within(double interval_ms) const { return std::min(ms, interval_ms); }
  [[nodiscard]] double beyond(double interval_ms) const { return std::max(0.0, ms - interval_ms); }
};

/// Returns what a change adds to what the last one still takes: it is dropped for the new one.
[[nodiscard]] Standing standing_of(double leftover_ms, const Charge& charge);

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
/// a restart without newcomers where another change is dropped for it.
[[nodiscard]] Charge migration_charge(const PriceModel& prices, const Situation& situation,
                                      const GridLayout& to);

/// Returns how fast a layout of layouts() trains; 0 for none. O(log layouts).
[[nodiscard]] double samples_per_s(const PriceModel& prices, const GridLayout& layout);

/// Returns the layout of at most `workers` workers that trains fastest; of equals the narrowest,
/// then the shallowest; empty where none is so small. O(layouts).
[[nodiscard]] GridLayout best_layout(const PriceModel& prices, int workers);

}  // namespace planaria
