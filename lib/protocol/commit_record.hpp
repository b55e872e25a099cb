// protocol/commit_record.hpp: what a step's reports add up to. Private to protocol.
// Is: a function from the reports of all active workers to record and ledger line, or to what does
// not fit between them. Is not: the decision whether the step is the last.
#pragma once

#include <map>

#include <planaria/base/result.hpp>
#include <planaria/protocol/coordinator.hpp>

namespace planaria::protocol {

struct StepOutcome {
  CommitRecord record;
  LedgerLine line;
};

/// Returns the workers whose gradient of some layer is another than most holders have (of equally
/// many: than those with the lowest active holder), each with its first such layer.
[[nodiscard]] std::map<WorkerId, LayerId> differing_workers(const CoordinatorState& state);

/// Requires a report of every active worker, and of every shadow that holds. Fails where a layer's
/// holders differ, a layer is missing from a report, a micro-batch is missing or doubled, or rates
/// differ: "step 12: layer 3 (block2) has different gradients on workers 0 and 2".
[[nodiscard]] Result<StepOutcome> commit_step(const CoordinatorState& state);

}  // namespace planaria::protocol
