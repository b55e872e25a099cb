// schedule/routed.hpp: one step of pipelines that share workers. Floor 2, pure.
// Is: an order of work where it is given who computes each stage of each micro-batch, as a layout
// says once the micro-batches of a lost worker are re-routed to others. Is not: a choice of who
// takes them (planner/rerouting.hpp), nor a search over both (degraded.hpp).
#pragma once

#include <vector>

#include <planaria/base/result.hpp>
#include <planaria/schedule/actions.hpp>
#include <planaria/schedule/simulate.hpp>

namespace planaria {

/// A pipeline: its micro-batches, and who computes each of its stages.
struct Route {
  int micro_batches = 0;     // none is allowed
  std::vector<int> workers;  // by stage; any numbers, one worker may be in several routes
};

struct RoutedRequest {
  Placement placement = Placement::single;
  int chunks = 1;
  /// Micro-batches are numbered route after route. A worker has the same stages in each of its
  /// routes, the chunks of one rank.
  std::vector<Route> routes;
  std::vector<StageCosts> costs;  // by stage
  /// By place in the pipeline: most micro-batches of a worker between the start of F and the end of
  /// W or G; at least 1.
  std::vector<int> held_limit;
  bool split = true;  // B and W apart, W where nothing else can run; else G
};

/// Returns a schedule as wide as there are routes; a worker's actions are in the line of its first
/// route. Several rules of preference are tried, the least makespan wins, of equals the first. Each
/// ends, whatever the routes: workers take up micro-batches in one order over all routes, so the
/// first that is not done is never behind another. Weight gradients of a route are in index order.
/// invalid_input where the request contradicts itself. O(a log a) for a actions.
[[nodiscard]] Result<Schedule> routed(const RoutedRequest& request);

}  // namespace planaria
