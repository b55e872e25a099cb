#include <planaria/schedule/actions.hpp>

#include <catch2/catch.hpp>

#include <planaria/schedule/builders.hpp>

namespace planaria {
namespace {

std::string reading_of(const std::string& text) {
  const auto result = schedule_from_text(text, "my.schedule");
  if (result.ok()) return "read";
  CHECK(result.fault().kind == FaultKind::invalid_input);
  return result.fault().sentence;
}

}  // namespace

TEST_CASE("an action is written as chunk, kind and micro-batch", "[unit]") {
  CHECK(text_of(Action{ActionKind::forward, 3, 0}) == "F3");
  CHECK(text_of(Action{ActionKind::backward_input, 12, 1}) == "1B12");
  CHECK(text_of(Action{ActionKind::backward_weight, 0, 0}) == "W0");
  CHECK(text_of(Action{ActionKind::backward, 7, 0}) == "G7");
  CHECK(text_of(Action{ActionKind::recompute, 7, 0}) == "R7");
}

TEST_CASE("a schedule survives its text form", "[unit]") {
  for (const std::string& kind : schedule_kinds()) {
    for (int p = 1; p <= 4; ++p) {
      for (int m = 1; m <= 9; ++m) {
        const auto schedule = build_schedule(kind, {p, m});
        if (!schedule.ok()) continue;  // not for that shape
        INFO(kind << "\n" << text_of(schedule.value()));
        CHECK(schedule_from_text(text_of(schedule.value()), "test").value() == schedule.value());
      }
    }
  }
  CHECK(text_of(gpipe({2, 2})) == "0: F0 F1 G0 G1\n1: F0 F1 G0 G1\n");
}

TEST_CASE("comments, blanks, an explicit chunk 0 and the order of lines do not matter", "[unit]") {
  const std::string text =
      "# made by hand\n"
      "# placement: single\n"
      "\n"
      "  1 :  0F0\tG0  \r\n"
      "0: F0 0B0 W0";
  const Schedule schedule = schedule_from_text(text, "test").value();
  CHECK(schedule.micro_batches == 1);
  CHECK(schedule.stages() == 2);
  CHECK(text_of(schedule) == "0: F0 B0 W0\n1: F0 G0\n");
  CHECK(schedule_from_text("0:\n", "test").value().micro_batches == 0);  // validate() judges that
}

TEST_CASE("text that cannot be read is refused by source, line, column and token", "[unit]") {
  const std::string shape =
      "must be [chunk]kind[micro-batch] like F3 or 0B3, or two of them with & between, kind one of "
      "F B W G R, numbers 0 to 999999";
  CHECK(reading_of("0: F0 X0\n") == "my.schedule: line 1, column 7: X0: " + shape);
  CHECK(reading_of("# fine\n0: F0 F\n") == "my.schedule: line 2, column 7: F: " + shape);
  CHECK(reading_of("  0:\tF-1\n") == "my.schedule: line 1, column 6: F-1: " + shape);
  CHECK(reading_of("0: F1000000\n") == "my.schedule: line 1, column 4: F1000000: " + shape);
  CHECK(reading_of("0: F99999999999999\n") ==
        "my.schedule: line 1, column 4: F99999999999999: " + shape);
  CHECK(reading_of("0: F0G0\n") == "my.schedule: line 1, column 4: F0G0: " + shape);
  CHECK(reading_of("0: f0\n") == "my.schedule: line 1, column 4: f0: " + shape);
  CHECK(reading_of("0: -1F0\n") == "my.schedule: line 1, column 4: -1F0: " + shape);
  CHECK(reading_of("0: F0&\n") == "my.schedule: line 1, column 4: F0&: " + shape);
  CHECK(reading_of("0: F0&B1&F1\n") == "my.schedule: line 1, column 4: F0&B1&F1: " + shape);
  CHECK(reading_of("F0 G0\n") ==
        "my.schedule: line 1, column 1: F0, must be a rank, a colon and its actions");
  CHECK(reading_of(": F0 G0\n") ==
        "my.schedule: line 1, column 1: :, must be a rank, a colon and its actions");
  CHECK(reading_of("-1: F0 G0\n") ==
        "my.schedule: line 1, column 1: -1:, must be a rank, a colon and its actions");
  CHECK(reading_of("0: F0 G0\n 0: F0 G0\n") ==
        "my.schedule: line 2, column 2: rank 0, must not be there twice");
  CHECK(reading_of("0: F0 G0\n2: F0 G0\n") ==
        "my.schedule: rank 1: missing, must have a line: ranks go up to 2");
  CHECK(reading_of("") == "my.schedule: no ranks, must be at least 1");
  CHECK(reading_of("# nothing\n") == "my.schedule: no ranks, must be at least 1");
}

TEST_CASE("how many chunks there may be follows from the placement", "[unit]") {
  CHECK(reading_of("0: F0 1F0\n") ==
        "my.schedule: line 1, column 7: 1F0: chunk 1, must be 0: placement is single; a line "
        "\"# placement: loop\" or \"# placement: v\" says otherwise");
  CHECK(reading_of("# placement: v\n0: 0F0 2F0\n") ==
        "my.schedule: line 2, column 8: 2F0: chunk 2, must be 0 or 1 with placement v");
  CHECK(reading_of("# placement: ring\n0: F0 G0\n") ==
        "my.schedule: line 1, column 14: placement: ring, must be single, loop or v");
  const Schedule loop = schedule_from_text("0: 0F0 2F0\n# placement: loop\n1:\n", "test").value();
  CHECK(loop.placement == Placement::loop);
  CHECK(loop.chunks == 3);
  CHECK(schedule_from_text("#placement:v\n0: F0 G0\n", "test").value().chunks == 2);
}

TEST_CASE("an overlapped pair is one word of two actions", "[unit]") {
  const std::string text = "# placement: v\n0: 0F0 1F0&0G1 1R0\n";
  const Schedule schedule = schedule_from_text(text, "test").value();
  const std::vector<Action> expected{{ActionKind::forward, 0, 0},
                                     {ActionKind::forward, 0, 1, true},
                                     {ActionKind::backward, 1, 0},
                                     {ActionKind::recompute, 0, 1}};
  CHECK(schedule.ranks[0] == expected);
  CHECK(text_of(schedule) == text);
  CHECK(text_of(schedule, 0, 1) == "1F0&0G1");
}

TEST_CASE("several pipelines run one schedule: the width divides the ranks", "[unit]") {
  const Schedule schedule = schedule_from_text("0: F0\n1:\n2:\n3:\n", "test", 2).value();
  CHECK(schedule.width == 2);
  CHECK(schedule.depth() == 2);
  CHECK(schedule.stage_of(3, 0) == 1);
  const auto refused = schedule_from_text("0: F0\n1:\n2:\n", "test", 2);
  CHECK(refused.fault() ==
        Fault::invalid_input("test: 3 ranks, must be a multiple of the width, 2"));
}

TEST_CASE("a chunk is a stage by the placement's rule", "[unit]") {
  Schedule schedule = gpipe({3, 1});
  CHECK(schedule.stage_of(2, 0) == 2);
  schedule.chunks = 2;
  schedule.placement = Placement::loop;
  CHECK(schedule.stages() == 6);
  CHECK(schedule.stage_of(1, 0) == 1);
  CHECK(schedule.stage_of(1, 1) == 4);
  CHECK(text_of(schedule).starts_with("# placement: loop\n0: 0F0 0G0\n"));
  schedule.placement = Placement::v;
  CHECK(schedule.stage_of(0, 1) == 5);
  CHECK(schedule.stage_of(2, 1) == 3);
}

}  // namespace planaria
