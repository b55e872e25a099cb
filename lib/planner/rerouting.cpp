#include <planaria/planner/rerouting.hpp>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace planaria {
namespace {

/// Where a worker computes: all that have the same can take each other's micro-batches.
struct Position {
  std::vector<LayerRange> cuts;  // of its pipeline
  std::vector<int> stages;       // its own
  friend auto operator<=>(const Position&, const Position&) = default;
};

std::vector<LayerRange> cuts_of(const PipelineAssignment& pipeline) {
  std::vector<LayerRange> cuts;
  for (const StageAssignment& stage : pipeline.stages) cuts.push_back(stage.layers);
  return cuts;
}

class Rerouter {
 public:
  Rerouter(const Layout& before, const LaneTree& tree, const std::vector<WorkerId>& workers)
      : before_(before), tree_(tree) {
    for (const WorkerId worker : workers_of(Layout{before.pipelines, {}})) {
      const Place place = *place_of(before, worker);
      const auto& pipeline = before.pipelines[static_cast<std::size_t>(place.pipeline)];
      position_of_[worker] = {cuts_of(pipeline), place.stages};
      if (!std::binary_search(workers.begin(), workers.end(), worker)) continue;
      peers_[position_of_[worker]].push_back(worker);
      // Its own lanes first, so that the others' go where there is most room.
      for (const Place& own : places_of(before, worker)) {
        lanes_of_[worker] += lanes_in(own.pipeline);
      }
    }
  }

  [[nodiscard]] std::optional<Layout> layout() {
    for (const auto& [worker, position] : position_of_) {
      if (!peers_.contains(position)) return std::nullopt;
    }
    for (int i = 0; i < static_cast<int>(before_.pipelines.size()); ++i) {
      const PipelineAssignment& pipeline = before_.pipelines[static_cast<std::size_t>(i)];
      for (int lanes = lanes_in(i); lanes > 0; --lanes) send(around(pipeline));
    }
    // The last lane, which may be shorter, is the last pipeline's.
    const int missing = (tree_.lanes() * tree_.lane_size()) - tree_.micro_batches();
    for (PipelineAssignment& pipeline : answer_.pipelines) {
      pipeline.micro_batches *= tree_.lane_size();
    }
    answer_.pipelines.back().micro_batches -= missing;
    return std::move(answer_);
  }

 private:
  [[nodiscard]] int lanes_in(int pipeline) const {
    return tree_.lanes_of(micro_batches_of(before_, pipeline)).value().size();
  }

  /// The stages of one lane of the pipeline, those that are gone replaced.
  [[nodiscard]] std::vector<StageAssignment> around(const PipelineAssignment& pipeline) {
    std::vector<StageAssignment> stages = pipeline.stages;
    std::map<WorkerId, WorkerId> instead;
    for (StageAssignment& stage : stages) {
      if (lanes_of_.contains(stage.worker)) continue;
      const auto [found, is_new] = instead.try_emplace(stage.worker, stage.worker);
      if (is_new) {
        const auto& peers = peers_.at(position_of_.at(stage.worker));
        found->second =
            *std::min_element(peers.begin(), peers.end(), [&](WorkerId left, WorkerId right) {
              return std::pair(lanes_of_.at(left), left) < std::pair(lanes_of_.at(right), right);
            });
        ++lanes_of_.at(found->second);
      }
      stage.worker = found->second;
    }
    return stages;
  }

  void send(const std::vector<StageAssignment>& stages) {
    auto same = std::find_if(answer_.pipelines.begin(), answer_.pipelines.end(),
                             [&](const auto& pipeline) { return pipeline.stages == stages; });
    if (same == answer_.pipelines.end()) {
      same = answer_.pipelines.insert(same, PipelineAssignment{0, stages});
    }
    ++same->micro_batches;  // lanes, until all are sent
  }

  const Layout& before_;
  const LaneTree& tree_;
  std::map<WorkerId, Position> position_of_;
  std::map<Position, std::vector<WorkerId>> peers_;  // who is left, ascending
  std::map<WorkerId, int> lanes_of_;                 // of who is left
  Layout answer_;
};

}  // namespace

std::optional<Layout> rerouted(const Layout& before, const LaneTree& tree,
                               const std::vector<WorkerId>& workers) {
  return Rerouter(before, tree, workers).layout();
}

}  // namespace planaria
