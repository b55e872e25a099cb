#include <planaria/planner/planner.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/model/lanes.hpp>
#include <planaria/schedule/automatic.hpp>

#include "planner/step_cost.hpp"

namespace planaria {
namespace {

/// Least possible largest sums for every suffix of the layers and number of stages. A range's sum
/// is added left to right, so that equal costs give equal sums wherever they are compared.
class Balancer {
 public:
  Balancer(const std::vector<double>& costs, int stages_max) {
    const std::size_t layers = costs.size();
    constexpr double nothing = std::numeric_limits<double>::infinity();
    least_.assign(static_cast<std::size_t>(stages_max) + 1,
                  std::vector<double>(layers + 1, nothing));
    least_[0][layers] = 0;
    for (std::size_t stages = 1; stages < least_.size(); ++stages) {
      for (std::size_t first = 0; first + stages <= layers; ++first) {
        double sum = 0;
        for (std::size_t last = first; last + stages <= layers; ++last) {
          sum += costs[last];
          if (sum >= least_[stages][first]) break;  // sums only grow
          least_[stages][first] =
              std::min(least_[stages][first], std::max(sum, least_[stages - 1][last + 1]));
        }
      }
    }
  }

  [[nodiscard]] double bottleneck(int stages) const {
    return least_[static_cast<std::size_t>(stages)][0];
  }

  /// The shortest first stage that leaves the rest its bottleneck, again and again: sums grow with
  /// a stage's length, so that is the lexicographically least.
  [[nodiscard]] std::vector<LayerRange> ranges(int stages) const {
    const double most = bottleneck(stages);
    std::vector<LayerRange> ranges;
    std::size_t first = 0;
    for (auto left = static_cast<std::size_t>(stages); left > 0; --left) {
      std::size_t last = first;
      while (least_[left - 1][last + 1] > most) ++last;
      ranges.push_back({LayerId{static_cast<int>(first)}, LayerId{static_cast<int>(last)}});
      first = last + 1;
    }
    return ranges;
  }

 private:
  std::vector<std::vector<double>> least_;  // [stages][first layer]
};

/// Depths of pipelines, deepest first: `workers` spread evenly over `width` of them.
std::vector<int> even_depths(int width, int workers) {
  std::vector<int> depths(static_cast<std::size_t>(width), workers / width);
  for (int i = 0; i < workers % width; ++i) ++depths[static_cast<std::size_t>(i)];
  return depths;
}

struct Candidate {
  std::vector<int> depths;
  Sharing sharing;
  int idle = 0;
  /// The tie rule of planner.hpp.
  [[nodiscard]] auto rank() const { return std::tuple(sharing.step_cost, idle, depths.size()); }
};

/// The most stages that any pipeline considered may have: deeper ones need not be balanced.
int deepest(const PlanRequest& request) {
  const int layers = static_cast<int>(request.layer_costs.size());
  if (request.depth) return *request.depth;
  const int width = request.width.value_or(1);
  return std::min(layers, (request.workers + width - 1) / width);
}

class Search {
 public:
  explicit Search(const PlanRequest& request)
      : request_(request),
        layers_(static_cast<int>(request.layer_costs.size())),
        tree_(request.micro_batches, request.lane_size),
        balancer_(request.layer_costs, deepest(request)) {}

  [[nodiscard]] Candidate best() {
    const int width_most = std::min(request_.workers, tree_.lanes());
    const int width_first = request_.width.value_or(1);
    const int width_last = request_.width.value_or(width_most);
    for (int width = width_first; width <= width_last; ++width) {
      const int most =
          static_cast<int>(std::min<std::int64_t>(request_.workers, std::int64_t{width} * layers_));
      if (request_.depth) {
        if (std::int64_t{width} * *request_.depth > most) break;
        consider(even_depths(width, width * *request_.depth));
      } else if (request_.width) {
        consider(even_depths(width, most));
      } else {
        for (int used = width; used <= most; ++used) consider(even_depths(width, used));
      }
    }
    return best_;
  }

  [[nodiscard]] int considered() const { return considered_; }
  [[nodiscard]] std::vector<LayerRange> ranges(int depth) const { return balancer_.ranges(depth); }

 private:
  /// Some pipeline takes at least the mean share, at the least bottleneck and depth of all.
  [[nodiscard]] double bound(const std::vector<int>& depths) const {
    const int width = static_cast<int>(depths.size());
    const int mean = (request_.micro_batches + width - 1) / width;
    return pipeline_cost(mean, {depths.back(), balancer_.bottleneck(depths.front())});
  }

  void consider(std::vector<int> depths) {
    ++considered_;
    Candidate candidate;
    candidate.idle = request_.workers;
    for (const int depth : depths) candidate.idle -= depth;
    if (!best_.depths.empty() && bound(depths) > best_.sharing.step_cost) return;
    candidate.depths = std::move(depths);
    std::vector<PipelineForm> forms;
    for (const int depth : candidate.depths) forms.push_back({depth, balancer_.bottleneck(depth)});
    candidate.sharing = share_out(tree_, forms);
    if (best_.depths.empty() || candidate.rank() < best_.rank()) best_ = std::move(candidate);
  }

  const PlanRequest& request_;
  int layers_;
  LaneTree tree_;
  Balancer balancer_;
  Candidate best_;
  int considered_ = 0;
};

Result<void> refuse_unless(bool fits, const std::string& field, const std::string& value,
                           const std::string& allowed) {
  if (fits) return {};
  return Fault::invalid_input(fmt::format("{}: {}, must be {}", field, value, allowed));
}

Result<void> check_count(const char* field, std::int64_t value) {
  // More than anybody has, few enough that sums stay far from overflow.
  constexpr int most = 1'000'000;
  return refuse_unless(
      value >= 1 && value <= most, field, fmt::to_string(value),
      fmt::format("{} {}", value < 1 ? "at least" : "at most", value < 1 ? 1 : most));
}

Result<void> check_at_most(const char* field, int value, int most, const char* what) {
  return refuse_unless(value <= most, field, fmt::to_string(value),
                       fmt::format("at most {}, the number of {}", most, what));
}

Result<void> check_costs(const std::vector<double>& costs) {
  PLANARIA_TRY_VOID(check_count("layers", static_cast<std::int64_t>(costs.size())));
  double sum = 0;
  for (std::size_t i = 0; i < costs.size(); ++i) {
    PLANARIA_TRY_VOID(refuse_unless(std::isfinite(costs[i]) && costs[i] >= 0,
                                    fmt::format("layer_costs[{}]", i), fmt::to_string(costs[i]),
                                    "a finite number from 0"));
    sum += costs[i];
  }
  return refuse_unless(std::isfinite(sum), "layer_costs", "a sum beyond all numbers", "finite");
}

Result<void> check_request(const PlanRequest& request) {
  PLANARIA_TRY_VOID(check_costs(request.layer_costs));
  PLANARIA_TRY_VOID(check_count("micro_batches", request.micro_batches));
  PLANARIA_TRY_VOID(check_count("lane_size", request.lane_size));
  PLANARIA_TRY_VOID(check_count("workers", request.workers));
  // This model's costs are those of any schedule.
  const auto& kinds = kinds_and_automatic();
  PLANARIA_TRY_VOID(refuse_unless(std::ranges::find(kinds, request.schedule) != kinds.end(),
                                  "schedule", request.schedule,
                                  fmt::format("one of {}", fmt::join(kinds, ", "))));
  const int layers = static_cast<int>(request.layer_costs.size());
  const int lanes = LaneTree(request.micro_batches, request.lane_size).lanes();
  if (request.depth) {
    PLANARIA_TRY_VOID(check_count("depth", *request.depth));
    PLANARIA_TRY_VOID(check_at_most("depth", *request.depth, layers, "layers"));
  }
  if (request.width) {
    PLANARIA_TRY_VOID(check_count("width", *request.width));
    PLANARIA_TRY_VOID(check_at_most("width", *request.width, lanes, "lanes"));
  }
  if (request.width && request.depth) {
    const std::int64_t product = std::int64_t{*request.width} * *request.depth;
    return refuse_unless(product <= request.workers, "width x depth",
                         fmt::format("{} x {} = {}", *request.width, *request.depth, product),
                         fmt::format("at most {}, the number of workers", request.workers));
  }
  if (request.width) {
    PLANARIA_TRY_VOID(check_at_most("width", *request.width, request.workers, "workers"));
  }
  if (request.depth) {
    PLANARIA_TRY_VOID(check_at_most("depth", *request.depth, request.workers, "workers"));
  }
  return {};
}

std::string explain(const PlanRequest& request, const PlanAnswer& answer, int considered) {
  std::string idle;
  if (const std::size_t count = answer.idle_workers.size(); count > 0) {
    idle = fmt::format(", {} worker{} idle", count, count == 1 ? "" : "s");
  }
  std::string why =
      considered == 1 ? "the only way" : fmt::format("the least of {} ways", considered);
  if (request.width && request.depth) why = "width and depth as asked";
  if (request.width && !request.depth) why = "width as asked, depths as even as can be";
  if (!request.width && request.depth) why += " of the depth asked";
  return fmt::format("{}{}: predicted step cost {:.6g}, {}", text_of(answer.layout), idle,
                     answer.step_cost, why);
}

}  // namespace

std::vector<LayerRange> balance(const std::vector<double>& layer_costs, int stages) {
  check(stages >= 1 && stages <= static_cast<int>(layer_costs.size()),
        "every stage has at least one layer");
  return Balancer(layer_costs, stages).ranges(stages);
}

Result<PlanAnswer> plan(const PlanRequest& request) {
  PLANARIA_TRY_VOID(check_request(request));
  Search search(request);
  const Candidate best = search.best();
  check(!best.depths.empty(), "a request that was checked has an answer");
  PlanAnswer answer;
  answer.step_cost = best.sharing.step_cost;
  WorkerId worker{0};
  for (std::size_t i = 0; i < best.depths.size(); ++i) {
    PipelineAssignment pipeline{best.sharing.micro_batches[i], {}};
    for (const LayerRange& range : search.ranges(best.depths[i])) {
      pipeline.stages.push_back({range, worker});
      worker = worker.next();
    }
    answer.layout.pipelines.push_back(std::move(pipeline));
  }
  for (; worker.value < request.workers; worker = worker.next()) {
    answer.idle_workers.push_back(worker);
  }
  answer.explanation = explain(request, answer, search.considered());
  return answer;
}

}  // namespace planaria
