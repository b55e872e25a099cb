#include "cli/trace_reading_options.hpp"

#include <fmt/format.h>

#include <planaria/base/text.hpp>

namespace planaria::cli {

void add_trace_reading(CLI::App& sub, TraceReadingFlags& flags) {
  sub.add_option("--trace-kind", flags.kind,
                 "The record's form: events, replay, count-events, staircase, counts, "
                 "availability, count-log, probes; default: by its content")
      ->type_name("NAME");
  sub.add_flag("--strict", flags.strict,
               "Refuse what is odd: times going backward, machines added twice or removed unknown, "
               "gaps, overlaps; default: count and report it");
  sub.add_flag("--inverted", flags.inverted,
               "0 and 1 mean the opposite: 1 is preempted. Only counts and availability");
  sub.add_option("--time-unit", flags.time_unit,
                 "What the times of a staircase are, s or h; default: h where any has a decimal "
                 "point, else s")
      ->type_name("s|h");
  sub.add_option("--zone", flags.zone, "Which zone of probes; default all: their sum")
      ->type_name("NAME");
}

Result<Trace> read_trace_as_told(const std::string& path, const TraceReadingFlags& flags) {
  TraceReading reading;
  reading.strict = flags.strict;
  reading.inverted = flags.inverted;
  reading.zone = flags.zone;
  if (!flags.kind.empty()) {
    reading.form = trace_form_named(flags.kind);
    if (!reading.form) {
      return Fault::invalid_input(fmt::format("--trace-kind: {}, must be one of {}",
                                              printable(flags.kind), trace_form_names()));
    }
  }
  if (!flags.time_unit.empty()) {
    if (flags.time_unit != "s" && flags.time_unit != "h") {
      return Fault::invalid_input(
          fmt::format("--time-unit: {}, must be s or h", printable(flags.time_unit)));
    }
    reading.time_unit = flags.time_unit == "h" ? TimeUnit::hours : TimeUnit::seconds;
  }
  return read_trace(path, reading);
}

}  // namespace planaria::cli
