#include "planner/rival_plans.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include <planaria/planner/templates.hpp>

namespace planaria::rivals {
namespace {

std::vector<WorkerId> workers_by_id(const Cluster& cluster) {
  std::vector<WorkerId> ids;
  for (const ClusterWorker& worker : cluster.workers) ids.push_back(worker.id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

/// A pipeline before it has workers.
struct Shape {
  std::vector<LayerRange> stages;
  int micro_batches = 0;
};

Plan plan_of(const RivalRequest& request, const std::vector<Shape>& shapes, bool recompute) {
  Plan plan;
  plan.micro_batches = request.micro_batches;
  plan.micro_batch_size = request.micro_batch_size;
  plan.schedule = request.schedule;
  const std::vector<WorkerId> workers = workers_by_id(*request.cluster);
  std::size_t next = 0;
  for (const Shape& shape : shapes) {
    PlannedPipeline& pipeline = plan.pipelines.emplace_back();
    pipeline.micro_batches = shape.micro_batches;
    for (const LayerRange& layers : shape.stages) {
      pipeline.stages.push_back({layers, workers[next++], recompute, 0, ""});
    }
  }
  plan.idle_workers.assign(workers.begin() + static_cast<std::ptrdiff_t>(next), workers.end());
  return plan;
}

/// The plan with its price; nothing where some worker lacks the memory.
std::optional<Plan> priced(const RivalRequest& request, Plan plan) {
  const auto answer = cost_of(plan, *request.profile, *request.cluster);
  if (!answer) return std::nullopt;
  const PlanCost& cost = answer.value();
  for (const auto& [worker, bytes] : cost.memory_bytes) {
    if (bytes > request.cluster->worker(worker)->memory_bytes) return std::nullopt;
  }
  for (std::size_t i = 0; i < plan.pipelines.size(); ++i) {
    for (std::size_t j = 0; j < plan.pipelines[i].stages.size(); ++j) {
      plan.pipelines[i].stages[j].peak_memory_bytes = cost.peak_memory_bytes[i][j];
    }
  }
  plan.step_ms = cost.step_ms;
  plan.survives = cost.survives;
  const double samples = static_cast<double>(plan.micro_batches) * plan.micro_batch_size;
  plan.samples_per_s = cost.step_ms == 0 ? 0 : samples * 1000 / cost.step_ms;
  return plan;
}

void keep_faster(std::optional<Plan>& best, std::optional<Plan> plan) {
  if (plan && (!best || plan->step_ms < best->step_ms)) best = std::move(plan);
}

std::vector<LayerRange> equal_counts(int layers, int depth) {
  std::vector<LayerRange> stages;
  const int each = layers / depth;
  for (int stage = 0; stage < depth; ++stage) {
    stages.push_back({LayerId{stage * each}, LayerId{((stage + 1) * each) - 1}});
  }
  return stages;
}

/// What a micro-batch takes on each layer, forward and backward.
std::vector<double> layer_times(const RivalRequest& request, std::size_t at_size, bool recompute) {
  std::vector<double> layer_ms;
  for (const LayerProfile& layer : request.profile->layers) {
    const double forward_ms = layer.forward_ms[at_size];
    layer_ms.push_back(forward_ms + layer.backward_input_ms[at_size] +
                       layer.backward_weight_ms[at_size] + (recompute ? forward_ms : 0));
  }
  return layer_ms;
}

/// Over the link between the first two workers: Oobleck takes all nodes for alike.
double reduction_ms(const RivalRequest& request, const PipelineTemplate& one) {
  const std::vector<WorkerId> workers = workers_by_id(*request.cluster);
  if (workers.size() < 2) return 0;
  double most_ms = 0;
  for (const LayerRange& stage : one.stages) {
    double stage_ms = 0;
    for (int layer = stage.first.value; layer <= stage.last.value; ++layer) {
      const auto& profile = request.profile->layers[static_cast<std::size_t>(layer)];
      stage_ms += transfer_ms(*request.cluster, request.profile->transfer, workers[0], workers[1],
                              profile.gradient_bytes);
    }
    most_ms = std::max(most_ms, stage_ms);
  }
  return most_ms;
}

/// Templates ascending by nodes.
struct Templates {
  std::vector<PipelineTemplate> shapes;
  std::vector<TemplateEstimate> estimates;
};

/// Whether the roomiest workers there are can hold a single micro-batch.
bool may_fit(const RivalRequest& request, const PipelineTemplate& one, bool recompute) {
  std::int64_t memory_bytes = 0;
  for (const ClusterWorker& worker : request.cluster->workers) {
    memory_bytes = std::max(memory_bytes, worker.memory_bytes);
  }
  const Cluster roomy = identical_workers(one.nodes, memory_bytes);
  RivalRequest single = request;
  single.cluster = &roomy;
  single.micro_batches = 1;
  return priced(single, plan_of(single, {{one.stages, 1}}, recompute)).has_value();
}

Templates templates_of(const RivalRequest& request, std::size_t at_size, bool recompute) {
  Templates templates;
  const int nodes_max =
      static_cast<int>(std::min(request.profile->layers.size(), request.cluster->workers.size()));
  auto all = pipeline_templates(layer_times(request, at_size, recompute), 1, nodes_max);
  if (!all) return templates;
  for (PipelineTemplate& one : all.value()) {
    if (!may_fit(request, one, recompute)) continue;
    templates.estimates.push_back({one.nodes, one.slowest_ms, reduction_ms(request, one)});
    templates.shapes.push_back(std::move(one));
  }
  return templates;
}

/// Returns where the templates of less than twice the nodes of templates[first] end.
std::size_t end_from(const Templates& templates, std::size_t first) {
  std::size_t end = first;
  while (end < templates.shapes.size() &&
         templates.shapes[end].nodes < 2 * templates.shapes[first].nodes) {
    ++end;
  }
  return end;
}

/// Returns how long the slowest stages compute at speed 1.
double least_possible_ms(const std::vector<TemplateEstimate>& templates,
                         const Instantiation& chosen) {
  double most_ms = 0;
  for (std::size_t i = 0; i < chosen.templates.size(); ++i) {
    const auto& one = templates[static_cast<std::size_t>(chosen.templates[i])];
    most_ms = std::max(most_ms, chosen.micro_batches[i] * one.slowest_ms);
  }
  return most_ms;
}

std::optional<Plan> oobleck_plan_of(const RivalRequest& request, const Templates& templates,
                                    bool recompute) {
  const auto workers = static_cast<int>(request.cluster->workers.size());
  double fastest = 0;
  for (const ClusterWorker& worker : request.cluster->workers) {
    fastest = std::max(fastest, worker.speed);
  }
  std::set<std::pair<int, double>> priced_before;
  std::optional<Plan> best;
  for (std::size_t first = 0; first < templates.shapes.size(); ++first) {
    const auto begin = templates.estimates.begin();
    const std::vector<TemplateEstimate> some(
        begin + static_cast<std::ptrdiff_t>(first),
        begin + static_cast<std::ptrdiff_t>(end_from(templates, first)));
    for (int width = request.survive + 1; width <= workers / some.front().nodes; ++width) {
      const auto chosen = least_instantiation(some, {.nodes = workers,
                                                     .micro_batches = request.micro_batches,
                                                     .pipelines_min = width,
                                                     .pipelines_max = width});
      if (!chosen) break;
      // Neighbouring n0 mostly lead to the same pipelines.
      if (!priced_before.emplace(width, chosen->estimate_ms).second) continue;
      if (best && least_possible_ms(some, *chosen) >= best->step_ms * fastest) continue;
      std::vector<Shape> shapes;
      for (std::size_t i = 0; i < chosen->templates.size(); ++i) {
        const auto at = first + static_cast<std::size_t>(chosen->templates[i]);
        shapes.push_back({templates.shapes[at].stages, chosen->micro_batches[i]});
      }
      keep_faster(best, priced(request, plan_of(request, shapes, recompute)));
    }
  }
  return best;
}

}  // namespace

std::optional<Plan> varuna_plan(const RivalRequest& request) {
  const auto layers = static_cast<int>(request.profile->layers.size());
  const auto workers = static_cast<int>(request.cluster->workers.size());
  std::optional<Plan> best;
  for (int depth = 1; depth <= std::min(layers, workers); ++depth) {
    if (layers % depth != 0) continue;
    const int width = std::min(workers / depth, request.micro_batches);
    std::vector<Shape> shapes;
    for (int i = 0; i < width; ++i) {
      const int more = i < request.micro_batches % width ? 1 : 0;
      shapes.push_back({equal_counts(layers, depth), (request.micro_batches / width) + more});
    }
    keep_faster(best, priced(request, plan_of(request, shapes, false)));
    keep_faster(best, priced(request, plan_of(request, shapes, true)));
  }
  return best;
}

std::optional<Plan> oobleck_plan(const RivalRequest& request) {
  const auto at_size = request.profile->at_size(request.micro_batch_size);
  if (!at_size) return std::nullopt;
  std::optional<Plan> best;
  for (const bool recompute : {false, true}) {
    keep_faster(best,
                oobleck_plan_of(request, templates_of(request, *at_size, recompute), recompute));
  }
  return best;
}

}  // namespace planaria::rivals
