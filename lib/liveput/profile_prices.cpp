#include <planaria/liveput/profile_prices.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/planner/plan_table.hpp>

#include "liveput/loss_rows.hpp"
#include "liveput/takeover.hpp"

namespace planaria {
namespace {

constexpr int layouts_least = 256;
constexpr int layouts_most = 4096;
/// Wider layouts hold every layer often enough.
constexpr int shadowed_width_max = 2;
/// Of all layouts together: what a few seconds allow.
constexpr std::int64_t proof_effort_max = 20'000'000;

/// Returns 1 to `all` and from there ever more, each by that part of it more, up to `most` itself.
std::vector<int> thinned(int most, int all) {
  std::vector<int> numbers;
  for (int one = 1; one < most; one += std::max(1, one / all)) numbers.push_back(one);
  if (most >= 1) numbers.push_back(most);
  return numbers;
}

struct Bounds {
  int workers = 0;
  int width = 0;
  int depth = 0;
};

std::vector<GridLayout> grids(const Bounds& most, int all) {
  std::vector<GridLayout> found;
  for (const int depth : thinned(most.depth, all)) {
    for (const int width : thinned(std::min(most.width, most.workers / depth), all)) {
      found.push_back({width, depth});
    }
  }
  std::ranges::sort(found);
  return found;
}

/// Returns as many layouts as are to be planned: all, if these are few enough.
std::vector<GridLayout> grids_to_plan(const Bounds& most, int layouts_max) {
  int few = 1;  // thinned from here on there are few enough
  int many = most.workers + 1;
  while (many - few > 1) {
    const int middle = few + ((many - few) / 2);
    const bool fits = grids(most, middle).size() <= static_cast<std::size_t>(layouts_max);
    (fits ? few : many) = middle;
  }
  return grids(most, few);
}

BestPlanRequest plan_request(const ProfilePricesRequest& request) {
  BestPlanRequest asked;
  asked.profile = request.profile;
  asked.micro_batches = request.micro_batches;
  asked.recompute = request.recompute;
  if (request.schedule != "any") {
    asked.schedule = request.schedule;
  } else {
    // As `planaria plan` does it: schedules of their own, but no search for them.
    asked.keep_going = [](double) { return false; };
  }
  return asked;
}

/// The same with a shadow of every layer, where few others hold it.
std::vector<GridLayout> shadowed_too(const std::vector<GridLayout>& grids) {
  std::vector<GridLayout> all;
  for (const GridLayout& grid : grids) {
    all.push_back(grid);
    if (grid.width <= shadowed_width_max && grid.depth > 1) {
      all.push_back({grid.width, grid.depth, 1});
    }
  }
  return all;
}

std::vector<int> cuts_of(const Plan& plan) {
  std::vector<int> cuts;
  for (const PlannedStage& stage : plan.pipelines.front().stages) {
    cuts.push_back(stage.layers.first.value);
  }
  cuts.push_back(plan.pipelines.front().stages.back().layers.last.value + 1);
  return cuts;
}

/// Whether somebody must be started: more are wanted than there are, spares included where it is
/// known that there are any.
bool starts(const LayoutChange& change) {
  const int there = change.lost > 0 ? change.workers - change.lost : change.from.workers();
  return change.to.workers() > there;
}

}  // namespace

Result<ProfilePrices> ProfilePrices::of(const ProfilePricesRequest& request) {
  check(request.profile != nullptr && request.cluster != nullptr, "prices are of something");
  if (request.layouts_max < layouts_least || request.layouts_max > layouts_most) {
    return Fault::invalid_input(fmt::format("layouts_max: {}, must be {} to {}",
                                            request.layouts_max, layouts_least, layouts_most));
  }
  const Profile& profile = *request.profile;
  BestPlanRequest asked = plan_request(request);
  asked.cluster = request.cluster;
  asked.micro_batch_size = request.micro_batch_size;
  PLANARIA_TRY(best, best_plan(asked));
  PLANARIA_TRY_VOID(check_alike(*request.cluster, false));
  ProfilePrices prices;
  prices.costs_ = request.costs;
  prices.workers_max_ = static_cast<int>(request.cluster->workers.size());
  prices.micro_batch_size_ = best.plan.micro_batch_size;
  asked.micro_batch_size = prices.micro_batch_size_;
  const std::vector<GridLayout> all =
      grids_to_plan({prices.workers_max_, request.micro_batches,
                     std::min(static_cast<int>(profile.layers.size()), prices.workers_max_)},
                    request.layouts_max);
  asked.proof_effort_max =
      std::min(asked.proof_effort_max, proof_effort_max / static_cast<std::int64_t>(all.size()));
  for (const GridLayout& layout : request.shadows ? shadowed_too(all) : all) {
    const Cluster few = first_workers(*request.cluster, layout.workers());
    asked.cluster = &few;
    asked.width = layout.width;
    asked.depth = layout.depth;
    asked.survive = layout.shadows > 0 ? layout.survives() : 0;
    // What is asked was allowed for all workers: only this shape may be refused.
    const auto planned = best_plan_if_any(asked);
    if (!planned.ok() || !planned.value()) continue;
    const Plan& plan = planned.value()->plan;
    prices.layouts_.push_back({layout, plan.step_ms, plan.samples_per_s});
    prices.planned_[layout] = {plan.step_ms, cuts_of(plan), layout_of(plan)};
  }
  const Cluster two = first_workers(*request.cluster, std::min(2, prices.workers_max_));
  const WorkerId other = two.workers.back().id;
  for (const LayerProfile& layer : profile.layers) {
    const std::int64_t bytes = layer.parameter_bytes + layer.state_bytes;
    prices.sums_.push_back(prices.sums_.back() +
                           transfer_ms(two, profile.transfer, WorkerId{0}, other, bytes));
  }
  return prices;
}

const ProfilePrices::Planned& ProfilePrices::planned(const GridLayout& layout) const {
  const auto found = planned_.find(layout);
  check(found != planned_.end(), "a price is asked of one of layouts()");
  return found->second;
}

const std::vector<int>& ProfilePrices::cuts(const GridLayout& layout) const {
  return planned(layout).cuts;
}

double ProfilePrices::restart_ms(const GridLayout& to, bool grows) const {
  // Stages are built at once, and all processes start, newcomers or not.
  static_cast<void>(to);
  static_cast<void>(grows);
  return costs_.start_ms + costs_.view_ms + costs_.build_ms;
}

double ProfilePrices::read_all_ms(const GridLayout& to) const {
  return move_ms(0, cuts(to).back());
}

double ProfilePrices::checkpoint_ms() const {
  return costs_.checkpoint_ms.value_or(2 * sums_.back());
}

/// What filling lasts beside training that alone takes `move_ms`.
double ProfilePrices::filled_ms(const LayoutChange& change, double move_ms, int layers) const {
  if (costs_.layers_per_step == 0) return move_ms;
  const double steps = std::ceil(static_cast<double>(layers) / costs_.layers_per_step);
  return std::max(move_ms, steps * planned(change.from).step_ms);
}

/// How long whoever shadows most fetches that.
double ProfilePrices::shadows_ms(const LayoutChange& change) const {
  if (change.from == change.to) return 0;
  double slowest_ms = 0;
  for (const ShadowAssignment& shadow : planned(change.to).layout.shadows) {
    double all_ms = 0;
    for (const LayerId layer : shadow.layers) all_ms += move_ms(layer.value, layer.value + 1);
    const auto layers = static_cast<int>(shadow.layers.size());
    slowest_ms = std::max(
        slowest_ms, costs_.growth == Growth::stop ? all_ms : filled_ms(change, all_ms, layers));
  }
  return slowest_ms;
}

Holders ProfilePrices::holders(const GridLayout& layout, int workers) const {
  return holders_of(planned(layout).layout, workers).value();
}

double ProfilePrices::fill_ms(const LayoutChange& change) const {
  const Takeover takeover(
      {change.from.width, cuts(change.from)}, {change.to.width, cuts(change.to)},
      [&](const Takeover::Missing& some) {
        return filled_ms(change, move_ms(some.first, some.end) + move_ms(some.then, some.last),
                         some.end - some.first + some.last - some.then);
      });
  const double slowest_ms = takeover.unhurt_ms();
  // Layers to compute with come first.
  if (slowest_ms == 0) return shadows_ms(change);
  return slowest_ms + costs_.build_ms + (starts(change) ? costs_.start_ms : 0) + shadows_ms(change);
}

Takeover ProfilePrices::takeover(const LayoutChange& change) const {
  return {{change.from.width, cuts(change.from)},
          {change.to.width, cuts(change.to)},
          [&](const Takeover::Missing& some) {
            return move_ms(some.first, some.end) + move_ms(some.then, some.last);
          }};
}

/// Where nobody who computed was lost.
double ProfilePrices::unhurt_stop_ms(const LayoutChange& change) const {
  if (change.from == change.to) return 0;
  if (costs_.growth == Growth::background) return costs_.cut_over_ms;
  const double slowest_ms = takeover(change).unhurt_ms();
  const double shadowed_ms = costs_.cut_over_ms + shadows_ms(change);
  if (slowest_ms == 0) return shadowed_ms;
  return shadowed_ms + slowest_ms + costs_.build_ms + (starts(change) ? costs_.start_ms : 0);
}

double ProfilePrices::change_ms(const LayoutChange& change) const {
  if (change.to.empty()) return 0;
  if (change.from.empty()) return restart_ms(change.to, true) + read_all_ms(change.to);
  if (change.lost == 0) return unhurt_stop_ms(change);
  const bool held = change.lost <= change.from.survives();
  const TakeoverOutlook outlook = takeover(change).after(change.workers, change.lost, held);
  const double hurt = 1 - outlook.unhurt;
  const double ready_ms = costs_.build_ms + (starts(change) ? costs_.start_ms : 0);
  const double known_ms =
      costs_.detect_ms + costs_.view_ms + (costs_.redo_steps * planned(change.from).step_ms);
  return (outlook.unhurt * unhurt_stop_ms(change)) + (hurt * known_ms) + outlook.fetch_ms +
         (outlook.fetching * ready_ms) +
         (outlook.stage_lost * (ready_ms + read_all_ms(change.to) + costs_.rolled_back_ms));
}

double ProfilePrices::background_ms(const LayoutChange& change) const {
  if (costs_.growth == Growth::stop || change.from.empty() || change.to.empty()) return 0;
  const double filled_ms = change.from == change.to ? 0 : fill_ms(change);
  if (filled_ms == 0 || change.lost == 0) return filled_ms;
  // Whoever computed and is lost stops all: nothing goes on beside training then.
  const int computed = change.from.workers();
  const LossSplit split({computed, change.workers - computed}, change.lost);
  return split.low() > 0 ? 0 : filled_ms * split.at(0);
}

}  // namespace planaria
