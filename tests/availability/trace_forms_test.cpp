// Every form of record is read, told apart by its content, and what is odd in it is counted.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/availability/describe.hpp>
#include <planaria/availability/trace_text.hpp>

namespace planaria::test {
namespace {

Trace read(const std::string& text, const TraceReading& reading = {}) {
  const auto trace = trace_from_text(text, "t", reading);
  INFO((trace.ok() ? "" : trace.fault().sentence));
  REQUIRE(trace.ok());
  return trace.value();
}

std::string refused(const std::string& text, const TraceReading& reading) {
  const auto trace = trace_from_text(text, "t", reading);
  REQUIRE_FALSE(trace.ok());
  CHECK(trace.fault().kind == FaultKind::invalid_input);
  return trace.fault().sentence;
}

std::vector<int> minutes(const Trace& trace) {
  return counts_on_grid(trace, 60'000);
}

using Changes = std::vector<TraceChange>;
using Odd = std::vector<TraceOddity>;

RoundFile round_at(const std::string& time, const std::string& zones) {
  return {time, R"({"scheduled_at": ")" + time +
                    R"(", "interval_sec": 60, "status": "done", "zone_results": )" + zones + "}"};
}

std::string zone(const std::string& name, int created) {
  return "\"" + name + R"(": {"instances_requested": 4, "instances_created": )" +
         std::to_string(created) + "}";
}

}  // namespace

TEST_CASE("machines with names come and go, those of the first moment were there", "[unit]") {
  const Trace trace =
      read("0,add,a\r\n0,add,b\r\n60000,remove,a\r\n60000,add,c\r\n180000,add,d\r\n");
  CHECK(trace.form == TraceForm::events);
  CHECK(trace.initial == 2);
  CHECK(trace.changes == Changes{{60'000, 1, 1}, {180'000, 1, 0}});
  CHECK(trace.lives == std::vector<MachineLife>{
                           {"a", 0, 60'000}, {"b", 0, {}}, {"c", 60'000, {}}, {"d", 180'000, {}}});
  CHECK(trace.end_ms == 180'000);
  CHECK(trace.end_known);
  CHECK(trace.oddities.empty());
}

TEST_CASE("within one time the order of events means nothing", "[unit]") {
  // c goes before it comes, a comes back before it has gone.
  const Trace trace = read("0,add,a\n60000,remove,c\n60000,add,c\n60000,add,a\n60000,remove,a\n");
  CHECK(trace.changes == Changes{{60'000, 2, 2}});
  CHECK(trace.oddities == Odd{{"repeated_node", 1, 4}});
}

TEST_CASE("events that cannot be are counted and passed over", "[unit]") {
  const std::string text =
      "0,add,a\n60000,add,a\n120000,remove,b\n90000,add,c\n150000,remove,b\n180000,remove,a\n"
      "240000,add,a\n";
  const Trace trace = read(text);
  CHECK(trace.oddities == Odd{{"duplicate_add", 1, 2},
                              {"unknown_remove", 2, 3},
                              {"backward_time", 1, 4},
                              {"repeated_node", 1, 7}});
  CHECK(trace.changes == Changes{{90'000, 1, 0}, {180'000, 0, 1}, {240'000, 1, 0}});
  CHECK(refused(text, {.strict = true}) ==
        "t:2:1: duplicate_add: 1 in all, must be none with --strict");
}

TEST_CASE("a replay tells each minute, and lasts until its last one ends", "[unit]") {
  const std::string text =
      R"([0, "add", {"nodes": ["a", "b"], "duration": 60000, "liveput_truth_strategy": [1, 2]}]
[60000, "no-op", {"nodes": [], "duration": 60000}]
[120000, "remove", {"nodes": ["b"], "duration": 60000}]
[180000, "migration", {"nodes": [], "duration": 60000}]
)";
  const Trace trace = read(text);
  CHECK(trace.form == TraceForm::replay);
  CHECK(trace.initial == 2);
  CHECK(trace.end_ms == 240'000);
  CHECK_FALSE(trace.end_known);
  CHECK(minutes(trace) == std::vector<int>{2, 2, 1, 1});
  CHECK_FALSE(describe(trace).lifetimes);
  // A record that ends too early or too late for the next.
  const Trace odd = read(text + R"([300000, "no-op", {"duration": 60000}]
[330000, "DONE", {}])");
  CHECK(odd.oddities == Odd{{"gap", 1, 5}, {"overlap", 1, 6}});
  CHECK(odd.end_ms == 330'000);
  CHECK(odd.end_known);
}

TEST_CASE("a replay may begin without machines", "[unit]") {
  const Trace trace = read(R"([60000, "no-op", {"nodes": []}]
[120000, "add", {"nodes": ["a"]}])");
  CHECK(trace.first_ms == 60'000);
  CHECK(trace.initial == 0);
  CHECK(trace.changes == Changes{{120'000, 1, 0}});
}

TEST_CASE("a count after each event holds from its last row of a time", "[unit]") {
  const Trace trace = read("0,1\n0,2\n60000,1\n60000,2\n60000,3\n120000,2\n");
  CHECK(trace.form == TraceForm::count_events);
  CHECK(trace.initial == 2);
  CHECK(trace.changes == Changes{{60'000, 1, 0}, {120'000, 0, 1}});
  CHECK(trace.lives.empty());
}

TEST_CASE("a staircase is in seconds, in hours where its times have decimals, or as told",
          "[unit]") {
  const Trace seconds = read("0,0\n60,0\n60,4\n120,4\n120,2\n");
  CHECK(seconds.form == TraceForm::staircase);
  CHECK(seconds.changes == Changes{{60'000, 4, 0}, {120'000, 0, 2}});
  const Trace hours = read("0.000,0\n0.030,0\n0.030,9\n1.5,9\n1.5,2\n");
  CHECK(hours.changes == Changes{{108'000, 9, 0}, {5'400'000, 0, 7}});
  CHECK(read("0,0\n2,0\n2,4\n", {.time_unit = TimeUnit::hours}).end_ms == 7'200'000);
  CHECK(read("0.5,0\n2,0\n2,4\n", {.time_unit = TimeUnit::seconds}).first_ms == 500);
}

TEST_CASE("what no staircase draws is odd: a jump, and two steps at one time", "[unit]") {
  const Trace trace = read("0.0,1\n1.0,1\n1.0,2\n2.0,3\n3.0,3\n3.0,4\n3.0,5\n");
  CHECK(trace.oddities == Odd{{"jump", 1, 4}, {"shared_time", 1, 7}});
}

TEST_CASE("rows of two numbers that are of no one form are refused unless told", "[unit]") {
  const std::string text = "0,1\n60,1\n60,2\n120,3\n";
  CHECK(refused(text, {}) ==
        "t:4:1: row: changes the count where others repeat it, must be told by --trace-kind: "
        "count-events or staircase");
  CHECK(read(text, {.form = TraceForm::count_events}).end_ms == 120);
  CHECK(read(text, {.form = TraceForm::staircase}).end_ms == 120'000);
}

TEST_CASE("counts by tick last a whole gap each, the last one too", "[unit]") {
  const Trace trace = read(R"({"metadata": {"gap_seconds": 120}, "data": [0, 2, 2, 1]})");
  CHECK(trace.form == TraceForm::counts);
  CHECK(trace.end_ms == 480'000);
  CHECK(minutes(trace) == std::vector<int>{0, 0, 2, 2, 2, 2, 1, 1});
}

TEST_CASE("a file that may say the opposite is read as told, and odd where nothing was", "[unit]") {
  const std::string text =
      R"({"metadata": {"gap_seconds": 60, "price_info": {}}, "data": [0, 1, 1], "prices": []})";
  CHECK(minutes(read(text)) == std::vector<int>{0, 1, 1});
  CHECK(read(text).oddities == Odd{{"sense_untold", 1, 1}});
  CHECK(minutes(read(text, {.inverted = true})) == std::vector<int>{1, 0, 0});
  CHECK(read(text, {.inverted = true}).oddities.empty());
  CHECK(refused(R"({"metadata": {"gap_seconds": 60}, "data": [0, 4]})", {.inverted = true}) ==
        "t:1:1: data[1]: 4, must be a whole number from 0 to 1");
}

TEST_CASE("availability by the clock counts from its first row, over days and years", "[unit]") {
  const Trace trace = read(
      "date,availability\n2023-12-31 23:58:00,0\n2023-12-31 23:59:00,1\n2024-01-01 00:00:00,1\n"
      "2024-01-01 00:01:01,0\n");
  CHECK(trace.form == TraceForm::availability);
  CHECK(trace.changes == Changes{{60'000, 1, 0}, {181'000, 0, 1}});
  CHECK(trace.oddities == Odd{{"uneven_tick", 1, 5}});
  // 2024 has a 29th of February.
  CHECK(read("2024-02-28 00:00:00,0\n2024-03-01 00:00:00,1\n").end_ms == 2 * 86'400'000);
  CHECK(minutes(read("2024-02-28 00:00:00,0\n2024-02-28 00:01:00,1\n", {.inverted = true})) ==
        std::vector<int>{1, 0});
}

TEST_CASE("a log of counts may go back, say one time twice, and fall silent", "[unit]") {
  const std::string text =
      "2031-01-02, 03:00:00, 48\n2031-01-02, 03:01:00, 47\n2031-01-02, 03:03:00, 45\n"
      "2031-01-02, 03:02:00, 46\n2031-01-02, 03:03:00, 44\n2031-01-02, 05:00:00, 48\n";
  const Trace trace = read(text);
  CHECK(trace.form == TraceForm::count_log);
  CHECK(trace.changes ==
        Changes{{60'000, 0, 1}, {120'000, 0, 1}, {180'000, 0, 2}, {7'200'000, 4, 0}});
  CHECK(trace.oddities == Odd{{"backward_time", 1, 4}, {"repeated_time", 1, 5}, {"gap", 1, 6}});
  CHECK(refused(text, {.strict = true}) ==
        "t:4:1: backward_time: 1 in all, must be none with --strict");
}

TEST_CASE("rounds of probes are one series a zone, and a missing round is a gap", "[unit]") {
  // The files in any order, times in any zone, a second late.
  const std::vector<RoundFile> files{
      round_at("2031-01-02T04:03:01+01:00", "{" + zone("a", 4) + "}"),
      round_at("2031-01-02T03:00:00Z", "{" + zone("a", 2) + "," + zone("b", 1) + "}"),
      round_at("2031-01-02T03:01:00.250+00:00", "{" + zone("a", 3) + "," + zone("b", 0) + "}")};
  const auto a = trace_from_rounds(files, "folder", {.zone = "a"});
  REQUIRE(a.ok());
  CHECK(a.value().form == TraceForm::probes);
  CHECK(minutes(a.value()) == std::vector<int>{2, 3, 3, 4});
  CHECK(a.value().oddities == Odd{{"gap", 1, 3}});
  CHECK_FALSE(a.value().end_known);
  const auto all = trace_from_rounds(files, "folder", {});
  REQUIRE(all.ok());
  CHECK(minutes(all.value()) == std::vector<int>{3, 3, 3, 4});
  CHECK(trace_from_rounds(files, "folder", {.zone = "c"}).fault().sentence ==
        "folder: zone: c, must be one of a, all, b");
}

TEST_CASE("two files of one round overlap, and a total that is not the sum is odd", "[unit]") {
  std::vector<RoundFile> files{round_at("2031-01-02T03:00:00Z", "{" + zone("a", 2) + "}"),
                               round_at("2031-01-02T03:00:20Z", "{" + zone("a", 3) + "}")};
  files[0].text.insert(1, R"("total_instances_created": 5, )");
  const auto trace = trace_from_rounds(files, "folder", {});
  REQUIRE(trace.ok());
  CHECK(trace.value().initial == 3);
  CHECK(trace.value().oddities == Odd{{"unequal_total", 1, 1}, {"overlap", 1, 2}});
}

}  // namespace planaria::test
