// tests/protocol/cluster_watch.hpp: what must hold in a simulated run, seen from outside.
#pragma once

#include <map>
#include <set>
#include <tuple>

#include "protocol/cluster.hpp"
#include "protocol/toy_worker.hpp"

namespace planaria::protocol {

/// Writes the first thing that must not be into the report. Checks: steps are committed once, in
/// order, with the record that an undisturbed run has; nobody applies a step that is not committed;
/// every number that stands somewhere is the truth's at its level; while fewer than k holders of a
/// layer are lost since it was held k times, the committed level of it is in somebody's memory; a
/// roll-back only where it is not; the ledger has every committed step once; views only rise.
class ClusterWatch {
 public:
  ClusterWatch(const ClusterOptions& options, ClusterReport& report);

  void breaks(const std::string& what);
  void after_delivery(const CoordinatorState& state,
                      const std::map<WorkerId, const ToyStore*>& stores);
  void committed(const CommitRecord& record);
  void applied(WorkerId worker, const CommitRecord& record);
  void event(const Event& event, const CoordinatorState& state,
             const std::map<WorkerId, const ToyStore*>& stores);
  void ledger(const LedgerLine& line);
  void computed(Step step, MicroBatchId micro_batch, LayerId layer);
  void at_end();

 private:
  void check_roll_back(const Event& event, const CoordinatorState& state,
                       const std::map<WorkerId, const ToyStore*>& stores);

  const ClusterOptions& options_;
  ClusterReport& report_;
  ToyTruth truth_;
  Step level_{0};  // of the newest record
  ViewNumber view_{0};
  Step ledger_{0};
  std::set<std::tuple<Step, MicroBatchId, LayerId>> computed_;
};

}  // namespace planaria::protocol
