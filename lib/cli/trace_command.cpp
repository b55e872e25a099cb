// `planaria trace`: what a record of machines says, in another form, and as a picture.
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <fmt/format.h>

#include <planaria/availability/describe.hpp>
#include <planaria/availability/trace_writing.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>

#include "cli/commands.hpp"
#include "cli/option_ranges.hpp"
#include "cli/trace_generate.hpp"
#include "cli/trace_picture.hpp"
#include "cli/trace_reading_options.hpp"
#include "cli/trace_report.hpp"

namespace planaria::cli {
namespace {

struct TraceFlags {
  std::string path, output;
  TraceReadingFlags reading;
  bool json = false;
};

struct ConvertFlags : TraceFlags {
  std::string to;
  std::optional<double> tick_s;
};

struct PlotFlags : TraceFlags {
  std::string title;
};

std::string name_of_file(const std::string& path) {
  const std::filesystem::path file(path);
  return printable(file.has_filename() ? file.filename().string() : path, 200);
}

std::string report(const Trace& trace, const TraceFlags& flags) {
  const TraceSummary summary = describe(trace);
  return flags.json ? to_json(summary).dump() : text_of(summary, name_of_file(flags.path));
}

int describe_trace(const TraceFlags& flags) {
  const auto trace = read_trace_as_told(flags.path, flags.reading);
  if (!trace.ok()) return failed(trace.fault());
  return print_result(report(trace.value(), flags), flags.output);
}

/// What the other form cannot hold is told, not hidden.
void tell_what_is_lost(const Trace& from, const Trace& to) {
  const double before_ms = static_cast<double>(from.end_ms - from.first_ms);
  const double after_ms = static_cast<double>(to.end_ms - to.first_ms);
  if (before_ms == after_ms) return;
  fmt::print(stderr, "note: {} becomes {}, as {} has it\n", text_of_span_ms(before_ms),
             text_of_span_ms(after_ms),
             to.form == TraceForm::events ? "its first and last event" : "the last tick");
}

int convert(const ConvertFlags& flags) {
  const auto trace = read_trace_as_told(flags.path, flags.reading);
  if (!trace.ok()) return failed(trace.fault());
  const auto written = trace_text_as(trace.value(), flags.to, flags.tick_s);
  if (!written.ok()) return failed(written.fault());
  const auto again = trace_from_text(written.value(), "the converted trace", {});
  if (!again.ok()) return failed(again.fault());
  if (flags.output.empty()) {
    fmt::print("{}", written.value());
  } else {
    const auto done = write_file_atomically(flags.output, written.value());
    if (!done.ok()) return failed(done.fault());
  }
  tell_what_is_lost(trace.value(), again.value());
  return flags.json ? print_result(to_json(describe(again.value())).dump(), "") : 0;
}

int plot(const PlotFlags& flags) {
  const auto trace = read_trace_as_told(flags.path, flags.reading);
  if (!trace.ok()) return failed(trace.fault());
  const std::string title = flags.title.empty() ? name_of_file(flags.path) : flags.title;
  const auto done = write_file_atomically(flags.output, trace_picture(trace.value(), title));
  if (!done.ok()) return failed(done.fault());
  return flags.json ? print_result(report(trace.value(), flags), "") : 0;
}

void add_file(CLI::App& sub, TraceFlags& flags) {
  sub.add_option("FILE", flags.path, "A record of machines; a folder of probes' rounds")
      ->required()
      ->type_name("");
  add_trace_reading(sub, flags.reading);
}

void add_describe(CLI::App& trace, Action& action) {
  auto* sub = trace.add_subcommand("describe", "Say how many machines there were, came and went");
  sub->footer("  planaria trace describe p3-trace.csv");
  auto flags = std::make_shared<TraceFlags>();
  add_file(*sub, *flags);
  sub->add_flag("--json", flags->json, "Print one JSON object");
  sub->add_option("-o", flags->output, "Write the answer to FILE in place of stdout")
      ->type_name("FILE");
  sub->callback([flags, &action] { action = [flags] { return describe_trace(*flags); }; });
}

void add_convert(CLI::App& trace, Action& action) {
  auto* sub = trace.add_subcommand("convert", "Write a record in another form");
  sub->footer(
      "events: milliseconds,add|remove,node; counts: JSON with a count for every tick.\n\n"
      "  planaria trace convert p3-trace.csv --to counts -o p3.json");
  auto flags = std::make_shared<ConvertFlags>();
  add_file(*sub, *flags);
  sub->add_option("--to", flags->to, "The form to write: events or counts")
      ->required()
      ->type_name("NAME");
  sub->add_option("--tick-s", flags->tick_s,
                  "Seconds of a tick of counts. 0.001 to 86400000; default: the longest in which "
                  "nothing is lost")
      ->check(between(0.001, 86'400'000.0))
      ->type_name("T");
  auto* output = sub->add_option("-o", flags->output, "Write it to FILE in place of stdout")
                     ->type_name("FILE");
  sub->add_flag("--json", flags->json,
                "Print what the written trace says as one JSON object. With -o")
      ->needs(output);
  sub->callback([flags, &action] { action = [flags] { return convert(*flags); }; });
}

void add_plot(CLI::App& trace, Action& action) {
  auto* sub = trace.add_subcommand("plot", "Draw machines over time");
  sub->footer("  planaria trace plot p3-trace.csv -o p3.svg");
  auto flags = std::make_shared<PlotFlags>();
  add_file(*sub, *flags);
  sub->add_option("--title", flags->title, "What stands above it; default: the file's name")
      ->type_name("TEXT");
  sub->add_flag("--json", flags->json, "Print what the trace says as one JSON object");
  sub->add_option("-o", flags->output, "Write the SVG to FILE")->required()->type_name("FILE");
  sub->callback([flags, &action] { action = [flags] { return plot(*flags); }; });
}

}  // namespace

Result<std::string> trace_text_as(const Trace& trace, const std::string& form,
                                  std::optional<double> tick_s) {
  if (form == "counts") {
    std::optional<std::int64_t> tick_ms;
    if (tick_s) tick_ms = std::llround(*tick_s * 1000);
    auto text = counts_text(trace, tick_ms);
    if (text.ok()) return text;
    return Fault::invalid_input("--" + text.fault().sentence);
  }
  if (form != "events") {
    return Fault::invalid_input(fmt::format("--to: {}, must be events or counts", printable(form)));
  }
  if (tick_s) return Fault::invalid_input("--tick-s: told for events, must be for counts");
  std::string text = events_text(trace);
  if (!text.empty()) return text;
  return Fault::invalid_input("--to: events, must be counts where no machine is ever there");
}

void add_trace(CLI::App& app, Action& action) {
  auto* trace = app.add_subcommand("trace", "Read, convert, draw and make up records of machines");
  trace->footer(
      "Records of preemptible machines in eight published forms, told apart by their content.\n\n"
      "  planaria trace describe p3-trace.csv");
  trace->require_subcommand(1);
  add_describe(*trace, action);
  add_convert(*trace, action);
  add_generate(*trace, action);
  add_plot(*trace, action);
}

}  // namespace planaria::cli
