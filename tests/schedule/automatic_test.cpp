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
           {1, 3, 20}, {1, 4, 10}, {2, 2, 60}, {2, 3, 60}, {2, 4, 2}, {3, 2, 60}, {3, 3, 4}}) {
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

}  // namespace planaria
