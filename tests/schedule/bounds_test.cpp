// Lower bounds: never above what a schedule takes, and as high as is known where that is.
#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/schedule/automatic.hpp>
#include <planaria/schedule/bounds.hpp>
#include <planaria/schedule/builders.hpp>

#include "schedule/pipelines.hpp"
#include "schedule/simulated.hpp"

namespace planaria {
namespace {

using test::Caps;
using test::drawn_request;
using test::equal;
using test::limits_of;
using test::simulated;
using test::unit;
using test::words_of;

double makespan_bound(const PipelineLimits& limits) {
  return makespan_bound_ms(limits).value();
}
double span_bound(const PipelineLimits& limits) {
  return span_bound_ms(limits).value();
}

}  // namespace

TEST_CASE("no builder's schedule beats the bounds of the memory it takes", "[unit]") {
  for (int seed = 0; seed < 400; ++seed) {
    INFO("seed " << seed);
    Random random(mix({1, static_cast<std::uint64_t>(seed)}));
    const int p = static_cast<int>(random.between(1, 8));
    const int m = static_cast<int>(random.between(1, 20));
    AutomaticRequest request =
        drawn_request(random, p, m, random.below(2) == 0 ? Caps::some : Caps::odd);
    for (const char* const kind : {"gpipe", "1f1b", "zb-h1", "zb-h2", "varuna", "varuna-jit"}) {
      INFO(kind);
      const auto built = build_schedule(kind, {p, m}, {.costs = request.costs});
      if (!built) continue;
      bool recomputes = false;
      for (const auto& rank : built.value().ranks) {
        for (const Action& action : rank) recomputes |= action.kind == ActionKind::recompute;
      }
      const auto run = simulated(built.value(), request.costs);
      PipelineLimits limits = limits_of(request);
      if (recomputes) limits.memory.clear();
      if (recomputes) limits.limit_bytes.clear();
      for (std::size_t rank = 0; rank < limits.memory.size(); ++rank) {
        limits.limit_bytes[rank] = memory_of(built.value(), limits.memory)[rank].peak_bytes;
      }
      INFO(words_of(request));
      CHECK(makespan_bound(limits) <= run.makespan_ms * (1 + 1e-12));
      CHECK(span_bound(limits) <= run.largest_span_ms * (1 + 1e-12));
      // The same by each rank alone, told how much it does and has in flight.
      for (const SimulatedRank& rank : run.ranks) limits.loads.push_back({m, rank.peak_in_flight});
      CHECK(makespan_bound(limits) <= run.makespan_ms * (1 + 1e-12));
      CHECK(span_bound(limits) <= run.largest_span_ms * (1 + 1e-12));
    }
  }
}

TEST_CASE("nothing that a search finds beats the bounds, and often it meets them", "[unit]") {
  int met = 0;
  for (int seed = 0; seed < 200; ++seed) {
    INFO("seed " << seed);
    Random random(mix({2, static_cast<std::uint64_t>(seed)}));
    const int p = static_cast<int>(random.between(1, 7));
    const int m = static_cast<int>(random.between(1, 16));
    const AutomaticRequest request =
        drawn_request(random, p, m, static_cast<Caps>(random.below(3)));
    INFO(words_of(request));
    int moves = 1000;
    const auto found = automatic(request, [&] { return moves-- > 0; }).value();
    const double bound = makespan_bound(limits_of(request));
    CHECK(bound <= found.makespan_ms * (1 + 1e-12));
    CHECK(span_bound(limits_of(request)) <= found.largest_span_ms * (1 + 1e-12));
    CHECK(bound >= 0.75 * found.makespan_ms);
    if (bound >= found.makespan_ms * (1 - 1e-9)) ++met;
  }
  CHECK(met >= 120);
}

TEST_CASE("bounds are what is known of equal stages", "[unit]") {
  for (int p = 1; p <= 8; ++p) {
    for (const int m : {1, p, 3 * p}) {
      INFO(p << " stages, " << m << " micro-batches");
      const PipelineLimits free{m, equal(p, unit), {}, {}, {}};
      // The last stage's way there and its work; or a micro-batch's way there and back.
      CHECK(makespan_bound(free) == std::max({p - 1 + (3 * m), (2 * (p + m - 1)) + 1}));
      // In 1F1B's memory ZB-H1 is the best there is where times are equal.
      PipelineLimits limited = free;
      limited.memory.assign(static_cast<std::size_t>(p), {1, 0});
      limited.limit_bytes.assign(static_cast<std::size_t>(p), p);
      if (m == 3 * p) {
        CHECK(makespan_bound(limited) ==
              simulated(zero_bubble_h1({p, m}), limited.costs).makespan_ms);
      }
    }
  }
  // One in flight: every micro-batch goes there and back alone.
  PipelineLimits one{5, equal(3, {2, 3, 1, 0.5}), {}, {}, {}};
  one.memory.assign(3, {1, 1});
  one.limit_bytes.assign(3, 1);
  CHECK(makespan_bound(one) == 5 * (15 + 2) + 5 * 1);
  // The published bubble rates of the field's automatic schedules are bounds of the span.
  PipelineLimits published{24, equal(8, {18.522, 18.086, 9.337, 0.601}), {}, {}, {}};
  const double work = 24 * (18.522 + 18.086 + 9.337);
  published.memory.assign(8, {3, 1});
  published.limit_bytes.assign(8, 48);
  CHECK(1 - (work / span_bound(published)) == Approx(.0433).margin(5e-5));
  published.memory.assign(8, {1, 1});
  published.limit_bytes.assign(8, 16);
  CHECK(1 - (work / span_bound(published)) == Approx(.1015).margin(5e-5));
}

TEST_CASE("stages that have lost a worker are bounded by what is left", "[unit]") {
  // Three pipelines of four stages, six micro-batches each, one worker lost: 9 for each of two.
  const std::vector<double> makespans{29, 28, 29, 30};
  const std::vector<double> spans{29, 27, 27, 27};
  for (std::size_t lost = 0; lost < 4; ++lost) {
    INFO("stage " << lost);
    PipelineLimits limits{6, equal(4, unit), {}, {}, std::vector<StageLoad>(4, {6, 5})};
    limits.loads[lost].micro_batches = 9;
    CHECK(makespan_bound(limits) == makespans[lost]);
    CHECK(span_bound(limits) == spans[lost]);
    // Loads that are a lower count bound less.
    limits.loads[lost].micro_batches = 8;
    CHECK(makespan_bound(limits) < makespans[lost]);
  }
}

TEST_CASE("limits that do not fit are refused", "[unit]") {
  const auto sentence = [](const PipelineLimits& limits) {
    const auto result = makespan_bound_ms(limits);
    CHECK(result.ok() == span_bound_ms(limits).ok());
    return result.ok() ? "" : name_of(result.fault().kind) + (": " + result.fault().sentence);
  };
  PipelineLimits limits{4, equal(2, unit), {{3, 1}, {3, 1}}, {3, 2}, {}};
  CHECK(sentence(limits) ==
        "infeasible: stage 1: limit_bytes 2, must be at least 3: one micro-batch takes 3");
  limits.limit_bytes = {3, 3};
  CHECK(sentence(limits).empty());
  limits.loads = {{4, 0}};
  CHECK(sentence(limits) == "invalid_input: loads: of 1 stages, must be of 2, as costs are");
  limits.loads = {{4, 0}, {0, 0}};
  CHECK(sentence(limits) == "invalid_input: loads[1].micro_batches: 0, must be at least 1");
  limits.loads = {{4, -2}, {4, 0}};
  CHECK(sentence(limits) == "invalid_input: loads[0].in_flight_limit: -2, must be at least 0");
  limits.loads.clear();
  limits.memory[1].activation_bytes = -1;
  CHECK(
      sentence(limits).starts_with("invalid_input: stages[1].activation_bytes: -1, must be 0 to"));
}

}  // namespace planaria
