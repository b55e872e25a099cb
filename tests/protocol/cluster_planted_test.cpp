// Bugs planted around the plain machines: the watch must find each of them.
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <memory>

#include "protocol/all_of.hpp"
#include "protocol/planted.hpp"

namespace planaria::protocol {
namespace {

using Phase = CoordinatorState::Phase;

}  // namespace

TEST_CASE("nothing is found where nothing is planted", "[simulation]") {
  CHECK(first_broken([](ClusterOptions&) {}, 12) == "");
}

TEST_CASE("planted: a step is committed without its shadows' reports", "[simulation]") {
  const Plant plant = [](ClusterOptions& options) {
    options.coordinator_step = [](CoordinatorState& state, const Input& input, Instant now) {
      const auto holders = state.holders;
      const Step before = state.step;
      for (const ShadowAssignment& shadow : state.view.layout.shadows) {
        for (const LayerId layer : shadow.layers) state.holders[layer].erase(shadow.worker);
      }
      Decision decision = step(state, input, now);
      const bool goes_on = state.phase == Phase::training && state.step == before;
      if (goes_on) state.holders = holders;
      return decision;
    };
  };
  check_found(first_broken(plant), {"was committed before worker"});
}

TEST_CASE("planted: a shadow counts before it is filled", "[simulation]") {
  check_found(first_broken(around_coordinator({},
                                              [](CoordinatorState& state, Decision&) {
                                                for (const Move& move : state.filling) {
                                                  state.holders[move.layer].insert(move.to);
                                                }
                                              })),
              {"counts as a holder"});
}

TEST_CASE("planted: a lost worker goes on counting", "[simulation]") {
  const auto kept = std::make_shared<std::map<LayerId, std::set<WorkerId>>>();
  const auto before = [=](CoordinatorState& state, Input& input) {
    kept->clear();
    if (loss_in_training(state, input)) *kept = state.holders;
  };
  const auto after = [=](CoordinatorState& state, Decision&) {
    for (const auto& [layer, holders] : *kept) {
      state.holders[layer].insert(holders.begin(), holders.end());
    }
  };
  check_found(first_broken(around_coordinator(before, after)), {", and is no member"});
}

TEST_CASE("planted: all go back although somebody holds the layer", "[simulation]") {
  const auto before = [](CoordinatorState& state, Input& input) {
    if (loss_in_training(state, input) && state.step > Step{1}) state.holders[LayerId{0}].clear();
    auto* applied = received<Applied>(input);
    if (applied == nullptr || state.phase != Phase::asking) return;
    std::erase_if(applied->layers,
                  [](const LayerState& layer) { return layer.layer == LayerId{0}; });
  };
  check_found(first_broken(around_coordinator(before)), {"all went back to level 0"});
}

TEST_CASE("planted: two views get one number", "[simulation]") {
  const auto after = [](CoordinatorState& state, Decision& decision) {
    bool unplanned = false;
    change_sent<NewView>(decision, [&](NewView& view) {
      if (view.view == ViewNumber{1}) return;
      view.view = ViewNumber{view.view.value - 1};
      unplanned = true;
    });
    if (unplanned) state.view.view = ViewNumber{state.view.view.value - 1};
  };
  check_found(first_broken(around_coordinator({}, after)), {"was announced with two contents"});
}

TEST_CASE("planted: a lost worker keeps its role", "[simulation]") {
  const auto old = std::make_shared<std::optional<Layout>>();
  const auto before = [=](CoordinatorState& state, Input& input) {
    old->reset();
    if (loss_in_training(state, input)) *old = state.view.layout;
  };
  const auto after = [=](CoordinatorState& state, Decision& decision) {
    if (!*old) return;
    change_sent<NewView>(decision, [&](NewView& view) { view.layout = state.view.layout = **old; });
  };
  check_found(first_broken(around_coordinator(before, after)), {", which is gone"});
}

TEST_CASE("planted: two workers hear different records of a step", "[simulation]") {
  const auto after = [](CoordinatorState&, Decision& decision) {
    int sent = 0;
    change_sent<Commit>(decision, [&](Commit& commit) {
      if (sent++ == 1) commit.record.loss += 1;
    });
  };
  check_found(first_broken(around_coordinator({}, after)), {"a step has two records"});
}

TEST_CASE("planted: the record is told only to those who compute", "[simulation]") {
  const auto after = [](CoordinatorState& state, Decision& decision) {
    std::erase_if(decision.commands, [&](const Command& command) {
      const auto* send = std::get_if<Send>(&command);
      const bool commit = send != nullptr && std::holds_alternative<Commit>(send->message);
      return commit && !place_of(state.view.layout, send->to);
    });
  };
  check_found(first_broken(around_coordinator({}, after)),
              {"ended without reason", "never finished", "counts as a holder"});
}

TEST_CASE("planted: neither losses nor silence are noticed", "[simulation]") {
  const Plant plant = [](ClusterOptions& options) {
    options.coordinator_step = [](CoordinatorState& state, const Input& input, Instant now) {
      const bool deaf =
          std::holds_alternative<WorkerLost>(input) || std::holds_alternative<Tick>(input);
      if (deaf && state.phase != Phase::joining) return Decision{{}, "unheard"};
      return step(state, input, now);
    };
  };
  check_found(first_broken(plant), {"the coordinator never finished"});
}

TEST_CASE("planted: a report of an older view counts in the new one", "[simulation]") {
  const auto before = [](CoordinatorState& state, Input& input) {
    auto* report = received<Report>(input);
    if (report == nullptr || state.phase != Phase::preparing || report->step != state.step) return;
    const WorkerId from = std::get<Received>(input).from;
    if (place_of(state.view.layout, from)) state.reports[from] = *report;
  };
  check_found(first_broken(around_coordinator(before)),
              {"was committed before worker", "counts as a holder", "without its gradient",
               "ended without reason"});
}

TEST_CASE("planted: a planned view begins before its workers hold their layers", "[simulation]") {
  const auto after = [](CoordinatorState& state, Decision& decision) {
    if (!state.target) return;
    bool named = false;
    change_sent<Commit>(decision, [&](Commit& commit) {
      if (!commit.next) return;
      commit.next->layout.pipelines = state.target->pipelines;
      commit.next->layout.shadows.clear();
      state.view = *commit.next;
      named = true;
    });
    if (named) state.target.reset();
  };
  check_found(first_broken(around_coordinator({}, after)), {", which it has not at level"});
}

TEST_CASE("planted: a step that is done again gets a second line of the ledger", "[simulation]") {
  const auto after = [](CoordinatorState&, Decision& decision) {
    for (const Emit& emit : all_of<Emit>(decision)) {
      if (!emit.event.fields.contains("again")) continue;
      decision.commands.emplace_back(LedgerLine{emit.event.step, {}, {}});
    }
  };
  check_found(first_broken(around_coordinator({}, after)), {"the ledger's lines are not in order"});
}

TEST_CASE("planted: a view change keeps what was evaluated in the view before", "[simulation]") {
  const auto kept = std::make_shared<std::map<WorkerId, Evaluated>>();
  const auto before = [=](CoordinatorState& state, Input& input) {
    kept->clear();
    if (loss_in_training(state, input)) *kept = state.evaluated;
  };
  const auto after = [=](CoordinatorState& state, Decision&) {
    for (const auto& [worker, evaluated] : *kept) {
      if (place_of(state.view.layout, worker)) state.evaluated[worker] = evaluated;
    }
  };
  const Plant plant = around_coordinator(before, after);
  const Plant planted = [=](ClusterOptions& options) {
    plant(options);
    options.evaluate_every = 1;
    options.spec.evaluation_samples = 9;
  };
  check_found(first_broken(planted, 12), {"ended without reason", "is another than alone"});
}

TEST_CASE("planted: the loss of who computes the last evaluation goes unheeded", "[simulation]") {
  const auto before = [](CoordinatorState& state, Input&) { state.evaluation_given_up = true; };
  const auto after = [](CoordinatorState& state, Decision&) { state.evaluation_given_up = false; };
  const Plant plant = around_coordinator(before, after);
  // As in every run, but for results, which count.
  const Plant planted = [=](ClusterOptions& options) {
    plant(options);
    const auto planted_step = options.coordinator_step;
    options.coordinator_step = [=](CoordinatorState& state, const Input& input, Instant now) {
      Input copy = input;
      if (received<Evaluated>(copy) != nullptr) return step(state, input, now);
      return planted_step(state, input, now);
    };
  };
  check_found(first_broken(planted), {"the coordinator never finished"});
}

TEST_CASE("planted: an agent does not abort", "[simulation]") {
  check_found(first_broken(in_agents([](agent::AgentState& state, const agent::Input& input) {
                auto decision = agent::step(state, input);
                std::erase_if(decision.commands, [](const agent::Command& command) {
                  return std::holds_alternative<agent::Abort>(command);
                });
                return decision;
              })),
              {"never finished"});
}

TEST_CASE("planted: an agent applies a step before its record", "[simulation]") {
  check_found(
      first_broken(in_agents([](agent::AgentState& state, const agent::Input& input) {
        auto decision = agent::step(state, input);
        if (const auto* computed = std::get_if<agent::Computed>(&input)) {
          decision.commands.emplace_back(agent::Apply{{.step = computed->report.step}, {}, {}});
        }
        return decision;
      })),
      {", which was not committed"});
}

TEST_CASE("planted: an agent stays where it is when all go back", "[simulation]") {
  check_found(first_broken(in_agents([](agent::AgentState& state, const agent::Input& input) {
                agent::Input changed = input;
                auto* from = std::get_if<agent::FromCoordinator>(&changed);
                auto* view = from == nullptr ? nullptr : std::get_if<NewView>(&from->message);
                if (view != nullptr && state.view) view->first_step = state.level.next();
                return agent::step(state, changed);
              })),
              {"ended without reason", "never finished", "which nobody sends", "computes layer"});
}

TEST_CASE("planted: an agent passes an older view's result for the new one's", "[simulation]") {
  const auto kept = std::make_shared<std::map<const agent::AgentState*, Report>>();
  check_found(first_broken(in_agents([=](agent::AgentState& state, const agent::Input& input) {
                const auto* computed = std::get_if<agent::Computed>(&input);
                if (computed != nullptr && state.phase == agent::AgentState::Phase::preparing) {
                  (*kept)[&state] = computed->report;
                }
                auto decision = agent::step(state, input);
                const auto old = kept->find(&state);
                const bool begins =
                    state.phase == agent::AgentState::Phase::computing && old != kept->end() &&
                    old->second.step == state.level.next() &&
                    agent::Input(input).index() == agent::Input(agent::FromCoordinator{}).index();
                if (begins && place_of(state.view->layout, *state.worker)) {
                  old->second.view = state.view->view;
                  decision.commands.emplace_back(agent::SendMessage{old->second});
                  state.phase = agent::AgentState::Phase::reported;
                  kept->erase(old);
                }
                return decision;
              })),
              {"was committed before worker", "counts as a holder", "without its gradient",
               "ended without reason"});
}

TEST_CASE("planted: a worker does not send what a view's moves ask of it", "[simulation]") {
  check_found(first_broken(in_agents([](agent::AgentState& state, const agent::Input& input) {
                auto decision = agent::step(state, input);
                for (agent::Command& command : decision.commands) {
                  if (auto* copies = std::get_if<agent::SendCopies>(&command))
                    copies->moves.clear();
                  auto* prepare = std::get_if<agent::Prepare>(&command);
                  if (prepare == nullptr) continue;
                  std::erase_if(prepare->view.moves,
                                [&](const Move& move) { return move.from == state.worker; });
                }
                return decision;
              })),
              {"never finished"});
}

TEST_CASE("planted: a state that a record names is never sent", "[simulation]") {
  check_found(first_broken(in_agents([](agent::AgentState& state, const agent::Input& input) {
                             auto decision = agent::step(state, input);
                             for (agent::Command& command : decision.commands) {
                               auto* apply = std::get_if<agent::Apply>(&command);
                               if (apply != nullptr) apply->moves.clear();
                             }
                             return decision;
                           }),
                           12),
              {", and has not"});
}

}  // namespace planaria::protocol
