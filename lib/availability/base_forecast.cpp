#include "availability/base_forecast.hpp"

#include <algorithm>
#include <utility>

namespace planaria::forecasting {
namespace {

constexpr int values_min = 64;
// The part of every forecast that is spread over all values, falling with the square of the
// distance, for what no rate foretells.
constexpr double unforeseen = 0.005;
// Far below what the unforeseen adds.
constexpr double negligible = 1e-6;

/// What the unforeseen adds to each value, around `center`.
std::vector<double> unforeseen_around(int center, std::size_t length) {
  std::vector<double> shares(length);
  double sum = 0;
  for (std::size_t value = 0; value < length; ++value) {
    const double distance = static_cast<double>(value) - center;
    shares[value] = 1 / (1 + distance * distance);
    sum += shares[value];
  }
  for (double& share : shares) share *= unforeseen / sum;
  return shares;
}

void make_all_possible(double* row, const std::vector<double>& shares) {
  double sum = 0;
  for (std::size_t value = 0; value < shares.size(); ++value) sum += row[value];
  const double kept = (1 - unforeseen) / sum;
  for (std::size_t value = 0; value < shares.size(); ++value) {
    row[value] = kept * row[value] + shares[value];
  }
}

/// Returns the first and the last value that count.
std::pair<std::size_t, std::size_t> range_of(const std::vector<double>& probabilities) {
  std::size_t last = probabilities.size() - 1;
  while (last > 0 && probabilities[last] < negligible) --last;
  std::size_t first = 0;
  while (first < last && probabilities[first] < negligible) ++first;
  return {first, last};
}

void count_row(const std::vector<double>& lost, const std::vector<double>& joined, int count,
               int most, double* row, std::size_t length) {
  // All values from 0 to beyond the top first: losses below 0 and joins above `most` are put right
  // once, not for every pair.
  const std::size_t below = lost.size() - 1;
  std::vector<double> wide(below + length + joined.size());
  const auto [first_lost, last_lost] = range_of(lost);
  const auto [first_joined, last_joined] = range_of(joined);
  const std::size_t here = below + static_cast<std::size_t>(count);
  for (std::size_t l = first_lost; l <= last_lost; ++l) {
    double* to = wide.data() + (here - l);
    const double probability = lost[l];
    for (std::size_t j = first_joined; j <= last_joined; ++j) to[j] += probability * joined[j];
  }
  for (std::size_t at = 0; at < wide.size(); ++at) {
    const std::size_t value = at < below ? 0 : std::min(at - below, length - 1);
    add_count({row, length}, static_cast<int>(value), most, wide[at]);
  }
}

}  // namespace

void add_count(std::span<double> row, int count, int most, double share) {
  constexpr double growth_kept = 0.05;
  const auto at = [&](int value) -> double& { return row[static_cast<std::size_t>(value)]; };
  if (count <= most) {
    at(count) += share;
    return;
  }
  at(most) += share * (1 - growth_kept);
  at(count) += share * growth_kept;
}

Distribution lost_at(int h, std::vector<double> weights, int count) {
  // In later intervals there may be more machines than now.
  const auto most = static_cast<std::size_t>(count);
  if (h == 1 && weights.size() > most + 1) {
    for (std::size_t more = most + 1; more < weights.size(); ++more) weights[most] += weights[more];
    weights.resize(most + 1);
  }
  return Distribution::from_weights(std::move(weights));
}

std::size_t values_for(int most) {
  return static_cast<std::size_t>(std::max(values_min, 2 * most)) + 1;
}

BaseForecast base_forecast(const HazardEstimate& hazard, int count, int most, int look_ahead) {
  BaseForecast made;
  made.length = values_for(most);
  const std::size_t cells = static_cast<std::size_t>(look_ahead) * made.length;
  made.lost.assign(cells, 0.0);
  made.joined.assign(cells, 0.0);
  made.count.assign(cells, 0.0);
  const std::vector<double> around_none = unforeseen_around(0, made.length);
  const std::vector<double> around_count = unforeseen_around(count, made.length);
  const int largest = static_cast<int>(made.length) - 1;
  const EventsAhead losses = events_ahead(hazard.loss, look_ahead, largest);
  const EventsAhead joins = events_ahead(hazard.join, look_ahead, largest);
  for (std::size_t h = 0; h < static_cast<std::size_t>(look_ahead); ++h) {
    double* lost = made.lost.data() + h * made.length;
    std::ranges::copy(losses.in_interval[h], lost);
    std::ranges::copy(joins.in_interval[h], made.joined.data() + h * made.length);
    count_row(losses.in_total[h], joins.in_total[h], count, most,
              made.count.data() + h * made.length, made.length);
    make_all_possible(lost, around_none);
    make_all_possible(made.joined.data() + h * made.length, around_none);
    make_all_possible(made.count.data() + h * made.length, around_count);
  }
  return made;
}

}  // namespace planaria::forecasting
