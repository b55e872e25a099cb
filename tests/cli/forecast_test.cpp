// `planaria forecast` says what the library finds.
#include <catch2/catch.hpp>

#include <fstream>
#include <string>
#include <vector>

#include <planaria/availability/backtest.hpp>
#include <planaria/availability/forecast_file.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>

#include "availability/forecast_records.hpp"
#include "support/command.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::test {
namespace {

/// A made up record in a file of form C, and the command run on it.
class Story {
 public:
  Story() {
    std::ofstream to(file("record.csv"));
    for (std::size_t t = 0; t < record.size(); ++t) {
      const bool changed = record[t].joined + record[t].lost > 0;
      if (changed) to << 60'000 * t << "," << record[t].count << "\n";
    }
  }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_.file(name); }
  [[nodiscard]] CommandResult run(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all{program("planaria"), "forecast"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_command(all);
  }
  /// All but what is after the last change, which the file does not tell.
  [[nodiscard]] std::vector<IntervalCounts> known() const {
    std::vector<IntervalCounts> until = record;
    while (until.back().joined + until.back().lost == 0) until.pop_back();
    return until;
  }
  const std::vector<IntervalCounts> record = made_up_record(12, 200, 16);

 private:
  TemporaryFolder folder_;
};

}  // namespace

TEST_CASE("forecast prints the scores of the library's back-test", "[unit]") {
  const Story story;
  for (const char* method : {"persistence", "hazard", "arima", "best"}) {
    const CommandResult ended = story.run(
        {"--trace", story.file("record.csv"), "--method", method, "--look-ahead", "8", "--json"});
    INFO(method << ": " << ended.err);
    REQUIRE(ended.status == 0);
    CHECK(ended.err.empty());
    const auto forecaster = make_forecaster(*forecast_method_named(method), {.look_ahead = 8});
    const Backtest expected = backtest(story.known(), *forecaster, 8);
    const Json json = parse_json(ended.out, "forecast").value();
    CHECK(json["version"] == 1);
    CHECK(json["normalized_l1"] == expected.normalized_l1);
    CHECK(json["crps"] == expected.crps);
    CHECK(json["log_loss"] == (expected.log_loss ? Json(*expected.log_loss) : Json(nullptr)));
    CHECK(json["intervals"] == expected.intervals);
    REQUIRE(json["calibration"].size() == 9);
    CHECK(json["calibration"][4] ==
          Json{expected.calibration[4].stated, expected.calibration[4].observed});
  }
}

TEST_CASE("forecast says in words what the scores are", "[unit]") {
  const Story story;
  const auto lines = lines_of(story.run({"--trace", story.file("record.csv")}).out);
  REQUIRE(lines.size() == 5);
  CHECK(lines[0].find("each forecasting 12 intervals of 60 s without looking ahead") !=
        std::string::npos);
  CHECK(lines[4].starts_with("came below what was foretold below with 10 %: "));
  const auto certain =
      lines_of(story.run({"--trace", story.file("record.csv"), "--method", "persistence"}).out);
  CHECK(certain[3] == "log-loss of the count        none: something came that had no probability");
}

TEST_CASE("a forecast from a record's end is a file that can be read", "[unit]") {
  const Story story;
  const CommandResult ended = story.run({"--from-history", story.file("record.csv"), "-o",
                                         story.file("forecast.json"), "--look-ahead", "3"});
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  CHECK(ended.out.empty());
  const auto forecaster = make_forecaster(ForecastMethod::best, {.look_ahead = 3});
  for (const IntervalCounts& interval : story.known()) forecaster->observe(interval);
  CHECK(read_json_file(story.file("forecast.json")).value() ==
        json_of(forecast_file_of(forecaster->forecast(3), 60)));
  const auto lines =
      lines_of(story.run({"--from-history", story.file("record.csv"), "--look-ahead", "3"}).out);
  REQUIRE(lines.size() == 4);
  CHECK(lines[3].starts_with("+3 "));
  CHECK(lines[3].find("machines; lost 0: ") != std::string::npos);
}

TEST_CASE("forecast refuses in one sentence", "[unit]") {
  const Story story;
  const std::string file = story.file("record.csv");
  const auto refused = [&](const std::vector<std::string>& arguments) {
    const CommandResult ended = story.run(arguments);
    CHECK(ended.status == 2);
    CHECK(ended.out.empty());
    CHECK(lines_of(ended.err).size() == 1);
    return ended.err;
  };
  CHECK(refused({}) ==
        "planaria: --trace or --from-history: one of them must be there, and not both\n");
  CHECK(refused({"--trace", file, "--from-history", file}) == refused({}));
  CHECK(refused({"--trace", file, "--method", "oracle"}) ==
        "planaria: --method: oracle, must be persistence, hazard, arima or best\n");
  CHECK(
      refused({"--trace", file, "--interval-s", "3600"}).find("--look-ahead: 12, must be below") !=
      std::string::npos);
  CHECK(refused({"--trace", file, "--look-ahead", "61"}).find("--look-ahead") != std::string::npos);
  CHECK(refused({"--trace", story.file("none.csv")}).find("none.csv") != std::string::npos);
}

}  // namespace planaria::test
