// availability/mixture.hpp: experts weighed by what each foretold.
// Is: one mixture for each interval ahead, of two base forecasts and the kernels shrunk to the
// first of them. Is not: the bases themselves (base_forecast.hpp).
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "availability/kernel.hpp"
#include "availability/situation.hpp"

namespace planaria::forecasting {

class Mixture {
 public:
  static constexpr std::size_t bases = 2;

  Mixture(const std::vector<KernelKind>& kernels, int look_ahead);
  /// Learns the number that came in the interval that has just ended, from all that was foretold of
  /// it.
  void settle(int outcome);
  /// Foretells the intervals after `now`. Each base is `look_ahead` rows of `length` probabilities.
  void foretell(const Situation& now, std::span<const double> slow, std::span<const double> fast,
                std::size_t length);
  /// Returns the mixture foretold last for interval `h`; sums to 1 but for rounding.
  [[nodiscard]] std::vector<double> mixed(int h) const;
  /// Returns the share of the fast base in both bases' weight, one interval ahead.
  [[nodiscard]] double fast_share() const;

 private:
  struct Foretold {
    Situation situation;
    std::vector<Kernel::Seen> seen;  // by kernel
    std::size_t length = 0;
    std::vector<double> rows;  // [expert][h - 1][value]
    [[nodiscard]] std::span<double> of(std::size_t expert, std::size_t look_ahead) {
      return std::span(rows).subspan(expert * look_ahead * length, look_ahead * length);
    }
  };
  [[nodiscard]] std::size_t experts() const { return bases + kernels_.size(); }
  void weigh(const Foretold& then, int h, int outcome);
  int look_ahead_;
  std::vector<Kernel> kernels_;
  std::vector<std::vector<double>> weights_;  // [h - 1][expert], bases first, sum 1
  std::deque<Foretold> foretold_;             // the newest first, `look_ahead` at most
};

}  // namespace planaria::forecasting
