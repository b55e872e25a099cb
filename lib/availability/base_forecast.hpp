// availability/base_forecast.hpp: what hazards alone say of the counts ahead.
// Is: the hazard's chains of losses and of joins, taken from and added to the count there is.
// Is not: learned from what happened besides (kernel.hpp).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <planaria/availability/distribution.hpp>
#include <planaria/availability/hazard.hpp>

namespace planaria::forecasting {

/// `look_ahead` rows of `length` probabilities, for each of the three numbers. Every value has a
/// probability above 0: what never happened may.
struct BaseForecast {
  std::size_t length = 0;
  std::vector<double> lost, joined, count;
};

/// Returns how many values a forecast tells apart: 0 to the larger of 64 and twice `most`.
[[nodiscard]] std::size_t values_for(int most);

/// `most`: the most machines so far; a count above it is unlikely. O(look_ahead length^2).
[[nodiscard]] BaseForecast base_forecast(const HazardEstimate& hazard, int count, int most,
                                         int look_ahead);

/// Adds a share to a count's probability. Counts above `most`, the most machines so far, are rare,
/// whatever changes elsewhere suggest: machines join up to a target that nobody tells. What would
/// go there counts as `most` but for a twentieth.
void add_count(std::span<double> row, int count, int most, double share);

/// Makes the distribution of machines lost in interval `h`: no more than there are go in the next.
[[nodiscard]] Distribution lost_at(int h, std::vector<double> weights, int count);

}  // namespace planaria::forecasting
