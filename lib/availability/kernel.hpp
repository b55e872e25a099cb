// availability/kernel.hpp: what followed in situations like this one.
// Is: an expert that counts outcomes by situation, from all situations to ever more special ones,
// each shrunk to the one before. Is not: how much it is trusted (mixture.hpp).
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "availability/situation.hpp"

namespace planaria::forecasting {

/// What is foretold, and how an outcome is remembered.
enum class Outcome {
  change,  // the count, as its difference from the count now
  value,   // the number itself
};

/// Returns the situation's classes from wide to narrow, each a key of its own.
using Classes = std::vector<std::uint64_t> (*)(const Situation& now);

struct KernelKind {
  Classes classes;
  Outcome outcome = Outcome::change;
  double half_life = 0;  // outcomes after which one counts half; 0: it counts for ever
};

class Kernel {
 public:
  Kernel(const KernelKind& kind, int look_ahead);
  /// Turns what is believed without it, `look_ahead` rows of equal length one after the other,
  /// into what it foretells. O(classes (row + distinct outcomes)) a row.
  void foretell(const Situation& now, std::span<double> rows) const;
  /// Learns that `outcome` came `h` intervals after `then`. O(distinct outcomes).
  void learn(const Situation& then, int h, int outcome);

 private:
  struct Outcomes {
    std::vector<std::pair<int, double>> counts;  // outcome, how often; in the order of coming
    double sum = 0;
  };
  using ByInterval = std::vector<Outcomes>;
  void shrink(const Outcomes& outcomes, const Situation& now, double strength,
              std::span<double> row) const;
  KernelKind kind_;
  int look_ahead_;
  double kept_;
  std::unordered_map<std::uint64_t, ByInterval> seen_;  // looked up only: its order never shows
};

/// The five kinds for the machine count, and the two for machines lost and for machines joined.
[[nodiscard]] std::vector<KernelKind> count_kernels();
[[nodiscard]] std::vector<KernelKind> event_kernels();

}  // namespace planaria::forecasting
