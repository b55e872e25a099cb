// What reads a schedule's text form, its stages' costs and their jitter, and what is done with
// them.
#include <cmath>
#include <cstdint>

#include <fmt/format.h>

#include <planaria/schedule/actions.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/draw.hpp>
#include <planaria/schedule/memory.hpp>
#include <planaria/schedule/simulate.hpp>
#include <planaria/schedule/validate.hpp>

#include "cli/stage_terms.hpp"
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

std::optional<Fault> read_costs(std::string_view text) {
  const auto terms = read_value(text, cli::costs_from_json);
  if (!terms) return refusal_of(terms.fault());
  const auto& [costs, memory, limit_bytes, recompute, workers] = terms.value();
  hold(memory.size() == costs.size(), "every stage has a memory");
  hold(limit_bytes.empty() || limit_bytes.size() == costs.size(), "all limits or none");
  constexpr std::size_t stages_simulated = 20;
  if (costs.size() > stages_simulated) return std::nullopt;
  const Schedule schedule =
      one_forward_one_backward({.stages = static_cast<int>(costs.size()), .micro_batches = 3});
  const auto simulated = simulate(schedule, costs);
  hold(simulated.ok() && std::isfinite(simulated.value().makespan_ms), "what is read has an end");
  for (const RankMemory& rank : memory_of(schedule, memory)) {
    hold(rank.after_bytes.back() == 0, "a whole step leaves nothing behind");
  }
  return std::nullopt;
}

std::optional<Fault> read_jitter(std::string_view text) {
  const auto json = parse_json(text, source_name, json_file_limits);
  if (!json) return refusal_of(json.fault());
  const auto jitter = cli::jitter_from_json(json.value(), source_name, 7);
  if (!jitter) return refusal_of(jitter.fault());
  const Schedule schedule = one_forward_one_backward({.stages = 2, .micro_batches = 3});
  const std::vector<StageCosts> costs(2, {1, 2, 1, 0.5, std::nullopt});
  const auto simulated = simulate(schedule, costs, {.jitter = &jitter.value()});
  hold(simulated.ok() && std::isfinite(simulated.value().makespan_ms), "what is read has an end");
  return std::nullopt;
}

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
