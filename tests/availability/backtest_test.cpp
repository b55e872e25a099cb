// Scores of forecasts over a record, by hand and against published figures.
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/availability/backtest.hpp>
#include <planaria/availability/trace_text.hpp>

#include "availability/shared_traces.hpp"

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

/// A row of the table of persistence in the traces' own description.
struct Persistence {
  std::string file;
  std::array<double, 3> normalized_l1;
  std::array<double, 3> error;
};

const std::vector<Persistence> published{
    {"parcae__p3.csv", {.0743, .0864, .0971}, {1.790, 2.084, 2.342}},
    {"parcae__p3trace.csv", {.0743, .0864, .0971}, {1.790, 2.084, 2.342}},
    {"bamboo__p3-trace.csv", {.0743, .0864, .0971}, {1.790, 2.084, 2.342}},
    {"parcae__gpt-1.5b__trace_hh_55_65.txt", {.0900, .1051, .1210}, {2.428, 2.822, 3.234}},
    {"parcae__gpt-1.5b__trace_hl_15_25.txt", {.0496, .0543, .0550}, {1.502, 1.654, 1.679}},
    {"parcae__gpt-1.5b__trace_lh_80_90.txt", {.1467, .1742, .1984}, {2.457, 2.918, 3.321}},
    {"parcae__gpt-1.5b__trace_ll_10_11.txt", {.0237, .0290, .0341}, {.341, .416, .488}},
    {"bamboo__aws-spot-instances-g4dn-xlarge-us-east-1c-2020-11-20-1930-to-2020-11-21-2200.csv",
     {.0486, .0570, .0649},
     {.397, .465, .530}},
    {"bamboo__aws-spot-instances-p2-xlarge-2020-11-20-to-2020-11-23.csv",
     {.0138, .0156, .0172},
     {.215, .242, .267}},
    {"skynomad__16-nodes__us-east-2b_v100_1.json", {.0576, .0704, .0832}, {.505, .617, .729}},
    {"skynomad__16-nodes__us-west-2a_v100_1.json", {.0794, .0954, .1095}, {.548, .658, .756}},
    {"skynomad__4-nodes-real-preemption__us-west-2c_v100_1.json",
     {.0350, .0423, .0493},
     {.114, .138, .161}},
    {"skynomad__processed__us-east-1c_v100_1.csv", {.1010, .1232, .1427}, {.047, .057, .067}}};

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

TEST_CASE("persistence has the errors that were published with the traces", "[unit]") {
  const std::string folder = test::shared_traces_folder();
  if (folder.empty()) {
    WARN("not checked: no ../shared/traces and no PLANARIA_SHARED");
    return;
  }
  const std::vector<int> look_aheads{8, 10, 12};
  for (const Persistence& row : published) {
    INFO(row.file);
    const auto trace = read_trace(folder + "/" + row.file, {});
    REQUIRE(trace.ok());
    const auto forecaster = make_forecaster(ForecastMethod::persistence);
    const auto results =
        backtests(intervals_on_grid(trace.value(), 60'000), *forecaster, look_aheads);
    for (std::size_t i = 0; i < look_aheads.size(); ++i) {
      CHECK(results[i].normalized_l1 == Approx(row.normalized_l1[i]).margin(6e-5));
      CHECK(results[i].crps == Approx(row.error[i]).margin(6e-4));
    }
  }
}
