#include <planaria/availability/parcae_forecast.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <planaria/base/check.hpp>
#include <planaria/base/random.hpp>

namespace planaria {
namespace parcae {
namespace {

struct Line {
  double constant = 0;
  double slope = 0;
};

/// Least squares of each step on the one before.
Line fit(std::span<const double> steps) {
  double mean = 0;
  for (const double step : steps) mean += step / static_cast<double>(steps.size());
  if (steps.size() < 3) return {mean, 0};
  const std::size_t pairs = steps.size() - 1;
  double mean_before = 0;
  double mean_after = 0;
  for (std::size_t i = 0; i < pairs; ++i) {
    mean_before += steps[i] / static_cast<double>(pairs);
    mean_after += steps[i + 1] / static_cast<double>(pairs);
  }
  double variance = 0;
  double covariance = 0;
  for (std::size_t i = 0; i < pairs; ++i) {
    variance += (steps[i] - mean_before) * (steps[i] - mean_before);
    covariance += (steps[i] - mean_before) * (steps[i + 1] - mean_after);
  }
  if (variance < 1e-12) return {mean, 0};
  const double slope = std::clamp(covariance / variance, -0.99, 0.99);
  return {mean_after - slope * mean_before, slope};
}

bool is_constant(std::span<const int> values) {
  return std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) == values.end();
}

int poisson(double rate, Random& random) {
  // Knuth's product: rates here are below 1 but for losses of many machines each minute.
  const double bound = std::exp(-rate);
  int drawn = 0;
  for (double product = random.uniform(); product > bound; product *= random.uniform()) ++drawn;
  return drawn;
}

}  // namespace

void erase_excursions(std::vector<int>& history) {
  for (std::size_t length = 3; length >= 1; --length) {
    for (std::size_t before = 0; before + length + 1 < history.size(); ++before) {
      const int level = history[before];
      if (history[before + length + 1] != level) continue;
      const auto first = history.begin() + static_cast<std::ptrdiff_t>(before) + 1;
      const auto last = first + static_cast<std::ptrdiff_t>(length);
      if (std::find(first, last, level) == last) std::fill(first, last, level);
    }
  }
}

void flatten_before_extremum(std::vector<int>& history) {
  if (history.empty()) return;
  const auto flatten = [&](int extremum) {
    const auto last = std::find(history.rbegin(), history.rend(), extremum).base();
    std::fill(history.begin(), last, extremum);
  };
  const int least = *std::ranges::min_element(history);
  const int most = *std::ranges::max_element(history);
  if (least < std::min(history.front(), history.back())) {
    flatten(least);
  } else if (most > std::max(history.front(), history.back())) {
    flatten(most);
  }
}

void scale_steep(std::span<const int> history, ParcaeScaling& scaling) {
  if (history.empty()) return;
  const auto factor_of = [](int rise, double factor) {
    return rise >= 10 ? 0.5 : rise >= 5 ? 0.75 : factor;
  };
  if (std::ranges::is_sorted(history)) {
    scaling.in = factor_of(history.back() - history.front(), scaling.in);
  }
  if (std::ranges::is_sorted(history, std::greater<>())) {
    scaling.out = factor_of(history.front() - history.back(), scaling.out);
  }
}

std::vector<int> fit_and_extend(std::span<const int> history, int look_ahead) {
  std::vector<int> forecast;
  if (is_constant(history)) {
    forecast.assign(static_cast<std::size_t>(look_ahead), history.back());
    return forecast;
  }
  std::vector<double> steps;
  for (std::size_t i = 1; i < history.size(); ++i) steps.push_back(history[i] - history[i - 1]);
  const Line line = fit(steps);
  double value = history.back();
  double step = steps.back();
  for (int h = 0; h < look_ahead; ++h) {
    step = line.constant + line.slope * step;
    value += step;
    forecast.push_back(static_cast<int>(std::lround(value)));
  }
  return forecast;
}

void clamp_forecast(std::vector<int>& forecast, const ParcaeOptions& options) {
  const int first = forecast.front();
  for (int& value : forecast) {
    value =
        std::clamp(std::clamp(value, first - 3, first + 3), options.count_min, options.count_max);
  }
}

double flat_loss_rate(std::span<const int> history) {
  if (history.size() < 2) return 0;
  const auto steps = static_cast<double>(history.size() - 1);
  double mean = 0;
  double squares = 0;
  for (std::size_t i = 1; i < history.size(); ++i) {
    const double lost = std::max(0, history[i - 1] - history[i]);
    mean += lost / steps;
    squares += lost * lost / steps;
  }
  const double variance = std::max(0.0, squares - mean * mean);
  return std::min({std::sqrt(variance), variance, mean});
}

}  // namespace parcae

namespace {

/// Guard 6: machines lost on top in each interval, where the forecast is flat and history is not.
std::vector<int> added_losses(double rate, std::size_t known, const ParcaeOptions& options) {
  std::vector<int> added;
  Random random(mix({options.seed.value_or(0), known}));
  for (int h = 1; h <= options.look_ahead; ++h) {
    const auto expected_by = [&](int intervals) {
      return static_cast<int>(std::lround(rate * intervals));
    };
    added.push_back(options.seed ? parcae::poisson(rate, random)
                                 : expected_by(h) - expected_by(h - 1));
  }
  return added;
}

}  // namespace

std::vector<IntervalCounts> parcae_forecast(std::span<const int> counts, ParcaeScaling& scaling,
                                            const ParcaeOptions& options) {
  check(!counts.empty(), "a forecast needs a count");
  const auto look_ahead = static_cast<std::size_t>(options.look_ahead);
  if (counts.size() < look_ahead) {
    return std::vector<IntervalCounts>(look_ahead, {0, 0, counts.back()});
  }
  const std::span<const int> known = counts.last(look_ahead);
  std::vector<int> history(known.begin(), known.end());
  parcae::erase_excursions(history);
  parcae::flatten_before_extremum(history);
  parcae::scale_steep(history, scaling);
  std::vector<int> forecast = parcae::fit_and_extend(history, options.look_ahead);
  parcae::clamp_forecast(forecast, options);
  std::vector<int> added(look_ahead, 0);
  if (parcae::is_constant(forecast) && !parcae::is_constant(history)) {
    added = added_losses(parcae::flat_loss_rate(history), counts.size(), options);
  }
  // Guard 7: the steps, scaled, and the counts they lead to.
  std::vector<IntervalCounts> steps;
  int before = counts.back();
  int count = counts.back();
  for (std::size_t h = 0; h < look_ahead; ++h) {
    const int joined = std::max(0, forecast[h] - before);
    const int lost = std::max(0, before - forecast[h]) + added[h];
    before = forecast[h];
    const double moved = count + joined * scaling.in - lost * scaling.out;
    const int next = std::max(0, static_cast<int>(std::lround(moved)));
    steps.push_back({std::max(0, next - count), std::max(0, count - next), next});
    count = next;
  }
  return steps;
}

}  // namespace planaria
