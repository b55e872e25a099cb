#include <planaria/planner/placement.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>

#include "planner/assignment.hpp"

namespace planaria {
namespace {

/// What makes workers differ for a price: speed, memory, zone, and a host that has several.
using Kind = std::tuple<double, std::int64_t, std::string, std::string>;
/// The layers that a place needs, or a worker holds. Those with the first layers are greater.
class Layers {
 public:
  explicit Layers(std::size_t layers) : words_((layers + bits - 1) / bits, 0) {}
  void add(std::size_t layer) { words_[layer / bits] |= highest >> (layer % bits); }
  /// The sum of `bytes` over these layers, but for those of `others`.
  [[nodiscard]] std::int64_t bytes_without(const Layers& others,
                                           const std::vector<std::int64_t>& bytes) const {
    std::int64_t sum = 0;
    for (std::size_t word = 0; word < words_.size(); ++word) {
      std::uint64_t left = words_[word] & ~others.words_[word];
      while (left != 0) {
        const auto bit = static_cast<std::size_t>(std::countl_zero(left));
        sum += bytes[(word * bits) + bit];
        left &= ~(highest >> bit);
      }
    }
    return sum;
  }
  friend auto operator<=>(const Layers&, const Layers&) = default;

 private:
  static constexpr std::size_t bits = 64;
  static constexpr std::uint64_t highest = std::uint64_t{1} << (bits - 1);
  std::vector<std::uint64_t> words_;  // the first layer is the highest bit of the first
};

class Placer {
 public:
  explicit Placer(const PlacementRequest& request) : request_(request) {
    if (request.cluster == nullptr) return;
    for (const ClusterWorker& worker : request.cluster->workers) {
      ++on_host_[{worker.zone, worker.host}];
      known_[worker.id] = &worker;
    }
  }

  [[nodiscard]] Result<WorkerPlacement> placed() {
    PLANARIA_TRY_VOID(check_workers());
    PLANARIA_TRY_VOID(find_needs());
    PLANARIA_TRY_VOID(find_holdings());
    if (request_.before != nullptr) find_standing();
    for (auto& [kind, places] : places_) {
      PLANARIA_TRY_VOID(place(places, workers_[kind]));
    }
    return std::move(placement_);
  }

 private:
  /// Who are alike, ascending; those with the first layers come first.
  using Members = std::map<Layers, std::vector<WorkerId>, std::greater<>>;

  [[nodiscard]] Result<void> check_workers() const {
    const auto& workers = request_.workers;
    for (std::size_t i = 1; i < workers.size(); ++i) {
      if (workers[i - 1] < workers[i]) continue;
      return Fault::invalid_input(fmt::format("workers: {} after {}, must be ascending",
                                              workers[i].value, workers[i - 1].value));
    }
    const std::size_t places = workers_of(*request_.places).size();
    if (workers.size() >= places) return {};
    return Fault::invalid_input(fmt::format(
        "workers: {}, must be at least {}, the places there are", workers.size(), places));
  }

  [[nodiscard]] Result<Kind> kind_of(const char* field, WorkerId id) const {
    if (request_.cluster == nullptr) return Kind();
    const auto found = known_.find(id);
    if (found == known_.end()) {
      return Fault::invalid_input(
          fmt::format("{}: {}, must be a worker of the cluster", field, id.value));
    }
    const ClusterWorker& worker = *found->second;
    const bool shared = on_host_.at({worker.zone, worker.host}) > 1;
    return Kind(worker.speed, worker.memory_bytes, worker.zone, shared ? worker.host : "");
  }

  Result<void> need(WorkerId place, LayerId layer) {
    const auto at = static_cast<std::size_t>(layer.value);
    if (layer.value < 0 || at >= request_.layer_bytes.size()) {
      return Fault::invalid_input(fmt::format("layer_bytes: {}, must have one for layer {}",
                                              request_.layer_bytes.size(), layer.value));
    }
    needs_.try_emplace(place, request_.layer_bytes.size()).first->second.add(at);
    return {};
  }

  [[nodiscard]] Result<void> find_needs() {
    for (const PipelineAssignment& pipeline : request_.places->pipelines) {
      for (const StageAssignment& stage : pipeline.stages) {
        for (LayerId at = stage.layers.first; at <= stage.layers.last; at = at.next()) {
          PLANARIA_TRY_VOID(need(stage.worker, at));
        }
      }
    }
    for (const ShadowAssignment& shadow : request_.places->shadows) {
      for (const LayerId layer : shadow.layers) PLANARIA_TRY_VOID(need(shadow.worker, layer));
    }
    for (const auto& [place, needed] : needs_) {
      PLANARIA_TRY(kind, kind_of("places", place));
      places_[kind][needed].push_back(place);
    }
    return {};
  }

  [[nodiscard]] Result<void> find_holdings() {
    std::vector<Layers> held(request_.workers.size(), Layers(request_.layer_bytes.size()));
    for (const auto& [layer, holders] : *request_.holders) {
      const auto at = static_cast<std::size_t>(layer.value);
      if (layer.value < 0 || at >= request_.layer_bytes.size()) continue;
      for (const WorkerId holder : holders) {
        const auto found = std::ranges::lower_bound(request_.workers, holder);
        if (found == request_.workers.end() || *found != holder) continue;
        held[static_cast<std::size_t>(found - request_.workers.begin())].add(at);
      }
    }
    for (std::size_t i = 0; i < held.size(); ++i) {
      PLANARIA_TRY(kind, kind_of("workers", request_.workers[i]));
      workers_[kind][std::move(held[i])].push_back(request_.workers[i]);
    }
    return {};
  }

  /// Which worker stood, until now, where a place of now is.
  void find_standing() {
    const auto& before = request_.before->pipelines;
    const auto& now = request_.places->pipelines;
    for (std::size_t i = 0; i < std::min(before.size(), now.size()); ++i) {
      const std::size_t stages = std::min(before[i].stages.size(), now[i].stages.size());
      for (std::size_t at = 0; at < stages; ++at) {
        standing_.try_emplace(now[i].stages[at].worker, before[i].stages[at].worker);
      }
    }
  }

  [[nodiscard]] Result<void> place(const Members& places, Members& workers) {
    CostTable costs;
    std::vector<int> units;
    std::vector<int> room;
    int free = 0;
    for (const auto& [held, members] : workers) {
      room.push_back(static_cast<int>(members.size()));
      free += room.back();
    }
    for (const auto& [needed, members] : places) {
      units.push_back(static_cast<int>(members.size()));
      free -= units.back();
      auto& row = costs.emplace_back();
      for (const auto& [held, ignored] : workers) {
        row.push_back({needed.bytes_without(held, request_.layer_bytes), 0});
      }
    }
    if (free < 0) {
      return Fault::infeasible(
          fmt::format("workers: {} too few of the kind that places need", -free));
    }
    const auto taken = least_transport(costs, units, room);
    std::size_t row = 0;
    for (const auto& [needed, members] : places) {
      std::size_t column = 0;
      for (const int count : taken[row]) {
        placement_.bytes += count * costs[row][column++].first;
      }
      deal(members, taken[row++], workers);
    }
    return {};
  }

  /// Deals so many workers of each class to the places: first to those where they stood.
  void deal(const std::vector<WorkerId>& places, std::vector<int> counts, Members& workers) {
    std::vector<WorkerId> others;
    for (const WorkerId place : places) {
      if (!keep(place, counts, workers)) others.push_back(place);
    }
    auto place = others.begin();
    auto count = counts.begin();
    for (auto& [held, members] : workers) {
      for (; *count > 0; --*count) {
        placement_.worker_of[*place++] = members.front();
        members.erase(members.begin());
      }
      ++count;
    }
  }

  [[nodiscard]] bool keep(WorkerId place, std::vector<int>& counts, Members& workers) {
    const auto stood = standing_.find(place);
    if (stood == standing_.end()) return false;
    auto count = counts.begin();
    for (auto& [held, members] : workers) {
      const auto found = std::ranges::lower_bound(members, stood->second);
      const bool there = found != members.end() && *found == stood->second;
      if (there && *count > 0) {
        --*count;
        placement_.worker_of[place] = *found;
        members.erase(found);
        return true;
      }
      ++count;
    }
    return false;
  }

  const PlacementRequest& request_;
  std::map<std::pair<std::string, std::string>, int> on_host_;
  std::map<WorkerId, const ClusterWorker*> known_;
  std::map<WorkerId, Layers> needs_;  // of places
  std::map<Kind, Members> places_;
  std::map<Kind, Members> workers_;
  std::map<WorkerId, WorkerId> standing_;  // by place
  WorkerPlacement placement_;
};

}  // namespace

Result<WorkerPlacement> place_workers(const PlacementRequest& request) {
  check(request.places != nullptr && request.holders != nullptr, "places and holders are there");
  return Placer(request).placed();
}

}  // namespace planaria
