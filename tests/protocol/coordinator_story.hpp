// tests/protocol/coordinator_story.hpp: a coordinator and honest toy workers, moved by hand.
#pragma once

#include <map>
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

/// One coordinator and what its workers would do. Each step forward is one call.
class CoordinatorStory {
 public:
  explicit CoordinatorStory(CoordinatorOptions options, RunSpec spec = toy_spec());

  Decision give(const Input& input);
  Decision join(std::uint64_t connection, WorkerId wanted = WorkerId{-2});
  Decision join(std::uint64_t connection, WorkerId wanted, const RunSpec& spec);
  Decision say(int worker, const Message& message);
  Decision lose(int worker, const std::string& why);

  /// Everybody joins and is ready; returns the decision that begins step 1.
  Decision start();
  /// The workers that compute, honestly, as far as records were sent to them.
  ToyWorker& toy(int worker) { return toys_.at(WorkerId{worker}); }
  Report report(int worker) { return toy(worker).compute(state.step); }
  /// All active workers report the step in flight honestly and apply its record; returns the
  /// commit.
  Decision whole_step();
  /// All active workers send `applied`; returns the last decision.
  Decision all_applied();

  CoordinatorOptions options;
  RunSpec spec;
  CoordinatorState state;
  ManualClock clock;

 private:
  std::map<WorkerId, ToyWorker> toys_;
};

}  // namespace planaria::protocol
