#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/schedule/draw.hpp>

#include "cli/commands.hpp"
#include "cli/schedule_examine.hpp"
#include "cli/schedule_output.hpp"

namespace planaria::cli {
namespace {

/// Without memory where nothing holds any: no lines along the floor.
std::vector<ScheduleDrawing> pictured(std::vector<ScheduleDrawing> drawings) {
  for (ScheduleDrawing& drawing : drawings) {
    if (std::all_of(drawing.memory.begin(), drawing.memory.end(),
                    [](const RankMemory& rank) { return rank.peak_bytes == 0; })) {
      drawing.memory.clear();
    }
  }
  return drawings;
}

Result<void> write_pictures(const std::vector<ScheduleDrawing>& drawings,
                            const ScheduleFlags& flags) {
  const auto shown = pictured(drawings);
  if (flags.svg) PLANARIA_TRY_VOID(write_file_atomically(*flags.svg, svg_of(shown)));
  if (flags.html) PLANARIA_TRY_VOID(write_file_atomically(*flags.html, html_of(shown)));
  return {};
}

int refuted(const ScheduleInputs& inputs, const Fault& fault, const ScheduleFlags& flags) {
  const std::string sentence = *flags.check + ": " + fault.sentence;
  if (flags.json) {
    const int printed = print_result(json_of_refuted(inputs, fault.sentence).dump(), flags.output);
    if (printed != 0) return printed;
  }
  return failed({fault.kind, sentence});
}

std::vector<std::string> remarks_of(const ScheduleDrawing& drawing, const std::string& remark,
                                    const ScheduleInputs& inputs, const ScheduleFlags& flags) {
  std::vector<std::string> remarks;
  if (flags.check) remarks.emplace_back("proven: every action is there, in order, and can run");
  if (!remark.empty()) remarks.push_back(remark);
  if (flags.staggered) {
    remarks.push_back(
        fmt::format("period {} ms, the largest span", drawing.simulated.largest_span_ms));
  }
  if (inputs.width > 1) {
    remarks.push_back(fmt::format("to be checked with --width {}", inputs.width));
  }
  return remarks;
}

int schedule(const ScheduleFlags& flags) {
  if (const auto together = check_together(flags); !together.ok()) return failed(together.fault());
  const auto inputs = read_inputs(flags);
  if (!inputs.ok()) return failed(inputs.fault());
  const ScheduleInputs& asked = inputs.value();
  Built built{.schedule = asked.placement, .bound_ms = {}, .remark = {}};
  if (!flags.check) {
    auto made = build_in_time(asked, flags);
    if (!made.ok()) return failed(made.fault());
    built = std::move(made).value();
  }
  const std::string remark = built.remark;
  auto examined = examine(std::move(built), asked, flags);
  if (!examined.ok()) {
    const bool is_refuted = flags.check && examined.fault().kind == FaultKind::infeasible;
    return is_refuted ? refuted(asked, examined.fault(), flags) : failed(examined.fault());
  }
  std::vector<ScheduleDrawing> drawings{std::move(examined).value()};
  if (const auto fits = check_limits(drawings[0], asked, flags); !fits.ok()) {
    return failed(fits.fault());
  }
  if (flags.compare) {
    auto second = compared(asked, flags);
    if (!second.ok()) return failed(second.fault());
    drawings.push_back(std::move(second).value());
  }
  if (const auto drawn = write_pictures(drawings, flags); !drawn.ok()) return failed(drawn.fault());
  if (flags.json) {
    return print_result(json_of(drawings[0], asked, flags.staggered).dump(), flags.output);
  }
  return print_result(
      text_of_all(pictured(drawings), remarks_of(drawings[0], remark, asked, flags)), flags.output);
}

}  // namespace

void add_schedule(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand("schedule", "Build a schedule, prove it, say what it takes");
  sub->footer(
      "Prints a picture and the text form, which --check reads again. Costs and bytes are per "
      "chunk.\n"
      "Exit status 1 when the schedule is refuted, or none fits.\n\n"
      "  planaria schedule --kind zb-h1 --stages 4 --micro-batches 8 --html page.html\n"
      "  planaria schedule --check schedule.txt");
  auto flags = std::make_shared<ScheduleFlags>();
  add_schedule_options(*sub, *flags);
  sub->callback([flags, &action] { action = [flags] { return schedule(*flags); }; });
}

}  // namespace planaria::cli
