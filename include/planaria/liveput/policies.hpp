// liveput/policies.hpp: the field's policies and ours. Floor 4, pure.
// Is: makers of what simulation.hpp compares, each with its source. Is not: the optimizer itself
// (optimizer.hpp). What is borrowed must outlive the policy.
#pragma once

#include <memory>
#include <span>

#include <planaria/liveput/optimizer.hpp>
#include <planaria/liveput/policy.hpp>
#include <planaria/liveput/simulation.hpp>

namespace planaria {

/// Best throughput now; whoever comes or goes, all save, read everything and begin anew. What
/// checkpointing systems without elasticity do.
[[nodiscard]] std::unique_ptr<Policy> restart_policy(const PriceModel& prices);

/// Best throughput now, in every interval, by live migration, whatever the change costs.
[[nodiscard]] std::unique_ptr<Policy> reactive_policy(const PriceModel& prices);

/// Perfect future: the most samples that any sequence of layouts earns over the request's whole
/// segment. Exact: a dynamic program over layouts, of each the pairs of (samples, leftover) that no
/// other beats in both. O(intervals x layouts^2 x pairs).
[[nodiscard]] std::unique_ptr<Policy> oracle_policy(const SimulationRequest& request);

/// Ours: what LiveputOptimizer expects most of, by what OutlookCounter has seen until now, and by
/// the losses that are known ahead (docs/liveput.md, "The optimizer").
[[nodiscard]] std::unique_ptr<Policy> liveput_policy(const PriceModel& prices,
                                                     const OptimizerOptions& options);

}  // namespace planaria
