#include <planaria/planner/chunks.hpp>

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/planner/planner.hpp>

#include "planner/assignment.hpp"
#include "planner/holdings.hpp"
#include "planner/transfers.hpp"

namespace planaria {
namespace {

// Stands for the schedule's ranks where only its placement is wanted.
Schedule placed(int ranks, const ChunkForm& form) {
  Schedule schedule;
  schedule.placement = form.placement;
  schedule.chunks = form.chunks;
  schedule.ranks.resize(static_cast<std::size_t>(ranks));
  return schedule;
}

/// A rank of a pipeline and its chunks' layers.
struct RankPlace {
  std::size_t pipeline = 0;
  std::vector<std::size_t> stages;
};

std::vector<RankPlace> places_of(const Layout& layout) {
  std::vector<RankPlace> places;
  for (std::size_t pipeline = 0; pipeline < layout.pipelines.size(); ++pipeline) {
    std::map<WorkerId, RankPlace> ranks;
    std::vector<WorkerId> order;  // by their first stage
    const auto& stages = layout.pipelines[pipeline].stages;
    for (std::size_t stage = 0; stage < stages.size(); ++stage) {
      const auto [rank, is_new] = ranks.try_emplace(stages[stage].worker, RankPlace{pipeline, {}});
      rank->second.stages.push_back(stage);
      if (is_new) order.push_back(stages[stage].worker);
    }
    for (const WorkerId worker : order) places.push_back(ranks.at(worker));
  }
  return places;
}

class ChunkReplanner {
 public:
  ChunkReplanner(const ReplanRequest& request, Replan answer)
      : request_(request),
        holdings_(request.workers, request.layer_bytes, request.holders),
        answer_(std::move(answer)) {}

  Replan replanned() {
    assign();
    TransferQueue queue(holdings_);
    answer_.transfers = queue.put(needs());
    answer_.bytes = 0;
    for (const Transfer& transfer : answer_.transfers) {
      answer_.bytes += holdings_.bytes_of(transfer.layer.value);
    }
    answer_.transfer_ms = request_.ms_per_byte * static_cast<double>(queue.end());
    answer_.layout.shadows = place_shadows(answer_.layout, request_.layer_bytes, request_.workers,
                                           request_.holders, request_.copies);
    std::vector<Need> fills;
    for (const ShadowAssignment& shadow : answer_.layout.shadows) {
      const int worker = holdings_.number_of(shadow.worker).value();
      for (const LayerId layer : shadow.layers) {
        if (!holdings_.holds(worker, layer.value)) fills.push_back({layer.value, worker});
      }
    }
    answer_.fills = queue.put(fills);
    answer_.explanation = fmt::format("{} in chunks: {} layers to transfer",
                                      text_of(answer_.layout), answer_.transfers.size());
    return std::move(answer_);
  }

 private:
  void assign() {
    const std::vector<RankPlace> places = places_of(answer_.layout);
    const auto count = static_cast<std::int64_t>(places.size());
    const std::int64_t move = (count * count * holdings_.workers()) + 1;
    std::vector<std::vector<AssignmentCost>> costs;
    for (std::size_t i = 0; i < places.size(); ++i) {
      auto& row = costs.emplace_back();
      const std::int64_t left = count - static_cast<std::int64_t>(i);
      for (int worker = 0; worker < holdings_.workers(); ++worker) {
        AssignmentCost cost{0, left * worker};
        for (const std::size_t stage : places[i].stages) {
          cost.first += holdings_.lacking_bytes(worker, stage_of(places[i], stage).layers);
        }
        if (!stood_at(holdings_.id_of(worker), places[i])) cost.second += move;
        row.push_back(cost);
      }
    }
    const std::vector<int> workers = least_assignment(costs);
    for (std::size_t i = 0; i < places.size(); ++i) {
      for (const std::size_t stage : places[i].stages) {
        stage_of(places[i], stage).worker = holdings_.id_of(workers[i]);
      }
    }
  }

  [[nodiscard]] StageAssignment& stage_of(const RankPlace& place, std::size_t stage) {
    return answer_.layout.pipelines[place.pipeline].stages[stage];
  }
  [[nodiscard]] bool stood_at(WorkerId worker, const RankPlace& place) const {
    if (!request_.before || place.pipeline >= request_.before->pipelines.size()) return false;
    const auto& stages = request_.before->pipelines[place.pipeline].stages;
    return std::ranges::all_of(place.stages, [&](std::size_t stage) {
      return stage < stages.size() && stages[stage].worker == worker;
    });
  }

  [[nodiscard]] std::vector<Need> needs() const {
    std::vector<Need> all;
    for (int worker = 0; worker < holdings_.workers(); ++worker) {
      for (const LayerId layer : computed_by(answer_.layout, holdings_.id_of(worker))) {
        if (!holdings_.holds(worker, layer.value)) all.push_back({layer.value, worker});
      }
    }
    return all;
  }

  const ReplanRequest& request_;
  Holdings holdings_;
  Replan answer_;
};

}  // namespace

bool stands_as(const PipelineAssignment& pipeline, const ChunkForm& form) {
  const int stages = static_cast<int>(pipeline.stages.size());
  if (form.chunks < 1 || stages % form.chunks != 0) return false;
  const Schedule schedule = placed(stages / form.chunks, form);
  std::set<WorkerId> workers;
  for (int rank = 0; rank < schedule.depth(); ++rank) {
    const WorkerId worker = pipeline.stages[static_cast<std::size_t>(rank)].worker;
    if (!workers.insert(worker).second) return false;
    for (int chunk = 0; chunk < form.chunks; ++chunk) {
      const auto stage = static_cast<std::size_t>(schedule.stage_of(rank, chunk));
      if (pipeline.stages[stage].worker != worker) return false;
    }
  }
  return true;
}

std::optional<ChunkForm> form_of(const PipelineAssignment& pipeline) {
  const int chunks = chunks_in(pipeline);
  if (chunks == 1) return ChunkForm{};
  for (const Placement placement : {Placement::v, Placement::loop}) {
    if (placement == Placement::v && chunks != 2) continue;
    if (stands_as(pipeline, {placement, chunks})) return ChunkForm{placement, chunks};
  }
  return std::nullopt;
}

int chunks_in(const PipelineAssignment& pipeline) {
  std::map<WorkerId, int> stages;
  for (const StageAssignment& stage : pipeline.stages) ++stages[stage.worker];
  const int first = stages.empty() ? 0 : stages.begin()->second;
  const bool even =
      std::ranges::all_of(stages, [&](const auto& one) { return one.second == first; });
  return even ? first : 0;
}

Layout in_chunks(const Layout& layout, const std::vector<double>& layer_costs,
                 const ChunkForm& form) {
  Layout cut{layout.pipelines, {}};
  if (form.chunks == 1) return cut;
  for (PipelineAssignment& pipeline : cut.pipelines) {
    check_equal(chunks_in(pipeline), 1, "stages of each worker before they are cut finer");
    const int ranks = static_cast<int>(pipeline.stages.size());
    const int stages = ranks * form.chunks;
    if (stages > static_cast<int>(layer_costs.size())) continue;
    const std::vector<LayerRange> ranges = balance(layer_costs, stages);
    const Schedule schedule = placed(ranks, form);
    std::vector<StageAssignment> finer(ranges.size());
    for (int rank = 0; rank < ranks; ++rank) {
      for (int chunk = 0; chunk < form.chunks; ++chunk) {
        const auto stage = static_cast<std::size_t>(schedule.stage_of(rank, chunk));
        finer[stage] = {ranges[stage], pipeline.stages[static_cast<std::size_t>(rank)].worker};
      }
    }
    pipeline.stages = std::move(finer);
  }
  return cut;
}

Result<Replan> replan_in_chunks(const ReplanRequest& request, const ChunkForm& form) {
  if (form.chunks == 1) return replan(request);
  ReplanRequest single = request;
  single.before.reset();
  PLANARIA_TRY(answer, replan(single));
  answer.layout = in_chunks(answer.layout, request.layer_costs, form);
  return ChunkReplanner(request, std::move(answer)).replanned();
}

}  // namespace planaria
