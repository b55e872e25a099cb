#include "planner/plan_request.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/text.hpp>
#include <planaria/model/lanes.hpp>
#include <planaria/schedule/automatic.hpp>
#include <planaria/schedule/builders.hpp>

#include "planner/plan_draft.hpp"
#include "planner/schedule_shelf.hpp"

namespace planaria {
namespace {

/// More actions than a simulation of these has are more than anybody waits for.
constexpr int micro_batches_max = 100'000;
constexpr int layers_max = Profile::layers_max;
constexpr int workers_max = Cluster::workers_max;

Result<void> refuse_unless(bool fits, const std::string& field, const std::string& value,
                           const std::string& allowed) {
  if (fits) return {};
  return Fault::invalid_input(fmt::format("{}: {}, must be {}", field, value, allowed));
}

Result<void> check_count(const char* field, std::int64_t value, std::int64_t least,
                         std::int64_t most) {
  return refuse_unless(least <= value && value <= most, field, fmt::to_string(value),
                       fmt::format("{} to {}", least, most));
}

/// As many pipelines as there can be of that depth must have few enough micro-batches each.
Result<void> check_cells(const BestPlanRequest& request, int depth, int workers) {
  const std::int64_t width = std::min(request.width.value_or(workers), workers / depth);
  const std::int64_t share = (request.micro_batches + width - 1) / width;
  const int stages = depth * chunks_of(request.schedule.value_or("1f1b"));
  if (share * stages <= pipeline_cells_max) return {};
  return Fault::invalid_input(
      fmt::format("depth: {}, must be lower: {} micro-batches of {} stages in a pipeline are more "
                  "than {}",
                  depth, share, stages, pipeline_cells_max));
}

Result<void> check_at_most(const char* field, int value, int most, const char* what) {
  return refuse_unless(value <= most, field, fmt::to_string(value),
                       fmt::format("at most {}, the number of {}", most, what));
}

/// Width and depth, as far as they are asked for.
Result<void> check_shape(const BestPlanRequest& request, int workers) {
  const auto& [width, depth] = std::tie(request.width, request.depth);
  if (width) {
    const int lanes = lanes_in(request.micro_batches, request.lane_size.value_or(1));
    PLANARIA_TRY_VOID(check_at_most("width", *width, lanes, "lanes"));
    PLANARIA_TRY_VOID(check_count("width", *width, 1, workers));
  }
  if (!depth) return {};
  const int layers = static_cast<int>(request.profile->layers.size());
  PLANARIA_TRY_VOID(check_at_most("depth", *depth, layers, "layers"));
  PLANARIA_TRY_VOID(check_count("depth", *depth, 1, workers));
  const int chunks = chunks_of(request.schedule.value_or("1f1b"));
  if (std::int64_t{*depth} * chunks > layers) {
    return Fault::invalid_input(
        fmt::format("depth: {}, must be at most {}: {} puts {} stages on each worker, and there "
                    "are {} layers",
                    *depth, layers / chunks, *request.schedule, chunks, layers));
  }
  if (width && std::int64_t{*width} * *depth > workers) {
    return Fault::invalid_input(
        fmt::format("width x depth: {} x {} = {}, must be at most {}, the number of workers",
                    *width, *depth, std::int64_t{*width} * *depth, workers));
  }
  return check_cells(request, *depth, workers);
}

std::vector<std::string> kinds_allowed() {
  std::vector<std::string> kinds;
  for (const std::string& kind : kinds_and_automatic()) {
    // Varuna's recompute by rules of their own, not where a stage does not fit otherwise.
    if (!kind.starts_with("varuna")) kinds.push_back(kind);
  }
  return kinds;
}

/// A change that makes something fit.
class Changes {
 public:
  Changes(const BestPlanRequest& request, const std::function<bool(const BestPlanRequest&)>& fits)
      : request_(request), fits_(fits) {}

  [[nodiscard]] std::vector<std::string> all() {
    try_option("--recompute any", request_.recompute != Recompute::any,
               [](BestPlanRequest& other) { other.recompute = Recompute::any; });
    try_option("--lane-size any", request_.lane_size.has_value(),
               [](BestPlanRequest& other) { other.lane_size.reset(); });
    try_option("--schedule any", request_.schedule.has_value(),
               [](BestPlanRequest& other) { other.schedule.reset(); });
    try_option("--shadows any", !request_.shadows && request_.survive > 0,
               [](BestPlanRequest& other) { other.shadows = true; });
    if (request_.micro_batch_size) try_sizes();
    if (request_.survive > 0) try_survivals();
    try_memory();
    try_workers();
    return changes_;
  }

 private:
  template <class Change>
  void try_option(const std::string& name, bool differs, Change change) {
    if (!differs) return;
    BestPlanRequest other = request_;
    change(other);
    if (fits_(other)) changes_.push_back(name);
  }

  void try_sizes() {
    const auto& sizes = request_.profile->micro_batch_sizes;
    // Not views::reverse: Clang 14, which fuzzes, cannot read it in libstdc++ 12.
    for (auto size = sizes.rbegin(); size != sizes.rend(); ++size) {
      if (*size >= *request_.micro_batch_size) continue;
      BestPlanRequest other = request_;
      other.micro_batch_size = *size;
      if (!fits_(other)) continue;
      changes_.push_back(fmt::format("--micro-batch-size {}", *size));
      return;
    }
  }

  /// Surviving fewer losses needs no more.
  void try_survivals() {
    const auto fits_with = [&](int survive) {
      BestPlanRequest other = request_;
      other.survive = survive;
      return fits_(other);
    };
    if (!fits_with(0)) return;
    int most = 0;
    int refused = request_.survive;
    while (refused - most > 1) {
      const int middle = most + ((refused - most) / 2);
      (fits_with(middle) ? most : refused) = middle;
    }
    changes_.push_back(fmt::format("--survive {}", most));
  }

  [[nodiscard]] bool fits_with_memory(double times) const {
    Cluster cluster = *request_.cluster;
    for (ClusterWorker& worker : cluster.workers) {
      worker.memory_bytes = scaled(worker.memory_bytes, times);
    }
    BestPlanRequest other = request_;
    other.cluster = &cluster;
    return fits_(other);
  }

  [[nodiscard]] static std::int64_t scaled(std::int64_t bytes, double times) {
    return static_cast<std::int64_t>(std::ceil(static_cast<double>(bytes) * times));
  }

  void try_memory() {
    std::int64_t most = 0;
    for (const ClusterWorker& worker : request_.cluster->workers) {
      most = std::max(most, worker.memory_bytes);
    }
    if (most == 0) return;
    double low = 1;
    double high = 2;
    const double times_max = memory_max / static_cast<double>(most);
    while (high < times_max && !fits_with_memory(high)) {
      low = high;
      high *= 2;
    }
    if (high >= times_max) return;
    while (high - low > precision * high) {
      const double middle = (low + high) / 2;
      (fits_with_memory(middle) ? high : low) = middle;
    }
    const std::int64_t bytes = scaled(most, high);
    changes_.push_back(
        fmt::format("{} ({} bytes, {:.3f} times as much) on the largest worker, and "
                    "as many times as much on the others",
                    text_of_bytes(static_cast<std::uint64_t>(bytes)), bytes, high));
  }

  [[nodiscard]] bool fits_with_workers(int count) const {
    Cluster cluster = *request_.cluster;
    int id = 0;
    for (const ClusterWorker& worker : cluster.workers) id = std::max(id, worker.id.value);
    const auto there = cluster.workers.size();
    for (std::size_t i = there; i < static_cast<std::size_t>(count); ++i) {
      ClusterWorker more = cluster.workers[i % there];
      more.id = WorkerId{++id};
      cluster.workers.push_back(more);
    }
    BestPlanRequest other = request_;
    other.cluster = &cluster;
    return fits_(other);
  }

  void try_workers() {
    const int there = static_cast<int>(request_.cluster->workers.size());
    const int layers = static_cast<int>(request_.profile->layers.size());
    int low = there;
    int high = std::max(there + 1, layers * (request_.survive + 1));
    if (high > workers_max || !fits_with_workers(high)) return;
    while (high - low > 1) {
      const int middle = low + ((high - low) / 2);
      (fits_with_workers(middle) ? high : low) = middle;
    }
    changes_.push_back(
        fmt::format("{} like those there are, in place of {}", counted(high, "worker"), there));
  }

  static constexpr double precision = 1e-4;
  static constexpr double memory_max = 1e15;

  const BestPlanRequest& request_;
  const std::function<bool(const BestPlanRequest&)>& fits_;
  std::vector<std::string> changes_;
};

}  // namespace

Result<void> check_request(const BestPlanRequest& request) {
  check(request.profile != nullptr && request.cluster != nullptr, "a plan is of something");
  PLANARIA_TRY_VOID(check_count("layers", static_cast<std::int64_t>(request.profile->layers.size()),
                                1, layers_max));
  PLANARIA_TRY_VOID(check_count(
      "workers", static_cast<std::int64_t>(request.cluster->workers.size()), 1, workers_max));
  PLANARIA_TRY_VOID(check_count("micro_batches", request.micro_batches, 1, micro_batches_max));
  const int workers = static_cast<int>(request.cluster->workers.size());
  if (request.lane_size) {
    PLANARIA_TRY_VOID(check_count("lane_size", *request.lane_size, 1, micro_batches_max));
  }
  PLANARIA_TRY_VOID(check_count("survive", request.survive, 0, workers_max));
  if (request.schedule) {
    const auto kinds = kinds_allowed();
    PLANARIA_TRY_VOID(refuse_unless(std::ranges::find(kinds, *request.schedule) != kinds.end(),
                                    "schedule", *request.schedule,
                                    fmt::format("any or one of {}", fmt::join(kinds, ", "))));
  }
  if (request.min_samples_per_s) {
    const double least = *request.min_samples_per_s;
    PLANARIA_TRY_VOID(refuse_unless(std::isfinite(least) && least >= 0, "min_throughput",
                                    fmt::to_string(least), "a finite number from 0"));
  }
  return check_shape(request, workers);
}

std::string least_change(const BestPlanRequest& request,
                         const std::function<bool(const BestPlanRequest&)>& fits) {
  const std::size_t workers = request.cluster->workers.size();
  std::string sentence = fmt::format(
      "nothing fits: {} in {} on {}",
      counted(static_cast<std::int64_t>(request.profile->layers.size()), "layer"),
      request.micro_batch_size ? fmt::format("micro-batches of {}", *request.micro_batch_size)
                               : std::string("micro-batches of any size"),
      counted(static_cast<std::int64_t>(workers), "worker"));
  if (request.survive > 0) {
    sentence += fmt::format(", {} holders of each layer", request.survive + 1);
  }
  const std::vector<std::string> changes = Changes(request, fits).all();
  if (changes.empty()) return sentence + "; no single change would help";
  return fmt::format("{}; enough would be {}", sentence, fmt::join(changes, ", or "));
}

}  // namespace planaria
