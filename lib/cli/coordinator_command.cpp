#include <planaria/host/launcher.hpp>

#include "cli/commands.hpp"

namespace planaria::cli {

void add_coordinator(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand("coordinator", "The coordinator of a run, started by `run`");
  sub->group("");  // hidden: it serves nobody at a prompt
  sub->callback([&action] { action = [] { return host::coordinator_main(); }; });
}

}  // namespace planaria::cli
