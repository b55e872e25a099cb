#include "planner/cost_terms.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

/// A million micro-batches of so much can still be counted.
constexpr std::int64_t micro_batch_bytes_max = 1'000'000'000'000;
constexpr std::int64_t model_bytes_max = 100'000'000'000'000'000;

Result<void> check_sum(const char* field, std::int64_t bytes, std::int64_t most) {
  if (bytes <= most) return {};
  return Fault::invalid_input(
      fmt::format("layers: {} of {} bytes together, must be at most {}", field, bytes, most));
}

/// Whether some two workers are on one host, in one zone on two hosts, in two zones.
struct PairKinds {
  bool same_host = false;
  bool same_zone = false;
  bool cross_zone = false;
};

/// `places` are sorted (zone, host) pairs.
PairKinds kinds_among(const std::vector<std::pair<int, int>>& places) {
  PairKinds kinds;
  for (std::size_t i = 1; i < places.size(); ++i) {
    if (places[i] == places[i - 1]) {
      kinds.same_host = true;
    } else if (places[i].first == places[i - 1].first) {
      kinds.same_zone = true;
    } else {
      kinds.cross_zone = true;
    }
  }
  return kinds;
}

std::vector<WorkerTerms> workers_of(const Cluster& cluster) {
  std::vector<WorkerTerms> workers;
  std::map<std::string, int> zones;
  std::map<std::pair<int, std::string>, int> hosts;
  std::vector<const ClusterWorker*> ascending;
  for (const ClusterWorker& worker : cluster.workers) ascending.push_back(&worker);
  std::ranges::sort(ascending, {}, [](const ClusterWorker* worker) { return worker->id; });
  for (const ClusterWorker* worker : ascending) {
    const int zone = zones.try_emplace(worker->zone, static_cast<int>(zones.size())).first->second;
    const int host =
        hosts.try_emplace({zone, worker->host}, static_cast<int>(hosts.size())).first->second;
    workers.push_back({worker->id, worker->speed, worker->memory_bytes, zone, host});
  }
  return workers;
}

}  // namespace

Result<CostTerms> CostTerms::of(const Profile& profile, const Cluster& cluster, std::size_t size) {
  CostTerms terms;
  LayerTerms all;
  std::int64_t boundaries = 0;
  for (const LayerProfile& layer : profile.layers) {
    terms.layers_.push_back({layer.forward_ms[size], layer.backward_input_ms[size],
                             layer.backward_weight_ms[size], layer.optimizer_ms,
                             layer.parameter_bytes + layer.state_bytes, layer.gradient_bytes,
                             layer.activation_bytes[size], layer.weight_gradient_bytes[size]});
    terms.boundary_bytes_.push_back(layer.boundary_bytes[size]);
    all.state_bytes += terms.layers_.back().state_bytes;
    all.gradient_bytes += layer.gradient_bytes;
    all.activation_bytes += layer.activation_bytes[size];
    all.weight_gradient_bytes += layer.weight_gradient_bytes[size];
    boundaries += layer.boundary_bytes[size];
  }
  PLANARIA_TRY_VOID(check_sum("parameters and state", all.state_bytes, model_bytes_max));
  PLANARIA_TRY_VOID(check_sum("gradient_bytes", all.gradient_bytes, model_bytes_max));
  PLANARIA_TRY_VOID(check_sum("activation_bytes", all.activation_bytes, micro_batch_bytes_max));
  PLANARIA_TRY_VOID(
      check_sum("weight_gradient_bytes", all.weight_gradient_bytes, micro_batch_bytes_max));
  PLANARIA_TRY_VOID(check_sum("boundary_bytes", boundaries, micro_batch_bytes_max));
  terms.boundary_bytes_.back() = 0;
  terms.workers_ = workers_of(cluster);
  terms.transfer_ = profile.transfer;
  terms.links_ = cluster.links;
  for (const LayerTerms& layer : terms.layers_) {
    terms.gradient_transfer_ms_.push_back(
        terms.links_ ? 0 : planaria::transfer_ms(terms.transfer_, layer.gradient_bytes));
  }
  return terms;
}

Result<CostTerms> CostTerms::of_micro_batches(const Profile& profile, const Cluster& cluster,
                                              int micro_batch_size) {
  const auto size = profile.at_size(micro_batch_size);
  if (size) return of(profile, cluster, *size);
  return Fault::invalid_input(fmt::format("micro_batch_size: {}, must be one of {}",
                                          micro_batch_size,
                                          fmt::join(profile.micro_batch_sizes, ", ")));
}

int CostTerms::index_of(WorkerId id) const {
  const auto found = std::ranges::lower_bound(workers_, id, {}, &WorkerTerms::id);
  if (found == workers_.end() || found->id != id) return -1;
  return static_cast<int>(found - workers_.begin());
}

LayerTerms CostTerms::sums(int first, int last) const {
  LayerTerms sum;
  for (int index = first; index <= last; ++index) {
    const LayerTerms& one = layer(index);
    sum.forward_ms += one.forward_ms;
    sum.backward_input_ms += one.backward_input_ms;
    sum.backward_weight_ms += one.backward_weight_ms;
    sum.optimizer_ms += one.optimizer_ms;
    sum.state_bytes += one.state_bytes;
    sum.gradient_bytes += one.gradient_bytes;
    sum.activation_bytes += one.activation_bytes;
    sum.weight_gradient_bytes += one.weight_gradient_bytes;
  }
  return sum;
}

double CostTerms::transfer_ms(int from, int to, std::int64_t bytes) const {
  if (!links_) return planaria::transfer_ms(transfer_, bytes);
  const WorkerTerms& a = worker(from);
  const WorkerTerms& b = worker(to);
  if (a.zone != b.zone) return planaria::transfer_ms(links_->cross_zone, bytes);
  if (a.host != b.host) return planaria::transfer_ms(links_->same_zone, bytes);
  return planaria::transfer_ms(links_->same_host, bytes);
}

double CostTerms::least_transfer_ms(std::int64_t bytes) const {
  if (!links_) return planaria::transfer_ms(transfer_, bytes);
  return std::min({planaria::transfer_ms(links_->same_host, bytes),
                   planaria::transfer_ms(links_->same_zone, bytes),
                   planaria::transfer_ms(links_->cross_zone, bytes)});
}

double CostTerms::reduction_ms(int layer, std::span<const int> holders) const {
  const int count = static_cast<int>(holders.size());
  if (count <= 1) return 0;
  if (!links_) {
    return reduction_transfers(count) * gradient_transfer_ms_[static_cast<std::size_t>(layer)];
  }
  std::vector<std::pair<int, int>> places;
  for (const int holder : holders) places.emplace_back(worker(holder).zone, worker(holder).host);
  std::ranges::sort(places);
  const PairKinds kinds = kinds_among(places);
  const std::int64_t bytes = this->layer(layer).gradient_bytes;
  double slowest_ms = 0;
  if (kinds.same_host) slowest_ms = planaria::transfer_ms(links_->same_host, bytes);
  if (kinds.same_zone) {
    slowest_ms = std::max(slowest_ms, planaria::transfer_ms(links_->same_zone, bytes));
  }
  if (kinds.cross_zone) {
    slowest_ms = std::max(slowest_ms, planaria::transfer_ms(links_->cross_zone, bytes));
  }
  return reduction_transfers(count) * slowest_ms;
}

}  // namespace planaria
