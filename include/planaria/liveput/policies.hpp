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

/// Parcae's published optimizer (NSDI 2024), as its artifact has it. Before an interval it
/// forecasts the next ones from the counts before it (availability/parcae_forecast.hpp, losses of
/// guard 6 by their expectation), solves a dynamic program over them that keeps two ways to each
/// layout (the most samples with no change under way; the most with one), and takes the first
/// layout. What then really comes and goes only clamps it: to the width that fits, else to a single
/// pipeline of all; where the setting does not list that, to the widest listed of the same depth,
/// else the deepest listed single pipeline, else the fastest layout. Guard 5 is for 32 machines as
/// published: workers_max() / 4 to workers_max(). O(look_ahead x layouts^2) an interval.
[[nodiscard]] std::unique_ptr<Policy> parcae_policy(const PriceModel& prices,
                                                    const OptimizerOptions& options);

struct VarunaOptions {
  /// Steps between checkpoints, whose writing takes no time. Rarer ones lose more at a loss. At
  /// least 1; default: as the published example script has it (--save-interval 10).
  int checkpoint_steps = 10;
  double interval_ms = 60'000;
};
/// Varuna's job morphing (EuroSys 2022). Of each depth the widest layout that fits, of these the
/// fastest. Whoever comes or goes, all processes end, all machines begin anew: with newcomers or
/// without they meet, build and read everything, and a checkpoint is written and read. A loss
/// without notice takes along what was trained since the last checkpoint; before a join, or a loss
/// that was known an interval ahead, one is written. Left out: its wait of 60 to 120 s before the
/// end of all. O(layouts).
[[nodiscard]] std::unique_ptr<Policy> varuna_policy(const PriceModel& prices,
                                                    const VarunaOptions& options = {});

struct BambooOptions {
  /// Time that redundant computation adds to a step, as a share: .07 where it is done only after a
  /// loss, .2 where forward is done always, as published.
  double overhead = 0.2;
  /// Nodes of a pipeline for each stage that it needs, rounded up; above 1. Published: 1.5.
  double over_provision = 1.5;
  int checkpoint_steps = 10;  // as VarunaOptions has it
  double interval_ms = 60'000;
};
/// Bamboo's redundant computation (NSDI 2023): each node also has the layers of the next one in its
/// pipeline. The layout of P stages that trains fastest, each pipeline on 1.5 P nodes, at a lower
/// rate; it is taken to train as fast as P stages do for as long as it has P nodes. Losses no two
/// of which are neighbours cost a step's time: neighbours finish it. Else all begin anew from a
/// checkpoint. Which of them it is depends on who is lost: both are weighed by their exact
/// probability, earlier losses lying wherever they break nothing. Newcomers wait until they make
/// another pipeline, which is then taken up by live migration. O(workers^2) an interval with
/// losses.
[[nodiscard]] std::unique_ptr<Policy> bamboo_policy(const PriceModel& prices,
                                                    const BambooOptions& options = {});

struct OobleckOptions {
  /// Failures at once that are to be survived, f: at least f + 1 pipelines, where there is room. 0
  /// or more.
  int failures = 1;
  int checkpoint_steps = 10;  // as VarunaOptions has it
  double interval_ms = 60'000;
};
/// Oobleck's pipeline templates (SOSP 2023): depths n0 to 2 n0 - 1, n0 the least depth listed; at
/// first the fastest layout of these. After a loss it keeps the layout while the machines left
/// suffice, then as many pipelines as it can (nodes are borrowed before pipelines are merged), each
/// of the template that trains fastest; it moves by live migration and loses the step in flight,
/// half of one on average. It does not grow: newcomers stand by until f + 1 pipelines cannot be
/// held any more, when all who are there begin anew from a checkpoint. Approximated: pipelines of a
/// layout have equal depth, so that machines may idle which its unequal templates would use; of the
/// machines lost as many are its own as is expected. O(layouts).
[[nodiscard]] std::unique_ptr<Policy> oobleck_policy(const PriceModel& prices,
                                                     const OobleckOptions& options = {});

struct HysteresisOptions {
  /// How long a layout is taken to be held. Shorter changes more rarely. Default: ten minutes.
  double hold_ms = 600'000;
};
/// Reactive, but it leaves a layout that still fits only where the fastest one, with what changing
/// to it costs, trains more within `hold_ms` than staying, with what that costs. A common guard
/// against thrashing; from no paper. O(layouts).
[[nodiscard]] std::unique_ptr<Policy> hysteresis_policy(const PriceModel& prices,
                                                        const HysteresisOptions& options = {});

struct SpotHedgeOptions {
  /// Machines to train on; 0: as many as the largest layout has.
  int target = 0;
  /// Machines held beside. SkyServe's N_extra; 0 or more.
  int extra = 2;
};
/// SkyServe's SpotHedge (EuroSys 2025), a rule for replicas that serve, applied to machines that
/// train: it holds target + extra machines of those that the zones have, taken one by one from the
/// active zone that it uses least. A zone that takes a machine back, or has none to give, is active
/// no more; when fewer than two are active all are. It trains on the fastest layout for `target` of
/// the machines held, by live migration. All machines cost the same; its fallback to machines on
/// demand is left out: policies are compared on the machines of the trace. O(layouts + machines x
/// zones).
[[nodiscard]] std::unique_ptr<Policy> spot_hedge_policy(const PriceModel& prices,
                                                        const SpotHedgeOptions& options = {});

/// Ours: what LiveputOptimizer expects most of, by what OutlookCounter has seen until now, and by
/// the losses that are known ahead (docs/liveput.md, "The optimizer").
[[nodiscard]] std::unique_ptr<Policy> liveput_policy(const PriceModel& prices,
                                                     const OptimizerOptions& options);

}  // namespace planaria
