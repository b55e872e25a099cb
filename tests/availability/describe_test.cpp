// What a small trace says in numbers, counted by hand.
#include <catch2/catch.hpp>

#include <planaria/availability/describe.hpp>

namespace planaria::test {
namespace {

/// Two machines for a minute, none for two, one for one: an hour has none of them whole.
Trace two_none_one() {
  Trace trace;
  trace.form = TraceForm::counts;
  trace.initial = 2;
  trace.changes = {{60'000, 0, 2}, {180'000, 1, 0}};
  trace.end_ms = 240'000;
  return trace;
}

}  // namespace

TEST_CASE("counts are averaged over time, spells and silences are as long as they last", "[unit]") {
  const TraceSummary summary = describe(two_none_one());
  CHECK(summary.duration_ms == 240'000);
  CHECK(summary.mean == 0.75);
  CHECK(summary.min == 0);
  CHECK(summary.max == 2);
  CHECK(summary.preemptions == TurnoverSummary{1, 2, 2});
  CHECK(summary.allocations == TurnoverSummary{1, 1, 1});
  CHECK(summary.preemptions_per_machine_hour == 40);  // 2 in 3 machine-minutes
  CHECK(summary.share_at_zero == 0.5);
  CHECK(summary.share_at_max == 0.25);
  CHECK(summary.longest_zero_ms == 120'000);
  CHECK(summary.spell_above_zero_min == 1);
  CHECK_FALSE(summary.lifetimes);
}

TEST_CASE("Kaplan and Meier's median counts those that are still there", "[unit]") {
  Trace trace;
  trace.end_ms = 600'000;
  // Ended after 1, 2 and 3 minutes; one seen for 2, one for 10.
  trace.lives = {
      {"a", 0, 60'000}, {"b", 0, 120'000}, {"c", 0, 180'000}, {"d", 480'000, {}}, {"e", 0, {}}};
  trace.initial = 4;
  const TraceSummary summary = describe(trace);
  REQUIRE(summary.lifetimes);
  CHECK(summary.lifetimes->median_min == 2);
  CHECK(summary.lifetimes->mean_min == 2);
  // 4/5 after 1 min, 3/5 after 2 (of 4), 3/10 after 3 (of 2: d was seen for 2 alone).
  CHECK(summary.lifetimes->kaplan_meier_median_min == 3);
  trace.lives.pop_back();
  trace.lives.resize(1);
  trace.lives.push_back({"f", 0, {}});
  trace.lives.push_back({"g", 0, {}});
  CHECK_FALSE(describe(trace).lifetimes->kaplan_meier_median_min);
}

TEST_CASE("what a form cannot tell is null in the answer", "[unit]") {
  const Json json = to_json(describe(two_none_one()));
  CHECK(json["version"] == 1);
  CHECK(json["kind"] == "counts");
  CHECK(json["duration_s"] == 240);
  CHECK(json["machines"]["mean"] == 0.75);
  CHECK(json["preemptions"] == Json{{"events", 1}, {"machines", 2}, {"largest", 2}});
  CHECK(json["lifetime_min"] ==
        Json{{"median", nullptr}, {"mean", nullptr}, {"kaplan_meier_median", nullptr}});
  CHECK(json["oddities"] == Json::array());
}

TEST_CASE("a record of one moment has the machines of that moment", "[unit]") {
  Trace trace;
  trace.initial = 3;
  const TraceSummary summary = describe(trace);
  CHECK(summary.mean == 3);
  CHECK(summary.share_at_max == 1);
  CHECK(summary.share_at_zero == 0);
  CHECK_FALSE(summary.preemptions_per_machine_hour);
}

}  // namespace planaria::test
