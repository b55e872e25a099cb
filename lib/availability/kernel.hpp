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
  struct Outcomes {
    std::vector<std::pair<int, double>> counts;  // outcome, how often; in the order of coming
    double sum = 0;
  };
  /// The classes of a situation, from wide to narrow: what was seen in each, by interval ahead.
  using Seen = std::vector<std::vector<Outcomes>*>;

  Kernel(const KernelKind& kind, int look_ahead);
  /// Returns the situation's classes, which stay where they are as long as the kernel lives.
  [[nodiscard]] Seen seen_in(const Situation& now);
  /// Turns what is believed without it, `look_ahead` rows of equal length one after the other,
  /// into what it foretells. O(classes (row + distinct outcomes)) a row.
  void foretell(const Situation& now, const Seen& seen, std::span<double> rows) const;
  /// Learns that `outcome` came `h` intervals after `then`. O(classes distinct outcomes).
  void learn(const Situation& then, const Seen& seen, int h, int outcome) const;

 private:
  void shrink(const Outcomes& outcomes, const Situation& now, double strength,
              std::span<double> row) const;
  KernelKind kind_;
  int look_ahead_;
  double kept_;
  // Looked up only: its order never shows. Its values do not move.
  std::unordered_map<std::uint64_t, std::vector<Outcomes>> classes_;
};

/// The five kinds for the machine count, and the two for machines lost and for machines joined.
[[nodiscard]] std::vector<KernelKind> count_kernels();
[[nodiscard]] std::vector<KernelKind> event_kernels();

}  // namespace planaria::forecasting
