// Who comes in: before the first step, and while it trains.
#include <fmt/format.h>

#include "protocol/coordinator_transitions.hpp"
#include "protocol/layer_costs.hpp"

namespace planaria::protocol {
namespace {

using Phase = CoordinatorState::Phase;

Decision turn_away(const CoordinatorState& state, const JoinRequest& request,
                   const std::string& why, Instant now) {
  Decision decision{{TurnAway{request.connection, why}}, why};
  emit(state, now, "refused", {{"peer", request.join.address}, {"why", why}}, decision);
  return decision;
}

int members_wanted(const CoordinatorState& state) {
  return state.options.workers + state.options.spares;
}

// The number asked for where nobody ever had it; else the lowest such: a late word about a lost
// worker must not be taken for one about another.
WorkerId number_for(CoordinatorState& state, WorkerId wanted) {
  WorkerId number = wanted.value >= 0 ? wanted : WorkerId{0};
  const bool free = wanted.value >= 0 && !state.numbers.contains(wanted);
  if (!free) {
    number = WorkerId{0};
    while (state.numbers.contains(number)) number = number.next();
  }
  state.numbers.insert(number);
  return number;
}

// Why nobody may join any more; nothing where it may.
std::optional<std::string> closed(const CoordinatorState& state) {
  const bool full = static_cast<int>(state.members.size()) == members_wanted(state);
  switch (state.phase) {
    case Phase::joining:
    case Phase::preparing:
      // The first view is not a place to come in: a step has to be committed first.
      if (!full || state.view.view > ViewNumber{1}) return std::nullopt;
      return fmt::format("this run has all its {} workers", members_wanted(state));
    case Phase::training:
    case Phase::waiting:
      return std::nullopt;
    default:
      return fmt::format("this run is {}", name_of(state.phase));
  }
}

bool all_joined(const CoordinatorState& state) {
  if (static_cast<int>(state.members.size()) < members_wanted(state)) return false;
  for (const auto& [worker, membership] : state.members) {
    if (!membership.connected) return false;
  }
  return true;
}

}  // namespace

Decision on_join(CoordinatorState& state, const JoinRequest& request, Instant now) {
  // A misfit hears what does not fit, even where there is no place: that is what its user can mend.
  if (state.spec) {
    if (const auto difference = first_difference(request.join.spec, *state.spec)) {
      return turn_away(state, request,
                       fmt::format("worker from {} refused: {}", request.join.address, *difference),
                       now);
    }
  }
  if (const auto why = closed(state)) return turn_away(state, request, *why, now);
  Decision decision;
  if (!state.spec) {
    state.spec = request.join.spec;
    state.profile = profile_for(state);
    decision.commands.emplace_back(SpecFixed{*state.spec});
  }
  const WorkerId worker = number_for(state, request.join.wanted);
  std::vector<Member> before;
  for (const auto& [other, membership] : state.members) before.push_back(membership.member);
  state.members[worker] = {.member = {worker, request.join.address}, .heard = now};
  decision.commands.emplace_back(Admit{request.connection, worker});
  decision.commands.emplace_back(Send{worker, Welcome{worker, std::move(before)}});
  emit(state, now, "worker_joined",
       {{"worker", worker.value},
        {"process", request.join.process},
        {"address", request.join.address}},
       decision);
  decision.explanation =
      state.phase == Phase::joining
          ? fmt::format("worker {} joined: {} of {}", worker.value, state.members.size(),
                        members_wanted(state))
          : fmt::format("worker {} joined in step {}", worker.value, state.step.value);
  return decision;
}

Decision on_connected(CoordinatorState& state, WorkerId from, const Connected& connected,
                      Instant now) {
  Membership& membership = state.members.at(from);
  if (membership.connected) {
    return ignored(fmt::format("connected of worker {}", from.value), "it has come before");
  }
  membership.connected = true;
  state.plan_wanted = true;
  Decision decision{{}, fmt::format("worker {} is connected to the others", from.value)};
  for (const WorkerId other : connected.unreachable) {
    Decision pair = on_unreachable(state, from, {other, "it could not connect"}, now);
    for (auto& command : pair.commands) decision.commands.push_back(std::move(command));
    decision.explanation += "; " + pair.explanation;
  }
  if (state.phase == Phase::joining && all_joined(state)) {
    begin_first_view(state, now, decision);
  } else if (state.phase == Phase::waiting) {
    begin_unplanned_view(state, fmt::format("worker {} joined", from.value), now, decision);
  }
  return decision;
}

}  // namespace planaria::protocol
