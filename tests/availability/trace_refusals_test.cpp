// What is no record of machines is refused in one sentence that says where, what, and what may be.
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/availability/trace_text.hpp>

namespace planaria::test {
namespace {

std::string sentence_of(const std::string& text, const TraceReading& reading = {}) {
  const auto trace = trace_from_text(text, "t", reading);
  return trace.ok() ? "read" : trace.fault().sentence;
}

const std::string forms =
    "events, replay, count-events, staircase, counts, availability, count-log, probes";

}  // namespace

TEST_CASE("a malformed record is refused with its place, value and what is allowed", "[unit]") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "t:1:1: records: none, must be at least 1 of one of the forms " + forms},
      {"\n \r\n", "t:1:1: records: none, must be at least 1 of one of the forms " + forms},
      {"hello\n", "t:1:1: row: hello, must be of one of the forms " + forms},
      {std::string("\0\x01\xff", 3),
       "t:1:1: row: \\x00\\x01\\xff, must be of one of the forms " + forms},
      {"0,add,a\n-5,add,b\n",
       "t:2:1: milliseconds: -5, must be a whole number from 0 to 86400000000"},
      {"0,add,a\n60000,lost,a\n", "t:2:7: event: lost, must be add or remove"},
      {"0,add,a\n60000,add,\n", "t:2:11: node: empty, must be a name of 1 to 100 bytes"},
      {"0,add,a\n60000,add\n", "t:2:7: row: 60000,add, must be milliseconds,add|remove,node"},
      {"0,add,a\n1,add,b,c\n", "t:2:9: row: 1,add,b,c, must be milliseconds,add|remove,node"},
      {"0,add,a\nnan,add,b\n",
       "t:2:1: milliseconds: nan, must be a whole number from 0 to 86400000000"},
      {"0,1\n0,99999\n", "t:2:3: count: 99999, must be a whole number from 0 to 10000"},
      {"0,1\n99999999999,2\n",
       "t:2:1: milliseconds: 99999999999, must be a whole number from 0 to 86400000000"},
      {"0.0,1\n1e3,1\n", "t:2:1: hours: 1e3, must be a number from 0 to 24000, as 12 or 12.5"},
      {"0.0,1\n1.0,-1\n", "t:2:5: count: -1, must be a whole number from 0 to 10000"},
      {"date,availability\n2023-02-15 22:08:16,2\n", "t:2:21: availability: 2, must be 0 or 1"},
      {"date,availability\n2023-02-30 22:08:16,1\n",
       "t:2:1: date: 2023-02-30 22:08:16, must be a time such as 2031-01-02 03:04:05"},
      {"date,availability\n2020-01-01 00:00:00,1\n2023-01-01 00:00:00,1\n",
       "t:3:1: days since the earliest row: 1096, must be at most 1000"},
      {"date,availability\n",
       "t:1:1: records: none, must be at least 1 of one of the forms " + forms},
      {"2031-01-02, 03:04:05, 48\n2031-01-02, 25:04:05, 48\n",
       "t:2:13: time: 25:04:05, must be a time such as 03:04:05"},
      {"2031-01-02, 03:04:05, 48\n2031-13-02, 03:04:05, 48\n",
       "t:2:1: date: 2031-13-02, must be a date such as 2031-01-02"},
      {"2031-01-02, 03:04:05, x\n", "t:1:23: count: x, must be a whole number from 0 to 10000"},
      {R"({"metadata": {"gap_seconds": 0}, "data": [1]})",
       "t:1:1: metadata.gap_seconds: 0, must be a number from 0.001 to 86400000"},
      {R"({"data": [1]})", "t:1:1: metadata: null, must be an object"},
      {R"({"metadata": {"gap_seconds": 60}})",
       "t:1:1: data: null, must be a list of one count at least"},
      {R"({"metadata": {"gap_seconds": 60}, "data": []})",
       "t:1:1: data: [], must be a list of one count at least"},
      {R"({"metadata": {"gap_seconds": 60}, "data": [1, 2.5]})",
       "t:1:1: data[1]: 2.5, must be a whole number from 0 to 10000"},
      {R"({"metadata": {"gap_seconds": 86400000}, "data": [1, 2, 3]})",
       "t:1:1: data: 3, must be at most 1 ticks, 1000 days"},
      {R"([0, "add", {"nodes": ["a"]}]
[60000, "fly", {}])",
       "t:2:1: [1]: \"fly\", must be add, remove, no-op, migration, other or DONE"},
      {R"([0, "add", {}])", "t:1:1: [2].nodes: null, must be a list of names"},
      {R"([0, "add"])", "t:1:1: record: [0,\"add\"], must be [milliseconds, event, {…}]"},
      {R"([-1, "no-op", {}])", "t:1:1: [0]: -1, must be a whole number from 0 to 86400000000"},
      {R"([0, "no-op", {"nodes": ["a"]}])",
       "t:1:1: [2].nodes: [\"a\"], must be empty where nobody is added or removed"},
      {R"([0, "no-op", {"duration": 0}])",
       "t:1:1: [2].duration: 0, must be a whole number from 1 to 86400000000"},
      {R"({"zone_results": 3})", "t:1:1: scheduled_at: missing, must be a text"},
      {R"({"scheduled_at": "now", "interval_sec": 1, "zone_results": {}})",
       "t:1:1: scheduled_at: now, must be a time such as 2031-01-02T03:04:05+00:00"},
      {R"({"scheduled_at": "2031-01-02T03:04:05Z", "interval_sec": 0, "zone_results": {}})",
       "t:1:1: interval_sec: 0, must be a number from 0.001 to 86400000"},
      {R"({"scheduled_at": "2031-01-02T03:04:05Z", "interval_sec": 1,
           "zone_results": {"a": {"instances_created": -1}}})",
       "t:1:1: zone_results.a.instances_created: -1, must be a whole number from 0 to 10000"},
      {R"({"scheduled_at": "2031-01-02T03:04:05Z", "interval_sec": 1, "zone_results": {}})",
       "t: zone: all, must be one of all"}};
  for (const auto& [text, sentence] : cases) {
    INFO(text);
    CHECK(sentence_of(text) == sentence);
  }
}

TEST_CASE("a form that is told and is not there is refused like any malformed file", "[unit]") {
  CHECK(sentence_of("0,add,a\n", {.form = TraceForm::counts}).starts_with("t: not JSON at byte "));
  CHECK(sentence_of("0,1\n", {.form = TraceForm::events}) ==
        "t:1:3: row: 0,1, must be milliseconds,add|remove,node");
  CHECK(sentence_of("{}", {.form = TraceForm::replay}) ==
        "t:1:1: record: {}, must be [milliseconds, event, {…}]");
}

TEST_CASE("what holds for another form alone is refused", "[unit]") {
  CHECK(sentence_of("0,add,a\n", {.inverted = true}) ==
        "t: inverted: told for events, must be counts or availability");
  CHECK(sentence_of("0,add,a\n", {.time_unit = TimeUnit::hours}) ==
        "t: time unit: told for events, must be staircase");
  CHECK(sentence_of("0,add,a\n", {.zone = "b"}) == "t: zone: told for events, must be probes");
}

TEST_CASE("more coming and going than sums hold is refused", "[unit]") {
  std::string data = "0";
  for (int i = 0; i < 100'001; ++i) data += ",10000,0";
  CHECK(sentence_of(R"({"metadata": {"gap_seconds": 1}, "data": [)" + data + "]}") ==
        "t:1:1: machines that came and went: too many, must be at most 1000000000");
}

TEST_CASE("a file that cannot be read is told with the system's reason", "[unit]") {
  const auto trace = read_trace("/nowhere/t.csv", {});
  REQUIRE_FALSE(trace.ok());
  CHECK(trace.fault().sentence == "/nowhere/t.csv: cannot be read: No such file or directory");
}

}  // namespace planaria::test
