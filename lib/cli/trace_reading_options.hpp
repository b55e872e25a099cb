// cli/trace_reading_options.hpp: how a command is told to read a trace. Private.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include <planaria/availability/trace_text.hpp>
#include <planaria/base/result.hpp>

namespace planaria::cli {

struct TraceReadingFlags {
  std::string kind, time_unit;
  std::string zone = "all";
  bool strict = false;
  bool inverted = false;
};

/// Adds --trace-kind, --strict, --inverted, --time-unit and --zone.
void add_trace_reading(CLI::App& sub, TraceReadingFlags& flags);

/// Reads a file or a folder of rounds; every refusal is one sentence.
[[nodiscard]] Result<Trace> read_trace_as_told(const std::string& path,
                                               const TraceReadingFlags& flags);

}  // namespace planaria::cli
