// Parcae's predictor: each guard by an example, and all of them together.
#include <cmath>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/availability/forecast.hpp>
#include <planaria/availability/parcae_forecast.hpp>

using namespace planaria;
using Counts = std::vector<int>;

namespace {

Counts counts_of(const std::vector<IntervalCounts>& steps) {
  Counts counts;
  for (const IntervalCounts& step : steps) counts.push_back(step.count);
  return counts;
}

Counts erased(Counts history) {
  parcae::erase_excursions(history);
  return history;
}

Counts flattened(Counts history) {
  parcae::flatten_before_extremum(history);
  return history;
}

Counts clamped(Counts forecast) {
  parcae::clamp_forecast(forecast, {});
  return forecast;
}

ParcaeScaling scaled(const Counts& history, ParcaeScaling scaling = {}) {
  parcae::scale_steep(history, scaling);
  return scaling;
}

}  // namespace

TEST_CASE("guard 1: excursions of up to three intervals that return are erased", "[unit]") {
  CHECK(erased({20, 18, 20, 20}) == Counts{20, 20, 20, 20});
  CHECK(erased({20, 18, 17, 25, 20}) == Counts{20, 20, 20, 20, 20});
  CHECK(erased({20, 18, 18, 18, 18, 20}) == Counts{20, 18, 18, 18, 18, 20});  // four stay
  CHECK(erased({20, 18, 18, 21, 22}) == Counts{20, 18, 18, 21, 22});          // no return
}

TEST_CASE("guard 2: what lies before an inner extremum becomes as the extremum", "[unit]") {
  CHECK(flattened({20, 15, 17, 15, 19}) == Counts{15, 15, 15, 15, 19});
  CHECK(flattened({20, 25, 22}) == Counts{25, 25, 22});
  CHECK(flattened({20, 15, 25, 18}) == Counts{15, 15, 25, 18});  // the minimum goes first
  CHECK(flattened({20, 21, 22}) == Counts{20, 21, 22});
}

TEST_CASE("guard 3: a steep history scales what comes or goes, and stays", "[unit]") {
  CHECK(scaled({20, 22, 24}) == ParcaeScaling{1, 1});
  CHECK(scaled({20, 22, 25}) == ParcaeScaling{0.75, 1});
  CHECK(scaled({20, 22, 30}) == ParcaeScaling{0.5, 1});
  CHECK(scaled({30, 25, 25}) == ParcaeScaling{1, 0.75});
  CHECK(scaled({30, 20, 20}) == ParcaeScaling{1, 0.5});
  CHECK(scaled({30, 20, 21}) == ParcaeScaling{1, 1});
  CHECK(scaled({20, 20, 21}, {0.5, 0.75}) == ParcaeScaling{0.5, 0.75});
}

TEST_CASE("guard 4: a constant history repeats, another goes on as its steps did", "[unit]") {
  CHECK(parcae::fit_and_extend(Counts{17, 17, 17}, 3) == Counts{17, 17, 17});
  CHECK(parcae::fit_and_extend(Counts{10, 12, 14, 16}, 3) == Counts{18, 20, 22});
  // Steps 8, 4, 2: each is half of the one before.
  CHECK(parcae::fit_and_extend(Counts{10, 18, 22, 24}, 3) == Counts{25, 26, 26});
}

TEST_CASE("guard 5: no value is more than three from the first, nor beyond 8 to 32", "[unit]") {
  CHECK(clamped({20, 25, 14}) == Counts{20, 23, 17});
  CHECK(clamped({31, 33, 36}) == Counts{31, 32, 32});
  CHECK(clamped({5, 4, 9}) == Counts{8, 8, 8});
}

TEST_CASE("guard 6: a flat forecast of an uneven history loses machines nevertheless", "[unit]") {
  // Two losses of one machine in seven steps.
  const Counts history{20, 20, 19, 19, 19, 18, 18, 18};
  const double mean = 2.0 / 7;
  const double variance = mean - mean * mean;
  CHECK(parcae::flat_loss_rate(history) == Approx(variance));
  CHECK(parcae::flat_loss_rate(Counts{20, 20, 22}) == 0);
  ParcaeScaling scaling;
  const ParcaeOptions options{.look_ahead = 8, .count_min = 17, .count_max = 17};
  const auto expected = parcae_forecast(history, scaling, options);
  // One machine down to the clamp that makes it flat, and 8 x 0.2 spread over eight intervals.
  CHECK(expected.back().count == 17 - static_cast<int>(std::lround(8 * variance)));
  for (const IntervalCounts& step : expected) CHECK(step.joined == 0);
}

TEST_CASE("guard 6 draws the same machines from the same seed", "[unit]") {
  const Counts history{22, 21, 21, 19, 19, 19, 18, 18};
  const auto drawn = [&](std::uint64_t seed) {
    ParcaeScaling scaling;
    return counts_of(parcae_forecast(
        history, scaling, {.look_ahead = 8, .count_min = 18, .count_max = 18, .seed = seed}));
  };
  CHECK(drawn(3) == drawn(3));
  double sum = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) sum += 18 - drawn(seed).back();
  CHECK(sum / 400 == Approx(8 * parcae::flat_loss_rate(history)).margin(0.5));
}

TEST_CASE("guard 7: joins and losses are the scaled steps from the last count", "[unit]") {
  // Never falling, by 6 in all: joins count three quarters. Steps of 2, then within 3 of the first.
  const Counts history{14, 16, 18, 20};
  ParcaeScaling scaling;
  const auto steps = parcae_forecast(history, scaling, {.look_ahead = 4});
  CHECK(scaling == ParcaeScaling{0.75, 1});
  // The line says 22, 24, 25, 25: +2, +2, +1, +0, each times 0.75 and rounded.
  CHECK(steps == std::vector<IntervalCounts>{{2, 0, 22}, {2, 0, 24}, {1, 0, 25}, {0, 0, 25}});
}

TEST_CASE("with less history than look-ahead the last count is repeated", "[unit]") {
  ParcaeScaling scaling;
  CHECK(counts_of(parcae_forecast(Counts{5, 9}, scaling, {.look_ahead = 3})) == Counts{9, 9, 9});
}

TEST_CASE("the forecaster says what the function says, as certain", "[unit]") {
  const auto forecaster = make_forecaster(ForecastMethod::arima, {.look_ahead = 3});
  ParcaeScaling scaling;
  Counts counts;
  for (const int count : {20, 22, 25, 30, 31, 29, 24, 20, 20, 20, 19}) {
    counts.push_back(count);
    forecaster->observe({0, 0, count});
    const auto steps = parcae_forecast(counts, scaling, {.look_ahead = 3});
    const Forecast forecast = forecaster->forecast(3);
    for (std::size_t h = 0; h < 3; ++h) {
      CHECK(forecast[h].count == Distribution::certain(steps[h].count));
      CHECK(forecast[h].lost == Distribution::certain(steps[h].lost));
      CHECK(forecast[h].joined == Distribution::certain(steps[h].joined));
    }
  }
}
