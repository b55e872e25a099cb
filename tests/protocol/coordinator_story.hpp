// tests/protocol/coordinator_story.hpp: a coordinator and honest toy workers, moved by hand.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <planaria/protocol/coordinator.hpp>

#include "protocol/all_of.hpp"
#include "protocol/toy_worker.hpp"

namespace planaria::protocol {

/// Returns the messages of one kind that are sent, by receiver.
template <class Kind>
std::map<WorkerId, Kind> sent(const Decision& decision) {
  std::map<WorkerId, Kind> found;
  for (const Send& send : all_of<Send>(decision)) {
    if (const auto* kind = std::get_if<Kind>(&send.message)) found[send.to] = *kind;
  }
  return found;
}
/// Returns the events named `name`.
std::vector<Event> events(const Decision& decision, const std::string& name);
/// Returns e.g. "0:0-1 1:2-3 | 2:0-3 x2": worker:layers per stage, pipelines with their shares.
std::string shape(const Layout& layout);
/// Returns pipelines of `micro_batches` each over stages of whole layers, workers in order from 0.
Layout grid(int width, const std::vector<int>& layers_per_stage, int micro_batches);

/// One coordinator and what its honest workers say, which is the truth (ToyTruth) about the view
/// and step that the coordinator stands at. Each step forward is one call.
class CoordinatorStory {
 public:
  explicit CoordinatorStory(CoordinatorOptions options, RunSpec spec = toy_spec());

  Decision give(const Input& input);
  Decision join(std::uint64_t connection, WorkerId wanted = WorkerId{-2});
  Decision join(std::uint64_t connection, WorkerId wanted, const RunSpec& spec);
  Decision say(int worker, const Message& message);
  Decision lose(int worker, const std::string& why = "killed");
  /// Time passes, in ticks of 50 ms, and everybody but `silent` says Alive; returns the last tick.
  Decision pass(Milliseconds time, const std::set<int>& silent = {});

  /// All workers and spares join and are connected; returns the decision that announces view 1.
  Decision gather();
  /// And are ready; returns the decision that begins step 1.
  Decision start();
  /// Another joins and is connected; returns its number.
  int newcomer();
  /// Every member of the view that is being prepared is ready; returns the last decision.
  Decision all_ready();
  [[nodiscard]] Report report(int worker);
  /// With the layers of the view that the worker shadows and holds; `filled`: those it fills too.
  [[nodiscard]] ShadowReport shadow_report(int worker, bool filled = false);
  [[nodiscard]] Applied applied(int worker);
  /// All who are waited for report the step in flight; returns the commit. Those who fill say
  /// nothing.
  Decision whole_step();
  /// And those who fill have it all.
  Decision whole_step_filled();
  /// All members of the view say what they hold; returns the last decision.
  Decision all_applied();

  CoordinatorOptions options;
  RunSpec spec;
  CoordinatorState state;
  ManualClock clock;

 private:
  ToyTruth truth_;
  std::uint64_t next_connection_ = 100;
};

/// Checks that the decision ends the run for all `members`; returns the sentence.
std::string end_of(const Decision& decision, std::size_t members, int status);

}  // namespace planaria::protocol
