// protocol/coordinator_transitions.hpp: the coordinator's transitions, one per input. Private to
// protocol. step() of coordinator.cpp has already excluded phase `finished`, and messages of
// workers that are no members; each transition decides itself what it means in which phase.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <planaria/protocol/coordinator.hpp>

namespace planaria::protocol {

// ---- coordinator_joining.cpp
Decision on_join(CoordinatorState& state, const JoinRequest& request, Instant now);
Decision on_connected(CoordinatorState& state, WorkerId from, const Connected& connected,
                      Instant now);
// ---- coordinator_views.cpp
Decision on_ready(CoordinatorState& state, WorkerId from, const Ready& ready, Instant now);
// ---- coordinator_training.cpp
Decision on_report(CoordinatorState& state, WorkerId from, const Report& report, Instant now);
Decision on_shadow_report(CoordinatorState& state, WorkerId from, const ShadowReport& report,
                          Instant now);
// ---- coordinator_evaluating.cpp
Decision on_evaluated(CoordinatorState& state, WorkerId from, const Evaluated& evaluated,
                      Instant now);
Decision on_evaluating(CoordinatorState& state, WorkerId from, const Evaluating& evaluating);
/// Gives the last level's evaluation up where somebody waits for it who is needed and gone.
void give_up_evaluation_if_broken(CoordinatorState& state, Decision& decision);
// ---- coordinator_storing.cpp
Decision on_applied(CoordinatorState& state, WorkerId from, const Applied& applied, Instant now);
Decision on_state_sent(CoordinatorState& state, WorkerId from, const StateSent& sent);
Decision on_model_stored(CoordinatorState& state, const ModelStored& stored);
// ---- coordinator_losing.cpp
Decision on_worker_lost(CoordinatorState& state, const WorkerLost& lost, Instant now);
Decision on_unreachable(CoordinatorState& state, WorkerId from, const Unreachable& pair,
                        Instant now);
Decision on_tick(CoordinatorState& state, Instant now);
// ---- coordinator_ending.cpp
Decision on_failed(CoordinatorState& state, WorkerId from, const Failed& failed, Instant now);
Decision on_stop(CoordinatorState& state, const std::string& why, Instant now);

// ---- what several transitions do; each adds to `decision`, whose explanation becomes the last
// one's

/// Tells every member `why`, finishes with `status`; the sentence is also the explanation.
Decision end_run(CoordinatorState& state, int status, const std::string& why);
void end_run(CoordinatorState& state, int status, const std::string& why, Decision& decision);
/// Stops all at the level that stands, whose model is stored; then the run ends with `status`.
void halt(CoordinatorState& state, int status, const std::string& why, Decision& decision);
/// Announces the first view. Ends the run with status 2 where what was asked for cannot be.
void begin_first_view(CoordinatorState& state, Instant now, Decision& decision);
/// Announces the view after a loss: the step in flight is given up and begins again with the
/// workers that are left, from the level that stands or, where a layer has no holder there, from
/// level 0. Waits, or ends the run, where they are too few.
void begin_unplanned_view(CoordinatorState& state, const std::string& why, Instant now,
                          Decision& decision);
/// Goes on with what was held up until everybody has said what it holds, if all have.
void go_on_if_answered(CoordinatorState& state, Instant now, Decision& decision);
/// Takes workers that live out of the run: tells them why, and goes on as after any loss.
void evict(CoordinatorState& state, const std::map<WorkerId, std::string>& whys, Instant now,
           Decision& decision);
/// Adds what is to be done because a worker is gone from `members`.
void after_loss(CoordinatorState& state, WorkerId worker, const std::string& why, Instant now,
                Decision& decision);
/// Commits the step in flight if all that it needs has been reported.
void commit_if_complete(CoordinatorState& state, Instant now, Decision& decision);
/// Asks for the state of the layers, one after another, if all have applied the last record.
void store_if_complete(CoordinatorState& state, Decision& decision);

// ---- what need not be computed again (coordinator_salvage.cpp)

/// Notes what a worker of the view has of the step in flight.
void note_salvaged(CoordinatorState& state, WorkerId from, const Salvaged& salvaged);
/// How the step in flight begins again once all are ready; nothing: it is computed whole.
[[nodiscard]] std::optional<Salvage> salvage_of(const CoordinatorState& state);
[[nodiscard]] Json to_json(const Salvage& salvage);

/// The view that the record of the step before `state.step` names, and the states that begin to be
/// sent with it. Changes the plans of `state`, not its view.
struct NextView {
  std::optional<NewView> view;
  std::vector<Move> moves;
  std::string explanation;  // of the view
};
NextView next_view(CoordinatorState& state);

/// Notes states that begin to be sent, and tells of the first and of the last.
void begin_migration(CoordinatorState& state, const std::vector<Move>& moves,
                     const std::string& kind, Instant now, Decision& decision);
void end_migration(CoordinatorState& state, Instant now, Decision& decision);
/// What FORMATS calls the way from one layout to another: pipeline, inter-stage, intra-stage, none.
[[nodiscard]] const char* kind_of_change(const Layout& before, const Layout& after);

// ---- views as values (coordinator_views.cpp)

/// A view of `layout` with proven schedules; invalid_input or infeasible where it does not fit.
[[nodiscard]] Result<NewView> view_of(const CoordinatorState& state, Layout layout,
                                      const std::vector<WorkerId>& members);
void announce_view(const CoordinatorState& state, const std::string& explanation, bool planned,
                   Instant now, Decision& decision);
/// Emits at_risk where layers have fewer holders than they should.
void warn_if_at_risk(const CoordinatorState& state, Instant now, Decision& decision);

// ---- what the run consists of, ascending
/// What those who compute in `layout` do not hold yet.
[[nodiscard]] std::map<WorkerId, std::set<LayerId>> missing_for(const CoordinatorState& state,
                                                                const Layout& layout);
/// Members of the view that have not said what they hold, after the last record or a Halt.
[[nodiscard]] std::vector<WorkerId> not_applied(const CoordinatorState& state);
/// Workers that may have a role in a view that begins with `state.step`.
[[nodiscard]] std::vector<WorkerId> usable_workers(const CoordinatorState& state);
/// The step that the training loops are in: those before it are done again unseen by them.
[[nodiscard]] Step step_of_loops(const CoordinatorState& state);
/// Whether the worker's loop evaluates the level before step_of_loops(), where others may be just
/// now: one that begins with that step does not, and gets nothing to compute before the next.
[[nodiscard]] bool loop_is_there(const CoordinatorState& state, WorkerId worker);
/// The workers that compute, ascending, each once.
[[nodiscard]] std::vector<WorkerId> active_workers(const CoordinatorState& state);
/// The layers that `worker` computes, ascending. Requires an active worker.
[[nodiscard]] std::vector<LayerId> layers_of(const CoordinatorState& state, WorkerId worker);
/// The workers that compute `layer` in the view.
[[nodiscard]] std::vector<WorkerId> active_on(const CoordinatorState& state, LayerId layer);
/// The layers that `worker` shadows in the view and holds, so that its report is waited for.
[[nodiscard]] std::vector<LayerId> shadowed_and_held(const CoordinatorState& state,
                                                     WorkerId worker);
[[nodiscard]] bool holds(const CoordinatorState& state, WorkerId worker, LayerId layer);
/// Whether somebody is known to hold each layer at the level that stands.
[[nodiscard]] bool every_layer_held(const CoordinatorState& state);
[[nodiscard]] int layer_count(const CoordinatorState& state);
[[nodiscard]] std::vector<std::int64_t> layer_bytes(const CoordinatorState& state);

void send_to_all(const CoordinatorState& state, const Message& message, Decision& decision);
/// Adds an event of the view and step that the run stands at; `step` 0 before the first.
void emit(const CoordinatorState& state, Instant now, const std::string& name, Json fields,
          Decision& decision);

// ---- words of explanations
/// "joining", "preparing", ...
[[nodiscard]] const char* name_of(CoordinatorState::Phase phase);
/// "worker 2", "workers 2 and 3", "workers 1, 2 and 3".
[[nodiscard]] std::string text_of(const std::vector<WorkerId>& workers);
/// "layer 3 (block2)", or "layer 3" where the run has no such layer.
[[nodiscard]] std::string text_of(const CoordinatorState& state, LayerId layer);
/// "report of worker 2 ignored: the run is preparing"
[[nodiscard]] Decision ignored(const std::string& what, const std::string& why);

}  // namespace planaria::protocol
