// Bugs planted around the plain machines, and what the watch must find of them.
#pragma once

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "protocol/scenario.hpp"

namespace planaria::protocol {

using Plant = std::function<void(ClusterOptions&)>;

inline constexpr std::uint64_t planted_seeds = 600;

// Messages that may say that a bug was found.
using Findings = std::vector<std::string>;

// What the first of many scenarios, of `steps` steps at least, is broken by; or nothing.
inline std::string first_broken(const Plant& plant, std::int64_t steps = 1) {
  for (std::uint64_t seed = 0; seed < planted_seeds; ++seed) {
    ClusterOptions scenario = scenario_of(seed);
    scenario.spec.steps = std::max(scenario.spec.steps, steps);
    plant(scenario);
    const ClusterReport report = run_cluster(scenario);
    if (!report.broken.empty()) return report.broken;
  }
  return "";
}

inline void check_found(const std::string& broken, const Findings& findings) {
  INFO("found: " << (broken.empty() ? "nothing" : broken));
  CHECK(std::ranges::any_of(
      findings, [&](const std::string& words) { return broken.find(words) != std::string::npos; }));
}

// Around the coordinator's step: what comes before and after it.
using Before = std::function<void(CoordinatorState&, Input&)>;
using After = std::function<void(CoordinatorState&, Decision&)>;

inline Plant around_coordinator(Before before, After after = {}) {
  return [=](ClusterOptions& options) {
    options.coordinator_step = [=](CoordinatorState& state, const Input& input, Instant now) {
      Input changed = input;
      if (before) before(state, changed);
      Decision decision = step(state, changed, now);
      if (after) after(state, decision);
      return decision;
    };
  };
}

template <class Kind>
Kind* received(Input& input) {
  auto* from = std::get_if<Received>(&input);
  return from == nullptr ? nullptr : std::get_if<Kind>(&from->message);
}

template <class Kind, class Change>
void change_sent(Decision& decision, Change change) {
  for (Command& command : decision.commands) {
    auto* send = std::get_if<Send>(&command);
    auto* message = send == nullptr ? nullptr : std::get_if<Kind>(&send->message);
    if (message != nullptr) change(*message);
  }
}

inline bool loss_in_training(const CoordinatorState& state, const Input& input) {
  return state.phase == CoordinatorState::Phase::training &&
         std::holds_alternative<WorkerLost>(input);
}

using AgentStep = std::function<agent::Decision(agent::AgentState&, const agent::Input&)>;

inline Plant in_agents(const AgentStep& planted) {
  return [=](ClusterOptions& options) { options.agent_step = planted; };
}

}  // namespace planaria::protocol
