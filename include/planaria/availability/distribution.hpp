// availability/distribution.hpp: how likely each small number of machines is. Floor 2, pure.
// Is: probabilities of 0, 1, 2, ... that sum to 1. Is not: how they are found (forecast.hpp).
// No state, any thread.
#pragma once

#include <span>
#include <vector>

namespace planaria {

class Distribution {
 public:
  /// Makes that of a number that is certain to be 0.
  Distribution() = default;
  /// Makes that of a number that is certain to be `value`, at least 0.
  [[nodiscard]] static Distribution certain(int value);
  /// Makes that in which value i is as likely as weights[i] says, divided by their sum. Requires
  /// weights of 0 at least and a sum above 0; zeros at the end are left out. O(weights).
  [[nodiscard]] static Distribution from_weights(std::vector<double> weights);

  /// Makes that of a number of at least 1 that goes on with the same probability each time, of this
  /// mean, 1 at least; values below a hundred-thousandth of the first are left out.
  [[nodiscard]] static Distribution geometric(double mean);

  /// Returns the probability of each value from 0 to largest().
  [[nodiscard]] std::span<const double> probabilities() const { return probabilities_; }
  /// Returns the probability of `value`, 0 outside 0 to largest().
  [[nodiscard]] double probability(int value) const;
  /// Returns the largest value of a probability above 0.
  [[nodiscard]] int largest() const { return static_cast<int>(probabilities_.size()) - 1; }
  [[nodiscard]] double mean() const;
  /// Returns the smallest value that is not exceeded with a probability of a half at least.
  [[nodiscard]] int median() const;
  friend bool operator==(const Distribution&, const Distribution&) = default;

 private:
  std::vector<double> probabilities_{1.0};
};

}  // namespace planaria
