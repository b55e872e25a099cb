// Which layout a view gets that is not planned in the background.
#include "protocol/layout_choice.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <planaria/planner/best_plan.hpp>
#include <planaria/planner/planner.hpp>
#include <planaria/planner/rerouting.hpp>

#include "protocol/coordinator_transitions.hpp"
#include "protocol/layer_costs.hpp"
#include "protocol/schedule_choice.hpp"

namespace planaria::protocol {
namespace {

constexpr int moves_of_search = 2000;

// Nobody waits for the first view; the search of schedules is counted in moves, so that every
// coordinator finds the same.
Result<Choice> planned_by_profile(const CoordinatorState& state) {
  const auto& options = state.options;
  PLANARIA_TRY_VOID(verify_profile(state));
  const Cluster cluster =
      identical_workers(options.workers, options.memory_bytes.value_or(memory_without_limit));
  int moves = moves_of_search;
  BestPlanRequest request{.profile = &*options.profile,
                          .cluster = &cluster,
                          .micro_batches = state.spec->micro_batches,
                          .micro_batch_size = state.spec->micro_batch_size,
                          .lane_size = state.spec->lane_size,
                          .schedule = options.schedule,
                          .recompute = Recompute::never,
                          .width = options.width,
                          .depth = options.depth,
                          .keep_going = [&moves](double) { return moves-- > 0; }};
  // Shadows need room too. Where there is any amount, place_shadows() spreads them.
  if (options.memory_bytes) {
    request.survive = std::min(options.commit_domains, options.workers) - 1;
  }
  PLANARIA_TRY(best, best_plan(request));
  auto explanation =
      fmt::format("{}: predicted by the profile {:.6g} ms a step{}", text_of(layout_of(best.plan)),
                  best.plan.step_ms, text_of_gap(best.plan));
  return Choice{layout_of(best.plan), {}, std::move(explanation)};
}

Result<Choice> asked_or_planned(const CoordinatorState& state) {
  const auto& options = state.options;
  if (options.layout) {
    return Choice{*options.layout, {}, fmt::format("{}, as asked for", text_of(*options.layout))};
  }
  if (options.profile) return planned_by_profile(state);
  PlanRequest request;
  request.layer_costs = layer_costs(state);
  request.micro_batches = state.spec->micro_batches;
  request.lane_size = state.spec->lane_size;
  request.workers = options.workers;
  request.width = options.width;
  request.depth = options.depth;
  request.schedule = options.schedule;
  PLANARIA_TRY(answer, plan(request));
  const ChunkForm form = form_asked(options);
  Layout layout = in_chunks(answer.layout, request.layer_costs, form);
  for (const PipelineAssignment& pipeline : layout.pipelines) {
    if (chunks_in(pipeline) == form.chunks) continue;
    return Fault::infeasible(fmt::format(
        "schedule: {} puts {} stages on each of {} workers, which needs {} layers, there are {}",
        options.schedule_text ? "the file" : options.schedule, form.chunks, pipeline.stages.size(),
        form.chunks * static_cast<int>(pipeline.stages.size()), request.layer_costs.size()));
  }
  return Choice{std::move(layout), {}, std::move(answer.explanation)};
}

// Layouts name the run's workers 0, 1, ... as they were asked for. Where one was lost while
// joining, its replacement has another number: the n-th place is the n-th member's.
void renumber(const CoordinatorState& state, Layout& layout) {
  const std::vector<WorkerId> members = usable_workers(state);
  const auto rename = [&](WorkerId& worker) {
    const auto place = static_cast<std::size_t>(worker.value);
    if (place < members.size()) worker = members[place];
  };
  for (auto& pipeline : layout.pipelines) {
    for (StageAssignment& stage : pipeline.stages) rename(stage.worker);
  }
  for (ShadowAssignment& shadow : layout.shadows) rename(shadow.worker);
}

// Layers that only workers hold whose own code failed: those still give them.
std::map<LayerId, WorkerId> rescued_layers(const CoordinatorState& state,
                                           const std::vector<WorkerId>& workers) {
  std::map<LayerId, WorkerId> rescued;
  for (const auto& [layer, holders] : state.holders) {
    const bool among_workers = std::ranges::any_of(
        holders, [&](WorkerId holder) { return std::ranges::binary_search(workers, holder); });
    if (!holders.empty() && !among_workers) rescued[layer] = *holders.begin();
  }
  return rescued;
}

// Whether nobody with a role in the view is gone, and all that compute hold their layers.
bool still_stands(const CoordinatorState& state, const std::vector<WorkerId>& workers) {
  const Layout& layout = state.view.layout;
  return all_among(layout, workers) &&
         (state.step == Step{1} || missing_for(state, layout).empty());
}

// The micro-batches of who is lost at others, where that spares the wait for states, or where none
// has to move and the steps are shorter than with the pipelines repaired.
std::optional<Choice> rerouted_choice(const CoordinatorState& state,
                                      const std::vector<WorkerId>& workers,
                                      const Replan& repaired) {
  if (state.step == Step{1}) return std::nullopt;  // nothing has to move
  const LaneTree tree(state.spec->micro_batches, state.spec->lane_size);
  auto layout = rerouted(state.view.layout, tree, workers);
  if (!layout || !missing_for(state, *layout).empty()) return std::nullopt;
  const auto cost = simulated_cost(state, *layout);
  if (!cost) return std::nullopt;
  if (repaired.transfers.empty()) {
    const auto other = simulated_cost(state, repaired.layout);
    if (other && other.value() <= cost.value()) return std::nullopt;
  }
  layout->shadows = place_shadows(*layout, layer_bytes(state), workers, state.holders,
                                  state.options.commit_domains);
  auto explanation =
      fmt::format("{}: micro-batches re-routed, no state moves, predicted step cost {:.6g}",
                  text_of(*layout), cost.value());
  return Choice{*std::move(layout), {}, std::move(explanation)};
}

}  // namespace

bool all_among(const Layout& layout, const std::vector<WorkerId>& workers) {
  return std::ranges::all_of(workers_of(layout), [&](WorkerId worker) {
    return std::ranges::binary_search(workers, worker);
  });
}

ReplanRequest replan_request(const CoordinatorState& state, const std::vector<WorkerId>& workers) {
  ReplanRequest request;
  request.layer_costs = layer_costs(state);
  request.layer_bytes = layer_bytes(state);
  request.micro_batches = state.spec->micro_batches;
  request.lane_size = state.spec->lane_size;
  request.schedule = state.options.schedule;
  request.workers = workers;
  for (LayerId layer{0}; layer.value < layer_count(state); layer = layer.next()) {
    const auto holders = state.holders.find(layer);
    request.holders[layer] =
        holders == state.holders.end() ? std::set<WorkerId>{} : holders->second;
  }
  request.before = Layout{state.view.layout.pipelines, {}};
  request.width = state.options.width;
  request.depth = state.options.depth;
  if (state.options.layout) {
    request.width = static_cast<int>(state.options.layout->pipelines.size());
  }
  request.copies = state.options.commit_domains;
  return request;
}

Result<void> verify_layout(const CoordinatorState& state, const Layout& layout) {
  return verify(layout, {.layers = layer_count(state),
                         .micro_batches = state.spec->micro_batches,
                         .lane_size = state.spec->lane_size,
                         .workers = state.numbers.rbegin()->value + 1});
}

Result<Choice> first_layout(const CoordinatorState& state) {
  PLANARIA_TRY(choice, asked_or_planned(state));
  renumber(state, choice.layout);
  PLANARIA_TRY_VOID(verify_layout(state, choice.layout));
  if (choice.layout.shadows.empty()) {
    choice.layout.shadows = place_shadows(choice.layout, layer_bytes(state), usable_workers(state),
                                          {}, state.options.commit_domains);
  }
  return choice;
}

Result<Choice> layout_after_loss(const CoordinatorState& state,
                                 const std::vector<WorkerId>& workers) {
  if (still_stands(state, workers)) {
    return Choice{state.view.layout, {}, fmt::format("{}, as before", text_of(state.view.layout))};
  }
  ReplanRequest request = replan_request(state, workers);
  if (state.step == Step{1}) {
    request.ms_per_cost = 1;  // nothing has to be moved: everybody builds what it computes
    request.horizon_steps = 1;
    for (auto& [layer, holders] : request.holders) holders = {workers.begin(), workers.end()};
  } else {
    request.ms_per_byte = 1e-6;  // any: transfers alone are weighed
  }
  const auto rescued = rescued_layers(state, workers);
  for (const auto& [layer, source] : rescued) {
    request.holders[layer] = {workers.begin(), workers.end()};  // whoever computes it gets it
  }
  PLANARIA_TRY(answer, replan_in_chunks(request, form_asked(state.options)));
  if (auto around = rerouted_choice(state, workers, answer)) return *std::move(around);
  Choice choice{std::move(answer.layout), {}, std::move(answer.explanation)};
  if (state.step == Step{1}) return choice;
  for (const Transfer& transfer : answer.transfers) {
    choice.moves.push_back({transfer.layer, transfer.from, transfer.to});
  }
  for (const auto& [layer, source] : rescued) {
    for (const WorkerId worker : active_holders(choice.layout, layer)) {
      choice.moves.push_back({layer, source, worker});
    }
  }
  return choice;
}

}  // namespace planaria::protocol
