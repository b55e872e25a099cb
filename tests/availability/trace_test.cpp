// What a record of machines says of intervals and of moments.
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/availability/trace.hpp>

using namespace planaria;

namespace {

// Three machines at once, one gone after a minute and a half, two more in the third minute.
Trace three_and_two() {
  Trace trace;
  trace.initial = 3;
  trace.changes = {{90'000, 0, 1}, {120'000, 2, 0}};
  trace.end_ms = 120'000;
  return trace;
}

}  // namespace

TEST_CASE("an interval has what came and went in it, and the machines at its end", "[unit]") {
  CHECK(intervals_of(three_and_two(), 60'000) ==
        std::vector<IntervalCounts>{{3, 0, 3}, {0, 1, 2}, {2, 0, 4}});
}

TEST_CASE("a record that begins later has empty intervals before", "[unit]") {
  Trace trace = three_and_two();
  trace.first_ms = 60'000;
  CHECK(intervals_of(trace, 60'000) ==
        std::vector<IntervalCounts>{{0, 0, 0}, {3, 1, 2}, {2, 0, 4}});
}

TEST_CASE("a count holds until the next change, and to the end of a tick", "[unit]") {
  Trace trace = three_and_two();
  CHECK(counts_on_grid(trace, 30'000) == std::vector<int>{3, 3, 3, 2, 4});
  trace.end_ms = 180'000;
  trace.end_known = false;
  CHECK(counts_on_grid(trace, 60'000) == std::vector<int>{3, 3, 4});
  CHECK(intervals_of(trace, 60'000).size() == 3);
}
