#include "faults/step_shares.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace planaria::test {
namespace {

// Lanes under sums, by layer.
using Finished = std::map<int, std::set<int>>;

Finished read_sums(const Json& layout, const Json& sums, const StepSize& size, StepShares& shares) {
  Finished finished;
  for (const Json& sum : sums) {
    const int layer = sum.at("layer").get<int>();
    const auto worker = sum.at("worker").get<std::int64_t>();
    const auto under = size.under(sum.at("height").get<int>(), sum.at("index").get<int>());
    if (under.empty()) {
      shares.complaints.push_back(fmt::format("a sum of layer {} is over no lane", layer));
    }
    if (!has(layout, worker, layer)) {
      shares.complaints.push_back(fmt::format(
          "a sum of layer {} is worker {}'s, which does not compute it", layer, worker));
    }
    for (const int lane : under) {
      if (!finished[layer].insert(lane).second) {
        shares.complaints.push_back(
            fmt::format("sums of layer {} overlap in lane {}", layer, lane));
      }
      for (const int i : size.micro_batches_of(lane)) shares.finished.insert({i, layer});
    }
  }
  return finished;
}

// The lowest layer that has no sum over the lane; behind the last where all have.
int lowest_without(const Finished& finished, int lane, int layers) {
  int layer = 0;
  while (layer < layers && finished.contains(layer) && finished.at(layer).contains(lane)) ++layer;
  return layer;
}

void give(StepShares& shares, const Json& pipeline, int micro_batch, int lowest) {
  for (const Json& stage : pipeline.at("stages")) {
    const auto worker = stage.at("worker").get<std::int64_t>();
    for (int layer = stage.at("first_layer"); layer <= stage.at("last_layer"); ++layer) {
      const auto [before, fresh] =
          shares.to_compute.insert({{micro_batch, layer}, {worker, layer >= lowest}});
      if (fresh) continue;
      shares.complaints.push_back(
          fmt::format("micro-batch {} of layer {} is worker {}'s and worker {}'s", micro_batch,
                      layer, before->second.worker, worker));
    }
  }
}

}  // namespace

std::set<int> StepSize::micro_batches_of(int lane) const {
  std::set<int> found;
  for (int i = lane * lane_size; i < std::min((lane + 1) * lane_size, micro_batches); ++i) {
    found.insert(i);
  }
  return found;
}

std::set<int> StepSize::under(int height, int index) const {
  std::set<int> found;
  for (int lane = 0; lane < lanes(); ++lane) {
    // No lane is so high that more halving tells it from another.
    if (height >= 0 && lane >> std::min(height, 30) == index) found.insert(lane);
  }
  return found;
}

// A pipeline's micro-batches follow those of the one before.
StepShares shares_of(const Json& layout) {
  StepShares shares;
  int next = 0;
  for (const Json& pipeline : layout.at("pipelines")) {
    const int end = next + pipeline.at("micro_batches").get<int>();
    for (; next < end; ++next) give(shares, pipeline, next, 0);
  }
  return shares;
}

namespace {

// The lanes of one pipeline of a step that is begun again; `computed`: those of all before.
void give_lanes(StepShares& shares, const Json& pipeline, const Json& lanes,
                const Finished& finished, const StepSize& size, std::set<int>& computed) {
  for (const Json& element : lanes) {
    const int lane = element.get<int>();
    if (lane < 0 || lane >= size.lanes()) {
      shares.complaints.push_back(fmt::format("lane {} is computed, and there is none", lane));
      continue;
    }
    if (!computed.insert(lane).second) {
      shares.complaints.push_back(fmt::format("lane {} is given to two pipelines", lane));
      continue;
    }
    const int lowest = lowest_without(finished, lane, size.layers);
    if (lowest == size.layers) {
      shares.complaints.push_back(fmt::format("lane {} is computed, and all have it", lane));
    }
    for (const int i : size.micro_batches_of(lane)) give(shares, pipeline, i, lowest);
  }
}

}  // namespace

StepShares shares_of(const Json& layout, const Json& salvage, const StepSize& size) {
  StepShares shares;
  const Finished finished = read_sums(layout, salvage.at("sums"), size, shares);
  const Json& pipelines = layout.at("pipelines");
  const Json& lanes = salvage.at("lanes");
  if (lanes.size() != pipelines.size()) {
    shares.complaints.push_back(
        fmt::format("lanes of {} pipelines, there are {}", lanes.size(), pipelines.size()));
  }
  std::set<int> computed;
  for (std::size_t i = 0; i < std::min(lanes.size(), pipelines.size()); ++i) {
    give_lanes(shares, pipelines[i], lanes[i], finished, size, computed);
  }
  for (int lane = 0; lane < size.lanes(); ++lane) {
    const int lacking = lowest_without(finished, lane, size.layers);
    if (lacking == size.layers || computed.contains(lane)) continue;
    shares.complaints.push_back(fmt::format("lane {} of layer {} is left out", lane, lacking));
  }
  return shares;
}

bool has(const Json& layout, std::int64_t worker, int layer, bool or_shadows) {
  for (const Json& pipeline : layout.at("pipelines")) {
    for (const Json& stage : pipeline.at("stages")) {
      if (stage.at("worker") == worker && stage.at("first_layer") <= layer &&
          layer <= stage.at("last_layer")) {
        return true;
      }
    }
  }
  if (!or_shadows) return false;
  const Json shadows = layout.value("shadows", Json::array());
  return std::ranges::any_of(shadows, [&](const Json& shadow) {
    const Json& layers = shadow.at("layers");
    return shadow.at("worker") == worker && std::ranges::find(layers, Json(layer)) != layers.end();
  });
}

}  // namespace planaria::test
