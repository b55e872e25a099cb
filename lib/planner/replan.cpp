#include <planaria/planner/replan.hpp>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/text.hpp>
#include <planaria/planner/chunks.hpp>
#include <planaria/planner/placement.hpp>
#include <planaria/schedule/builders.hpp>

#include "planner/holdings.hpp"
#include "planner/layout_price.hpp"
#include "planner/plan_request.hpp"
#include "planner/repair.hpp"
#include "planner/replan_judge.hpp"
#include "planner/replan_request.hpp"
#include "planner/transfers.hpp"

namespace planaria {
namespace {

/// Most combinations of cuts that are all tried.
constexpr std::int64_t combinations_max = 512;

constexpr const char* complete_origin = "the complete pipelines of before";

/// Pipelines whose places are still to be given to workers.
struct Shape {
  Layout layout;
  const char* origin = "";
  ReplanRank least;              // no way to give them away ranks before it
  bool places_are_there = true;  // named by workers that are there
};

class Replanner {
 public:
  Replanner(const ReplanRequest& request, const Holdings& holdings, LayoutPrice& price,
            ReplanJudge& judge)
      : request_(request), holdings_(holdings), price_(price), judge_(judge) {}

  /// Brings all candidates before the judge. Those of before first: they are cheap and often good,
  /// which spares assignments of the others.
  [[nodiscard]] Result<void> consider_all() {
    if (request_.before && stands_for_schedule(*request_.before)) {
      if (price_.chunks() == 1) consider_repairs(*request_.before);
      PLANARIA_TRY_VOID(consider_shape_of(*request_.before));
    }
    PLANARIA_TRY(shapes, shapes_anew());
    for (Shape& shape : shapes) PLANARIA_TRY_VOID(consider_shape(std::move(shape)));
    return {};
  }

 private:
  /// A layout may have other chunks than the schedule: a text of its own gave them to it.
  [[nodiscard]] bool stands_for_schedule(const Layout& before) const {
    return !shares_workers(before) &&
           std::ranges::all_of(before.pipelines, [&](const PipelineAssignment& pipeline) {
             return chunks_in(pipeline) == price_.chunks();
           });
  }

  void consider_repairs(const Layout& before) {
    const Repair repair(before, holdings_);
    if (!repair.possible()) return;
    const auto& runs = repair.runs();
    std::int64_t combinations = 1;
    for (const LostRun& run : runs) {
      combinations = std::min(combinations * run.cuts(), combinations_max + 1);
    }
    const std::vector<int> cuts = repair.cuts_of_fewest_bytes();
    judge_.consider(repair.with_cuts(cuts), origin_of(repair));
    if (combinations > combinations_max) {
      improve_cuts(repair, cuts);
    } else {
      try_other_cuts(repair, cuts);
    }
    Layout complete = repair.complete_pipelines();
    if (!runs.empty() && !complete.pipelines.empty()) {
      judge_.consider(std::move(complete), complete_origin);
    }
  }

  [[nodiscard]] const char* origin_of(const Repair& repair) const {
    if (!repair.runs().empty()) return "the pipelines of before, repaired";
    const bool whole =
        repair.complete_pipelines().pipelines.size() == request_.before->pipelines.size();
    return whole ? "as before" : complete_origin;
  }

  void try_other_cuts(const Repair& repair, const std::vector<int>& tried) {
    const auto& runs = repair.runs();
    const char* origin = origin_of(repair);
    std::vector<int> cuts;
    cuts.reserve(runs.size());
    for (const LostRun& run : runs) cuts.push_back(run.cut_least);
    while (price_.effort_left()) {
      if (cuts != tried) judge_.consider(repair.with_cuts(cuts), origin);
      std::size_t i = 0;
      while (i < runs.size() && cuts[i] == runs[i].cut_most) {
        cuts[i] = runs[i].cut_least;
        ++i;
      }
      if (i == runs.size()) return;
      ++cuts[i];
    }
  }

  /// Every step betters the best of those tried, so this ends.
  void improve_cuts(const Repair& repair, std::vector<int> cuts) {
    const char* origin = origin_of(repair);
    for (bool improved = true; improved && price_.effort_left();) {
      improved = false;
      for (std::size_t i = 0; i < cuts.size(); ++i) {
        const LostRun& run = repair.runs()[i];
        for (int cut = run.cut_least; cut <= run.cut_most; ++cut) {
          const int kept = std::exchange(cuts[i], cut);
          if (judge_.consider(repair.with_cuts(cuts), origin)) {
            improved = true;
          } else {
            cuts[i] = kept;
          }
        }
      }
    }
  }

  /// What can be planned for the workers there are, the most promising first.
  [[nodiscard]] Result<std::vector<Shape>> shapes_anew() {
    std::vector<Shape> shapes;
    PLANARIA_TRY(best, best_anew());
    if (best) shapes.push_back(shape_of(*std::move(best)));
    for (Layout& layout : price_.even_layouts()) {
      const bool known = std::ranges::any_of(
          shapes, [&](const Shape& shape) { return shape.layout.pipelines == layout.pipelines; });
      if (!known) shapes.push_back(shape_of(std::move(layout)));
    }
    std::ranges::stable_sort(shapes, {}, &Shape::least);
    return shapes;
  }

  [[nodiscard]] Shape shape_of(Layout layout) const {
    const ReplanRank least = judge_.least_rank(layout, price_.least_ms(layout));
    return {std::move(layout), "planned anew", least};
  }

  /// Nothing where nothing fits.
  [[nodiscard]] Result<std::optional<Layout>> best_anew() const {
    if (request_.best == nullptr) {
      PLANARIA_TRY(plan, planned_anew(request_));
      if (!plan) return std::optional<Layout>();
      return std::optional(Layout{layout_of(*plan).pipelines, {}});
    }
    Layout layout{layout_of(*request_.best).pipelines, {}};
    for (PipelineAssignment& pipeline : layout.pipelines) {
      for (StageAssignment& stage : pipeline.stages) {
        check(stage.worker.value < holdings_.workers(), "the plan is for as many workers");
        stage.worker = holdings_.id_of(stage.worker.value);
      }
    }
    return std::optional(std::move(layout));
  }

  /// Places are given away where that may be worth it: of workers alike the price is known before.
  [[nodiscard]] Result<void> consider_shape(Shape shape) {
    bool hopeless = judge_.hopeless(shape.least);
    if (!hopeless && price_.workers_alike() && shape.places_are_there) {
      const auto step_ms = price_.share_out(shape.layout);
      hopeless = !step_ms || judge_.hopeless(judge_.least_rank(shape.layout, *step_ms));
    }
    if (hopeless) {
      judge_.count();
      return {};
    }
    PLANARIA_TRY(layout, with_workers(std::move(shape.layout)));
    judge_.consider(std::move(layout), shape.origin);
    return {};
  }

  [[nodiscard]] Result<void> consider_shape_of(const Layout& before) {
    const std::vector<WorkerId> places = workers_of(Layout{before.pipelines, {}});
    if (places.size() > static_cast<std::size_t>(holdings_.workers())) return {};
    // Of what kind who is gone was, nobody knows.
    const bool all_there = std::ranges::all_of(
        places, [&](WorkerId place) { return holdings_.number_of(place).has_value(); });
    if (!all_there && !price_.workers_alike()) return {};
    return consider_shape(
        {Layout{before.pipelines, {}}, "the shape of before", ReplanRank{}, all_there});
  }

  /// Gives the places of `shape` to workers, like to like.
  [[nodiscard]] Result<Layout> with_workers(Layout shape) const {
    PLANARIA_TRY(placement,
                 place_workers({.places = &shape,
                                .layer_bytes = request_.layer_bytes,
                                .holders = &request_.holders,
                                .workers = holdings_.ids(),
                                .before = request_.before ? &*request_.before : nullptr,
                                .cluster = price_.workers_alike() ? nullptr : request_.cluster}));
    for (PipelineAssignment& pipeline : shape.pipelines) {
      for (StageAssignment& stage : pipeline.stages) {
        stage.worker = placement.worker_of.at(stage.worker);
      }
    }
    return shape;
  }

  const ReplanRequest& request_;
  const Holdings& holdings_;
  LayoutPrice& price_;
  ReplanJudge& judge_;
};

std::vector<Need> needs_of(const std::vector<ShadowAssignment>& shadows, const Holdings& holdings) {
  std::vector<Need> needs;
  for (const ShadowAssignment& shadow : shadows) {
    const int worker = holdings.number_of(shadow.worker).value();
    for (const LayerId layer : shadow.layers) {
      if (!holdings.holds(worker, layer.value)) needs.push_back({layer.value, worker});
    }
  }
  return needs;
}

std::vector<Need> needs_of(const std::vector<Transfer>& transfers, const Holdings& holdings) {
  std::vector<Need> needs;
  needs.reserve(transfers.size());
  for (const Transfer& transfer : transfers) {
    needs.push_back({transfer.layer.value, holdings.number_of(transfer.to).value()});
  }
  return needs;
}

std::string explain(const ReplanCandidate& chosen, int considered) {
  std::string idle;
  if (chosen.idle > 0) {
    idle = fmt::format(", {} worker{} without a stage", chosen.idle, chosen.idle == 1 ? "" : "s");
  }
  std::string transfers = "nothing to transfer";
  if (const std::size_t count = chosen.transfers.size(); count > 0) {
    transfers =
        fmt::format("{} layer{} to transfer ({} in {:.3g} ms)", count, count == 1 ? "" : "s",
                    text_of_bytes(static_cast<std::uint64_t>(chosen.bytes)), chosen.transfer_ms);
  }
  return fmt::format("{} ({}){}: {}, predicted step {:.6g}, the least of {} way{}",
                     text_of(chosen.layout), chosen.origin, idle, transfers, chosen.step_ms,
                     considered, considered == 1 ? "" : "s");
}

struct Chosen {
  ReplanCandidate candidate;
  int considered = 0;
};

/// The schedules by one of which a step is taken to be done.
std::vector<std::string> schedules_of(const ReplanRequest& request) {
  const auto schedule = planned_schedule(request.schedule);
  if (schedule) return {*schedule};
  return {"1f1b", "zb-h1", "zb-h2"};
}

/// Nothing where nothing fits.
Result<std::optional<Chosen>> best_of(const ReplanRequest& request, const Holdings& holdings) {
  PLANARIA_TRY(terms, CostTerms::of_micro_batches(*request.profile, *request.cluster,
                                                  request.micro_batch_size));
  const AskedShape shape = asked_shape(request.width, request.depth, holdings.workers());
  LayoutPrice price(terms, {.micro_batches = request.micro_batches,
                            .lane_sizes = {request.lane_size},
                            .schedules = schedules_of(request),
                            .recompute = request.recompute,
                            .width = shape.width,
                            .depth = shape.depth});
  ReplanJudge judge(request, holdings, price);
  PLANARIA_TRY_VOID(Replanner(request, holdings, price, judge).consider_all());
  if (!judge.best()) return std::optional<Chosen>();
  return std::optional(Chosen{*judge.best(), judge.considered()});
}

/// Where the schedule's chunks are more than the layers, or its rules are against every shape, the
/// pipelines are without chunks.
Result<Chosen> chosen_by(const ReplanRequest& request, const Holdings& holdings) {
  PLANARIA_TRY(best, best_of(request, holdings));
  if (!best && chunks_of(request.schedule) > 1) {
    ReplanRequest other = request;
    other.schedule = "1f1b";
    other.best = nullptr;
    PLANARIA_TRY(without_chunks, best_of(other, holdings));
    best = std::move(without_chunks);
  }
  if (best) return *std::move(best);
  return Fault::infeasible(fmt::format("nothing fits the memory of the {} worker{} there are",
                                       holdings.workers(), holdings.workers() == 1 ? "" : "s"));
}

}  // namespace

Result<std::optional<Plan>> planned_anew(const ReplanRequest& request) {
  const BestPlanRequest asked = best_plan_request(request);
  PLANARIA_TRY(best, best_plan_if_any(asked));
  if (!best) return std::optional<Plan>();
  return std::optional(std::move(best->plan));
}

Result<Replan> replan(const ReplanRequest& request) {
  PLANARIA_TRY_VOID(check_request(request));
  std::vector<WorkerId> workers;
  for (const ClusterWorker& worker : request.cluster->workers) workers.push_back(worker.id);
  std::ranges::sort(workers);
  const Holdings holdings(workers, request.layer_bytes, request.holders);
  PLANARIA_TRY_VOID(check_held(holdings));
  PLANARIA_TRY(choice, chosen_by(request, holdings));
  const ReplanCandidate& chosen = choice.candidate;
  Replan answer{.layout = chosen.layout,
                .transfers = chosen.transfers,
                .step_ms = chosen.step_ms,
                .transfer_ms = chosen.transfer_ms,
                .bytes = chosen.bytes,
                .explanation = explain(chosen, choice.considered)};
  answer.layout.shadows =
      place_shadows(answer.layout, request.layer_bytes, workers, request.holders, request.copies);
  TransferQueue queue(holdings);
  check(queue.put(needs_of(chosen.transfers, holdings)) == chosen.transfers,
        "the same needs are met the same way");
  answer.fills = queue.put(needs_of(answer.layout.shadows, holdings));
  return answer;
}

}  // namespace planaria
