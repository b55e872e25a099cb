#include "faults/step_shares.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace planaria::test {
namespace {

int last_layer_of(const Json& layout) {
  return layout.at("pipelines").at(0).at("stages").back().at("last_layer").get<int>();
}

bool computes(const Json& layout, std::int64_t worker, int layer) {
  for (const Json& pipeline : layout.at("pipelines")) {
    for (const Json& stage : pipeline.at("stages")) {
      if (stage.at("worker") == worker && stage.at("first_layer") <= layer &&
          layer <= stage.at("last_layer")) {
        return true;
      }
    }
  }
  return false;
}

// Lanes under sums, by layer.
using Finished = std::map<int, std::set<int>>;

Finished read_sums(const Json& layout, const Json& sums, const Lanes& lanes, StepShares& shares) {
  Finished finished;
  for (const Json& sum : sums) {
    const int layer = sum.at("layer").get<int>();
    const auto worker = sum.at("worker").get<std::int64_t>();
    const auto under = lanes.under(sum.at("height").get<int>(), sum.at("index").get<int>());
    if (under.empty()) {
      shares.complaints.push_back(fmt::format("a sum of layer {} is over no lane", layer));
    }
    if (!computes(layout, worker, layer)) {
      shares.complaints.push_back(fmt::format(
          "a sum of layer {} is worker {}'s, which does not compute it", layer, worker));
    }
    for (const int lane : under) {
      if (!finished[layer].insert(lane).second) {
        shares.complaints.push_back(
            fmt::format("sums of layer {} overlap in lane {}", layer, lane));
      }
      for (const int i : lanes.micro_batches_of(lane)) shares.finished.insert({i, layer});
    }
  }
  return finished;
}

// The lowest layer that has no sum over the lane; behind the last where all have.
int lowest_without(const Finished& finished, int lane, int last_layer) {
  int layer = 0;
  while (layer <= last_layer && finished.contains(layer) && finished.at(layer).contains(lane)) {
    ++layer;
  }
  return layer;
}

void give(StepShares& shares, const Json& pipeline, int micro_batch, int lowest) {
  for (const Json& stage : pipeline.at("stages")) {
    for (int layer = stage.at("first_layer"); layer <= stage.at("last_layer"); ++layer) {
      shares.to_compute[{micro_batch, layer}] = {stage.at("worker").get<std::int64_t>(),
                                                 layer >= lowest};
    }
  }
}

}  // namespace

std::set<int> Lanes::micro_batches_of(int lane) const {
  std::set<int> found;
  for (int i = lane * lane_size; i < std::min((lane + 1) * lane_size, micro_batches); ++i) {
    found.insert(i);
  }
  return found;
}

std::set<int> Lanes::under(int height, int index) const {
  std::set<int> found;
  for (int lane = 0; lane < count(); ++lane) {
    if (lane >> height == index) found.insert(lane);
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

StepShares shares_of(const Json& layout, const Json& salvage, const Lanes& lanes) {
  StepShares shares;
  const int last_layer = last_layer_of(layout);
  const Finished finished = read_sums(layout, salvage.at("sums"), lanes, shares);
  std::set<int> computed;
  for (std::size_t i = 0; i < salvage.at("lanes").size(); ++i) {
    for (const Json& element : salvage.at("lanes").at(i)) {
      const int lane = element.get<int>();
      const int lowest = lowest_without(finished, lane, last_layer);
      if (!computed.insert(lane).second) {
        shares.complaints.push_back(fmt::format("lane {} is given to two pipelines", lane));
      }
      if (lowest > last_layer) {
        shares.complaints.push_back(fmt::format("lane {} is computed, and all have it", lane));
      }
      for (const int micro_batch : lanes.micro_batches_of(lane)) {
        give(shares, layout.at("pipelines").at(i), micro_batch, lowest);
      }
    }
  }
  for (int lane = 0; lane < lanes.count(); ++lane) {
    const int lacking = lowest_without(finished, lane, last_layer);
    if (lacking > last_layer || computed.contains(lane)) continue;
    shares.complaints.push_back(fmt::format("lane {} of layer {} is left out", lane, lacking));
  }
  return shares;
}

}  // namespace planaria::test
