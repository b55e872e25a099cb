// What every forecaster promises, and what `best` does in worlds that are known.
#include <cmath>
#include <functional>
#include <memory>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/availability/backtest.hpp>
#include <planaria/availability/forecast.hpp>

#include "availability/forecast_records.hpp"

using namespace planaria;
using Record = std::vector<IntervalCounts>;

namespace {

constexpr ForecastMethod methods[] = {ForecastMethod::persistence, ForecastMethod::hazard,
                                      ForecastMethod::arima, ForecastMethod::best};

using Maker = std::function<std::unique_ptr<Forecaster>(const Record& whole)>;

/// Whether forecasts up to `changed` are the same for records that differ from there on.
bool never_looks_ahead(const Maker& maker, const Record& one, const Record& other, int changed) {
  const auto of_one = maker(one);
  const auto of_other = maker(other);
  for (int t = 0; t < changed; ++t) {
    of_one->observe(one[t]);
    of_other->observe(other[t]);
    if (of_one->forecast(12) != of_other->forecast(12)) return false;
  }
  return true;
}

/// The planted bug: tells its forecaster of one interval more than it was told of.
class Peeking : public Forecaster {
 public:
  explicit Peeking(Record whole)
      : whole_(std::move(whole)), honest_(make_forecaster(ForecastMethod::best)) {
    honest_->observe(whole_.front());
  }
  void observe(const IntervalCounts&) override {
    if (++told_ < whole_.size()) honest_->observe(whole_[told_]);
  }
  [[nodiscard]] Forecast forecast(int look_ahead) const override {
    return honest_->forecast(look_ahead);
  }

 private:
  Record whole_;
  std::unique_ptr<Forecaster> honest_;
  std::size_t told_ = 0;
};

void check_sums(const Distribution& distribution) {
  double sum = 0;
  for (const double probability : distribution.probabilities()) {
    REQUIRE(probability >= 0);
    sum += probability;
  }
  REQUIRE(sum == Approx(1).epsilon(1e-12));
}

}  // namespace

TEST_CASE("a changed future leaves the forecasts before it as they were", "[unit]") {
  const Record one = test::made_up_record(3, 300, 16);
  Record other = one;
  for (std::size_t t = 200; t < other.size(); ++t) other[t] = {0, 0, other[t].count + 5};
  for (const ForecastMethod method : methods) {
    INFO(name_of(method));
    const Maker maker = [&](const Record&) { return make_forecaster(method); };
    CHECK(never_looks_ahead(maker, one, other, 200));
  }
  const Maker peeking = [](const Record& whole) { return std::make_unique<Peeking>(whole); };
  CHECK_FALSE(never_looks_ahead(peeking, one, other, 200));
}

TEST_CASE("every forecast sums to one, from the first interval on", "[unit]") {
  // Up from nothing beyond all that was seen before, and down to nothing again.
  Record record = test::made_up_record(5, 40, 8);
  record.push_back({120, 0, record.back().count + 120});
  record.push_back({0, record.back().count, 0});
  record.push_back({0, 0, 0});
  for (const ForecastMethod method : methods) {
    INFO(name_of(method));
    const auto forecaster = make_forecaster(method);
    for (const IntervalCounts& interval : record) {
      forecaster->observe(interval);
      const Forecast forecast = forecaster->forecast(12);
      REQUIRE(forecast.size() == 12);
      for (const IntervalForecast& ahead : forecast) {
        check_sums(ahead.lost);
        check_sums(ahead.joined);
        check_sums(ahead.count);
      }
      CHECK(forecast[0].lost.largest() <= interval.count);
    }
  }
}

TEST_CASE("the same intervals give the same forecasts, bit for bit", "[unit]") {
  const auto one = make_forecaster(ForecastMethod::best);
  const auto other = make_forecaster(ForecastMethod::best);
  for (const IntervalCounts& interval : test::made_up_record(9, 400, 24)) {
    one->observe(interval);
    other->observe(interval);
    REQUIRE(one->forecast(12) == other->forecast(12));
  }
}

TEST_CASE("nearer intervals are forecast alike, however far one looks", "[unit]") {
  const auto near = make_forecaster(ForecastMethod::best, {.look_ahead = 4});
  const auto far = make_forecaster(ForecastMethod::best, {.look_ahead = 12});
  for (const IntervalCounts& interval : test::made_up_record(2, 200, 16)) {
    near->observe(interval);
    far->observe(interval);
    REQUIRE(near->forecast(4) == far->forecast(4));
  }
}

TEST_CASE("machines that always come back are foretold to", "[unit]") {
  // One of eight goes for two intervals, every twenty.
  const auto forecaster = make_forecaster(ForecastMethod::best);
  for (int t = 0; t < 2001; ++t) {
    const int at = t % 20;
    forecaster->observe({at == 2 ? 1 : 0, at == 0 && t > 0 ? 1 : 0, at < 2 && t > 0 ? 7 : 8});
  }
  // The last interval lost one.
  const Forecast forecast = forecaster->forecast(12);
  CHECK(forecast[0].count.median() == 7);
  CHECK(forecast[1].count.median() == 8);
  CHECK(forecast[1].joined.median() == 1);
  CHECK(forecast[1].count.probability(8) > 0.9);
}

TEST_CASE("changes that keep to a tick are foretold for its moments only", "[unit]") {
  // Every fifth interval, one of two machines goes or comes with probability 1/3.
  Random random(4);
  const auto forecaster = make_forecaster(ForecastMethod::best);
  int count = 2;
  for (int t = 0; t < 20'000; ++t) {
    IntervalCounts interval{0, 0, count};
    if (t % 5 == 0 && t > 0 && random.below(3) == 0) {
      interval = count == 2 ? IntervalCounts{0, 1, 1} : IntervalCounts{1, 0, 2};
      count = interval.count;
    }
    forecaster->observe(interval);
  }
  // The last interval was the fourth after a tick.
  const Forecast forecast = forecaster->forecast(5);
  CHECK(forecast[0].count.probability(3 - count) == Approx(1.0 / 3).margin(0.05));
  CHECK(forecast[3].count.probability(3 - count) == Approx(1.0 / 3).margin(0.05));
}

TEST_CASE("best estimates the hazards of the world it sees", "[unit]") {
  const auto forecaster = make_forecaster(ForecastMethod::best);
  for (const IntervalCounts& interval : test::made_up_record(6, 5000, 32)) {
    forecaster->observe(interval);
  }
  const auto hazard = forecaster->hazard();
  REQUIRE(hazard);
  CHECK(hazard->loss.in_burst > 2 * hazard->loss.otherwise);
  CHECK(hazard->loss.size.probability(1) + hazard->loss.size.probability(2) > 0.6);
  CHECK(hazard->join.size.probability(3) < 0.05);
  CHECK_FALSE(make_forecaster(ForecastMethod::persistence)->hazard());
}

TEST_CASE("methods have the names that commands take", "[unit]") {
  for (const ForecastMethod method : methods) {
    CHECK(forecast_method_named(name_of(method)) == method);
  }
  CHECK_FALSE(forecast_method_named("oracle"));
}
