// Which layout a view gets that is not planned in the background.
#include "protocol/layout_choice.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <planaria/planner/best_plan.hpp>
#include <planaria/planner/rerouting.hpp>
#include <planaria/schedule/builders.hpp>

#include "protocol/coordinator_transitions.hpp"
#include "protocol/layer_costs.hpp"
#include "protocol/schedule_choice.hpp"

namespace planaria::protocol {
namespace {

constexpr int moves_of_search = 2000;

BestPlanRequest plan_request(const CoordinatorState& state, const Cluster& cluster) {
  const auto& options = state.options;
  return {.profile = &state.profile,
          .cluster = &cluster,
          .micro_batches = state.spec->micro_batches,
          .micro_batch_size = state.spec->micro_batch_size,
          .lane_size = state.spec->lane_size,
          .schedule = planned_schedule(options.schedule),
          .recompute = options.recompute,
          .width = options.width,
          .depth = options.depth};
}

std::string prediction(const CoordinatorState& state, const Plan& plan) {
  if (state.options.profile) {
    return fmt::format("predicted by the profile {:.6g} ms a step{}", plan.step_ms,
                       text_of_gap(plan));
  }
  return fmt::format("predicted by the layers' stated costs {:.6g} a step{}", plan.step_ms,
                     plan.optimal ? text_of_gap(plan) : "");
}

// ", 3 stages recompute", or nothing.
std::string recomputing(const Plan& plan) {
  int stages = 0;
  for (const PlannedPipeline& pipeline : plan.pipelines) {
    for (const PlannedStage& stage : pipeline.stages) stages += stage.recompute ? 1 : 0;
  }
  if (stages == 0) return "";
  return fmt::format(", {} stage{} recompute{}", stages, stages == 1 ? "" : "s",
                     stages == 1 ? "s" : "");
}

// The pipelines cut finer, where the schedule's text puts several stages on a worker.
Result<Layout> cut_for_text(const CoordinatorState& state, Layout layout) {
  const ChunkForm form = form_asked(state.options);
  if (!state.options.schedule_text || form.chunks == 1) return layout;
  std::vector<double> costs;
  for (const LayerSpec& layer : state.spec->layers) costs.push_back(layer.cost);
  layout = in_chunks(layout, costs, form);
  for (const PipelineAssignment& pipeline : layout.pipelines) {
    if (chunks_in(pipeline) == form.chunks) continue;
    return Fault::infeasible(fmt::format(
        "schedule: the file puts {} stages on each of {} workers, which needs {} layers, there are "
        "{}",
        form.chunks, pipeline.stages.size(), form.chunks * static_cast<int>(pipeline.stages.size()),
        costs.size()));
  }
  return layout;
}

// Why the pipelines asked for cannot be, where it is their schedule's rules.
Fault explained(const CoordinatorState& state, const BestPlanRequest& request, Fault fault) {
  if (fault.kind != FaultKind::infeasible || !request.width || !request.depth) return fault;
  const int share = (state.spec->micro_batches + *request.width - 1) / *request.width;
  const auto built = build_schedule(request.schedule.value_or("1f1b"),
                                    {.stages = *request.depth, .micro_batches = share});
  if (built) return fault;
  return {built.fault().kind, fmt::format("schedule of pipeline 0: {}", built.fault().sentence)};
}

// Nobody waits for the first view; the search of schedules is counted in moves, so that every
// coordinator finds the same.
Result<Choice> asked_or_planned(const CoordinatorState& state) {
  const auto& options = state.options;
  if (options.layout) {
    return Choice{*options.layout, {}, fmt::format("{}, as asked for", text_of(*options.layout))};
  }
  PLANARIA_TRY_VOID(verify_profile(state));
  std::vector<WorkerId> workers;
  workers.reserve(static_cast<std::size_t>(options.workers));
  for (int worker = 0; worker < options.workers; ++worker) workers.emplace_back(worker);
  const Cluster cluster = cluster_of(state, workers);
  BestPlanRequest request = plan_request(state, cluster);
  int moves = moves_of_search;
  if (options.schedule == "auto") {
    request.schedule = "auto";
    request.keep_going = [&moves](double) { return moves-- > 0; };
  }
  // Shadows need room too. Where there is any amount, place_shadows() spreads them.
  if (options.memory_bytes) {
    request.survive = std::min(options.commit_domains, options.workers) - 1;
  }
  auto planned = best_plan(request);
  if (!planned) return explained(state, request, planned.fault());
  const BestPlan best = std::move(planned).value();
  PLANARIA_TRY(layout, cut_for_text(state, layout_of(best.plan)));
  auto explanation = fmt::format("{}{}: {}", text_of(layout), recomputing(best.plan),
                                 prediction(state, best.plan));
  if (options.schedule == "any") explanation += ", by " + best.plan.schedule;
  return Choice{std::move(layout), {}, std::move(explanation), best.plan.schedule};
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
      fmt::format("{}: micro-batches re-routed, no state moves, predicted step {:.6g}",
                  text_of(*layout), cost.value());
  return Choice{*std::move(layout), {}, std::move(explanation)};
}

}  // namespace

bool all_among(const Layout& layout, const std::vector<WorkerId>& workers) {
  return std::ranges::all_of(workers_of(layout), [&](WorkerId worker) {
    return std::ranges::binary_search(workers, worker);
  });
}

std::string schedule_to_plan_by(const CoordinatorOptions& options) {
  const ChunkForm form = form_asked(options);
  if (!options.schedule_text || form.chunks == 1) return options.schedule;
  for (const char* const kind : {"zb-v", "interleaved"}) {
    if (form == ChunkForm{placement_of(kind), chunks_of(kind)}) return kind;
  }
  return options.schedule;
}

Cluster cluster_of(const CoordinatorState& state, const std::vector<WorkerId>& workers) {
  Cluster cluster = identical_workers(static_cast<int>(workers.size()),
                                      state.options.memory_bytes.value_or(memory_without_limit));
  for (std::size_t i = 0; i < workers.size(); ++i) cluster.workers[i].id = workers[i];
  return cluster;
}

ReplanRequest replan_request(const CoordinatorState& state, const Cluster& cluster) {
  ReplanRequest request;
  request.profile = &state.profile;
  request.cluster = &cluster;
  request.layer_bytes = layer_bytes(state);
  request.micro_batches = state.spec->micro_batches;
  request.micro_batch_size = state.spec->micro_batch_size;
  request.lane_size = state.spec->lane_size;
  request.schedule = schedule_to_plan_by(state.options);
  request.recompute = state.options.recompute;
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
  const auto known = state.planned.find(static_cast<int>(cluster.workers.size()));
  if (known != state.planned.end() && known->second) request.best = &*known->second;
  request.copies = state.options.commit_domains;
  return request;
}

std::optional<int> plan_ahead(CoordinatorState& state) {
  const auto there = static_cast<int>(usable_workers(state).size());
  for (const int count : {there - 1, there + 1, there}) {
    if (count < 1 || state.planned.contains(count)) continue;
    std::vector<WorkerId> places;
    places.reserve(static_cast<std::size_t>(count));
    for (int place = 0; place < count; ++place) places.emplace_back(place);
    const Cluster cluster = cluster_of(state, places);
    auto best = planned_anew(replan_request(state, cluster));
    state.planned[count] = best ? std::move(best).value() : std::nullopt;
    return count;
  }
  return std::nullopt;
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
  const Cluster cluster = cluster_of(state, workers);
  ReplanRequest request = replan_request(state, cluster);
  if (state.step == Step{1}) {
    request.horizon_steps = 1;  // nothing has to be moved: everybody builds what it computes
    for (auto& [layer, holders] : request.holders) holders = {workers.begin(), workers.end()};
  } else {
    request.ms_per_byte = 1e-6;  // any: transfers alone are weighed
  }
  const auto rescued = rescued_layers(state, workers);
  for (const auto& [layer, source] : rescued) {
    request.holders[layer] = {workers.begin(), workers.end()};  // whoever computes it gets it
  }
  PLANARIA_TRY(answer, replan(request));
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
