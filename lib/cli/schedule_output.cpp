#include "cli/schedule_output.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <planaria/base/text.hpp>

namespace planaria::cli {
namespace {

constexpr int picture_columns = 98;  // 100 with "# "

std::string commented(const std::string& text) {
  std::string lines;
  for (const std::string& line : split(text, '\n')) {
    if (!line.empty()) lines += "# " + line + "\n";
  }
  return lines;
}

Json ranks_of(const ScheduleDrawing& drawing) {
  Json ranks = Json::array();
  for (std::size_t rank = 0; rank < drawing.schedule.ranks.size(); ++rank) {
    const SimulatedRank& of = drawing.simulated.ranks[rank];
    ranks.push_back({{"actions", actions_text(drawing.schedule, static_cast<int>(rank))},
                     {"span_ms", of.span_ms},
                     {"peak_memory_bytes", drawing.memory[rank].peak_bytes},
                     {"peak_in_flight", of.peak_in_flight}});
  }
  return ranks;
}

Json events_of(const ScheduleDrawing& drawing) {
  Json events = Json::array();
  for (std::size_t rank = 0; rank < drawing.schedule.ranks.size(); ++rank) {
    const auto& actions = drawing.schedule.ranks[rank];
    const auto& times = drawing.simulated.ranks[rank].actions;
    for (std::size_t at = 0; at < actions.size(); at += parts_at(actions, at)) {
      events.push_back({{"rank", rank},
                        {"action", text_of(drawing.schedule, static_cast<int>(rank), at)},
                        {"start_ms", times[at].start_ms},
                        {"end_ms", times[at].end_ms}});
    }
  }
  return events;
}

}  // namespace

Json json_of(const ScheduleDrawing& drawing, const ScheduleInputs& inputs, bool staggered) {
  const Schedule& schedule = drawing.schedule;
  Json json = {{"version", 1},
               {"kind", inputs.kind},
               {"placement", name_of(schedule.placement)},
               {"chunks", schedule.chunks},
               {"stages", schedule.depth()},
               {"micro_batches", inputs.shape.micro_batches},
               {"makespan_ms", drawing.simulated.makespan_ms},
               {"bubble_rate", drawing.simulated.bubble_rate},
               {"ranks", ranks_of(drawing)},
               {"events", events_of(drawing)},
               {"deadlock_free", true},
               {"bound_ms", drawing.bound_ms ? Json(*drawing.bound_ms) : Json()}};
  if (inputs.asked_width) {
    json["width"] = schedule.width;
    json["lost"] = inputs.lost.empty()
                       ? std::vector<int>(static_cast<std::size_t>(schedule.depth()))
                       : inputs.lost;
  }
  if (staggered) json["period_ms"] = drawing.simulated.largest_span_ms;
  return json;
}

Json json_of_refuted(const ScheduleInputs& inputs, const std::string& why) {
  return {{"version", 1},
          {"kind", inputs.kind},
          {"placement", name_of(inputs.placement.placement)},
          {"chunks", inputs.placement.chunks},
          {"stages", inputs.shape.stages},
          {"micro_batches", inputs.shape.micro_batches},
          {"deadlock_free", false},
          {"counterexample", why}};
}

std::string text_of_all(const std::vector<ScheduleDrawing>& drawings,
                        const std::vector<std::string>& remarks) {
  double horizon_ms = 0;
  for (const ScheduleDrawing& drawing : drawings) {
    horizon_ms = std::max(horizon_ms, drawing.simulated.makespan_ms);
  }
  std::string text;
  for (const ScheduleDrawing& drawing : drawings) {
    text += commented(terminal_of(drawing, {.columns = picture_columns, .horizon_ms = horizon_ms}));
  }
  for (const std::string& remark : remarks) text += commented(remark);
  text += text_of(drawings.front().schedule);
  text.pop_back();  // print_result() ends the last line
  return text;
}

std::string title_of(const std::string& name, const ScheduleInputs& inputs) {
  const std::string shape = counted(inputs.shape.stages, "stage") + ", " +
                            counted(inputs.shape.micro_batches, "micro-batch", "es");
  if (inputs.width == 1) return name + ", " + shape;
  std::string title =
      fmt::format("{}, {} of {} each", name, counted(inputs.width, "pipeline"), shape);
  for (std::size_t stage = 0; stage < inputs.lost.size(); ++stage) {
    if (inputs.lost[stage] > 0)
      title += fmt::format(", {} of stage {} lost", inputs.lost[stage], stage);
  }
  return title;
}

}  // namespace planaria::cli
