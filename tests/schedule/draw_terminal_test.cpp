// Pictures of schedules in letters.
#include <algorithm>
#include <string>

#include <catch2/catch.hpp>

#include <planaria/base/text.hpp>
#include <planaria/schedule/draw.hpp>

#include "drawn.hpp"

namespace planaria {

using test::drawn;

TEST_CASE("a small schedule in letters shows every unit of time", "[unit]") {
  CHECK(terminal_of(drawn("1f1b", {3, 4}, {1, 1, 1, 0}, {.activation_bytes = 4})) ==
        "1f1b, 3 stages, 4 micro-batches: makespan 18 ms, bubble 33.3 %, peak memory 12 B on rank "
        "0\n"
        "0 FFF....GGFGG.GG.GG\n"
        "1 .FF..GGFGGFGG.GG..\n"
        "2 ..FGGFGGFGGFGG....\n"
        "  |0        |10\n"
        "one cell is 1 ms\n");
  // Half units where a send takes half of one.
  CHECK(terminal_of(drawn("zb-h1", {2, 2}, {1, 1, 1, 0.5})) ==
        "zb-h1, 2 stages, 2 micro-batches: makespan 8 ms, bubble 25 %\n"
        "0 FFFF....BBWWBBWW\n"
        "1 ...FFBBFFBBWWWW.\n"
        "  |0        |5\n"
        "one cell is 0.5 ms\n");
  CHECK(terminal_of(drawn("dualpipe-v", {2, 4}, {1, 1, 1, 0})) ==
        "dualpipe-v, 2 stages, 4 micro-batches: makespan 26 ms, bubble 7.7 %\n"
        "0 FFFfbwf&&&.&&&gg.&&&ggBWBW\n"
        "1 .FfFf&&&&&&&&&&&&ggGG.bBwW\n"
        "  |0                  |20\n"
        "one cell is 1 ms; lower case: chunks other than 0; &: a pair that overlaps\n");
}

TEST_CASE("times that do not fit are scaled to the columns, and so said", "[unit]") {
  const ScheduleDrawing drawing = drawn("zb-h1", {12, 48}, {18.522, 18.086, 9.337, 0.601});
  for (const int columns : {40, 100, 200}) {
    const auto lines = split(terminal_of(drawing, {.columns = columns}), '\n');
    REQUIRE(lines.size() == 16);  // the last is empty
    for (std::size_t rank = 0; rank < 12; ++rank) {
      CHECK(lines[rank + 1].size() == static_cast<std::size_t>(columns));
    }
    CHECK(lines[13].size() <= static_cast<std::size_t>(columns));
    CHECK_THAT(lines[14], Catch::EndsWith(" ms: the letter of what takes most of it"));
    // What a rank does most of the time is what most of its cells say.
    const auto busy =
        std::count_if(lines[1].begin() + 3, lines[1].end(), [](char c) { return c != '.'; });
    const double share = drawing.simulated.ranks[0].busy_ms / drawing.simulated.makespan_ms;
    CHECK(static_cast<double>(busy) / (columns - 3) == Approx(share).margin(0.1));
  }
}

TEST_CASE("a cell shows what takes most of it, ranks end where they end", "[unit]") {
  ScheduleDrawing drawing;
  drawing.title = "odd";
  drawing.schedule = schedule_from_text("0: F0 F1 B0 W0 B1 W1\n", "test").value();
  // 100 ms in 98 columns.
  drawing.simulated = simulate(drawing.schedule, {{10, 35.3, 4.7, 0}}).value();
  const auto lines = split(terminal_of(drawing), '\n');
  CHECK(lines[1] == "0 " + std::string(20, 'F') + std::string(34, 'B') + std::string(5, 'W') +
                        std::string(34, 'B') + std::string(5, 'W'));
  // On a longer scale it ends earlier, and no bubble is made up behind.
  const auto half = split(terminal_of(drawing, {.horizon_ms = 200.0}), '\n');
  CHECK(half[1].size() == 2 + 49);
  CHECK(half[1].find('.') == std::string::npos);
}

TEST_CASE("lost ranks and schedules without times have pictures in letters too", "[unit]") {
  ScheduleDrawing drawing;
  drawing.title = "degraded";
  drawing.schedule = schedule_from_text("0: F0 G0 F1 G1\n1:\n", "test", 2).value();
  drawing.simulated = simulate(drawing.schedule, {{1, 1, 1, 0}}).value();
  CHECK(terminal_of(drawing) ==
        "degraded: makespan 6 ms, bubble 0 %\n0 FGGFGG\n1 lost\n  |0\none cell is 1 ms\n");
  drawing.simulated = simulate(drawing.schedule, {{0, 0, 0, 0}}).value();
  CHECK(terminal_of(drawing) ==
        "degraded: makespan 0 ms, bubble 0 %\n0 \n1 lost\nnothing takes time\n");
}

}  // namespace planaria
