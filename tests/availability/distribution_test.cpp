// Probabilities of small numbers, and the score of one forecast.
#include <cmath>
#include <numeric>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/availability/backtest.hpp>
#include <planaria/availability/distribution.hpp>
#include <planaria/base/random.hpp>

using namespace planaria;

namespace {

/// The integral of (F(y) - [value <= y])^2 over y from below 0 to beyond all, by small steps.
double crps_by_integral(const Distribution& forecast, int value) {
  constexpr double step = 1.0 / 64;
  double sum = 0;
  for (double y = step / 2; y < 64; y += step) {
    double below = 0;
    for (int v = 0; v <= forecast.largest() && v <= y; ++v) below += forecast.probability(v);
    const double gap = below - (value <= y ? 1.0 : 0.0);
    sum += gap * gap * step;
  }
  return sum;
}

}  // namespace

TEST_CASE("weights become probabilities, and zeros at the end are left out", "[unit]") {
  const Distribution made = Distribution::from_weights({1, 0, 3, 0});
  CHECK(made.probability(0) == 0.25);
  CHECK(made.probability(2) == 0.75);
  CHECK(made.largest() == 2);
  CHECK(made.probability(3) == 0);
  CHECK(made.probability(-1) == 0);
  CHECK(made.mean() == 1.5);
  CHECK(made.median() == 2);
  CHECK(Distribution::from_weights({1, 1}).median() == 0);
  CHECK(Distribution::certain(3) == Distribution::from_weights({0, 0, 0, 7}));
}

TEST_CASE("the CRPS of a forecast is the integral that defines it", "[unit]") {
  Random random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<double> weights(1 + random.below(12));
    for (double& weight : weights) weight = random.uniform();
    const Distribution forecast = Distribution::from_weights(weights);
    const int value = static_cast<int>(random.below(15));
    INFO("round " << round << ", value " << value);
    CHECK(crps_of(forecast, value) == Approx(crps_by_integral(forecast, value)).margin(1e-9));
  }
}

TEST_CASE("the CRPS of a certain forecast is its error", "[unit]") {
  CHECK(crps_of(Distribution::certain(5), 5) == 0);
  CHECK(crps_of(Distribution::certain(5), 2) == 3);
  CHECK(crps_of(Distribution::certain(5), 11) == 6);
}

TEST_CASE("a geometric distribution goes on with one probability and has its mean", "[unit]") {
  const Distribution made = Distribution::geometric(2.5);
  CHECK(made.probability(0) == 0);
  for (int value = 1; value < 15; ++value) {
    CHECK(made.probability(value + 1) / made.probability(value) == Approx(0.6));
  }
  CHECK(made.mean() == Approx(2.5).epsilon(1e-3));
  CHECK(Distribution::geometric(1) == Distribution::certain(1));
}
