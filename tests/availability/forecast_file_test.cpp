// A forecast written and read.
#include <string>

#include <catch2/catch.hpp>

#include <planaria/availability/forecast_file.hpp>

#include "availability/forecast_records.hpp"

using namespace planaria;

namespace {

std::string refusal(const std::string& text) {
  const auto read = forecast_file_from_json(parse_json(text, "f.json").value(), "f.json");
  REQUIRE_FALSE(read.ok());
  CHECK(read.fault().kind == FaultKind::invalid_input);
  return read.fault().sentence;
}

/// A file of one interval.
std::string with(const std::string& lost, const std::string& joined = "[[0,1]]") {
  return R"({"version":1,"interval_s":60,"intervals":[{"lost":)" + lost + R"(,"joined":)" + joined +
         "}]}";
}

}  // namespace

TEST_CASE("a forecast is written as pairs of value and probability", "[unit]") {
  const Forecast forecast{
      {Distribution::from_weights({0.75, 0, 0.25}), Distribution(), Distribution::certain(8)}};
  CHECK(json_of(forecast_file_of(forecast, 60)).dump() ==
        R"({"interval_s":60,"intervals":[{"joined":[[0,1.0]],"lost":[[0,0.75],[2,0.25]]}],)"
        R"("version":1})");
}

TEST_CASE("a forecast that was written is read again", "[unit]") {
  const auto forecaster = make_forecaster(ForecastMethod::best);
  for (const IntervalCounts& interval : test::made_up_record(1, 60, 16)) {
    forecaster->observe(interval);
  }
  const ForecastFile written = forecast_file_of(forecaster->forecast(12), 60);
  const auto read =
      forecast_file_from_json(parse_json(json_of(written).dump(), "f.json").value(), "f.json");
  REQUIRE(read.ok());
  REQUIRE(read.value().intervals.size() == 12);
  for (std::size_t h = 0; h < 12; ++h) {
    const Distribution& before = written.intervals[h].lost;
    const Distribution& after = read.value().intervals[h].lost;
    REQUIRE(after.largest() == before.largest());
    for (int k = 0; k <= before.largest(); ++k) {
      CHECK(after.probability(k) == Approx(before.probability(k)).epsilon(1e-12));
    }
  }
}

TEST_CASE("what is no forecast is refused with its place", "[unit]") {
  CHECK(refusal(with("[[0,0.5],[1,0.4]]")) ==
        "f.json: intervals[0].lost: its probabilities sum to 0.9, must be to 1");
  CHECK(refusal(with("[]")) ==
        "f.json: intervals[0].lost: its probabilities sum to 0, must be to 1");
  CHECK(refusal(with("[[0,0.5],[0,0.5]]")) ==
        "f.json: intervals[0].lost[1]: 0 machines, must be more than the 0 before");
  CHECK(refusal(with("[[-1,1]]")) ==
        "f.json: intervals[0].lost[0]: -1 machines, must be from 0 to 10000");
  CHECK(refusal(with("[[10001,1]]")) ==
        "f.json: intervals[0].lost[0]: 10001 machines, must be from 0 to 10000");
  CHECK(refusal(with("[[0,1.5]]")) ==
        "f.json: intervals[0].lost[0]: probability 1.5, must be from 0 to 1");
  CHECK(refusal(with("[[0,1]]", "[[0]]")) ==
        "f.json: intervals[0].joined[0]: [0], must be a value and its probability, such as "
        "[0, 0.93]");
  CHECK(refusal(with("[[0.5,1]]")) ==
        "f.json: intervals[0].lost[0]: [0.5,1], must be a value and its probability, such as "
        "[0, 0.93]");
  CHECK(refusal(R"({"version":1,"interval_s":60,"intervals":[]})") ==
        "f.json: intervals: there are 0, must be from 1 to 1440");
  CHECK(refusal(R"({"version":1,"interval_s":0,"intervals":[]})").find("interval_s") !=
        std::string::npos);
  CHECK(refusal(R"({"version":1,"interval_s":60,"intervals":[{"lost":[[0,1]],"joined":[[0,1]],)"
                R"("count":[]}]})") == "f.json: intervals[0].count: unknown key");
}
