// Who goes: lost, silent, or cut off from others.
#include <algorithm>

#include <fmt/format.h>

#include "protocol/coordinator_transitions.hpp"
#include "protocol/eviction.hpp"
#include "protocol/layout_choice.hpp"

namespace planaria::protocol {
namespace {

using Phase = CoordinatorState::Phase;

// A pair is judged so much later than it is told: mostly one of the two is dead, and the end of its
// own connection says which.
constexpr Milliseconds pair_grace{100};

// Everything that the worker held or owed.
void forget(CoordinatorState& state, WorkerId worker) {
  state.members.erase(worker);
  for (auto& [layer, holders] : state.holders) holders.erase(worker);
  std::erase_if(state.filling,
                [&](const Move& move) { return move.from == worker || move.to == worker; });
  std::erase_if(state.unreachable, [&](const auto& entry) {
    return entry.first.first == worker || entry.first.second == worker;
  });
  std::erase_if(state.owed, [&](const auto& owed) { return owed.second == worker; });
  state.reports.erase(worker);
  state.shadow_reports.erase(worker);
  state.evaluated.erase(worker);
  state.applied.erase(worker);
}

// Whether the view that is being prepared cannot do without the worker.
bool in_view(const CoordinatorState& state, WorkerId worker) {
  const bool member = std::ranges::any_of(
      state.view.members, [&](const Member& candidate) { return candidate.worker == worker; });
  const bool sends = std::ranges::any_of(state.view.moves, [&](const Move& move) {
    return move.from == worker && !state.ready.contains(move.to);
  });
  return member || sends;
}

// Nobody waits for who only shadowed or was idle: the step in flight goes on.
void after_quiet_loss(CoordinatorState& state, WorkerId worker, const std::string& why, Instant now,
                      Decision& decision) {
  std::erase_if(state.view.layout.shadows,
                [&](const ShadowAssignment& shadow) { return shadow.worker == worker; });
  std::erase_if(state.view.members, [&](const Member& member) { return member.worker == worker; });
  state.plan_wanted = true;
  decision.explanation = fmt::format("{}: step {} goes on without it", why, state.step.value);
  warn_if_at_risk(state, now, decision);
  commit_if_complete(state, now, decision);
}

std::string text_of_loss(WorkerId worker, const std::string& why) {
  return fmt::format("worker {} was lost: {}", worker.value, why);
}

void emit_lost(const CoordinatorState& state, WorkerId worker, const std::string& why, Instant now,
               Decision& decision) {
  emit(state, now, "worker_lost", {{"worker", worker.value}, {"why", why}}, decision);
}

std::map<WorkerId, std::string> silent_workers(const CoordinatorState& state, Instant now) {
  std::map<WorkerId, std::string> silent;
  for (const auto& [worker, membership] : state.members) {
    const double silence_ms = (now - membership.heard).value;
    if (silence_ms <= state.options.silence_max_ms) continue;
    silent[worker] = fmt::format("not heard from for {:.0f} ms, must be at most {:.0f}", silence_ms,
                                 state.options.silence_max_ms);
  }
  return silent;
}

std::map<WorkerId, std::string> cut_off_workers(const CoordinatorState& state, Instant now) {
  std::set<UnreachablePair> pairs;
  for (const auto& [pair, since] : state.unreachable) {
    if (now - since >= pair_grace) pairs.insert(pair);
  }
  const auto held_alone = [&](WorkerId worker) {
    return static_cast<int>(std::ranges::count_if(state.holders, [&](const auto& entry) {
      return entry.second.size() == 1 && entry.second.contains(worker);
    }));
  };
  std::map<WorkerId, std::string> cut_off;
  for (const WorkerId worker : smallest_cover(pairs, held_alone)) {
    std::vector<WorkerId> others;
    for (const auto& [a, b] : pairs) {
      if (a == worker) others.push_back(b);
      if (b == worker) others.push_back(a);
    }
    std::ranges::sort(others);
    cut_off[worker] = fmt::format("cannot be reached by {}", text_of(others));
  }
  return cut_off;
}

}  // namespace

bool every_layer_held(const CoordinatorState& state) {
  for (LayerId layer{0}; layer.value < layer_count(state); layer = layer.next()) {
    const auto holders = state.holders.find(layer);
    if (holders == state.holders.end() || holders->second.empty()) return false;
  }
  return true;
}

// Tells them so, in case they hear it, and goes on as after any loss.
void evict(CoordinatorState& state, const std::map<WorkerId, std::string>& whys, Instant now,
           Decision& decision) {
  for (const auto& [worker, why] : whys) {
    decision.commands.emplace_back(Send{worker, Evicted{why}});
    decision.commands.emplace_back(Disconnect{worker});
    emit_lost(state, worker, why, now, decision);
    forget(state, worker);
  }
  for (const auto& [worker, why] : whys) after_loss(state, worker, why, now, decision);
}

void after_loss(CoordinatorState& state, WorkerId worker, const std::string& why, Instant now,
                Decision& decision) {
  const std::string what = text_of_loss(worker, why);
  switch (state.phase) {
    case Phase::joining:
      decision.explanation =
          fmt::format("worker {} was lost while joining: {}, {} of {}", worker.value, why,
                      state.members.size(), state.options.workers + state.options.spares);
      return;
    case Phase::preparing:
      if (in_view(state, worker)) return begin_unplanned_view(state, what, now, decision);
      decision.explanation = what + ", before it was in any view";
      return;
    case Phase::training:
      if (place_of(state.view.layout, worker)) {
        return begin_unplanned_view(state, what, now, decision);
      }
      return after_quiet_loss(state, worker, what, now, decision);
    case Phase::asking:
      decision.explanation = what;
      std::erase_if(state.view.members,
                    [&](const Member& member) { return member.worker == worker; });
      return go_on_if_answered(state, now, decision);
    case Phase::applying:
    case Phase::storing:
      if (!every_layer_held(state)) {
        // What stopped the run would stop it again: it is not done again only to be stored.
        if (state.halted) return end_run(state, 1, state.outcome.sentence, decision);
        return begin_unplanned_view(state, what, now, decision);
      }
      decision.explanation = what + "; every layer is still held";
      std::erase_if(state.view.members,
                    [&](const Member& member) { return member.worker == worker; });
      give_up_evaluation_if_broken(state, decision);
      // What others give, or have given, is not begun again.
      if (state.phase == Phase::storing && worker != state.storing_from) return;
      return store_if_complete(state, decision);
    default:
      decision.explanation = what;
      return;
  }
}

Decision on_worker_lost(CoordinatorState& state, const WorkerLost& lost, Instant now) {
  if (!state.members.contains(lost.worker)) {
    return ignored(fmt::format("loss of worker {}", lost.worker.value), "it is not a member");
  }
  Decision decision;
  emit_lost(state, lost.worker, lost.why, now, decision);
  forget(state, lost.worker);
  after_loss(state, lost.worker, lost.why, now, decision);
  return decision;
}

Decision on_unreachable(CoordinatorState& state, WorkerId from, const Unreachable& pair,
                        Instant now) {
  const auto what = fmt::format("worker {} cannot reach worker {}", from.value, pair.worker.value);
  if (!state.members.contains(pair.worker) || pair.worker == from) {
    return ignored(what, "it is not a member");
  }
  state.unreachable.try_emplace(std::minmax(from, pair.worker), now);
  return {{}, fmt::format("{}: {}", what, pair.why)};
}

Decision on_tick(CoordinatorState& state, Instant now) {
  // A coordinator that was itself stopped has heard nobody: what came meanwhile is read first.
  const double slack_ms = state.options.silence_max_ms / 2;
  const bool was_away = state.last_tick && (now - *state.last_tick).value > slack_ms;
  state.last_tick = now;
  Decision decision{{}, "time passed"};
  if (state.options.silence_max_ms > 0) {
    if (was_away) {
      for (auto& [worker, membership] : state.members) membership.heard = now;
    }
    evict(state, silent_workers(state, now), now, decision);
  }
  evict(state, cut_off_workers(state, now), now, decision);
  if (state.phase == Phase::waiting && now >= state.waits_until) {
    halt(state, 1,
         fmt::format("{} of at least {} workers after waiting {:.0f} s", state.members.size(),
                     state.options.min_workers, state.options.wait_ms / 1000),
         decision);
  }
  if (state.phase == Phase::training) {
    if (const auto count = plan_ahead(state)) {
      decision.explanation +=
          fmt::format(", planned ahead for {} worker{}", *count, *count == 1 ? "" : "s");
    }
  }
  return decision;
}

}  // namespace planaria::protocol
