// cli/recompute_option.hpp: never, always, any. Private to cli.
#pragma once

#include <CLI/CLI.hpp>

namespace planaria::cli {

/// Lets the names of planner/recompute.hpp pass.
inline CLI::Validator recompute_names() {
  return CLI::IsMember({"never", "always", "any"}).description("");
}

}  // namespace planaria::cli
