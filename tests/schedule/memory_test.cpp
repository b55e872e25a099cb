// What ranks hold.
#include <algorithm>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/memory.hpp>

namespace planaria {

TEST_CASE("what a rank holds follows from its order", "[unit]") {
  const auto peaks = [](const Schedule& schedule, const StageMemory& memory) {
    std::vector<std::int64_t> all;
    const std::vector<StageMemory> by_stage(static_cast<std::size_t>(schedule.stages()), memory);
    for (const RankMemory& rank : memory_of(schedule, by_stage)) all.push_back(rank.peak_bytes);
    return all;
  };
  CHECK(peaks(zero_bubble_h1({8, 24}), {3, 1}) ==
        std::vector<std::int64_t>{24, 22, 20, 18, 16, 14, 12, 10});
  // (2(p-r)-1) M_B + 2r M_W.
  CHECK(peaks(zero_bubble_h2({4, 9}), {3, 1}) == std::vector<std::int64_t>{21, 17, 13, 9});
  CHECK(peaks(gpipe({2, 5}), {3, 1}) == std::vector<std::int64_t>{15, 15});
  CHECK(peaks(one_forward_one_backward({3, 5}), {3, 1}) == std::vector<std::int64_t>{9, 6, 3});
  // Half chunks times three, held from F to W: 30 and 24, where 1F1B has 6p = 48.
  const auto most = [](const std::vector<std::int64_t>& all) {
    return *std::max_element(all.begin(), all.end());
  };
  CHECK(most(peaks(v_half({8, 24}), {3, 3})) == 30);
  CHECK(most(peaks(v_min({8, 24}), {3, 3})) == 24);
  for (const int p : {2, 4, 8}) {
    CHECK(most(peaks(zero_bubble_v({p, 3 * p}), {1, 1})) == 2 * p);
    CHECK(most(peaks(dualpipe_v({p, 3 * p}), {1, 0})) == (2 * p) + 1);
  }
  // With R only the boundary is kept until it starts.
  const Schedule recomputed = schedule_from_text("0: F0 F1 R0 B0 W0 R1 G1\n", "test").value();
  const auto memory = memory_of(recomputed, {{10, 4, 1}});
  CHECK(memory[0].during_bytes == std::vector<std::int64_t>{1, 2, 12, 12, 5, 11, 11});
  CHECK(memory[0].after_bytes == std::vector<std::int64_t>{1, 2, 12, 5, 1, 11, 0});
  CHECK(memory[0].peak_bytes == 12);
  // What W needs may be more than what F held.
  CHECK(peaks(schedule_from_text("0: F0 B0 W0\n", "test").value(), {3, 7}) ==
        std::vector<std::int64_t>{7});
}

}  // namespace planaria
