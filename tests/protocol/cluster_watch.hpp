// tests/protocol/cluster_watch.hpp: what must hold in a simulated run, seen from outside.
#pragma once

#include <map>
#include <set>
#include <tuple>

#include "protocol/cluster.hpp"
#include "protocol/toy_worker.hpp"

namespace planaria::protocol {

/// Writes the first thing that must not be into the report. Checks:
/// - steps are committed once, in order, with the record that an undisturbed run has, and only once
///   every live holder with a role has its gradient; nobody applies a step that is not committed;
/// - every number that stands somewhere is the truth's at its level, and who counts as a holder has
///   the layer at the level that stands, or what makes it so;
/// - all go back only where nobody has the level, and never while fewer than k holders of a layer
///   were lost since k held it;
/// - a step that begins again has of every layer every lane once: within one finished sum of a
///   worker that computes the layer, or computed; and computes no lane that all layers have;
/// - views only rise, no number is used for two views, and nobody in one is gone;
/// - a state that a record names is sent as the record is applied;
/// - an evaluation of a level is the truth's, for everybody who hears it;
/// - the ledger has every committed step once, and the run ends for a reason that the scenario has.
class ClusterWatch {
 public:
  using Stores = std::map<WorkerId, const ToyStore*>;  // of live members

  ClusterWatch(const ClusterOptions& options, ClusterReport& report);

  void breaks(const std::string& what);
  void after_delivery(const CoordinatorState& state, const Stores& stores);
  void sent(const Message& message, const CoordinatorState& state, const Stores& stores);
  void applied(WorkerId worker, const CommitRecord& record);
  void state_sent(const Move& move, Step level) { states_sent_.insert({move, level}); }
  /// The worker's compute thread has come so far.
  void stands(WorkerId worker, Step level);
  void event(const Event& event, const CoordinatorState& state, const Stores& stores);
  void evaluated(const Evaluation& evaluation);
  void ledger(const LedgerLine& line);
  void computed(Step step, MicroBatchId micro_batch, LayerId layer);
  void at_end();

 private:
  void committed(const CommitRecord& record, const CoordinatorState& state, const Stores& stores);
  void check_commit(Step step, const CoordinatorState& state, const Stores& stores);
  void check_view(const NewView& view, const CoordinatorState& state);
  void check_salvage(const Begin& begin, const CoordinatorState& state);
  void check_holders(const CoordinatorState& state, const Stores& stores);
  void check_roll_back(const Event& event, const CoordinatorState& state, const Stores& stores);
  void check_ending(const Finish& outcome);
  void count_losses(WorkerId worker);

  const ClusterOptions& options_;
  ClusterReport& report_;
  ToyTruth truth_;
  Step level_{0};  // of the newest record
  Step ledger_{0};
  std::map<ViewNumber, NewView> views_;
  std::set<std::tuple<Step, MicroBatchId, LayerId>> computed_;
  // The coordinator's state as it was before the delivery that is going on.
  std::map<LayerId, std::set<WorkerId>> holders_;
  Layout layout_;
  ViewNumber view_{0};
  /// Holders of a layer that were lost since k held it; nothing before the first time.
  std::map<LayerId, int> lost_since_;
  std::map<Move, Step> filling_;  // named by which record
  std::set<std::pair<Move, Step>> states_sent_;
  std::set<Step> evaluated_;
  ViewNumber salvaged_in_{0};
};

}  // namespace planaria::protocol
