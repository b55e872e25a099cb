// tests/protocol/all_of.hpp: what a decision, of the coordinator's or an agent's, holds of one
// kind.
#pragma once

#include <variant>
#include <vector>

namespace planaria::protocol {

/// Returns the commands of one kind, in order.
template <class Kind, class Decision>
std::vector<Kind> all_of(const Decision& decision) {
  std::vector<Kind> found;
  for (const auto& command : decision.commands) {
    if (const auto* kind = std::get_if<Kind>(&command)) found.push_back(*kind);
  }
  return found;
}

}  // namespace planaria::protocol
