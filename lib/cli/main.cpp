// The program `planaria`: wires the subcommands together and nothing else.
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/version.hpp"

namespace planaria::cli {
namespace {

constexpr const char* about =
    "Trains LibTorch models as pipelines over processes, with the same bits whatever the layout.";
constexpr const char* footer =
    "planaria COMMAND --help tells more about a command.\n"
    "Exit status: 0 done, 1 ran and failed, 2 bad input (one sentence on stderr).";

// One sentence of CLI11's message, which may be several lines.
std::string sentence_of(const CLI::ParseError& error) {
  std::string text = error.what();
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

// With the subcommand of a subcommand: "planaria trace plot".
std::string chosen_command(const CLI::App& app) {
  std::string name = "planaria";
  for (auto chosen = app.get_subcommands(); !chosen.empty();
       chosen = chosen.front()->get_subcommands()) {
    name += " " + chosen.front()->get_name();
  }
  return name;
}

// What CLI11 says, in our words where its own would not help.
std::string explained(const CLI::ParseError& error, const CLI::App& app,
                      const std::vector<std::string>& own) {
  if (app.get_subcommands().empty()) {
    return own.front().starts_with("-")
               ? fmt::format("{}: no such option, see planaria --help", own.front())
               : fmt::format(
                     "{}: no such command, must be run, profile, schedule, plan, templates, "
                     "trace, forecast, survival, liveput, simulate, compare, export, init or "
                     "doctor",
                     own.front());
  }
  const std::string command = chosen_command(app);
  const auto* extras = dynamic_cast<const CLI::ExtrasError*>(&error);
  if (extras != nullptr && (command == "planaria run" || command == "planaria profile")) {
    return fmt::format("{}; the program and its arguments go behind --, see {} --help",
                       sentence_of(error), command);
  }
  return fmt::format("{}; see {} --help", sentence_of(error), command);
}

}  // namespace

int bad_input(const std::string& sentence) {
  fmt::print(stderr, "planaria: {}\n", sentence);
  return 2;
}

int failed(const Fault& fault) {
  fmt::print(stderr, "planaria: {}\n", fault.sentence);
  return fault.kind == FaultKind::invalid_input || fault.kind == FaultKind::unavailable ? 2 : 1;
}

int run_command_line(const std::vector<std::string>& arguments) {
  // What is behind "--" belongs to the program that `run` or `profile` starts, whatever it looks
  // like.
  std::vector<std::string> own;
  std::vector<std::string> command;
  bool behind = false;
  for (const std::string& argument : arguments) {
    if (!behind && argument == "--") {
      behind = true;
    } else {
      (behind ? command : own).push_back(argument);
    }
  }
  CLI::App app(about, "planaria");
  app.formatter(help_format());  // subcommands inherit it
  app.footer(footer);
  app.set_version_flag("--version", std::string("planaria ") + version);
  app.require_subcommand(1);
  Action action;
  add_run(app, command, action);
  add_profile(app, command, action);
  add_schedule(app, action);
  add_plan(app, action);
  add_templates(app, action);
  add_trace(app, action);
  add_forecast(app, action);
  add_survival(app, action);
  add_liveput(app, action);
  add_simulate(app, action);
  add_compare(app, action);
  add_export(app, action);
  add_init(app, action);
  add_doctor(app, action);
  add_coordinator(app, action);
  try {
    std::vector<std::string> reversed(own.rbegin(), own.rend());  // as CLI11 takes them
    app.parse(reversed);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    if (own.empty()) return bad_input("no command; planaria --help lists them");
    return bad_input(explained(error, app, own));
  }
  return action();
}

}  // namespace planaria::cli

int main(int argc, char** argv) {
  return planaria::cli::run_command_line({argv + 1, argv + argc});
}
