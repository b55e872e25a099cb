#include <planaria/planner/replan.hpp>

#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/text.hpp>
#include <planaria/planner/planner.hpp>

#include "planner/assignment.hpp"
#include "planner/holdings.hpp"
#include "planner/repair.hpp"
#include "planner/replan_request.hpp"
#include "planner/step_cost.hpp"
#include "planner/transfers.hpp"

namespace planaria {
namespace {

/// Most combinations of cuts that are all tried.
constexpr std::int64_t combinations_max = 512;

constexpr const char* complete_origin = "the complete pipelines of before";

struct Candidate {
  Layout layout;  // without shadows
  const char* origin = "";
  double score = 0;
  double step_cost = 0;
  double transfer_ms = 0;
  std::int64_t bytes = 0;
  int idle = 0;
  std::vector<Transfer> transfers;
};

/// The tie rule of replan.hpp: score, bytes, step cost, idle workers, width; then see better().
using Rank = std::tuple<double, std::int64_t, double, int, std::size_t>;

Rank rank_of(const Candidate& candidate) {
  return {candidate.score, candidate.bytes, candidate.step_cost, candidate.idle,
          candidate.layout.pipelines.size()};
}

bool better(const Candidate& a, const Candidate& b) {
  if (rank_of(a) != rank_of(b)) return rank_of(a) < rank_of(b);
  return std::lexicographical_compare(
      a.layout.pipelines.begin(), a.layout.pipelines.end(), b.layout.pipelines.begin(),
      b.layout.pipelines.end(), [](const PipelineAssignment& one, const PipelineAssignment& other) {
        return std::tie(one.stages, one.micro_batches) <
               std::tie(other.stages, other.micro_batches);
      });
}

std::vector<PipelineForm> forms_of(const Layout& layout, const std::vector<double>& layer_costs) {
  std::vector<PipelineForm> forms;
  for (const PipelineAssignment& pipeline : layout.pipelines) {
    forms.push_back(form_of(pipeline.stages, layer_costs));
  }
  return forms;
}

/// Pipelines whose places are still to be given to workers.
struct Shape {
  Layout layout;
  Rank least;  // no way to give them away ranks before it
};

class Replanner {
 public:
  Replanner(const ReplanRequest& request, const Holdings& holdings)
      : request_(request),
        holdings_(holdings),
        tree_(request.micro_batches, request.lane_size),
        step_weight_(request.horizon_steps * request.ms_per_cost) {}

  /// Those of before first: they are cheap and often good, which spares assignments of the others.
  [[nodiscard]] Result<Candidate> best() {
    PLANARIA_TRY(shapes, shapes_anew());
    if (request_.before && !shares_workers(*request_.before)) {
      consider_repairs(*request_.before);
      consider_shape_of(*request_.before);
    }
    for (Shape& shape : shapes) consider_shape(std::move(shape));
    check(best_.has_value(), "a plan made anew is always there");
    return *best_;
  }

  [[nodiscard]] int considered() const { return considered_; }

 private:
  [[nodiscard]] double score_of(double transfer_ms, double step_cost) const {
    return transfer_ms + step_weight_ * step_cost;
  }

  /// Tells whether whatever ranks at least so is worse than the best.
  [[nodiscard]] bool hopeless(const Rank& least) const { return best_ && least > rank_of(*best_); }

  [[nodiscard]] double ms_of(std::int64_t end) const {
    return static_cast<double>(end) * request_.ms_per_byte;
  }

  /// Returns the candidate that `layout` makes, or nothing where it is worse than the best.
  [[nodiscard]] std::optional<Candidate> evaluate(Layout layout, const char* origin) {
    Candidate candidate{.layout = std::move(layout), .origin = origin};
    const Sharing sharing = share_out(tree_, forms_of(candidate.layout, request_.layer_costs));
    candidate.step_cost = sharing.step_cost;
    if (hopeless({score_of(0, candidate.step_cost), 0, 0, 0, 0})) return std::nullopt;
    candidate.idle = holdings_.workers();
    std::vector<Need> needs;
    std::int64_t end_least = 0;
    for (std::size_t i = 0; i < candidate.layout.pipelines.size(); ++i) {
      PipelineAssignment& pipeline = candidate.layout.pipelines[i];
      pipeline.micro_batches = sharing.micro_batches[i];
      candidate.idle -= static_cast<int>(pipeline.stages.size());
      for (const StageAssignment& stage : pipeline.stages) {
        const std::int64_t received = add_needs(stage, needs);
        candidate.bytes += received;
        end_least = std::max(end_least, received);
      }
    }
    candidate.score = score_of(ms_of(end_least), candidate.step_cost);
    if (hopeless(rank_of(candidate))) return std::nullopt;
    TransferQueue queue(holdings_);
    candidate.transfers = queue.put(needs);
    candidate.transfer_ms = ms_of(queue.end());
    candidate.score = score_of(candidate.transfer_ms, candidate.step_cost);
    return candidate;
  }

  /// Returns the bytes of the needs added.
  std::int64_t add_needs(const StageAssignment& stage, std::vector<Need>& needs) const {
    const auto worker = holdings_.number_of(stage.worker);
    check(worker.has_value(), "only workers that are there compute");
    const std::int64_t bytes = holdings_.lacking_bytes(*worker, stage.layers);
    for (int layer = stage.layers.first.value; layer <= stage.layers.last.value; ++layer) {
      if (!holdings_.holds(*worker, layer)) needs.push_back({layer, *worker});
    }
    return bytes;
  }

  void consider(Layout layout, const char* origin) {
    ++considered_;
    auto candidate = evaluate(std::move(layout), origin);
    if (candidate && (!best_ || better(*candidate, *best_))) best_ = std::move(candidate);
  }

  void consider_repairs(const Layout& before) {
    const Repair repair(before, holdings_);
    if (!repair.possible()) return;
    const auto& runs = repair.runs();
    std::int64_t combinations = 1;
    for (const LostRun& run : runs) {
      combinations = std::min(combinations * run.cuts(), combinations_max + 1);
    }
    if (combinations <= combinations_max) {
      try_every_cut(repair);
    } else {
      improve_cuts(repair);
    }
    Layout complete = repair.complete_pipelines();
    if (!runs.empty() && !complete.pipelines.empty()) {
      consider(std::move(complete), complete_origin);
    }
  }

  [[nodiscard]] const char* origin_of(const Repair& repair) const {
    if (!repair.runs().empty()) return "the pipelines of before, repaired";
    const bool whole =
        repair.complete_pipelines().pipelines.size() == request_.before->pipelines.size();
    return whole ? "as before" : complete_origin;
  }

  void try_every_cut(const Repair& repair) {
    const auto& runs = repair.runs();
    const char* origin = origin_of(repair);
    std::vector<int> cuts;
    cuts.reserve(runs.size());
    for (const LostRun& run : runs) cuts.push_back(run.cut_least);
    while (true) {
      consider(repair.with_cuts(cuts), origin);
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
  void improve_cuts(const Repair& repair) {
    const char* origin = origin_of(repair);
    std::vector<int> cuts = repair.cuts_of_fewest_bytes();
    consider(repair.with_cuts(cuts), origin);
    for (bool improved = true; improved;) {
      improved = false;
      for (std::size_t i = 0; i < cuts.size(); ++i) {
        const LostRun& run = repair.runs()[i];
        for (int cut = run.cut_least; cut <= run.cut_most; ++cut) {
          const int kept = std::exchange(cuts[i], cut);
          ++considered_;
          auto candidate = evaluate(repair.with_cuts(cuts), origin);
          if (candidate && better(*candidate, *best_)) {
            best_ = std::move(candidate);
            improved = true;
          } else {
            cuts[i] = kept;
          }
        }
      }
    }
  }

  /// What plan() makes of the workers there are, the most promising first.
  [[nodiscard]] Result<std::vector<Shape>> shapes_anew() const {
    std::vector<Shape> shapes;
    for (const PlanRequest& asked : plan_requests(request_)) {
      PLANARIA_TRY(answer, plan(asked));
      const bool known = std::any_of(shapes.begin(), shapes.end(), [&](const Shape& shape) {
        return shape.layout.pipelines == answer.layout.pipelines;
      });
      if (!known) shapes.push_back(bounded(std::move(answer)));
    }
    std::stable_sort(shapes.begin(), shapes.end(),
                     [](const Shape& a, const Shape& b) { return a.least < b.least; });
    return shapes;
  }

  /// Gives each place the worker that lacks least, as if workers could be in several places: no
  /// assignment transfers less, nor ends before the place that gets most, nor before the mean.
  [[nodiscard]] Shape bounded(PlanAnswer answer) const {
    std::int64_t bytes = 0;
    std::int64_t end = 0;
    for (const PipelineAssignment& pipeline : answer.layout.pipelines) {
      for (const StageAssignment& stage : pipeline.stages) {
        std::int64_t least = holdings_.lacking_bytes(0, stage.layers);
        for (int worker = 1; worker < holdings_.workers() && least > 0; ++worker) {
          least = std::min(least, holdings_.lacking_bytes(worker, stage.layers));
        }
        bytes += least;
        end = std::max(end, least);
      }
    }
    end = std::max(end, bytes / holdings_.workers());
    const Rank least{score_of(ms_of(end), answer.step_cost), bytes, answer.step_cost,
                     static_cast<int>(answer.idle_workers.size()), answer.layout.pipelines.size()};
    return {std::move(answer.layout), least};
  }

  void consider_shape(Shape shape) {
    if (hopeless(shape.least)) {
      ++considered_;
      return;
    }
    consider(with_workers(std::move(shape.layout)), "planned anew");
  }

  void consider_shape_of(const Layout& before) {
    std::size_t places = 0;
    for (const PipelineAssignment& pipeline : before.pipelines) places += pipeline.stages.size();
    if (places > static_cast<std::size_t>(holdings_.workers())) return;
    consider(with_workers({.pipelines = before.pipelines}), "the shape of before");
  }

  /// Gives the places of `shape` to workers.
  [[nodiscard]] Layout with_workers(Layout shape) const {
    std::vector<StageAssignment*> places;
    std::vector<std::vector<AssignmentCost>> costs;
    std::int64_t count = 0;
    for (const auto& pipeline : shape.pipelines) {
      count += static_cast<std::int64_t>(pipeline.stages.size());
    }
    // Rank x places that follow: least where the lowest ids stand in ascending order. One move
    // outweighs all of it.
    const std::int64_t move = count * count * holdings_.workers() + 1;
    for (std::size_t pipeline = 0; pipeline < shape.pipelines.size(); ++pipeline) {
      auto& stages = shape.pipelines[pipeline].stages;
      for (std::size_t stage = 0; stage < stages.size(); ++stage) {
        const auto left = count - static_cast<std::int64_t>(places.size());
        std::vector<AssignmentCost>& row = costs.emplace_back();
        for (int worker = 0; worker < holdings_.workers(); ++worker) {
          const bool moves = !stood_at(holdings_.id_of(worker), pipeline, stage);
          row.push_back({holdings_.lacking_bytes(worker, stages[stage].layers),
                         (moves ? move : 0) + left * worker});
        }
        places.push_back(&stages[stage]);
      }
    }
    const std::vector<int> workers = least_assignment(costs);
    for (std::size_t i = 0; i < places.size(); ++i) places[i]->worker = holdings_.id_of(workers[i]);
    return shape;
  }

  [[nodiscard]] bool stood_at(WorkerId worker, std::size_t pipeline, std::size_t stage) const {
    return request_.before && pipeline < request_.before->pipelines.size() &&
           stage < request_.before->pipelines[pipeline].stages.size() &&
           request_.before->pipelines[pipeline].stages[stage].worker == worker;
  }

  const ReplanRequest& request_;
  const Holdings& holdings_;
  LaneTree tree_;
  double step_weight_;  // ms per unit of step cost, over the horizon
  std::optional<Candidate> best_;
  int considered_ = 0;
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

std::string explain(const Candidate& chosen, int considered) {
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
  return fmt::format("{} ({}){}: {}, predicted step cost {:.6g}, the least of {} way{}",
                     text_of(chosen.layout), chosen.origin, idle, transfers, chosen.step_cost,
                     considered, considered == 1 ? "" : "s");
}

}  // namespace

Result<Replan> replan(const ReplanRequest& request) {
  PLANARIA_TRY_VOID(check_request(request));
  const Holdings holdings(request.workers, request.layer_bytes, request.holders);
  PLANARIA_TRY_VOID(check_held(holdings));
  Replanner replanner(request, holdings);
  PLANARIA_TRY(chosen, replanner.best());
  Replan answer{.layout = chosen.layout,
                .transfers = chosen.transfers,
                .step_cost = chosen.step_cost,
                .transfer_ms = chosen.transfer_ms,
                .bytes = chosen.bytes,
                .explanation = explain(chosen, replanner.considered())};
  answer.layout.shadows = place_shadows(answer.layout, request.layer_bytes, request.workers,
                                        request.holders, request.copies);
  TransferQueue queue(holdings);
  check(queue.put(needs_of(chosen.transfers, holdings)) == chosen.transfers,
        "the same needs are met the same way");
  answer.fills = queue.put(needs_of(answer.layout.shadows, holdings));
  return answer;
}

}  // namespace planaria
