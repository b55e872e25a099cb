#include <planaria/schedule/validate.hpp>

#include <algorithm>
#include <functional>

#include <catch2/catch.hpp>

#include <planaria/schedule/builders.hpp>

#include "schedule/token_game.hpp"

namespace planaria {
namespace {

Schedule read(const std::string& text) {
  return schedule_from_text(text, "test").value();
}

std::string verdict(const Schedule& schedule, const ValidationOptions& options = {}) {
  const auto result = validate(schedule, options);
  return result.ok() ? "runs" : result.fault().sentence;
}

std::string verdict(const std::string& text, const ValidationOptions& options = {}) {
  return verdict(read(text), options);
}

// Whether the firing order names every action once and the naive game can be played in it.
bool is_playable(const Schedule& schedule, const std::vector<Firing>& firings, int places) {
  const test::TokenGame game(schedule, places);
  test::Table table = game.start();
  const auto put_down = [&] {
    for (bool any = true; any;) {
      any = false;
      for (std::size_t rank = 0; rank < table.in_hand.size(); ++rank) {
        if (table.in_hand[rank].empty()) continue;
        if (auto after = game.moved(table, rank)) {
          table = *after;
          any = true;
        }
      }
    }
  };
  bool second_of_pair = false;  // a pair fires as one, and is told as two
  for (const Firing& firing : firings) {
    const auto rank = static_cast<std::size_t>(firing.rank);
    if (second_of_pair) {
      second_of_pair = false;
      continue;
    }
    if (static_cast<int>(table.next[rank]) != firing.position) return false;
    second_of_pair = schedule.ranks[rank][table.next[rank]].overlaps_next;
    const auto after = game.moved(table, rank);
    if (!after || after->next[rank] <= table.next[rank]) return false;
    table = *after;
    put_down();
  }
  return game.won(table);
}

// Calls `use` with every order of the actions of a rank: fused, or split, for `m` micro-batches.
std::vector<std::vector<Action>> every_order(int m, bool split) {
  std::vector<Action> actions;
  for (int i = 0; i < m; ++i) {
    actions.push_back({ActionKind::forward, i, 0});
    if (split) {
      actions.push_back({ActionKind::backward_input, i, 0});
      actions.push_back({ActionKind::backward_weight, i, 0});
    } else {
      actions.push_back({ActionKind::backward, i, 0});
    }
  }
  std::sort(actions.begin(), actions.end());
  std::vector<std::vector<Action>> orders;
  do orders.push_back(actions);
  while (std::next_permutation(actions.begin(), actions.end()));
  return orders;
}

}  // namespace

TEST_CASE("the schedules of the field run, with any number of sends in flight", "[unit]") {
  int judged = 0;
  for (int p = 1; p <= 5; ++p) {
    for (int m = 1; m <= 10; ++m) {
      for (const std::string& kind : schedule_kinds()) {
        const auto schedule = build_schedule(kind, {p, m});
        if (!schedule.ok()) continue;  // not for that shape
        for (const int sends : {0, 1, 2, 1'000'000}) {
          INFO(kind << " p " << p << " m " << m << " sends " << sends << "\n"
                    << text_of(schedule.value()));
          const auto firings = validate(schedule.value(), {.sends_in_flight = sends});
          // Some need more room: a rank sends so often before the other comes to receive.
          if (sends > 0 && sends <= 2 && !firings.ok()) {
            Random random(1);
            CHECK_FALSE(test::TokenGame(schedule.value(), sends).random_play(random));
            CHECK((chunks_of(kind) > 1 || kind.starts_with("varuna")));
            continue;
          }
          if (!firings.ok()) FAIL(firings.fault().sentence);
          std::size_t actions = 0;
          for (const auto& rank : schedule.value().ranks) actions += rank.size();
          CHECK(firings.value().size() == actions);
          CHECK(is_playable(schedule.value(), firings.value(), sends));
          ++judged;
        }
        for (const int lane_size : {2, 9}) {
          CHECK(validate(schedule.value(), {.lane_size = lane_size}).ok());
        }
      }
    }
  }
  CHECK(judged > 1500);
}

TEST_CASE("an action that is missing or there twice is named", "[unit]") {
  CHECK(verdict("0: F0 F1 G0 G1\n1: F0 F1 G0\n") == "rank 1 misses G1");
  CHECK(verdict("0: F0 F1 G0 G1\n1: F0 G0 G1\n") == "rank 1 misses F1");
  CHECK(verdict("0: F0 B0\n") == "rank 0 misses W0");
  CHECK(verdict("0: F0 W0\n") == "rank 0 misses B0");
  CHECK(verdict("0: F0 G0\n1:\n") == "rank 1 misses F0");
  CHECK(verdict("0: F0 F1 F0 G0 G1\n") == "rank 0 has F0 twice");
  CHECK(verdict("0: F0 G0 G0\n") == "rank 0 has G0 twice");
  CHECK(verdict("0: F0 B0 W0 W0\n") == "rank 0 has W0 twice");
  CHECK(verdict("0: F0 B0 G0 W0\n") == "rank 0 has both G0 and B0");
  CHECK(verdict("0: F0 G0 W0\n") == "rank 0 has both G0 and W0");
  // The first of several: the lowest rank, its lowest micro-batch.
  CHECK(verdict("0: F0 F1 G0 G1\n1: F1 G0 G1\n2: F0\n") == "rank 1 misses F0");
}

TEST_CASE("a wrong order within a micro-batch is named", "[unit]") {
  CHECK(verdict("0: F0 G0\n1: G0 F0\n") == "rank 1 runs G0 before F0");
  CHECK(verdict("0: B0 F0 W0\n") == "rank 0 runs B0 before F0");
  CHECK(verdict("0: F0 W0 B0\n") == "rank 0 runs W0 before B0");
  CHECK(verdict("0: F0 B0 W0\n") == "runs");
}

TEST_CASE("weight gradients go in index order within a lane and in any between lanes", "[unit]") {
  const std::string reversed = "0: F0 F1 F2 F3 G2 G3 G0 G1\n";
  CHECK(verdict(reversed, {.lane_size = 1}) == "runs");
  CHECK(verdict(reversed, {.lane_size = 2}) == "runs");
  CHECK(verdict(reversed, {.lane_size = 3}) ==
        "rank 0 runs G2 before G1: weight gradients of a lane of 3 go in index order");
  const std::string split = "0: F0 F1 B0 B1 W1 W0\n";
  CHECK(verdict(split, {.lane_size = 1}) == "runs");
  CHECK(verdict(split, {.lane_size = 2}) ==
        "rank 0 runs W1 before W0: weight gradients of a lane of 2 go in index order");
  // B is free to go first: only W adds to the lane.
  CHECK(verdict("0: F0 F1 B1 B0 W0 W1\n", {.lane_size = 2}) == "runs");
  CHECK(verdict("0: F0 F1 B1 W1 G0\n", {.lane_size = 2}) ==
        "rank 0 runs W1 before G0: weight gradients of a lane of 2 go in index order");
}

TEST_CASE("a cycle of waits is told by the ranks in it alone", "[unit]") {
  CHECK(verdict("0: F0 F1 G0 G1\n1: F1 G1 F0 G0\n2: F0 F1 G0 G1\n") ==
        "rank 2 waits for F0 of rank 1, rank 1 waits for G1 of rank 2");
  CHECK(verdict("0: F1 B1 W1 F0 B0 W0\n1: F0 F1 B0 W0 B1 W1\n") ==
        "rank 1 waits for F0 of rank 0, rank 0 waits for B1 of rank 1");
  // Ranks 0 and 1 wait too, for those in the cycle; they are not part of the reason.
  CHECK(verdict("0: F0 F1 G0 G1\n1: F0 F1 G0 G1\n2: F1 G1 F0 G0\n3: F0 F1 G0 G1\n") ==
        "rank 3 waits for F0 of rank 2, rank 2 waits for G1 of rank 3");
}

TEST_CASE("a send that finds no room blocks its rank", "[unit]") {
  const std::string text = "0: F0 F1 G0 G1\n1: F1 F0 G0 G1\n";
  CHECK(verdict(text) == "runs");
  CHECK(verdict(text, {.sends_in_flight = 2}) == "runs");
  CHECK(verdict(text, {.sends_in_flight = 1}) ==
        "rank 1 waits for F1 of rank 0, rank 0 waits for rank 1 to receive F0 before it sends F1");
  CHECK(verdict("0: F0 F1 F2 G0 G1 G2\n1: F0 F1 F2 G1 G2 G0\n", {.sends_in_flight = 1}) ==
        "rank 1 waits for rank 0 to receive G1 before it sends G2, rank 0 waits for G0 of rank 1");
}

TEST_CASE("options and shapes out of bounds are bad input", "[unit]") {
  const Schedule fine = gpipe({2, 2});
  const auto refused = [](const Schedule& schedule, const ValidationOptions& options) {
    const auto result = validate(schedule, options);
    CHECK(result.fault().kind == FaultKind::invalid_input);
    return result.fault().sentence;
  };
  CHECK(refused(fine, {.sends_in_flight = -1}) == "sends_in_flight: -1, must be 0 to 1000000");
  CHECK(refused(fine, {.sends_in_flight = 1'000'001}) ==
        "sends_in_flight: 1000001, must be 0 to 1000000");
  CHECK(refused(fine, {.lane_size = 0}) == "lane_size: 0, must be at least 1");
  Schedule chunked = fine;
  chunked.chunks = 2;
  CHECK(refused(chunked, {}) == "chunks: 2, must be 1 with placement single");
  chunked.placement = Placement::v;
  chunked.chunks = 3;
  CHECK(refused(chunked, {}) == "chunks: 3, must be 2 with placement v");
  chunked = fine;
  chunked.width = 3;
  CHECK(refused(chunked, {}) == "width: 3, must divide the number of ranks, 2");
  Schedule stray = fine;
  stray.ranks[1].push_back({ActionKind::forward, 2, 0});
  CHECK(verdict(stray) == "rank 1 has F2, must be chunk 0 and micro-batch 0 to 1");
  stray = fine;
  stray.ranks[1].back().overlaps_next = true;
  CHECK(verdict(stray) == "rank 1 overlaps G1 with nothing, must be with one action");
  CHECK(verdict(Schedule{}) == "the schedule has no ranks");
  CHECK(verdict("0:\n1:\n") == "the schedule has no actions");
}

TEST_CASE("a recompute lies between its forward and its backward, once", "[unit]") {
  CHECK(verdict("0: F0 R0 G0\n") == "runs");
  CHECK(verdict("0: F0 R0 B0 W0\n") == "runs");
  CHECK(verdict("0: R0 F0 G0\n") == "rank 0 runs R0 before F0");
  CHECK(verdict("0: F0 G0 R0\n") == "rank 0 runs G0 before R0");
  CHECK(verdict("0: F0 R0 R0 G0\n") == "rank 0 has R0 twice");
}

TEST_CASE("chunks are told apart in every sentence", "[unit]") {
  const std::string v = "# placement: v\n";
  CHECK(verdict(v + "0: 0F0 1F0 1G0 0G0\n") == "runs");
  CHECK(verdict(v + "0: 0F0 1F0 1G0\n") == "rank 0 misses 0G0");
  CHECK(verdict(v + "0: 0F0 1G0 1F0 0G0\n") == "rank 0 runs 1G0 before 1F0");
  CHECK(verdict(v + "0: 1F0 0F0 1G0 0G0\n") == "rank 0 waits for 0F0 of rank 0");
  CHECK(verdict(v + "0: 0F0 1F0 1G0 0G0\n1: 1F0 0F0 0G0 1G0\n") ==
        "rank 1 waits for 0F0 of rank 1");
  CHECK(verdict("# placement: loop\n0: 0F0 1F0 1G0 0G0\n1: 1F0 0F0 1G0 0G0\n") ==
        "rank 1 waits for 1F0 of rank 0, rank 0 waits for 0F0 of rank 1");
  CHECK(verdict("# placement: loop\n0: 0F0 0G0\n1: 0F0 1F0 1G0 0G0\n") == "rank 0 misses 1F0");
}

TEST_CASE("an overlapped pair needs all it needs at once and yields at its end", "[unit]") {
  CHECK(verdict("0: F0 F1&G0 G1\n") == "runs");
  CHECK(verdict("0: F0 F1&B0 B1&W0 W1\n") == "runs");
  CHECK(verdict("0: F0&G0\n") == "rank 0 overlaps F0 with G0, which needs its end");
  CHECK(verdict("0: F0 B0&W0\n") == "rank 0 overlaps B0 with W0, which needs its end");
  CHECK(verdict("0: F0 F1&G0 G1\n1: F0&G0 F1 G1\n") ==
        "rank 1 overlaps F0 with G0, which needs its end");
  // Rank 0 would send F1 only together with G0, and G0 comes only after F1.
  CHECK(verdict("0: F0 F1&G0 G1\n1: F0 F1 G0 G1\n") ==
        "rank 1 waits for F1 of rank 0, rank 0 waits for G0 of rank 1");
  CHECK(verdict("# placement: v\n0: 0F0&1F0 1G0 0G0\n") == "rank 0 waits for 0F0 of rank 0");
}

TEST_CASE("of several pipelines each (stage, micro-batch) is computed by one live rank", "[unit]") {
  const auto judged = [](const std::string& text, const ValidationOptions& options = {}) {
    return verdict(schedule_from_text(text, "test", 2).value(), options);
  };
  // Rank 3, stage 1 of pipeline 1, is dead: rank 1 computes for both.
  const std::string lost = "0: F0 G0\n1: F0 G0 F1 G1\n2: F1 G1\n3:\n";
  CHECK(judged(lost) == "runs");
  CHECK(judged("0: F0 G0\n1: F0 G0\n2: F1 G1\n3:\n") == "no rank of stage 1 has F1");
  CHECK(judged("0: F0 G0\n1: F0 G0 F1 G1\n2: F1 G1\n3: F1 G1\n") ==
        "rank 3 has F1, and rank 1 computes micro-batch 1 of stage 1 already");
  CHECK(judged("0: F0 G0\n1: F0 G0 F1\n2: F1 G1\n3: G1\n") ==
        "rank 3 has G1, and rank 1 computes micro-batch 1 of stage 1 already");
  CHECK(judged("0: F0 G0\n1: F1 G1 F0 G0\n2: F1 G1\n3:\n") == "runs");
  CHECK(judged("0: F0 G0 F1 G1\n1: F1 G1 F0 G0\n2:\n3:\n") ==
        "rank 1 waits for F1 of rank 0, rank 0 waits for G0 of rank 1");
  CHECK(judged(lost, {.lane_size = 2}) ==
        "rank 0 computes micro-batch 0 of stage 0 and rank 2 micro-batch 1, must be one rank: they "
        "are of one lane of 2");
}

TEST_CASE("a stray number in a file costs no memory", "[unit]") {
  CHECK(verdict("0: F999999 G999999\n") == "rank 0 misses F0");
  CHECK(verdict("# placement: loop\n0: 0F0 999999F999999\n") == "rank 0 misses 0F1");
}

TEST_CASE("the verdict is that of every possible play, for all small schedules", "[unit]") {
  int running = 0, judged = 0, wrong = 0;
  const auto judge = [&](const std::vector<std::vector<Action>>& ranks, int m) {
    const Schedule schedule{Placement::single, 1, m, ranks};
    for (const int places : {0, 1, 2}) {
      const auto [won, stuck] = test::TokenGame(schedule, places).every_play();
      const auto result = validate(schedule, {.sends_in_flight = places});
      const bool agrees = won != stuck && result.ok() == won;
      if (!agrees) UNSCOPED_INFO("places " << places << "\n" << text_of(schedule));
      wrong += agrees ? 0 : 1;
      running += won ? 1 : 0;
      if (result.ok() && !is_playable(schedule, result.value(), places)) ++wrong;
      ++judged;
    }
  };
  for (const int m : {1, 2}) {
    for (const bool split : {false, true}) {
      for (const auto& only : every_order(m, split)) judge({only}, m);
    }
    const auto fused = every_order(m, false);
    for (const auto& first : fused) {
      for (const auto& second : fused) judge({first, second}, m);
    }
  }
  for (const auto& first : every_order(1, true)) {
    for (const auto& second : every_order(1, true)) judge({first, second}, 1);
  }
  // Split against fused, both ways, of two micro-batches.
  for (const auto& first : every_order(2, true)) {
    for (const auto& second : every_order(2, false)) {
      judge({first, second}, 2);
      judge({second, first}, 2);
    }
  }
  CHECK(wrong == 0);
  CHECK(judged == 3 * (1 + 1 + 2 + 6 + 24 + 720 + 4 + 576 + 36 + 2 * 720 * 24 - 2));
  CHECK(running > 300);
}

TEST_CASE("the verdict is that of a random play for larger schedules", "[unit]") {
  constexpr std::uint64_t seed = 20'240;
  Random random(seed);
  int running = 0, stuck = 0;
  for (int round = 0; round < 3000; ++round) {
    const int p = static_cast<int>(random.between(2, 4));
    const int m = static_cast<int>(random.between(2, 5));
    const char* const kinds[] = {"gpipe", "1f1b", "zb-h1", "zb-v", "v-min"};
    Schedule schedule = build_schedule(kinds[random.below(5)], {p, m}).value();
    for (auto& actions : schedule.ranks) {
      for (std::uint64_t swaps = random.below(4); swaps > 0; --swaps) {
        const std::size_t at = random.below(actions.size() - 1);
        const bool apart = actions[at].micro_batch != actions[at + 1].micro_batch ||
                           actions[at].chunk != actions[at + 1].chunk;
        if (apart) {
          std::swap(actions[at], actions[at + 1]);
        }
      }
    }
    const int places = static_cast<int>(random.below(3));
    INFO("seed " << seed << " round " << round << " places " << places << "\n"
                 << text_of(schedule));
    const auto result = validate(schedule, {.sends_in_flight = places});
    REQUIRE(result.ok() == test::TokenGame(schedule, places).random_play(random));
    if (result.ok()) REQUIRE(is_playable(schedule, result.value(), places));
    if (!result.ok()) REQUIRE(result.fault().sentence.find(" waits for ") != std::string::npos);
    ++(result.ok() ? running : stuck);
  }
  CHECK(running > 500);
  CHECK(stuck > 300);
}

}  // namespace planaria
