// Degraded schedules: ReCycle's published cases, what is promised besides, and what is refused.
#include <vector>

#include "degraded_checks.hpp"

namespace planaria {

using test::checked;
using test::equal;
using test::simulated;
using test::text;
using test::unit;
using test::unit_request;

namespace {

/// The published case: three pipelines of four stages and six micro-batches, one worker lost.
DegradedRequest published(int lost_stage, int in_flight_limit, bool staggered) {
  DegradedRequest request = unit_request(3, 4, 6);
  request.lost[static_cast<std::size_t>(lost_stage)] = 1;
  request.in_flight_limit = in_flight_limit;
  request.staggered = staggered;
  return request;
}

std::string fault_of(const DegradedRequest& request, FaultKind kind) {
  const auto result = degraded(request);
  if (result) return "no fault";
  CHECK(result.fault().kind == kind);
  return result.fault().sentence;
}

}  // namespace

TEST_CASE("one loss of three pipelines costs two or three units, proven least", "[unit]") {
  const std::vector<double> least{29, 28, 29, 30};
  for (int stage = 0; stage < 4; ++stage) {
    const DegradedSchedule answer = checked(published(stage, 5, false));
    CHECK(answer.makespan_ms == least[static_cast<std::size_t>(stage)]);
    CHECK(answer.bound_ms == least[static_cast<std::size_t>(stage)]);
  }
}

TEST_CASE("without a barrier a loss behind stage 0 costs nothing even in capped memory", "[unit]") {
  // Published: 29/27/28/29 found, 29/27/27/27 proven.
  const std::vector<double> least{29, 27, 27, 27};
  for (int stage = 0; stage < 4; ++stage) {
    const DegradedSchedule answer = checked(published(stage, 5, true));
    CHECK(answer.period_ms == least[static_cast<std::size_t>(stage)]);
    CHECK(answer.bound_ms == least[static_cast<std::size_t>(stage)]);
  }
}

TEST_CASE("with memory enough no loss of one in three costs anything", "[unit]") {
  for (int stage = 0; stage < 4; ++stage) {
    CHECK(checked(published(stage, 0, true)).period_ms == 27);
  }
}

TEST_CASE("a backward that cannot be split leaves less room", "[unit]") {
  // B of both halves, no W: 1F1B re-routed while it runs gives 34/33/34/36.
  const std::vector<double> published_ms{34, 33, 34, 36};
  for (int stage = 0; stage < 4; ++stage) {
    DegradedRequest request = published(stage, 5, false);
    const double split_ms = checked(request).makespan_ms;
    request.costs = equal(4, {1, 2, 0, 0});
    const double fused_ms = checked(request).makespan_ms;
    CHECK(fused_ms <= published_ms[static_cast<std::size_t>(stage)]);
    CHECK(fused_ms > split_ms);
  }
}

TEST_CASE("losses cost nothing exactly while they are no more than 1F1B's bubbles", "[unit]") {
  int free = 0, dear = 0;
  for (int width = 2; width <= 5; ++width) {
    for (int p = 2; p <= 5; ++p) {
      for (const int m : {p, p + 3, (2 * p) + 1, 4 * p}) {
        for (int lost = 1; lost < width; ++lost) {
          const int stage = (width + m + lost) % p;
          DegradedRequest request = unit_request(width, p, m);
          request.lost[static_cast<std::size_t>(stage)] = lost;
          request.staggered = true;
          INFO(text(request));
          const DegradedSchedule answer = checked(request);
          const int live = width - lost;
          const double healthy_ms = 3 * (m + p - 1);
          const int share = (m * width + live - 1) / live;
          const double work_ms = 3 * share;
          const bool fits = lost * (m + p - 1) <= (p - 1) * width;  // f/D <= (p-1)/(m+p-1)
          CHECK((answer.period_ms <= healthy_ms) == fits);
          CHECK((answer.bound_ms <= healthy_ms) == fits);
          (fits ? free : dear) += 1;
          if (m >= 2 * p) CHECK(answer.period_ms == work_ms);
        }
      }
    }
  }
  CHECK(free > 20);
  CHECK(dear > 20);
}

TEST_CASE("a rank starts late rather than stand idle", "[unit]") {
  // At the last stage the first forward comes after 3; a span of 27 has no gap.
  const DegradedRequest request = published(3, 5, true);
  const DegradedSchedule answer = checked(request);
  const auto times = simulated(answer.schedule, request.costs);
  for (const int rank : {3, 7}) {
    const SimulatedRank& of = times.ranks[static_cast<std::size_t>(rank)];
    CHECK(of.actions.front().start_ms >= 3);
    CHECK(of.span_ms == of.busy_ms);
  }
}

TEST_CASE("where nobody is lost and nothing is gained the base schedule stays", "[unit]") {
  for (const char* kind : {"zb-h2", "zb-v", "dualpipe-v"}) {
    INFO(kind);
    DegradedRequest request = unit_request(2, 1, 3);
    request.kind = kind;
    const Schedule base = build_schedule(kind, {1, 3}).value();
    request.costs = equal(base.stages(), unit);
    const DegradedSchedule answer = checked(request);
    REQUIRE(answer.schedule.ranks.size() == 2);
    CHECK(answer.schedule.ranks[0] == base.ranks[0]);
    CHECK(answer.bound_ms == answer.makespan_ms);
  }
  // ZB-V has no bubbles to fill.
  DegradedRequest request = unit_request(2, 4, 8);
  request.kind = "zb-v";
  request.costs = equal(8, unit);
  request.staggered = true;
  const DegradedSchedule answer = checked(request);
  CHECK(answer.period_ms == 48);
  CHECK(answer.bound_ms == 48);
}

TEST_CASE("a base kind of fused backwards keeps those that cost nothing", "[unit]") {
  int fused = 0, split = 0;
  const DegradedSchedule answer = checked(published(1, 5, false));
  for (const auto& actions : answer.schedule.ranks) {
    for (const Action& action : actions) {
      fused += action.kind == ActionKind::backward ? 1 : 0;
      split += action.kind == ActionKind::backward_input ? 1 : 0;
    }
  }
  CHECK(fused > 0);
  CHECK(split > 0);
}

TEST_CASE("the caller's clock ends the refinement, and never makes the answer worse", "[unit]") {
  Random random(7);
  DegradedRequest request = unit_request(3, 4, 4);
  request.lost = {1, 0, 2, 0};
  request.in_flight_limit = 4;
  for (StageCosts& costs : request.costs) {
    const auto draw = [&] { return 1 + random.uniform(); };
    costs = {draw(), draw(), draw(), random.uniform()};
  }
  const DegradedSchedule at_once = checked(request);
  double before_ms = at_once.makespan_ms;
  for (const int moves : {0, 100, 2000}) {
    int asked = 0;
    const auto clock = [&] { return asked++ < moves; };
    const DegradedSchedule answer = checked(request, clock);
    CHECK(answer.makespan_ms <= before_ms);
    CHECK(asked <= moves + 1);
    asked = 0;
    CHECK(checked(request, clock).schedule == answer.schedule);
    before_ms = answer.makespan_ms;
  }
  // Proven optimal: nothing to ask for.
  int asked = 0;
  static_cast<void>(checked(published(0, 5, false), [&] { return ++asked < 1000; }));
  CHECK(asked == 0);
}

TEST_CASE("a degraded schedule is refused with what is wrong and what would do", "[unit]") {
  const DegradedRequest good = published(0, 0, false);
  DegradedRequest request = good;
  request.lost = {0, 0, 3, 0};
  CHECK(fault_of(request, FaultKind::infeasible) ==
        "lost: stage 2 loses 3 of 3 workers, must keep at least 1");
  request.lost = {0, 4, 0, 0};
  CHECK(fault_of(request, FaultKind::invalid_input) ==
        "lost[1]: 4, must be 0 to 2, all but one of 3");
  request.lost = {0, 0};
  CHECK(fault_of(request, FaultKind::invalid_input) ==
        "lost: 2 given, must be 4, one for each rank of a pipeline");
  request = good;
  request.memory.assign(4, {100, 10});
  request.limit_bytes = {100, 100, 99, 100};
  CHECK(fault_of(request, FaultKind::infeasible) ==
        "limit_bytes[2]: 99, must be at least 100, what one micro-batch takes there");
  request.limit_bytes = {100, 100};
  CHECK(fault_of(request, FaultKind::invalid_input) ==
        "limit_bytes: 2 given, must be 4, one for each rank of a pipeline");
  request = good;
  request.limit_bytes.assign(4, 100);
  CHECK(fault_of(request, FaultKind::invalid_input) ==
        "memory: 0 given, must be 4, one for each stage");
  request = good;
  request.kind = "varuna";
  CHECK(fault_of(request, FaultKind::invalid_input) ==
        "kind: varuna, must be one of gpipe, 1f1b, interleaved, zb-h1, zb-h2, zb-v, v-half, v-min, "
        "dualpipe-v, auto");
  request = good;
  request.width = 0;
  CHECK(fault_of(request, FaultKind::invalid_input) == "width: 0, must be 1 to 100000");
  request = good;
  request.in_flight_limit = -1;
  CHECK(fault_of(request, FaultKind::invalid_input) ==
        "in_flight_limit: -1, must be 0 to 1000000000");
  request = good;
  request.costs.pop_back();
  CHECK(fault_of(request, FaultKind::invalid_input) ==
        "costs: 3 given, must be 4, one for each stage");
  request = good;
  request.costs[1].send_ms = -2;
  CHECK(fault_of(request, FaultKind::invalid_input) ==
        "costs[1].send_ms: -2, must be finite and at least 0");
  request = good;
  request.width = 100000;
  request.shape.micro_batches = 100;
  CHECK(fault_of(request, FaultKind::invalid_input) ==
        "stages x micro_batches x width: 40000000, must be 1 to 10000000");
  request = good;
  request.shape.micro_batches = 0;
  CHECK(fault_of(request, FaultKind::invalid_input) == "micro_batches: 0, must be at least 1");
}

}  // namespace planaria
