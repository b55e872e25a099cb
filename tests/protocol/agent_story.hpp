// tests/protocol/agent_story.hpp: an agent moved by hand.
#pragma once

#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include <planaria/protocol/agent.hpp>

#include "protocol/coordinator_story.hpp"

namespace planaria::protocol::agent {

using Phase = AgentState::Phase;

// The one message of a kind that the decision sends.
template <class Kind>
Kind sent(const Decision& decision) {
  std::vector<Kind> found;
  for (const SendMessage& send : all_of<SendMessage>(decision)) {
    if (const auto* kind = std::get_if<Kind>(&send.message)) found.push_back(*kind);
  }
  REQUIRE(found.size() == 1);
  return found[0];
}

// The kinds of commands, in order, one word each.
inline std::string words(const Decision& decision) {
  static constexpr const char* names[] = {"send",    "connect", "abort",      "prepare",
                                          "compute", "apply",   "hand",       "rejoin",
                                          "copies",  "state",   "evaluation", "finish"};
  std::string text;
  for (const Command& command : decision.commands) {
    if (!text.empty()) text += ' ';
    text += names[command.index()];
  }
  return text;
}

// Layers 0-1 on worker 0, 2-3 on worker 1; worker 2 idle.
inline NewView view_of_three(int number = 1, int first_step = 1) {
  NewView view{.view = ViewNumber{number},
               .first_step = Step{first_step},
               .layout = grid(1, {2, 2}, 4),
               .schedules = {"0: F0 G0\n1: F0 G0\n"},
               .members = {},
               .moves = {}};
  for (int i = 0; i < 3; ++i) view.members.push_back({WorkerId{i}, "host"});
  return view;
}

inline CommitRecord record(int step, bool last = false) {
  return {.step = Step{step}, .loss = 2, .norm = 1, .rate = 0.5, .last = last};
}

struct AgentStory {
  AgentState state;

  Decision give(const Input& input) { return step(state, input); }
  Decision hear(const Message& message) { return give(FromCoordinator{message}); }
  Decision computed(int number, int view = 1) {
    Report report;
    report.view = ViewNumber{view};
    report.step = Step{number};
    return give(Computed{report});
  }
  Decision applied(int number) {
    return give(AppliedRecord{Applied{.view = ViewNumber{1}, .step = Step{number}, .layers = {}}});
  }
  // Computes the step in flight and hears its record.
  Decision whole_step(bool last = false) {
    const int step = static_cast<int>(state.level.value) + 1;
    if (active()) computed(step, state.view->view.value);
    return hear(Commit{record(step, last), {}, {}});
  }
  [[nodiscard]] bool active() const {
    return place_of(state.view->layout, *state.worker).has_value();
  }
};

// Joined as worker `number` and connected: waits for a view.
inline AgentStory waiting(int number) {
  AgentStory story;
  story.give(Start{});
  story.hear(Welcome{WorkerId{number}, {}});
  story.give(PeersConnected{});
  REQUIRE(story.state.phase == Phase::waiting);
  return story;
}

// Worker `number` of view_of_three(), ready; 2 is idle.
inline AgentStory ready(int number) {
  AgentStory story = waiting(number);
  story.hear(view_of_three());
  story.give(Prepared{ViewNumber{1}});
  REQUIRE(story.state.phase == Phase::ready);
  return story;
}

inline AgentStory computing(int number) {
  AgentStory story = ready(number);
  story.hear(Begin{ViewNumber{1}, Step{1}});
  return story;
}

// Worker 1 after the last record, step 1, was applied.
inline AgentStory storing() {
  AgentStory story = computing(1);
  story.whole_step(true);
  story.applied(1);
  REQUIRE(story.state.phase == Phase::storing);
  return story;
}

inline void check_gives_up(const AgentStory& story, const Decision& decision,
                           const std::string& why) {
  CHECK(words(decision) == "send abort");
  CHECK(sent<Failed>(decision).sentence == why);
  CHECK(sent<Failed>(decision).kind == FaultKind::unavailable);
  CHECK(decision.explanation == "cannot go on: " + why);
  CHECK(story.state.phase == Phase::failing);
}

}  // namespace planaria::protocol::agent
