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
  CHECK(build_schedule("interleaved", {2, 4}, {.chunks = 3}).value() == interleaved({2, 4}, 3));
  CHECK(build_schedule("zb-v", {2, 4}).value() == zero_bubble_v({2, 4}));
  CHECK(build_schedule("zb-h3", {2, 3}).fault() ==
        Fault::invalid_input("schedule: zb-h3, must be one of gpipe, 1f1b, interleaved, zb-h1, "
                             "zb-h2, zb-v, v-half, v-min, dualpipe-v, varuna, varuna-jit"));
}

TEST_CASE("a shape that a kind cannot have is refused by field and value", "[unit]") {
  const auto refused = [](const char* kind, PipelineShape shape, const BuildOptions& options = {}) {
    const auto result = build_schedule(kind, shape, options);
    CHECK(result.fault().kind == FaultKind::invalid_input);
    return result.fault().sentence;
  };
  CHECK(refused("gpipe", {0, 3}) == "stages: 0, must be at least 1");
  CHECK(refused("gpipe", {2, 0}) == "micro_batches: 0, must be at least 1");
  CHECK(refused("zb-h2", {4, 6}) == "micro_batches: 6, must be at least 7 for zb-h2 of 4 stages");
  CHECK(refused("dualpipe-v", {4, 7}) ==
        "micro_batches: 7, must be at least 8 for dualpipe-v of 4 stages");
  CHECK(refused("interleaved", {4, 6}) ==
        "micro_batches: 6, must be a multiple of the stages, 4, for interleaved");
  CHECK(refused("interleaved", {4, 8}, {.chunks = 0}) == "chunks: 0, must be at least 1");
  CHECK(refused("varuna", {4, 8}, {.costs = {{1, 1, 1, 0}}}) == "costs of 1 stages, must be of 4");
}

TEST_CASE("interleaved 1f1b goes through its chunks in groups of p micro-batches", "[unit]") {
  CHECK(text_of(interleaved({2, 4}, 2)) ==
        "# placement: loop\n"
        "0: 0F0 0F1 1F0 1F1 0F2 1G0 0F3 1G1 1F2 0G0 1F3 0G1 1G2 1G3 0G2 0G3\n"
        "1: 0F0 0F1 1F0 1G0 1F1 1G1 0F2 0G0 0F3 0G1 1F2 1G2 1F3 1G3 0G2 0G3\n");
}

TEST_CASE("the zero-bubble schedules go as their papers' lists do", "[unit]") {
  CHECK(text_of(zero_bubble_h1({3, 4})) ==
        "0: F0 F1 F2 B0 W0 F3 B1 W1 B2 W2 B3 W3\n"
        "1: F0 F1 B0 F2 B1 W0 F3 B2 W1 B3 W2 W3\n"
        "2: F0 B0 F1 B1 F2 B2 W0 F3 B3 W1 W2 W3\n");
  CHECK(text_of(zero_bubble_v({2, 3})) ==
        "# placement: v\n"
        "0: 0F0 0F1 0F2 1F0 1B0 1W0 1F1 1B1 1W1 0B0 0W0 1F2 1B2 1W2 0B1 0W1 0B2 0W2\n"
        "1: 0F0 1F0 0F1 1F1 1B0 1W0 0F2 0B0 0W0 1F2 1B1 1W1 0B1 1B2 0B2 0W1 1W2 0W2\n");
}

TEST_CASE("dualpipe-v overlaps a forward with a backward in its steady phase", "[unit]") {
  CHECK(text_of(dualpipe_v({2, 4})) ==
        "# placement: v\n"
        "0: 0F0 0F1 0F2 1F0 1B0 1W0 1F1 0F3&1G1 1F2&0G0 1G2 1F3&0G1 1G3 0B2 0W2 0B3 0W3\n"
        "1: 0F0 1F0 0F1 1F1 0F2&1G0 1F2&0G0 0F3&1G1 1F3&0G1 1G2 0G2 1B3 0B3 1W3 0W3\n");
}

TEST_CASE("varuna recomputes just in time on all but the last rank", "[unit]") {
  const std::vector<StageCosts> costs(2, {1, 1, 1, 0});
  CHECK(text_of(varuna({2, 3}, costs, {.as_simulated = true})) ==
        "0: F0 F1 F2 R0 G0 R1 G1 R2 G2\n"
        "1: F0 G0 F1 G1 F2 G2\n");
}

TEST_CASE("recompute can be put before every backward, or those of some ranks", "[unit]") {
  CHECK(text_of(with_recompute(gpipe({2, 2}))) == "0: F0 F1 R0 G0 R1 G1\n1: F0 F1 R0 G0 R1 G1\n");
  CHECK(text_of(with_recompute(zero_bubble_h1({2, 1}), {0})) == "0: F0 R0 B0 W0\n1: F0 B0 W0\n");
}

}  // namespace planaria
