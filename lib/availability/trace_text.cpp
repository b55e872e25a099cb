#include <planaria/availability/trace_text.hpp>

#include <utility>

#include <fmt/format.h>

#include "availability/trace_forms.hpp"

namespace planaria {
namespace {

using FormReader = Result<Trace> (*)(const TraceInput&);

FormReader reader_of(TraceForm form) {
  switch (form) {
    case TraceForm::events:
      return read_events;
    case TraceForm::replay:
      return read_replay;
    case TraceForm::count_events:
      return read_count_events;
    case TraceForm::staircase:
      return read_staircase;
    case TraceForm::counts:
      return read_tick_counts;
    case TraceForm::availability:
      return read_availability;
    case TraceForm::count_log:
      return read_count_log;
    case TraceForm::probes:
      break;
  }
  return nullptr;
}

Result<void> check_bytes(std::size_t bytes, const std::string& source) {
  if (bytes <= TraceLimits::bytes_max) return {};
  return Fault::invalid_input(
      fmt::format("{}: more than {} bytes, must be at most that", source, TraceLimits::bytes_max));
}

/// What was told and does not hold for the form.
Result<void> check_reading(TraceForm form, const std::string& source, const TraceReading& reading) {
  const auto misplaced = [&](const char* what, const char* allowed) {
    return Fault::invalid_input(
        fmt::format("{}: {}: told for {}, must be {}", source, what, name_of(form), allowed));
  };
  if (reading.inverted && form != TraceForm::counts && form != TraceForm::availability) {
    return misplaced("inverted", "counts or availability");
  }
  if (reading.time_unit && form != TraceForm::staircase) {
    return misplaced("time unit", "staircase");
  }
  if (reading.zone != "all" && form != TraceForm::probes) return misplaced("zone", "probes");
  return {};
}

Result<Trace> finished(Result<Trace> trace, const OddityCounts& oddities, const std::string& source,
                       const TraceReading& reading) {
  if (!trace) return trace;
  Trace found = std::move(trace).value();
  found.oddities = oddities.found();
  if (!reading.strict || found.oddities.empty()) return found;
  const TraceOddity& first = found.oddities.front();
  return Fault::invalid_input(fmt::format("{}:{}:1: {}: {} in all, must be none with --strict",
                                          source, first.first_line, first.kind, first.count));
}

}  // namespace

Fault nothing_in(const std::string& source) {
  return Fault::invalid_input(
      fmt::format("{}:1:1: records: none, must be at least 1 of one of the forms {}", source,
                  trace_form_names()));
}

Result<Trace> trace_from_text(std::string_view text, const std::string& source,
                              const TraceReading& reading) {
  PLANARIA_TRY_VOID(check_bytes(text.size(), source));
  TraceForm form{};
  if (reading.form) {
    form = *reading.form;
  } else {
    PLANARIA_TRY(detected, detected_form(text, source));
    form = detected;
  }
  if (form == TraceForm::probes) {
    return trace_from_rounds({{source, std::string(text)}}, source, reading);
  }
  PLANARIA_TRY_VOID(check_reading(form, source, reading));
  OddityCounts oddities;
  const TraceInput input{text, source, reading, oddities};
  return finished(reader_of(form)(input), oddities, source, reading);
}

Result<Trace> trace_from_rounds(const std::vector<RoundFile>& files, const std::string& source,
                                const TraceReading& reading) {
  PLANARIA_TRY_VOID(check_reading(TraceForm::probes, source, reading));
  OddityCounts oddities;
  return finished(read_rounds(files, source, reading, oddities), oddities, source, reading);
}

}  // namespace planaria
