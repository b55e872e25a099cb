// Scores of forecasts over a record, by hand.
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/availability/backtest.hpp>

using namespace planaria;

namespace {

/// Foretells one distribution, whatever happens.
class Stubborn : public Forecaster {
 public:
  explicit Stubborn(Distribution count) : count_(std::move(count)) {}
  void observe(const IntervalCounts&) override {}
  [[nodiscard]] Forecast forecast(int look_ahead) const override {
    return Forecast(static_cast<std::size_t>(look_ahead), {{}, {}, count_});
  }

 private:
  Distribution count_;
};

std::vector<IntervalCounts> counts(const std::vector<int>& of) {
  std::vector<IntervalCounts> record;
  int before = 0;
  for (const int count : of) {
    record.push_back({std::max(0, count - before), std::max(0, before - count), count});
    before = count;
  }
  return record;
}

}  // namespace

TEST_CASE("scores are the means that their definitions say", "[unit]") {
  // Origins 0 and 1, two intervals ahead: what comes is 2, 4 and 4, 1.
  const auto record = counts({3, 2, 4, 1});
  Stubborn forecaster(Distribution::from_weights({0, 1, 1, 0, 2}));
  const Backtest result = backtest(record, forecaster, 2);
  CHECK(result.intervals == 2);
  CHECK(result.normalized_l1 == Approx((0 + 2 + 2 + 1) / 11.0));  // the median is 2
  // (F - [x <= v])^2 at v = 1, 2, 3 with F = 1/4, 1/2, 1/2.
  const double at_1 = .5625 + .25 + .25, at_2 = .0625 + .25 + .25, at_4 = .0625 + .25 + .25;
  CHECK(result.crps == Approx((at_2 + at_4 + at_4 + at_1) / 4));
  REQUIRE(result.log_loss);
  CHECK(*result.log_loss == Approx((std::log(4) + std::log(2) + std::log(2) + std::log(4)) / 4));
  // Up to 0.3: all of 1's step, a fifth of 2's, nothing of 4's.
  CHECK(result.calibration[2].stated == Approx(.3));
  CHECK(result.calibration[2].observed == Approx((1 + .2) / 4));
}

TEST_CASE("what had no probability leaves no log-loss", "[unit]") {
  const auto record = counts({3, 3, 4});
  Stubborn forecaster(Distribution::certain(3));
  const Backtest result = backtest(record, forecaster, 1);
  CHECK_FALSE(result.log_loss);
  CHECK(result.crps == .5);
  CHECK(result.calibration[4].observed == Approx(.25));  // half of the step that came, none of 4
}

TEST_CASE("several look-aheads in one pass are each as alone", "[unit]") {
  const auto record = counts({3, 5, 2, 2, 6, 1, 4, 4, 3, 5, 5, 2, 2, 1});
  const std::vector<int> look_aheads{2, 5};
  const auto together = make_forecaster(ForecastMethod::best, {.look_ahead = 5});
  const auto results = backtests(record, *together, look_aheads);
  for (std::size_t i = 0; i < look_aheads.size(); ++i) {
    const auto alone = make_forecaster(ForecastMethod::best, {.look_ahead = look_aheads[i]});
    CHECK(results[i] == backtest(record, *alone, look_aheads[i]));
  }
}

TEST_CASE("intervals on a grid begin with the first stamp and keep what came between", "[unit]") {
  Trace trace;
  trace.first_ms = 30'000;
  trace.initial = 2;
  trace.changes = {{60'000, 2, 0}, {90'000, 0, 1}, {100'000, 0, 1}};
  trace.end_ms = 150'000;
  CHECK(intervals_on_grid(trace, 60'000) ==
        std::vector<IntervalCounts>{{2, 0, 2}, {2, 1, 3}, {0, 1, 2}});
}
