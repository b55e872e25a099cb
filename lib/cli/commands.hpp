// cli/commands.hpp: the subcommands of `planaria`, one file each. Floor 9.
// Is: what main.cpp wires together. Is not: what the commands do (host/).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include <planaria/base/result.hpp>

namespace planaria::cli {

/// What a subcommand's parse leads to: runs it and returns the exit status.
using Action = std::function<int()>;

/// Prints "planaria: <sentence>" on stderr; returns 2, the exit status of bad input.
int bad_input(const std::string& sentence);
/// Prints the fault's sentence on stderr; returns 2 for bad input, 1 for all else.
int failed(const Fault& fault);
/// Prints a result to stdout, or into `output` where that names a file. Returns 0 or an exit
/// status.
int print_result(const std::string& text, const std::string& output);
/// Refuses a file that cannot be written before the work for it begins: invalid_input. A name that
/// is empty is none. Leaves the file as it is.
[[nodiscard]] Result<void> check_writable(const std::string& output);

/// Lays help out in 100 columns, types as docs/options.md names them.
[[nodiscard]] std::shared_ptr<CLI::Formatter> help_format();

// Each adds its subcommand to `app` and sets `action` when that is chosen. `command` is what stood
// behind "--": PROGRAM ARGS…
void add_run(CLI::App& app, const std::vector<std::string>& command, Action& action);
void add_profile(CLI::App& app, const std::vector<std::string>& command, Action& action);
void add_schedule(CLI::App& app, Action& action);
void add_plan(CLI::App& app, Action& action);
void add_templates(CLI::App& app, Action& action);
void add_simulate(CLI::App& app, Action& action);
void add_liveput(CLI::App& app, Action& action);
void add_survival(CLI::App& app, Action& action);
void add_trace(CLI::App& app, Action& action);
void add_forecast(CLI::App& app, Action& action);
void add_compare(CLI::App& app, Action& action);
void add_export(CLI::App& app, Action& action);
void add_init(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);
void add_coordinator(CLI::App& app, Action& action);

/// The command line of `planaria`: everything but the process's own start and end.
int run_command_line(const std::vector<std::string>& arguments);

}  // namespace planaria::cli
