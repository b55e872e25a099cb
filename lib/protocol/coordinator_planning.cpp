// What the next record names: states to be sent to shadows, and the view they are for.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "protocol/coordinator_transitions.hpp"
#include "protocol/layout_choice.hpp"
#include "protocol/schedule_choice.hpp"

namespace planaria::protocol {
namespace {

// A state is copied between two steps, while the pipelines wait: so many layers of one worker at a
// time, that the wait stays small beside a step.
constexpr int copies_per_step = 2;
// More of those that another loss would take along.
constexpr int copies_per_step_at_risk = 6;

std::vector<ShadowAssignment> shadows_for(const CoordinatorState& state, const Layout& layout,
                                          const std::vector<WorkerId>& usable) {
  LayerHolders holders(state.holders.begin(), state.holders.end());
  return place_shadows(Layout{layout.pipelines, {}}, layer_bytes(state), usable, holders,
                       state.options.commit_domains);
}

// The pipelines there are, with the shadows that they need and those that `target` will need.
Layout staging(const CoordinatorState& state, const Layout& target,
               const std::vector<WorkerId>& usable) {
  Layout layout{state.view.layout.pipelines, {}};
  std::map<WorkerId, std::set<LayerId>> shadows = missing_for(state, target);
  for (const ShadowAssignment& shadow : shadows_for(state, layout, usable)) {
    shadows[shadow.worker].insert(shadow.layers.begin(), shadow.layers.end());
  }
  // Who holds what the target needs goes on holding it, until it begins.
  for (const auto& pipeline : target.pipelines) {
    for (const auto& stage : pipeline.stages) {
      for (LayerId layer = stage.layers.first; layer <= stage.layers.last; layer = layer.next()) {
        const auto active = active_holders(layout, layer);
        if (std::ranges::find(active, stage.worker) == active.end()) {
          shadows[stage.worker].insert(layer);
        }
      }
    }
  }
  for (auto& [worker, layers] : shadows) {
    if (layers.empty()) continue;
    layout.shadows.push_back({worker, {layers.begin(), layers.end()}});
  }
  return layout;
}

// All that compute in it hold their layers, and come to the same evaluations.
bool can_begin(const CoordinatorState& state, const Layout& target) {
  if (!missing_for(state, target).empty()) return false;
  return std::ranges::all_of(workers_of(Layout{target.pipelines, {}}),
                             [&](WorkerId worker) { return loop_is_there(state, worker); });
}

struct Plan {
  Layout layout;
  std::string explanation;
};

// Whether pipelines that share workers take no longer than the best that do not.
bool stays_rerouted(const CoordinatorState& state, const std::vector<WorkerId>& usable,
                    const Layout& best) {
  const Layout& now = state.view.layout;
  if (!shares_workers(now) || !all_among(now, usable)) return false;
  const auto cost = simulated_cost(state, now);
  const auto other = simulated_cost(state, best);
  return cost && other && cost.value() <= other.value();
}

// Whether all pipelines run by the text that was asked for: another layout would give it up.
bool stays_by_text(const CoordinatorState& state, const std::vector<WorkerId>& usable) {
  const auto& text = state.options.schedule_text;
  return text && all_among(state.view.layout, usable) &&
         std::ranges::all_of(state.view.schedules, [&](const std::string& schedule) {
           return schedule.empty() || schedule == *text;
         });
}

Plan members_changed(const CoordinatorState& state, const std::vector<WorkerId>& usable) {
  Layout layout{state.view.layout.pipelines, shadows_for(state, state.view.layout, usable)};
  std::string explanation = fmt::format("{}: members and shadows changed", text_of(layout));
  return {std::move(layout), std::move(explanation)};
}

// The layout of the next view; nothing where it stays as it is.
std::optional<Plan> next_layout(CoordinatorState& state, const std::vector<WorkerId>& usable) {
  if (state.target && !all_among(*state.target, usable)) {
    state.target.reset();
    state.plan_wanted = true;
  }
  if (state.target && can_begin(state, *state.target)) {
    Layout layout{std::exchange(state.target, std::nullopt)->pipelines, {}};
    layout.shadows = shadows_for(state, layout, usable);
    return Plan{layout, fmt::format("{}: all that compute hold their layers", text_of(layout))};
  }
  if (!std::exchange(state.plan_wanted, false)) return std::nullopt;
  if (stays_by_text(state, usable)) return members_changed(state, usable);
  const Cluster cluster = cluster_of(state, usable);
  ReplanRequest request = replan_request(state, cluster);
  request.horizon_steps = 1;  // the fastest step; of equals the fewest bytes
  const auto answer = replan(request);
  if (!answer) return std::nullopt;  // as it is, it goes on
  const Layout& best = answer.value().layout;
  if (best.pipelines == state.view.layout.pipelines || stays_rerouted(state, usable, best)) {
    state.target.reset();
    return members_changed(state, usable);
  }
  state.target = Layout{best.pipelines, {}};
  return Plan{staging(state, *state.target, usable),
              fmt::format("on the way to {}", answer.value().explanation)};
}

// States for the shadows of `layout` that have none under way, few from each holder.
std::vector<Move> next_moves(const CoordinatorState& state, const Layout& layout,
                             const std::vector<WorkerId>& usable) {
  std::vector<Move> moves;
  std::map<WorkerId, int> sends;
  for (const Move& move : state.filling) ++sends[move.from];
  for (const ShadowAssignment& shadow : layout.shadows) {
    for (const LayerId layer : shadow.layers) {
      const bool under_way = std::ranges::any_of(state.filling, [&](const Move& move) {
        return move.layer == layer && move.to == shadow.worker;
      });
      if (under_way || holds(state, shadow.worker, layer)) continue;
      const auto& holders = state.holders.at(layer);
      const bool at_risk = static_cast<int>(holders.size()) < state.options.commit_domains;
      const int most = at_risk ? copies_per_step_at_risk : copies_per_step;
      std::optional<WorkerId> source;
      for (const WorkerId holder : holders) {
        const bool may = std::ranges::binary_search(usable, holder) && sends[holder] < most;
        if (may && (!source || sends[holder] < sends[*source])) source = holder;
      }
      if (!source) continue;  // with a later record
      ++sends[*source];
      moves.push_back({layer, *source, shadow.worker});
    }
  }
  return moves;
}

bool same_members(const CoordinatorState& state, const std::vector<WorkerId>& usable) {
  return std::ranges::equal(state.view.members, usable, {}, &Member::worker);
}

}  // namespace

std::map<WorkerId, std::set<LayerId>> missing_for(const CoordinatorState& state,
                                                  const Layout& layout) {
  std::map<WorkerId, std::set<LayerId>> missing;
  for (const auto& pipeline : layout.pipelines) {
    for (const auto& stage : pipeline.stages) {
      for (LayerId layer = stage.layers.first; layer <= stage.layers.last; layer = layer.next()) {
        if (!holds(state, stage.worker, layer)) missing[stage.worker].insert(layer);
      }
    }
  }
  return missing;
}

NextView next_view(CoordinatorState& state) {
  const std::vector<WorkerId> usable = usable_workers(state);
  NextView next;
  Layout layout = state.view.layout;
  if (auto plan = next_layout(state, usable)) {
    const bool differs = plan->layout != layout || !same_members(state, usable);
    if (differs) {
      auto view = view_of(state, plan->layout, usable);
      if (view) {
        layout = std::move(plan->layout);
        next.view = std::move(view).value();
        next.explanation = std::move(plan->explanation);
        // What is under way to somebody who shadows it no more is not waited for.
        std::erase_if(state.filling, [&](const Move& move) {
          const auto layers = shadowed_by(layout, move.to);
          return std::ranges::find(layers, move.layer) == layers.end();
        });
      }
    }
  }
  next.moves = next_moves(state, layout, usable);
  return next;
}

}  // namespace planaria::protocol
