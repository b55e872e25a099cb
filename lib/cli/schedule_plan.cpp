// The costs of a plan's stages, by a profile and a cluster.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/json.hpp>
#include <planaria/model/cluster.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/model/profile.hpp>
#include <planaria/planner/stage_work.hpp>

#include "cli/schedule_inputs.hpp"

namespace planaria::cli {
namespace {

/// The plan's fields that are no layout. layout_from_json() has refused unknown keys already.
struct PlanFields {
  std::optional<int> micro_batch_size;
  std::optional<std::string> schedule;
  std::vector<bool> recompute;  // of the pipeline's stages
};

Result<PlanFields> read_fields(const Json& plan, const std::string& source, std::size_t pipeline) {
  ObjectReader reader(plan, source, "");
  for (const auto& [key, value] : plan.items()) reader.ignore(key);
  PlanFields fields;
  if (const auto size = reader.optional_integer("micro_batch_size", 1, 1'000'000)) {
    fields.micro_batch_size = static_cast<int>(*size);
  }
  fields.schedule = reader.optional_text("schedule");
  PLANARIA_TRY_VOID(reader.finish());
  const Json& stages = plan.at("pipelines").at(pipeline).at("stages");
  for (std::size_t i = 0; i < stages.size(); ++i) {
    ObjectReader stage(stages[i], source, fmt::format("pipelines[{}].stages[{}]", pipeline, i));
    for (const auto& [key, value] : stages[i].items()) stage.ignore(key);
    fields.recompute.push_back(stage.optional_boolean("recompute").value_or(false));
    PLANARIA_TRY_VOID(stage.finish());
  }
  return fields;
}

/// All that stage sums are made from.
struct Sources {
  Profile profile;
  std::size_t size = 0;  // where the micro-batch size stands in the profile
  PipelineAssignment pipeline;
  std::optional<Cluster> cluster;
};

Result<std::size_t> size_in(const Profile& profile, const std::optional<int>& micro_batch_size,
                            const ScheduleFlags& flags) {
  const auto& sizes = profile.micro_batch_sizes;
  if (!micro_batch_size) {
    if (sizes.size() == 1) return std::size_t{0};
    return Fault::invalid_input(fmt::format("{}: micro_batch_size: missing, must be one of {}",
                                            *flags.plan, fmt::join(sizes, ", ")));
  }
  if (const auto at = profile.at_size(*micro_batch_size)) return *at;
  return Fault::invalid_input(fmt::format("{}: micro_batch_size: {}, must be one of {}, as {} has",
                                          *flags.plan, *micro_batch_size, fmt::join(sizes, ", "),
                                          *flags.profile));
}

/// Every layer once, in order. Workers may stand twice: chunks.
Result<void> check_layers(const PipelineAssignment& pipeline, const std::string& path, int layers) {
  int next = 0;
  for (std::size_t i = 0; i < pipeline.stages.size(); ++i) {
    const LayerRange& range = pipeline.stages[i].layers;
    if (range.first.value != next) {
      return Fault::invalid_input(
          fmt::format("{}[{}].first_layer: {}, must be {}, the layer that follows", path, i,
                      range.first.value, next));
    }
    if (range.last.value < next || range.last.value >= layers) {
      return Fault::invalid_input(fmt::format("{}[{}].last_layer: {}, must be {} to {}", path, i,
                                              range.last.value, next, layers - 1));
    }
    next = range.last.value + 1;
  }
  if (next == layers) return {};
  return Fault::invalid_input(
      fmt::format("{}: layers up to {}, must be up to {}", path, next - 1, layers - 1));
}

Result<void> check_cluster(const Sources& sources, const std::string& path,
                           const std::string& cluster) {
  for (std::size_t i = 0; sources.cluster && i < sources.pipeline.stages.size(); ++i) {
    const WorkerId worker = sources.pipeline.stages[i].worker;
    if (sources.cluster->worker(worker) != nullptr) continue;
    return Fault::invalid_input(
        fmt::format("{}[{}].worker: {}, must be one of {}", path, i, worker.value, cluster));
  }
  return {};
}

Result<void> add_stages(const Sources& sources, const std::string& source, StageTerms& all) {
  auto stages = stage_work(sources.pipeline, sources.profile, sources.size, sources.cluster);
  if (!stages) return Fault::invalid_input(fmt::format("{}: {}", source, stages.fault().sentence));
  for (std::size_t i = 0; i < stages.value().size(); ++i) {
    all.costs.push_back(stages.value()[i].costs);
    all.memory.push_back(stages.value()[i].memory);
    all.workers.push_back(sources.pipeline.stages[i].worker.value);
  }
  return {};
}

}  // namespace

Result<PlanTerms> read_plan_terms(const ScheduleFlags& flags) {
  Sources sources;
  PLANARIA_TRY(profile_json, read_json_file(*flags.profile));
  PLANARIA_TRY(profile, profile_from_json(profile_json, *flags.profile));
  sources.profile = std::move(profile);
  PLANARIA_TRY(plan_json, read_json_file(*flags.plan));
  PLANARIA_TRY(layout, layout_from_json(plan_json, *flags.plan));
  const auto index = static_cast<std::size_t>(flags.pipeline.value_or(0));
  if (index >= layout.pipelines.size()) {
    return Fault::invalid_input(fmt::format("--pipeline: {}, must be below {}, the pipelines of {}",
                                            index, layout.pipelines.size(), *flags.plan));
  }
  sources.pipeline = layout.pipelines[index];
  PLANARIA_TRY(fields, read_fields(plan_json, *flags.plan, index));
  PLANARIA_TRY(size, size_in(sources.profile, fields.micro_batch_size, flags));
  sources.size = size;
  const std::string path = fmt::format("{}: pipelines[{}].stages", *flags.plan, index);
  PLANARIA_TRY_VOID(
      check_layers(sources.pipeline, path, static_cast<int>(sources.profile.layers.size())));
  if (flags.cluster) {
    PLANARIA_TRY(cluster_json, read_json_file(*flags.cluster));
    PLANARIA_TRY(cluster, cluster_from_json(cluster_json, *flags.cluster));
    sources.cluster = std::move(cluster);
  }
  PLANARIA_TRY_VOID(check_cluster(sources, path, flags.cluster.value_or("")));
  PlanTerms terms;
  PLANARIA_TRY_VOID(add_stages(sources, *flags.profile, terms.stages));
  terms.stages.recompute = fields.recompute;
  terms.kind = fields.schedule;
  terms.micro_batches = sources.pipeline.micro_batches;
  return terms;
}

}  // namespace planaria::cli
