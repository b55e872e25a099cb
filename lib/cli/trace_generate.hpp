// cli/trace_generate.hpp: `planaria trace generate`, and traces in a form that is told. Private.
#pragma once

#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include <planaria/availability/trace.hpp>
#include <planaria/base/result.hpp>

#include "cli/commands.hpp"

namespace planaria::cli {

/// Adds the subcommand to `trace`.
void add_generate(CLI::App& trace, Action& action);

/// Returns the trace's text in a form named by --to; refusals name the option.
[[nodiscard]] Result<std::string> trace_text_as(const Trace& trace, const std::string& form,
                                                std::optional<double> tick_s);

}  // namespace planaria::cli
