// What reads a schedule's text form, and what is done with it.
#include <cstdint>

#include <fmt/format.h>

#include <planaria/schedule/actions.hpp>
#include <planaria/schedule/draw.hpp>
#include <planaria/schedule/memory.hpp>
#include <planaria/schedule/simulate.hpp>
#include <planaria/schedule/validate.hpp>

#include "fuzz/json_values.hpp"

namespace planaria::test {
namespace {

std::size_t actions_in(const Schedule& schedule) {
  std::size_t actions = 0;
  for (const auto& rank : schedule.ranks) actions += rank.size();
  return actions;
}

/// A schedule that was proven runs to its end.
void take_proven(const Schedule& schedule, const std::vector<StageCosts>& costs) {
  const auto simulated = simulate(schedule, costs);
  if (!simulated) throw BrokenPromise("what is proven runs: " + simulated.fault().sentence);
  const auto stages = static_cast<std::size_t>(schedule.stages());
  const auto memory = memory_of(schedule, std::vector<StageMemory>(stages, {100, 10, 1}));
  for (const RankMemory& rank : memory) {
    const std::int64_t left = rank.after_bytes.empty() ? 0 : rank.after_bytes.back();
    hold(left == 0, fmt::format("a whole step leaves nothing behind, not {} bytes", left));
  }
  const ScheduleDrawing drawing{"any", schedule, simulated.value(), memory, {}, std::nullopt};
  hold(svg_of({drawing}).ends_with("</svg>\n"), "what runs can be drawn");
  hold(!terminal_of(drawing).empty(), "what runs can be drawn in letters");
}

void take_schedule(const Schedule& schedule) {
  constexpr std::size_t stages_simulated = 1000;
  const auto stages = static_cast<std::size_t>(schedule.stages());
  const auto order = validate(schedule);
  if (!order) hold_sentence(order.fault());
  if (order) hold(order.value().size() == actions_in(schedule), "every action fires once");
  if (stages > stages_simulated) return;
  const std::vector<StageCosts> costs(stages, {1, 2, 1, 0.5, std::nullopt});
  if (order) {
    take_proven(schedule, costs);
  } else if (const auto simulated = simulate(schedule, costs); !simulated) {
    hold_sentence(simulated.fault());
  }
}

}  // namespace

std::optional<Fault> read_schedule(std::string_view text) {
  std::optional<Fault> refusal;
  for (const int width : {2, 1}) {
    const auto schedule = schedule_from_text(text, source_name, width);
    if (!schedule) {
      refusal = refusal_of(schedule.fault());
      continue;
    }
    const std::string written = text_of(schedule.value());
    const auto again = schedule_from_text(written, source_name, width);
    if (!again) throw BrokenPromise("what was written is refused: " + again.fault().sentence);
    hold(again.value() == schedule.value(), "what was written reads back as the same: " + written);
    take_schedule(schedule.value());
    refusal.reset();
  }
  return refusal;
}

}  // namespace planaria::test
