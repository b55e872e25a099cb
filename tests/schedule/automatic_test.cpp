// The search against every schedule there is, against the field's, and against what is published.
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/schedule/automatic.hpp>
#include <planaria/schedule/bounds.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/validate.hpp>

#include "schedule/automatic_exact.hpp"
#include "schedule/automatic_list.hpp"
#include "schedule/automatic_search.hpp"
#include "schedule/every_order.hpp"
#include "schedule/pipelines.hpp"
#include "schedule/simulated.hpp"

namespace planaria {
namespace {

using test::Caps;
using test::drawn_request;
using test::equal;
using test::EveryOrder;
using test::limits_of;
using test::simulated;
using test::unit;
using test::within_limits;
using test::words_of;

bool stop() {
  return false;
}

// Answers `automatic()`, checked by code that shares nothing with it.
AutomaticSchedule answered(const AutomaticRequest& request, int moves = 0) {
  auto result = automatic(request, [&] { return moves-- > 0; });
  if (!result) FAIL(result.fault().sentence);
  const AutomaticSchedule& answer = result.value();
  INFO(text_of(answer.schedule) << "found by " << answer.found_by);
  const auto valid = validate(answer.schedule);
  CHECK((valid.ok() ? "" : valid.fault().sentence) == "");
  CHECK(within_limits(answer.schedule, request));
  const auto run =
      simulated(answer.schedule, request.costs, {.sends_in_flight = request.sends_in_flight});
  CHECK(answer.makespan_ms == run.makespan_ms);
  CHECK(answer.largest_span_ms == run.largest_span_ms);
  CHECK(answer.bound_ms <= answer.makespan_ms);
  CHECK((answer.bound_ms == answer.makespan_ms) == answer.optimal);
  return answer;
}

struct Least {
  double makespan_ms = std::numeric_limits<double>::infinity();
  double span_ms = std::numeric_limits<double>::infinity();      // of those with that makespan
  double any_span_ms = std::numeric_limits<double>::infinity();  // of all
};

Least least_of_all(const AutomaticRequest& request, bool in_index_order, bool fused) {
  const auto stages = static_cast<int>(request.costs.size());
  Least least;
  const auto keep = [&](int rank, const std::vector<Action>& list) {
    Schedule alone;
    alone.micro_batches = request.micro_batches;
    alone.ranks.assign(static_cast<std::size_t>(stages), {});
    alone.ranks[static_cast<std::size_t>(rank)] = list;
    return within_limits(alone, request);
  };
  EveryOrder{stages, request.micro_batches, in_index_order, fused}.for_each(
      keep, [&](const Schedule& schedule) {
        const auto run = simulate(schedule, request.costs);
        if (!run) return;  // the ranks' orders do not go together
        const double makespan = run.value().makespan_ms;
        const double span = run.value().largest_span_ms;
        if (makespan < least.makespan_ms - 1e-9) least = {makespan, span, least.any_span_ms};
        if (makespan < least.makespan_ms + 1e-9) least.span_ms = std::min(least.span_ms, span);
        least.any_span_ms = std::min(least.any_span_ms, span);
      });
  return least;
}

void check_against_all(Random& random, int stages, int micro_batches, Caps caps,
                       bool in_index_order, bool fused) {
  const AutomaticRequest request = drawn_request(random, stages, micro_batches, caps);
  INFO(words_of(request));
  const Least least = least_of_all(request, in_index_order, fused);
  const AutomaticSchedule found = answered(request);
  CHECK(found.optimal);
  CHECK(found.makespan_ms == Approx(least.makespan_ms));
  CHECK(found.largest_span_ms == Approx(least.span_ms));
  CHECK(makespan_bound_ms(limits_of(request)).value() <= least.makespan_ms * (1 + 1e-12));
  CHECK(span_bound_ms(limits_of(request)).value() <= least.any_span_ms * (1 + 1e-12));
}

}  // namespace

TEST_CASE("small pipelines are solved: no schedule of all there are is better", "[unit]") {
  struct Size {
    int stages, micro_batches, cases;
  };
  for (const Size& size : std::vector<Size>{
           {1, 3, 20}, {1, 4, 10}, {2, 2, 60}, {2, 3, 60}, {2, 4, 4}, {3, 2, 60}, {3, 3, 12}}) {
    for (int seed = 0; seed < size.cases; ++seed) {
      INFO(size.stages << " stages, seed " << seed);
      Random random(
          mix({1, static_cast<std::uint64_t>(size.stages),
               static_cast<std::uint64_t>(size.micro_batches), static_cast<std::uint64_t>(seed)}));
      check_against_all(random, size.stages, size.micro_batches,
                        seed % 3 == 0 ? Caps::none : Caps::some, true, false);
    }
  }
}

TEST_CASE("nothing is lost by running micro-batches of a kind in index order", "[unit]") {
  for (int seed = 0; seed < 12; ++seed) {
    INFO("seed " << seed);
    Random random(mix({2, static_cast<std::uint64_t>(seed)}));
    const int stages = static_cast<int>(random.between(1, 3));
    check_against_all(random, stages, 2, seed % 3 == 0 ? Caps::none : Caps::some, false, true);
  }
}

TEST_CASE("where a W needs more than F held, fused backwards are chosen among", "[unit]") {
  for (int seed = 0; seed < 40; ++seed) {
    INFO("seed " << seed);
    Random random(mix({3, static_cast<std::uint64_t>(seed)}));
    const int stages = static_cast<int>(random.between(1, 3));
    check_against_all(random, stages, stages == 3 ? 2 : 3, Caps::odd, true, true);
  }
}

TEST_CASE("the exact search finds the best by itself, knowing of none and of no bound", "[unit]") {
  struct Size {
    int stages, micro_batches, cases;
  };
  int proven = 0;
  for (const Size& size : std::vector<Size>{{2, 2, 200}, {2, 3, 150}, {3, 2, 610}, {3, 3, 6}}) {
    for (int seed = 0; seed < size.cases; ++seed) {
      INFO(size.stages << " stages, " << size.micro_batches << " micro-batches, seed " << seed);
      Random random(mix({6, static_cast<std::uint64_t>(seed)}));
      const Caps caps = seed % 2 == 0 ? Caps::some : Caps::odd;
      const AutomaticRequest request =
          drawn_request(random, size.stages, size.micro_batches, seed % 7 == 0 ? Caps::none : caps);
      INFO(words_of(request));
      const Least least = least_of_all(request, true, caps == Caps::odd);
      const auto terms =
          stage_terms(request.micro_batches, request.costs, request.memory, request.limit_bytes)
              .value();
      constexpr double anything = std::numeric_limits<double>::infinity();
      ExactObjective objective{std::vector<double>(terms.size(), 0), anything, anything};
      Player player(terms, request.micro_batches);
      REQUIRE(player.play(best_order(terms, request.micro_batches, objective).order.value()));
      CHECK(player.score().makespan_ms == Approx(least.makespan_ms));
      // A beam may miss it, but knows what it may have missed.
      for (const std::size_t width : {1, 2, 5}) {
        INFO("beam of " << width);
        const ExactAnswer narrow =
            best_order(terms, request.micro_batches, objective, {.width = width});
        CHECK(narrow.bound <= least.makespan_ms * (1 + 1e-9));
        if (!narrow.order) continue;  // all that it kept led nowhere
        REQUIRE(player.play(*narrow.order));
        CHECK(player.score().makespan_ms >= least.makespan_ms * (1 - 1e-9));
        if (narrow.bound >= player.score().makespan_ms * (1 - 1e-9)) ++proven;
      }
      for (std::size_t rank = 0; rank < terms.size(); ++rank) {
        objective.offset_ms[rank] = -player.head_ms(rank);
      }
      REQUIRE(player.play(best_order(terms, request.micro_batches, objective).order.value()));
      CHECK(player.score().span_ms == Approx(least.any_span_ms));
    }
  }
  CHECK(proven >= 2000);
}

TEST_CASE("the search finds the best of small pipelines too, and proves it", "[unit]") {
  int proven = 0;
  for (int seed = 0; seed < 200; ++seed) {
    INFO("seed " << seed);
    Random random(mix({7, static_cast<std::uint64_t>(seed)}));
    const int stages = seed % 2 == 0 ? 2 : 3;
    const AutomaticRequest request =
        drawn_request(random, stages, stages == 2 ? 3 : 2, static_cast<Caps>(random.below(3)));
    INFO(words_of(request));
    const Least least = least_of_all(request, true, true);
    const auto terms =
        stage_terms(request.micro_batches, request.costs, request.memory, request.limit_bytes)
            .value();
    Player player(terms, request.micro_batches);
    // One micro-batch after the other.
    const Order start = list_order(
        terms, request.micro_batches,
        std::vector<ListRule>(terms.size(), {.in_flight = 1, .pending = 1, .look_ahead = 1}));
    int moves = seed < 100 ? 300 : 3000;
    const SearchAnswer found =
        improved(player, {start}, {0, 0}, Random(1), [&] { return moves-- > 0; });
    REQUIRE(player.play(found.order));
    CHECK(player.score().makespan_ms == Approx(least.makespan_ms));
    CHECK(player.score().span_ms >= least.any_span_ms * (1 - 1e-9));
    CHECK(found.goal.makespan_ms <= least.makespan_ms * (1 + 1e-9));
    if (more(least.makespan_ms, found.goal.makespan_ms)) continue;
    CHECK(found.goal.span_ms <= least.span_ms * (1 + 1e-9));
    if (more(least.span_ms, found.goal.span_ms)) continue;
    CHECK(player.score().span_ms == Approx(least.span_ms));
    ++proven;
  }
  CHECK(proven >= 99);
}

TEST_CASE("memory limits of the field's published cases are used as well as is known", "[unit]") {
  struct Case {
    int p, m;
    StageCosts costs;
    StageMemory memory;
    std::int64_t limit_bytes;
    double bubble_rate;
  };
  const StageCosts costs_8{18.522, 18.086, 9.337, 0.601};
  const StageCosts costs_16{11.347, 11.248, 8.132, 0.377};
  const std::vector<Case> cases{{8, 24, costs_8, {3, 1}, 48, .0433},
                                {8, 24, costs_8, {3, 1}, 24, .1585},
                                {8, 24, costs_8, {1, 1}, 16, .1015},
                                {16, 48, costs_16, {3, 1}, 96, .0066},
                                {16, 48, costs_16, {3, 1}, 48, .1397}};
  for (const Case& c : cases) {
    INFO(c.p << " stages, limit " << c.limit_bytes);
    AutomaticRequest request{c.m, equal(c.p, c.costs), {}, {}};
    request.memory.assign(static_cast<std::size_t>(c.p), c.memory);
    request.limit_bytes.assign(static_cast<std::size_t>(c.p), c.limit_bytes);
    const AutomaticSchedule found = answered(request, 20'000);
    const auto run = simulated(found.schedule, request.costs);
    CHECK(run.bubble_rate < c.bubble_rate + 5e-5);
    // Both the makespan and the span are to be small: the last rank starts late, the first not.
    CHECK(run.makespan_ms < found.bound_ms * 1.01);
  }
}

TEST_CASE("nothing of the field that fits is better, not even when nothing is searched", "[unit]") {
  for (int seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    Random random(mix({4, static_cast<std::uint64_t>(seed)}));
    const int p = static_cast<int>(random.between(1, 9));
    const int m = static_cast<int>(random.between(1, 30));
    AutomaticRequest request = drawn_request(random, p, m, static_cast<Caps>(random.below(3)));
    request.sends_in_flight = static_cast<int>(random.below(4) == 0 ? random.between(1, 2) : 0);
    INFO(words_of(request));
    const AutomaticSchedule found = answered(request);
    for (const char* const kind : {"gpipe", "1f1b", "zb-h1", "zb-h2"}) {
      INFO(kind);
      const auto built = build_schedule(kind, {p, m});
      if (!built || !within_limits(built.value(), request)) continue;
      const auto run =
          simulated(built.value(), request.costs, {.sends_in_flight = request.sends_in_flight});
      CHECK(found.makespan_ms <= run.makespan_ms * (1 + 1e-9));
    }
  }
}

TEST_CASE("searching longer never makes it worse, and the same search finds the same", "[unit]") {
  int improved = 0;
  for (int seed = 0; seed < 40; ++seed) {
    INFO("seed " << seed);
    Random random(mix({5, static_cast<std::uint64_t>(seed)}));
    AutomaticRequest request = drawn_request(random, 6, 12, Caps::some);
    request.sends_in_flight = seed % 10 == 7 ? 1 : 0;
    INFO(words_of(request));
    const AutomaticSchedule at_once = answered(request);
    const AutomaticSchedule later = answered(request, 3000);
    CHECK(later.makespan_ms <= at_once.makespan_ms * (1 + 1e-9));
    if (later.makespan_ms < at_once.makespan_ms * (1 - 1e-9)) {
      ++improved;
      CHECK(later.found_by == "search");
    }
    CHECK(text_of(answered(request, 3000).schedule) == text_of(later.schedule));
  }
  CHECK(improved >= 5);
}

TEST_CASE("the search stops by itself where the bounds are met", "[unit]") {
  // Without limits and with equal costs, as many W's as needed fill every gap.
  const auto result = automatic({12, equal(4, unit), {}, {}}, [] { return true; });
  CHECK(result.value().optimal);
  CHECK(result.value().makespan_ms == 3 + 36);
}

TEST_CASE("large pipelines have an answer near the bound without a search", "[unit]") {
  AutomaticRequest request{256, equal(32, {11.347, 11.248, 8.132, 0.377}), {}, {}};
  request.memory.assign(32, {3, 1});
  for (const std::int64_t limit : {96, 192}) {
    request.limit_bytes.assign(32, limit);
    const AutomaticSchedule found = answered(request);
    CHECK(found.makespan_ms < 1.01 * found.bound_ms);
  }
}

TEST_CASE("what cannot be had is refused with what would fit", "[unit]") {
  const auto sentence = [](const AutomaticRequest& request) {
    const auto result = automatic(request, stop);
    return result.ok() ? "" : name_of(result.fault().kind) + (": " + result.fault().sentence);
  };
  AutomaticRequest request{4, equal(3, unit), {{2, 1}, {2, 1}, {12, 1}}, {2, 2, 5}};
  CHECK(sentence(request) ==
        "infeasible: stage 2: limit_bytes 5, must be at least 12: one micro-batch takes 12");
  request.limit_bytes = {2, 2, 12};
  CHECK(sentence(request).empty());
  request.limit_bytes = {2, 2};
  CHECK(sentence(request) == "invalid_input: limit_bytes: of 2 stages, must be of 3, as costs are");
  request.limit_bytes.clear();
  request.costs[1].send_ms = -1;
  CHECK(sentence(request) == "invalid_input: stages[1].send_ms: -1, must be finite and at least 0");
  request.costs.clear();
  CHECK(sentence(request) == "invalid_input: costs: of 0 stages, must be of at least 1");
  request = {0, equal(3, unit), {}, {}};
  CHECK(sentence(request) == "invalid_input: micro_batches: 0, must be 1 to 1000000");
  request = {2, equal(3, unit), {}, {}, -1};
  CHECK(sentence(request) == "invalid_input: sends_in_flight: -1, must be at least 0");
}

}  // namespace planaria
