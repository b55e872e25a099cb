// From the first join to the first step: membership, layout, schedules, readiness.
#include <fmt/format.h>

#include <planaria/planner/planner.hpp>
#include <planaria/schedule/actions.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/validate.hpp>

#include "protocol/coordinator_transitions.hpp"

namespace planaria::protocol {
namespace {

using Phase = CoordinatorState::Phase;

// A layout and where it comes from.
struct Choice {
  Layout layout;
  std::string explanation;
};

Decision turn_away(const CoordinatorState& state, const JoinRequest& request,
                   const std::string& why, Instant now) {
  Decision decision{{TurnAway{request.connection, why}}, why};
  emit(state, now, "refused", {{"peer", request.join.address}, {"why", why}}, decision);
  return decision;
}

int members_wanted(const CoordinatorState& state) {
  return state.options.workers + state.options.spares;
}

// The id asked for where it is one of this run's and free, else the lowest free one.
WorkerId free_id(const CoordinatorState& state, WorkerId wanted) {
  const bool exists = wanted.value >= 0 && wanted.value < members_wanted(state);
  if (exists && !state.members.contains(wanted)) return wanted;
  WorkerId id{0};
  while (state.members.contains(id)) id = id.next();
  return id;
}

Result<Choice> chosen_layout(const CoordinatorState& state) {
  const auto& options = state.options;
  if (options.layout) {
    return Choice{*options.layout, fmt::format("{}, as asked for", text_of(*options.layout))};
  }
  PlanRequest request;
  for (const auto& layer : state.spec->layers) request.layer_costs.push_back(layer.cost);
  request.micro_batches = state.spec->micro_batches;
  request.lane_size = state.spec->lane_size;
  request.workers = options.workers;
  request.width = options.width;
  request.depth = options.depth;
  request.schedule = options.schedule;
  PLANARIA_TRY(answer, plan(request));
  return Choice{std::move(answer.layout), std::move(answer.explanation)};
}

// The planner's answers too: nothing is believed unchecked (promise 6).
Result<void> check_layout(const CoordinatorState& state, const Layout& layout) {
  PLANARIA_TRY_VOID(verify(layout, {.layers = layer_count(state),
                                    .micro_batches = state.spec->micro_batches,
                                    .lane_size = state.spec->lane_size,
                                    .workers = members_wanted(state)}));
  if (!layout.shadows.empty()) {
    return Fault::invalid_input(fmt::format(
        "shadows: {}, must be none: this version does not run them", layout.shadows.size()));
  }
  return {};
}

Result<std::string> schedule_for(const CoordinatorState& state, const Layout& layout,
                                 std::size_t pipeline) {
  const auto& assignment = layout.pipelines[pipeline];
  const PipelineShape shape{.stages = static_cast<int>(assignment.stages.size()),
                            .micro_batches = assignment.micro_batches};
  const auto& text = state.options.schedule_text;
  PLANARIA_TRY(schedule, text ? schedule_from_text(*text, "schedule")
                              : build_schedule(state.options.schedule, shape));
  const bool fits =
      schedule.stages() == shape.stages && schedule.micro_batches == shape.micro_batches;
  if (!fits) {
    return Fault::invalid_input(fmt::format(
        "schedule: {} stages and {} micro-batches, must be {} and {} for pipeline {}",
        schedule.stages(), schedule.micro_batches, shape.stages, shape.micro_batches, pipeline));
  }
  if (const auto proof = validate(schedule, {.lane_size = state.spec->lane_size}); !proof) {
    return Fault{proof.fault().kind,
                 fmt::format("schedule of pipeline {}: {}", pipeline, proof.fault().sentence)};
  }
  return text_of(schedule);
}

// The view that all who joined form, with schedules proven to end.
Result<NewView> first_view(const CoordinatorState& state, Layout layout) {
  if (state.spec->steps < 1) {
    return Fault::invalid_input(fmt::format("steps: {}, must be at least 1", state.spec->steps));
  }
  PLANARIA_TRY_VOID(check_layout(state, layout));
  NewView view{.view = ViewNumber{1}, .first_step = Step{1}, .layout = std::move(layout)};
  for (std::size_t i = 0; i < view.layout.pipelines.size(); ++i) {
    PLANARIA_TRY(schedule, schedule_for(state, view.layout, i));
    view.schedules.push_back(std::move(schedule));
  }
  for (const auto& [worker, member] : state.members) view.members.push_back(member);
  return view;
}

void announce_view(CoordinatorState& state, Instant now, const std::string& explanation,
                   Decision& decision) {
  Json members = Json::array();
  for (const auto& member : state.view.members) {
    members.push_back({{"worker", member.worker.value}, {"address", member.address}});
  }
  emit(state, now, "view",
       {{"layout", to_json(state.view.layout)},
        {"members", std::move(members)},
        {"explanation", explanation}},
       decision);
  send_to_all(state, state.view, decision);
}

// All have joined: plan, prove, announce; or end the run with what is wrong.
void prepare(CoordinatorState& state, Instant now, Decision& decision) {
  auto choice = chosen_layout(state);
  Result<NewView> view = choice ? first_view(state, std::move(choice.value().layout))
                                : Result<NewView>(choice.fault());
  if (!view) {
    Decision end = end_run(state, 2, view.fault().sentence);
    for (auto& command : end.commands) decision.commands.push_back(std::move(command));
    decision.explanation = std::move(end.explanation);
    return;
  }
  state.view = std::move(view).value();
  state.phase = Phase::preparing;
  announce_view(state, now, choice.value().explanation, decision);
  decision.explanation = fmt::format("view 1: {}", choice.value().explanation);
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
  const bool full = static_cast<int>(state.members.size()) == members_wanted(state);
  if (state.phase != Phase::joining || full) {
    return turn_away(state, request,
                     fmt::format("this run has all its {} workers", members_wanted(state)), now);
  }
  Decision decision;
  if (!state.spec) {
    state.spec = request.join.spec;
    decision.commands.emplace_back(SpecFixed{*state.spec});
  }
  const WorkerId worker = free_id(state, request.join.wanted);
  state.members[worker] = Member{worker, request.join.address};
  decision.commands.emplace_back(Admit{request.connection, worker});
  decision.commands.emplace_back(Send{worker, Welcome{worker}});
  emit(state, now, "worker_joined",
       {{"worker", worker.value},
        {"process", request.join.process},
        {"address", request.join.address}},
       decision);
  decision.explanation = fmt::format("worker {} joined: {} of {}", worker.value,
                                     state.members.size(), members_wanted(state));
  if (static_cast<int>(state.members.size()) == members_wanted(state))
    prepare(state, now, decision);
  return decision;
}

Decision on_ready(CoordinatorState& state, WorkerId from, const Ready& ready, Instant now) {
  const auto what = fmt::format("ready of worker {}", from.value);
  if (state.phase != Phase::preparing) {
    return ignored(what, fmt::format("the run is {}", name_of(state.phase)));
  }
  if (ready.view != state.view.view) {
    return ignored(what,
                   fmt::format("view {}, must be {}", ready.view.value, state.view.view.value));
  }
  state.ready.insert(from);
  std::vector<WorkerId> missing;
  for (const auto& [worker, member] : state.members) {
    if (!state.ready.contains(worker)) missing.push_back(worker);
  }
  if (!missing.empty()) {
    return {{},
            fmt::format("view {} waits: {} {} not ready", state.view.view.value, text_of(missing),
                        missing.size() == 1 ? "is" : "are")};
  }
  state.phase = Phase::training;
  state.step = state.view.first_step;
  state.step_began = now;
  Decision decision{{}, fmt::format("step {} begins: all workers are ready", state.step.value)};
  send_to_all(state, Begin{state.view.view, state.step}, decision);
  return decision;
}

}  // namespace planaria::protocol
