#include "planner/replan_verifier.hpp"

#include <algorithm>
#include <utility>

#include <catch2/catch.hpp>

#include <planaria/model/cluster.hpp>
#include <planaria/model/profile.hpp>

#include "planner/plan_verifier.hpp"

namespace planaria {
namespace {

using Held = std::set<std::pair<LayerId, WorkerId>>;

std::set<WorkerId> as_set(const std::vector<WorkerId>& workers) {
  return {workers.begin(), workers.end()};
}

Held computed_in(const Layout& layout) {
  Held held;
  for (const auto& pipeline : layout.pipelines) {
    for (const auto& stage : pipeline.stages) {
      for (int layer = stage.layers.first.value; layer <= stage.layers.last.value; ++layer) {
        REQUIRE(held.emplace(LayerId{layer}, stage.worker).second);
      }
    }
  }
  return held;
}

Held shadowed_in(const Layout& layout) {
  Held held;
  for (const auto& shadow : layout.shadows) {
    for (const LayerId layer : shadow.layers) REQUIRE(held.emplace(layer, shadow.worker).second);
  }
  return held;
}

bool holds(const LayerHolders& holders, LayerId layer, WorkerId worker) {
  const auto found = holders.find(layer);
  return found != holders.end() && found->second.count(worker) > 0;
}

// Exactly what of `needed` is not there, each from somebody alive who has it.
void require_sources(const ReplanCase& request, const Held& needed,
                     const std::vector<Transfer>& transfers) {
  Held lacking;
  for (const auto& [layer, worker] : needed) {
    if (!holds(request.holders, layer, worker)) lacking.emplace(layer, worker);
  }
  Held arriving;
  for (const Transfer& transfer : transfers) {
    REQUIRE(arriving.emplace(transfer.layer, transfer.to).second);
    REQUIRE(holds(request.holders, transfer.layer, transfer.from));
    REQUIRE(as_set(request.workers).count(transfer.from) == 1);
  }
  REQUIRE(arriving == lacking);
}

// The layout with workers numbered by their place among those there are.
Layout renumbered(Layout layout, const std::vector<WorkerId>& workers) {
  const auto renumber = [&workers](WorkerId& worker) {
    const auto found = std::find(workers.begin(), workers.end(), worker);
    REQUIRE(found != workers.end());
    worker = WorkerId{static_cast<int>(found - workers.begin())};
  };
  for (auto& pipeline : layout.pipelines) {
    for (auto& stage : pipeline.stages) renumber(stage.worker);
  }
  for (auto& shadow : layout.shadows) renumber(shadow.worker);
  return layout;
}

// Plays transfers in their order: one in and one out of a worker at a time.
std::int64_t end_of(const std::vector<Transfer>& transfers,
                    const std::vector<std::int64_t>& bytes) {
  std::map<WorkerId, std::int64_t> sends_until;
  std::map<WorkerId, std::int64_t> receives_until;
  std::int64_t end = 0;
  for (const Transfer& transfer : transfers) {
    const std::int64_t start = std::max(sends_until[transfer.from], receives_until[transfer.to]);
    const std::int64_t done = start + bytes[static_cast<std::size_t>(transfer.layer.value)];
    sends_until[transfer.from] = receives_until[transfer.to] = done;
    end = std::max(end, done);
  }
  return end;
}

}  // namespace

LayerHolders holders_in(const Layout& layout) {
  LayerHolders holders;
  for (const auto& [layer, worker] : computed_in(layout)) holders[layer].insert(worker);
  for (const auto& [layer, worker] : shadowed_in(layout)) holders[layer].insert(worker);
  return holders;
}

Profile profile_of(const ReplanCase& request) {
  return profile_of_costs(request.layer_costs, request.micro_batch_size);
}

Cluster cluster_of(const ReplanCase& request) {
  Cluster cluster =
      identical_workers(static_cast<int>(request.workers.size()), request.memory_bytes);
  for (std::size_t i = 0; i < request.workers.size(); ++i) {
    cluster.workers[i].id = request.workers[i];
  }
  return cluster;
}

Result<Replan> replan(const ReplanCase& request) {
  const Profile profile = profile_of(request);
  const Cluster cluster = cluster_of(request);
  ReplanRequest asked = request;
  asked.profile = &profile;
  asked.cluster = &cluster;
  return replan(asked);
}

Layout anew(const ReplanCase& request) {
  const Profile profile = profile_of(request);
  const Cluster cluster = cluster_of(request);
  ReplanRequest asked = request;
  asked.profile = &profile;
  asked.cluster = &cluster;
  return layout_of(planned_anew(asked).value().value());
}

double step_ms_of(const PipelineAssignment& pipeline, const std::vector<double>& layer_costs) {
  Plan plan{.micro_batches = pipeline.micro_batches, .micro_batch_size = 1, .schedule = "1f1b"};
  PlannedPipeline& planned = plan.pipelines.emplace_back();
  planned.micro_batches = pipeline.micro_batches;
  for (const StageAssignment& stage : pipeline.stages) {
    planned.stages.push_back(
        {.layers = stage.layers, .worker = WorkerId{static_cast<int>(planned.stages.size())}});
  }
  const auto stages = static_cast<int>(planned.stages.size());
  return verified_cost(plan, profile_of_costs(layer_costs),
                       identical_workers(stages, memory_without_limit))
      .step_ms;
}

double step_ms_of(const Layout& layout, const std::vector<double>& layer_costs) {
  double most_ms = 0;
  for (const auto& pipeline : layout.pipelines) {
    most_ms = std::max(most_ms, step_ms_of(pipeline, layer_costs));
  }
  return most_ms;
}

void require_shadows(const Layout& layout, const std::vector<std::int64_t>& layer_bytes,
                     const std::vector<WorkerId>& workers, const LayerHolders& holders,
                     int copies) {
  const Held computed = computed_in(layout);
  const Held shadowed = shadowed_in(layout);
  for (std::size_t i = 1; i < layout.shadows.size(); ++i) {
    REQUIRE(layout.shadows[i - 1].worker < layout.shadows[i].worker);
  }
  for (const auto& shadow : layout.shadows) {
    REQUIRE(as_set(workers).count(shadow.worker) == 1);
    REQUIRE(!shadow.layers.empty());
    REQUIRE(std::is_sorted(shadow.layers.begin(), shadow.layers.end()));
  }
  for (int i = 0; i < static_cast<int>(layer_bytes.size()); ++i) {
    const LayerId layer{i};
    int actives = 0;
    int shadows = 0;
    int filled = 0;
    int could_shadow = 0;  // without being filled
    for (const WorkerId worker : workers) {
      const bool active = computed.count({layer, worker}) > 0;
      const bool shadow = shadowed.count({layer, worker}) > 0;
      const bool present = holds(holders, layer, worker);
      REQUIRE(!(active && shadow));
      actives += active ? 1 : 0;
      shadows += shadow ? 1 : 0;
      filled += shadow && !present ? 1 : 0;
      could_shadow += !active && present ? 1 : 0;
    }
    const int wanted = std::max(0, std::min(copies, static_cast<int>(workers.size())) - actives);
    REQUIRE(shadows == wanted);
    REQUIRE(filled == std::max(0, wanted - could_shadow));
  }
}

void require_consistent(const ReplanCase& request, const Replan& answer) {
  const auto fits = verify(renumbered(answer.layout, request.workers),
                           {.layers = static_cast<int>(request.layer_costs.size()),
                            .micro_batches = request.micro_batches,
                            .lane_size = request.lane_size,
                            .workers = static_cast<int>(request.workers.size())});
  if (!fits) FAIL(fits.fault().sentence);
  require_sources(request, computed_in(answer.layout), answer.transfers);
  require_sources(request, shadowed_in(answer.layout), answer.fills);
  require_shadows(answer.layout, request.layer_bytes, request.workers, request.holders,
                  request.copies);
  REQUIRE(answer.step_ms == Approx(step_ms_of(answer.layout, request.layer_costs)).epsilon(1e-9));
  std::int64_t bytes = 0;
  for (const Transfer& transfer : answer.transfers) {
    bytes += request.layer_bytes[static_cast<std::size_t>(transfer.layer.value)];
  }
  REQUIRE(answer.bytes == bytes);
  const std::int64_t end = end_of(answer.transfers, request.layer_bytes);
  REQUIRE(answer.transfer_ms == static_cast<double>(end) * request.ms_per_byte);
  REQUIRE(!answer.explanation.empty());
}

}  // namespace planaria
