// What is written is read back, with the same counts.
#include <string>

#include <catch2/catch.hpp>

#include <planaria/availability/describe.hpp>
#include <planaria/availability/generate.hpp>
#include <planaria/availability/trace_text.hpp>
#include <planaria/availability/trace_writing.hpp>

namespace planaria::test {
namespace {

Trace read_back(const std::string& text) {
  const auto trace = trace_from_text(text, "written", {.strict = true});
  INFO((trace.ok() ? "" : trace.fault().sentence));
  REQUIRE(trace.ok());
  return trace.value();
}

}  // namespace

TEST_CASE("machines with names are written and read back as the same trace", "[unit]") {
  Trace trace = read_back("0,add,a\n60000,remove,a\n60000,add,c\n180000,add,d\n180000,remove,c\n");
  CHECK(read_back(events_text(trace)) == trace);
  // Who came and went at one moment.
  trace = read_back("0,add,a\n60000,add,b\n60000,remove,b\n");
  CHECK(read_back(events_text(trace)) == trace);
}

TEST_CASE("machines without names get some, and the oldest goes first", "[unit]") {
  Trace trace;
  trace.form = TraceForm::counts;
  trace.initial = 2;
  trace.changes = {{60'000, 1, 0}, {120'000, 0, 2}};
  trace.end_ms = 120'000;
  CHECK(events_text(trace) ==
        "0,add,node1\n0,add,node2\n60000,add,node3\n120000,remove,node1\n120000,remove,node2\n");
  // Names that a row cannot hold are no names.
  trace.lives = {{"a,b", 0, 120'000}, {"c", 0, 120'000}, {"d", 60'000, {}}};
  CHECK(events_text(trace).find("node1") != std::string::npos);
}

TEST_CASE("counts are written by the longest tick that loses nothing, or by one that is told",
          "[unit]") {
  Trace trace;
  trace.initial = 2;
  trace.changes = {{120'000, 1, 0}, {300'000, 0, 2}};
  trace.end_ms = 360'000;
  trace.end_known = false;
  const std::string text = counts_text(trace, std::nullopt).value();
  CHECK(text == "{\"metadata\": {\"gap_seconds\": 60}, \"data\": [2, 2, 3, 3, 3, 1]}\n");
  const Trace again = read_back(text);
  CHECK(again.changes == trace.changes);
  CHECK(again.end_ms == trace.end_ms);
  CHECK(counts_text(trace, 150'000).value() ==
        "{\"metadata\": {\"gap_seconds\": 150}, \"data\": [2, 3, 1]}\n");
  // Parts of a second.
  trace.changes = {{1'500, 1, 0}};
  trace.end_ms = 3'000;
  CHECK(read_back(counts_text(trace, std::nullopt).value()).changes == trace.changes);
}

TEST_CASE("a tick so short that the file would be too long is refused", "[unit]") {
  Trace trace;
  trace.changes = {{1, 1, 0}};
  trace.end_ms = 86'400'000;
  const auto text = counts_text(trace, std::nullopt);
  REQUIRE_FALSE(text.ok());
  CHECK(text.fault().sentence ==
        "tick-s: 0.001, must be longer: 86400001 ticks are more than 2000000");
}

TEST_CASE("a synthetic trace has the same counts in both forms", "[unit]") {
  TraceLaw law;
  law.loss_bursts = {{1, 2}, {3, 1}};
  law.zones = 2;
  const Trace trace = generate(law, {.hours = 48, .seed = 11}).value();
  const Trace events = read_back(events_text(trace));
  CHECK(events.changes == trace.changes);
  CHECK(events.lives == trace.lives);
  const Trace counts = read_back(counts_text(trace, std::nullopt).value());
  CHECK(counts_on_grid(counts, 60'000) == counts_on_grid(trace, 60'000));
  // Within one minute of form E machines that came and went are one difference.
  CHECK(describe(counts).mean == Approx(describe(trace).mean).epsilon(0.001));
}

}  // namespace planaria::test
