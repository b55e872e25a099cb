#include <planaria/schedule/builders.hpp>

#include <algorithm>
#include <map>

#include <catch2/catch.hpp>

namespace planaria {
namespace {

// When the last action ends if F takes 1 and G takes 2 and sends nothing: each action starts as
// soon as its rank is free and its input is there.
int makespan(const Schedule& schedule) {
  const std::size_t ranks = schedule.ranks.size();
  std::vector<int> free(ranks, 0);
  std::vector<std::size_t> next(ranks, 0);
  std::map<std::tuple<ActionKind, std::size_t, int>, int> ended;
  for (bool any = true; any;) {
    any = false;
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      if (next[rank] == schedule.ranks[rank].size()) continue;
      const Action action = schedule.ranks[rank][next[rank]];
      const bool forward = action.kind == ActionKind::forward;
      int start = free[rank];
      if (forward ? rank > 0 : rank + 1 < ranks) {
        const auto input =
            ended.find({action.kind, forward ? rank - 1 : rank + 1, action.micro_batch});
        if (input == ended.end()) continue;
        start = std::max(start, input->second);
      }
      free[rank] = start + (forward ? 1 : 2);
      ended[{action.kind, rank, action.micro_batch}] = free[rank];
      ++next[rank];
      any = true;
    }
  }
  return *std::max_element(free.begin(), free.end());
}

int peak_in_flight(const std::vector<Action>& actions) {
  int now = 0, most = 0;
  for (const Action& action : actions) {
    now += action.kind == ActionKind::forward ? 1 : -1;
    most = std::max(most, now);
  }
  return most;
}

}  // namespace

TEST_CASE("gpipe runs all forwards, then all backwards", "[unit]") {
  CHECK(text_of(gpipe({2, 3})) == "0: F0 F1 F2 G0 G1 G2\n1: F0 F1 F2 G0 G1 G2\n");
  for (int p = 1; p <= 5; ++p) {
    for (int m = 1; m <= 7; ++m) CHECK(makespan(gpipe({p, m})) == 3 * (m + p - 1));
  }
}

TEST_CASE("1f1b warms up by its distance to the end, then alternates", "[unit]") {
  CHECK(text_of(one_forward_one_backward({4, 5})) ==
        "0: F0 F1 F2 F3 G0 F4 G1 G2 G3 G4\n"
        "1: F0 F1 F2 G0 F3 G1 F4 G2 G3 G4\n"
        "2: F0 F1 G0 F2 G1 F3 G2 F4 G3 G4\n"
        "3: F0 G0 F1 G1 F2 G2 F3 G3 F4 G4\n");
  CHECK(text_of(one_forward_one_backward({3, 1})) == "0: F0 G0\n1: F0 G0\n2: F0 G0\n");
  CHECK(text_of(one_forward_one_backward({1, 2})) == "0: F0 G0 F1 G1\n");
}

TEST_CASE("1f1b takes the field's time and holds the field's peak", "[unit]") {
  CHECK(makespan(one_forward_one_backward({4, 8})) == 33);
  CHECK(makespan(one_forward_one_backward({8, 24})) == 93);
  for (int p = 1; p <= 6; ++p) {
    for (int m = 1; m <= 9; ++m) {
      const Schedule schedule = one_forward_one_backward({p, m});
      CHECK(makespan(schedule) == 3 * (m + p - 1));
      for (int rank = 0; rank < p; ++rank) {
        CHECK(peak_in_flight(schedule.ranks[static_cast<std::size_t>(rank)]) ==
              std::min(p - rank, m));
      }
    }
  }
}

TEST_CASE("a schedule is built by its name, and a wrong name is told the right ones", "[unit]") {
  CHECK(build_schedule("gpipe", {2, 3}).value() == gpipe({2, 3}));
  CHECK(build_schedule("1f1b", {2, 3}).value() == one_forward_one_backward({2, 3}));
  CHECK(build_schedule("zb-h1", {2, 3}).fault() ==
        Fault::invalid_input("schedule: zb-h1, must be one of gpipe, 1f1b"));
  CHECK(build_schedule("gpipe", {0, 3}).fault().sentence == "stages: 0, must be at least 1");
  CHECK(build_schedule("gpipe", {2, 0}).fault().sentence == "micro_batches: 0, must be at least 1");
}

}  // namespace planaria
