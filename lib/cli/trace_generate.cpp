#include "cli/trace_generate.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include <planaria/availability/describe.hpp>
#include <planaria/availability/generate.hpp>
#include <planaria/availability/trace_law.hpp>
#include <planaria/availability/trace_text.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>

#include "cli/option_ranges.hpp"
#include "cli/trace_reading_options.hpp"
#include "cli/trace_report.hpp"

namespace planaria::cli {
namespace {

constexpr int machines_most = TraceLimits::machines_max;

struct GenerateFlags {
  std::string like, hazard, loss_bursts, join_bursts, output;
  std::string to = "events";
  TraceReadingFlags reading;
  std::optional<double> mean_machines, hours, storm_strength, storm_min, day_strength, day_peak_h;
  std::optional<int> machines_max, initial, zones;
  int tick_s = 60;
  std::uint64_t seed = 1;
  bool json = false;
};

/// "0:0.9,60:0.3" as pairs.
Result<std::vector<std::pair<double, double>>> pairs_of(const std::string& text, const char* option,
                                                        const char* allowed) {
  std::vector<std::pair<double, double>> pairs;
  for (const std::string& part : split(text, ',')) {
    const std::size_t colon = part.find(':');
    std::pair<double, double> pair;
    const bool is_pair = colon != std::string::npos &&
                         CLI::detail::lexical_cast(part.substr(0, colon), pair.first) &&
                         CLI::detail::lexical_cast(part.substr(colon + 1), pair.second);
    if (!is_pair) {
      return Fault::invalid_input(
          fmt::format("{}: {}, must be {}", option, printable(part), allowed));
    }
    pairs.push_back(pair);
  }
  return pairs;
}

Result<void> read_bursts(const std::string& text, const char* option,
                         std::vector<BurstSize>& sizes) {
  if (text.empty()) return {};
  constexpr const char* allowed = "machines:weight such as 1:0.7,4:0.3, machines from 1 to 10000";
  PLANARIA_TRY(pairs, pairs_of(text, option, allowed));
  sizes.clear();
  for (const auto& [machines, weight] : pairs) {
    if (!(machines >= 1 && machines <= machines_most) || machines != std::floor(machines)) {
      return Fault::invalid_input(fmt::format("{}: {}, must be {}", option, machines, allowed));
    }
    sizes.push_back({static_cast<int>(machines), weight});
  }
  return {};
}

/// A law's number as its option: "mean_machines: 9, must be …" as "--mean-machines: 9, must be …".
Fault as_option(const Fault& fault) {
  std::string sentence = "--" + fault.sentence;
  const std::size_t end = sentence.find_first_of("[:");
  std::replace(sentence.begin(), sentence.begin() + static_cast<std::ptrdiff_t>(end), '_', '-');
  return {fault.kind, sentence};
}

/// What stands in the options in place of what the law would have.
Result<void> overlay(const GenerateFlags& flags, TraceLaw& law) {
  if (flags.mean_machines) {
    if (!(*flags.mean_machines > 0 && *flags.mean_machines < machines_most)) {
      return Fault::invalid_input(fmt::format("--mean-machines: {}, must be above 0 and below {}",
                                              *flags.mean_machines, machines_most));
    }
    law.mean_machines = *flags.mean_machines;
    law.initial = static_cast<int>(std::lround(law.mean_machines));
    if (flags.like.empty() || law.machines_max <= law.mean_machines) {
      const double a_third_more = std::ceil(law.mean_machines * 4 / 3) + 1;
      law.machines_max = static_cast<int>(std::min(a_third_more, double{machines_most}));
    }
  }
  if (flags.machines_max) law.machines_max = *flags.machines_max;
  law.initial = flags.initial.value_or(std::min(law.initial, law.machines_max));
  law.storm_strength = flags.storm_strength.value_or(law.storm_strength);
  law.storm_min = flags.storm_min.value_or(law.storm_min);
  law.day_strength = flags.day_strength.value_or(law.day_strength);
  law.day_peak_h = flags.day_peak_h.value_or(law.day_peak_h);
  law.zones = flags.zones.value_or(law.zones);
  if (!flags.hazard.empty()) {
    PLANARIA_TRY(pairs, pairs_of(flags.hazard, "--hazard",
                                 "minutes:losses per machine-hour such as 0:0.9,60:0.3"));
    law.hazard.clear();
    for (const auto& [from_min, per_hour] : pairs) law.hazard.push_back({from_min, per_hour});
  }
  PLANARIA_TRY_VOID(read_bursts(flags.loss_bursts, "--loss-bursts", law.loss_bursts));
  return read_bursts(flags.join_bursts, "--join-bursts", law.join_bursts);
}

struct Generated {
  TraceLaw law;
  Trace trace;
  std::string text;
};

Result<Generated> generated(const GenerateFlags& flags) {
  if (flags.like.empty() && !flags.mean_machines) {
    return Fault::invalid_input(
        "--mean-machines: missing, must be a number above 0 where no --like FILE says it");
  }
  Generated made;
  GenerateOptions options{.hours = 24, .seed = flags.seed, .tick_s = flags.tick_s};
  if (!flags.like.empty()) {
    PLANARIA_TRY(like, read_trace_as_told(flags.like, flags.reading));
    PLANARIA_TRY(law, fit_law(like));
    made.law = law;
    options.hours = std::max(static_cast<double>(like.end_ms - like.first_ms) / 3'600'000, 0.001);
  }
  options.hours = flags.hours.value_or(options.hours);
  PLANARIA_TRY_VOID(overlay(flags, made.law));
  auto trace = generate(made.law, options);
  if (!trace.ok()) return as_option(trace.fault());
  made.trace = std::move(trace).value();
  const std::optional<double> tick_s =
      flags.to == "counts" ? std::optional<double>(flags.tick_s) : std::nullopt;
  PLANARIA_TRY(text, trace_text_as(made.trace, flags.to, tick_s));
  made.text = std::move(text);
  return made;
}

int run_generate(const GenerateFlags& flags) {
  const auto found = generated(flags);
  if (!found.ok()) return failed(found.fault());
  const Generated& made = found.value();
  if (!flags.output.empty()) {
    const auto done = write_file_atomically(flags.output, made.text);
    if (!done.ok()) return failed(done.fault());
  }
  if (flags.json) {
    return print_result(
        Json{{"version", 1}, {"law", to_json(made.law)}, {"trace", to_json(describe(made.trace))}}
            .dump(),
        "");
  }
  if (flags.output.empty()) {
    fmt::print("{}", made.text);
    return 0;
  }
  return print_result(text_of(made.law) + "\n" + text_of(describe(made.trace), flags.output), "");
}

void add_law_options(CLI::App& sub, GenerateFlags& flags) {
  sub.add_option("--mean-machines", flags.mean_machines,
                 "Machines in the long run. Above 0, below --machines-max; default: as --like has")
      ->type_name("X");
  sub.add_option("--machines-max", flags.machines_max,
                 "Machines asked for: there are never more. 1 to 10000; default: as --like has, "
                 "or a third more than the mean")
      ->check(between(1, machines_most))
      ->type_name("N");
  sub.add_option("--initial", flags.initial,
                 "Machines at first. 0 to 10000, at most --machines-max; default: as --like has, "
                 "or the mean")
      ->check(between(0, machines_most))
      ->type_name("N");
  sub.add_option("--hazard", flags.hazard,
                 "Losses per machine-hour by a machine's age in minutes, ascending from 0, such as "
                 "0:0.9,60:0.3; default: as --like has, or 0:0.5")
      ->type_name("AGE:X,...");
  sub.add_option("--loss-bursts", flags.loss_bursts,
                 "How many are lost at once, each number with its weight, such as 1:0.7,4:0.3; "
                 "default: as --like has, or one")
      ->type_name("N:W,...");
  sub.add_option("--join-bursts", flags.join_bursts, "How many join at once, likewise")
      ->type_name("N:W,...");
  sub.add_option("--storm-strength", flags.storm_strength,
                 "Losses come in storms, so much above and below their mean in turn. 0 to 1; "
                 "default: as --like has, or 0")
      ->check(between(0.0, 1.0))
      ->type_name("X");
  sub.add_option("--storm-min", flags.storm_min,
                 "Minutes that a storm lasts on average, and the calm after it. 1 to 1440000; "
                 "default: as --like has, or 60")
      ->check(between(1.0, TraceLaw::age_min_max))
      ->type_name("T");
  sub.add_option("--day-strength", flags.day_strength,
                 "How much more are lost at --day-peak-h, and fewer twelve hours later. 0 to 1; "
                 "default 0")
      ->check(between(0.0, 1.0))
      ->type_name("X");
  sub.add_option("--day-peak-h", flags.day_peak_h,
                 "The hour of the day at which most are lost. 0 to 24; default 14")
      ->check(between(0.0, 24.0))
      ->type_name("H");
  sub.add_option("--zones", flags.zones,
                 "Zones that machines are spread over; what is lost at once is of one. 1 to 26; "
                 "default 1")
      ->check(between(1, 26))
      ->type_name("N");
}

}  // namespace

void add_generate(CLI::App& trace, Action& action) {
  auto* sub = trace.add_subcommand("generate", "Make up a record by a law, or like a given one");
  sub->footer(
      "Same options and seed, same bytes. The law: docs/availability.md.\n\n"
      "  planaria trace generate --mean-machines 24 --hazard 0:0.9,60:0.4 --hours 48 -o made.csv\n"
      "  planaria trace generate --like p3-trace.csv --hours 240 --seed 7 -o like.csv");
  auto flags = std::make_shared<GenerateFlags>();
  sub->add_option("--like", flags->like,
                  "The law of this record, in which further options change single numbers")
      ->type_name("FILE");
  add_trace_reading(*sub, flags->reading);
  add_law_options(*sub, *flags);
  sub->add_option("--hours", flags->hours,
                  "How long. Above 0, at most 24000; default: as --like has, or 24")
      ->type_name("H");
  sub->add_option("--tick-s", flags->tick_s,
                  "Seconds between moments at which machines come and go. 1 to 3600; default 60")
      ->check(between(1, 3600))
      ->type_name("T");
  sub->add_option("--seed", flags->seed,
                  "What it is drawn from. 0 to 18446744073709551615; default 1")
      ->check(natural())
      ->type_name("N");
  sub->add_option("--to", flags->to, "The form to write: events or counts; default events")
      ->type_name("NAME");
  sub->add_flag("--json", flags->json,
                "Print the law and what the trace says as one JSON object, the trace only with -o");
  sub->add_option("-o", flags->output, "Write the trace to FILE, and print what it says")
      ->type_name("FILE");
  sub->callback([flags, &action] { action = [flags] { return run_generate(*flags); }; });
}

}  // namespace planaria::cli
