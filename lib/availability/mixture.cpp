#include "availability/mixture.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace planaria::forecasting {
namespace {

// What all kernels weigh together before anything is known: a new trace has taught them nothing.
constexpr double kernels_at_first = 0.2;
// Forecasts of one interval from several origins are nearly one forecast: each counts in part.
constexpr double trust = 0.25;
// So much of the weight is dealt out evenly each time: who was wrong for days may come back.
constexpr double fixed_share = 0.001;
constexpr double probability_min = 1e-9;

}  // namespace

Mixture::Mixture(const std::vector<KernelKind>& kernels, int look_ahead) : look_ahead_(look_ahead) {
  for (const KernelKind& kind : kernels) kernels_.emplace_back(kind, look_ahead);
  std::vector<double> weights(bases, (1 - kernels_at_first) / static_cast<double>(bases));
  weights.resize(experts(), kernels_at_first / static_cast<double>(kernels_.size()));
  weights_.assign(static_cast<std::size_t>(look_ahead), weights);
}

void Mixture::settle(int outcome) {
  for (std::size_t back = 0; back < foretold_.size(); ++back) {
    const int h = static_cast<int>(back) + 1;
    weigh(foretold_[back], h, outcome);
    const Foretold& then = foretold_[back];
    for (std::size_t kernel = 0; kernel < kernels_.size(); ++kernel) {
      kernels_[kernel].learn(then.situation, then.seen[kernel], h, outcome);
    }
  }
}

void Mixture::weigh(const Foretold& then, int h, int outcome) {
  std::vector<double>& weights = weights_[static_cast<std::size_t>(h - 1)];
  const auto value = static_cast<std::size_t>(outcome);
  double sum = 0;
  for (std::size_t expert = 0; expert < weights.size(); ++expert) {
    const std::size_t row =
        expert * static_cast<std::size_t>(look_ahead_) + static_cast<std::size_t>(h - 1);
    const double foretold = value < then.length ? then.rows[row * then.length + value] : 0.0;
    weights[expert] *= std::pow(std::max(foretold, probability_min), trust);
    sum += weights[expert];
  }
  const double even = fixed_share / static_cast<double>(weights.size());
  for (double& weight : weights) weight = (1 - fixed_share) * weight / sum + even;
}

void Mixture::foretell(const Situation& now, std::span<const double> slow,
                       std::span<const double> fast, std::size_t length) {
  Foretold made;
  if (foretold_.size() == static_cast<std::size_t>(look_ahead_)) {
    made = std::move(foretold_.back());  // its memory is used again
    foretold_.pop_back();
  }
  const auto look_ahead = static_cast<std::size_t>(look_ahead_);
  made.situation = now;
  made.length = length;
  made.seen.clear();
  made.rows.resize(experts() * look_ahead * length);
  std::ranges::copy(slow, made.of(0, look_ahead).begin());
  std::ranges::copy(fast, made.of(1, look_ahead).begin());
  for (std::size_t kernel = 0; kernel < kernels_.size(); ++kernel) {
    const std::span<double> rows = made.of(bases + kernel, look_ahead);
    std::ranges::copy(slow, rows.begin());
    made.seen.push_back(kernels_[kernel].seen_in(now));
    kernels_[kernel].foretell(now, made.seen.back(), rows);
  }
  foretold_.push_front(std::move(made));
}

std::vector<double> Mixture::mixed(int h) const {
  const Foretold& now = foretold_.front();
  const std::vector<double>& weights = weights_[static_cast<std::size_t>(h - 1)];
  std::vector<double> mixed(now.length);
  for (std::size_t expert = 0; expert < weights.size(); ++expert) {
    const std::size_t row =
        expert * static_cast<std::size_t>(look_ahead_) + static_cast<std::size_t>(h - 1);
    const double* foretold = now.rows.data() + row * now.length;
    for (std::size_t value = 0; value < mixed.size(); ++value) {
      mixed[value] += weights[expert] * foretold[value];
    }
  }
  return mixed;
}

double Mixture::fast_share() const {
  return weights_[0][1] / (weights_[0][0] + weights_[0][1]);
}

}  // namespace planaria::forecasting
