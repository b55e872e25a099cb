// liveput/optimizer.hpp: the layout that is expected to train most samples from now on. Floor 4,
// pure.
// Is: liveput (Parcae, NSDI 2024: expected throughput once machines have vanished) as a Markov
// decision process over machines and layouts, solved exactly, without sampling. Is not: a forecast
// (outlook.hpp), or a price (prices.hpp). Deterministic; one thread at a time.
#pragma once

#include <memory>
#include <vector>

#include <planaria/liveput/outlook.hpp>
#include <planaria/liveput/policy.hpp>

namespace planaria {

struct OptimizerOptions {
  /// Intervals looked ahead. Longer sees growth pay back later, and costs time in proportion.
  /// 1 to 60.
  int look_ahead = 12;
  double interval_ms = 60'000;
  /// Layouts are not thought of that train slower than this share of the fastest of as many
  /// workers. 0 to 1; 0: all are.
  double rate_share = 0.85;
  /// Nor of layouts that leave more than this share of the workers idle, unless they are no smaller
  /// than what runs. 0 to 1; 1: all are.
  double idle_share = 0.5;
  /// Behind the horizon the last layout is held for this share of the time until something is
  /// expected to happen. 0 at least; 0: nothing counts there.
  double held_share = 0.5;
  /// Numbers of machines behind which all less likely ones lie count as those; how likely these are
  /// at most, more and fewer each. 0 to 1; 0: all are told apart.
  double rare = 1e-3;
};

class PriceTable;

/// A layout and what is expected of choosing it now.
struct ValuedLayout {
  GridLayout layout;
  Charge charge;
  double samples = 0;  // until the horizon, comparable within one decision
};

class LiveputOptimizer {
 public:
  /// Borrows `prices`.
  LiveputOptimizer(const PriceModel& prices, const OptimizerOptions& options);
  ~LiveputOptimizer();

  /// Returns every layout worth a thought for this interval, best first (of equals the narrowest,
  /// then the shallowest). Of each: what it earns in the interval that begins, and the most that
  /// can be expected of the intervals behind it by deciding anew in each, knowing what has come
  /// and gone by then. Behind the horizon the last layout is held for a while. Where losses are
  /// known ahead now, they are taken to be so in the intervals ahead too. Empty where none fits.
  /// O(look_ahead x machines in reach x sizes of events x layouts in reach^2 x 4 if losses are
  /// known ahead).
  [[nodiscard]] std::vector<ValuedLayout> choices(const Situation& situation,
                                                  const Outlook& outlook);

 private:
  const PriceModel& prices_;
  OptimizerOptions options_;
  std::unique_ptr<PriceTable> table_;  // of the layouts worth a thought
};

}  // namespace planaria
