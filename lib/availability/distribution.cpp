#include <planaria/availability/distribution.hpp>

#include <cstddef>
#include <utility>

#include <planaria/base/check.hpp>

namespace planaria {

Distribution Distribution::certain(int value) {
  check(value >= 0, "a number of machines is 0 at least");
  Distribution made;
  made.probabilities_.assign(static_cast<std::size_t>(value) + 1, 0.0);
  made.probabilities_.back() = 1;
  return made;
}

Distribution Distribution::from_weights(std::vector<double> weights) {
  double sum = 0;
  for (const double weight : weights) {
    check(weight >= 0, "a weight is 0 at least");
    sum += weight;
  }
  check(sum > 0, "weights of a distribution have a sum above 0");
  while (weights.back() == 0) weights.pop_back();
  for (double& weight : weights) weight /= sum;
  Distribution made;
  made.probabilities_ = std::move(weights);
  return made;
}

Distribution Distribution::geometric(double mean) {
  constexpr double tail_min = 1e-5;
  std::vector<double> weights{0.0};
  const double ratio = 1 - 1 / mean;
  for (double weight = 1; weight > tail_min; weight *= ratio) weights.push_back(weight);
  return from_weights(std::move(weights));
}

double Distribution::probability(int value) const {
  return value < 0 || value > largest() ? 0.0 : probabilities_[static_cast<std::size_t>(value)];
}

double Distribution::mean() const {
  double mean = 0;
  for (std::size_t value = 1; value < probabilities_.size(); ++value) {
    mean += static_cast<double>(value) * probabilities_[value];
  }
  return mean;
}

int Distribution::median() const {
  // Sums are rounded: a half that should be reached exactly must not be missed by a last bit.
  constexpr double half = 0.5 - 1e-12;
  double below = 0;
  for (int value = 0; value < largest(); ++value) {
    below += probability(value);
    if (below >= half) return value;
  }
  return largest();
}

}  // namespace planaria
