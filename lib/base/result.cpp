#include <planaria/base/result.hpp>

#include <array>

namespace planaria {
namespace {

constexpr std::array<std::pair<FaultKind, const char*>, 9> fault_names{{
    {FaultKind::invalid_input, "invalid_input"},
    {FaultKind::infeasible, "infeasible"},
    {FaultKind::peer_lost, "peer_lost"},
    {FaultKind::timed_out, "timed_out"},
    {FaultKind::stale_view, "stale_view"},
    {FaultKind::corrupt, "corrupt"},
    {FaultKind::exhausted, "exhausted"},
    {FaultKind::unavailable, "unavailable"},
    {FaultKind::cancelled, "cancelled"},
}};

}  // namespace

const char* name_of(FaultKind kind) {
  for (const auto& [candidate, name] : fault_names) {
    if (candidate == kind) return name;
  }
  check_failed("unknown fault kind", "");
}

std::optional<FaultKind> fault_kind_named(const std::string& name) {
  for (const auto& [kind, candidate] : fault_names) {
    if (name == candidate) return kind;
  }
  return std::nullopt;
}

}  // namespace planaria
