#include <planaria/planner/plan.hpp>

#include <limits>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/text.hpp>

namespace planaria {
namespace {

constexpr std::int64_t count_max = 1'000'000;
constexpr std::int64_t bytes_max = 1'000'000'000'000'000'000;
/// Slow workers make any step of a profile's times longer.
constexpr double figure_max = std::numeric_limits<double>::max();

int integer(ObjectReader& reader, const char* key, int low) {
  return static_cast<int>(reader.integer(key, low, count_max));
}

Result<PlannedStage> stage_from_json(const Json& json, const std::string& source,
                                     const std::string& path) {
  ObjectReader reader(json, source, path);
  PlannedStage stage;
  stage.layers = {LayerId{integer(reader, "first_layer", 0)},
                  LayerId{integer(reader, "last_layer", 0)}};
  stage.worker = WorkerId{integer(reader, "worker", 0)};
  stage.recompute = reader.optional_boolean("recompute").value_or(false);
  stage.peak_memory_bytes = reader.optional_integer("peak_memory_bytes", 0, bytes_max).value_or(0);
  stage.actions = reader.optional_text("actions").value_or("");
  if (stage.actions.find('\n') != std::string::npos) {
    reader.refuse("actions", printable(stage.actions) + ", must be one line");
  }
  PLANARIA_TRY_VOID(reader.finish());
  return stage;
}

Result<PlannedPipeline> pipeline_from_json(const Json& json, const std::string& source,
                                           const std::string& path) {
  ObjectReader reader(json, source, path);
  PlannedPipeline pipeline;
  pipeline.micro_batches = integer(reader, "micro_batches", 1);
  const Json& stages = reader.array("stages");
  PLANARIA_TRY_VOID(reader.finish());
  for (std::size_t i = 0; i < stages.size(); ++i) {
    PLANARIA_TRY(stage, stage_from_json(stages[i], source, fmt::format("{}.stages[{}]", path, i)));
    pipeline.stages.push_back(std::move(stage));
  }
  return pipeline;
}

// Schedules with a name have their actions from there alone.
Result<void> check_actions(const Plan& plan, const std::string& source) {
  if (plan.schedule == "auto") return {};
  for (std::size_t i = 0; i < plan.pipelines.size(); ++i) {
    const auto& stages = plan.pipelines[i].stages;
    for (std::size_t j = 0; j < stages.size(); ++j) {
      if (stages[j].actions.empty()) continue;
      return Fault::invalid_input(fmt::format(
          "{}: pipelines[{}].stages[{}].actions: {}, must not be there with schedule {}", source, i,
          j, printable(stages[j].actions), printable(plan.schedule)));
    }
  }
  return {};
}

// The search's figures are told, not read.
Result<void> read_figures(ObjectReader& reader, Plan& plan) {
  plan.survives = static_cast<int>(reader.optional_integer("survives", 0, count_max).value_or(0));
  plan.step_ms = reader.optional_number("step_ms", 0, figure_max).value_or(0);
  plan.samples_per_s = reader.optional_number("samples_per_s", 0, figure_max).value_or(0);
  plan.bound_step_ms = reader.optional_number("bound_step_ms", 0, figure_max).value_or(0);
  plan.optimal = reader.optional_boolean("optimal").value_or(false);
  for (const char* key : {"search", "explain", "shadows"}) reader.ignore(key);
  return reader.finish();
}

Result<std::vector<WorkerId>> idle_from_json(const Json* json, const std::string& source) {
  std::vector<WorkerId> idle;
  if (json == nullptr) return idle;
  for (const Json& element : *json) {
    const std::string key = fmt::format("idle_workers[{}]", idle.size());
    const Json object = {{key, element}};
    ObjectReader one(object, source, "");
    idle.emplace_back(static_cast<int>(one.integer(key, 0, count_max)));
    PLANARIA_TRY_VOID(one.finish());
  }
  return idle;
}

Json to_json(const PlannedStage& stage, bool with_actions) {
  Json json = {{"first_layer", stage.layers.first.value},
               {"last_layer", stage.layers.last.value},
               {"worker", stage.worker.value},
               {"recompute", stage.recompute},
               {"peak_memory_bytes", stage.peak_memory_bytes}};
  if (with_actions) json["actions"] = stage.actions;
  return json;
}

}  // namespace

Layout layout_of(const Plan& plan) {
  Layout layout{{}, plan.shadows};
  for (const PlannedPipeline& planned : plan.pipelines) {
    PipelineAssignment& pipeline = layout.pipelines.emplace_back();
    pipeline.micro_batches = planned.micro_batches;
    for (const PlannedStage& stage : planned.stages) {
      pipeline.stages.push_back({stage.layers, stage.worker});
    }
  }
  return layout;
}

Json to_json(const Plan& plan) {
  Json pipelines = Json::array();
  for (const PlannedPipeline& pipeline : plan.pipelines) {
    Json stages = Json::array();
    for (const PlannedStage& stage : pipeline.stages) {
      stages.push_back(to_json(stage, plan.schedule == "auto"));
    }
    pipelines.push_back({{"micro_batches", pipeline.micro_batches}, {"stages", stages}});
  }
  Json shadows = Json::array();
  for (const ShadowAssignment& shadow : plan.shadows) {
    Json layers = Json::array();
    for (const LayerId layer : shadow.layers) layers.push_back(layer.value);
    shadows.push_back({{"worker", shadow.worker.value}, {"layers", layers}});
  }
  Json idle = Json::array();
  for (const WorkerId worker : plan.idle_workers) idle.push_back(worker.value);
  return {{"version", 1},
          {"micro_batches", plan.micro_batches},
          {"micro_batch_size", plan.micro_batch_size},
          {"lane_size", plan.lane_size},
          {"schedule", plan.schedule},
          {"survives", plan.survives},
          {"pipelines", pipelines},
          {"shadows", shadows},
          {"idle_workers", idle},
          {"step_ms", plan.step_ms},
          {"samples_per_s", plan.samples_per_s},
          {"bound_step_ms", plan.bound_step_ms},
          {"optimal", plan.optimal}};
}

Result<Plan> plan_from_json(const Json& json, const std::string& source) {
  ObjectReader reader(json, source, "");
  Plan plan;
  reader.integer("version", 1, 1);
  plan.micro_batches = integer(reader, "micro_batches", 1);
  plan.micro_batch_size = integer(reader, "micro_batch_size", 1);
  plan.lane_size = static_cast<int>(reader.optional_integer("lane_size", 1, count_max).value_or(1));
  plan.schedule = reader.text("schedule");
  const Json& pipelines = reader.array("pipelines");
  const Json* idle_workers = reader.optional_array("idle_workers");
  PLANARIA_TRY_VOID(read_figures(reader, plan));
  for (std::size_t i = 0; i < pipelines.size(); ++i) {
    PLANARIA_TRY(pipeline,
                 pipeline_from_json(pipelines[i], source, fmt::format("pipelines[{}]", i)));
    plan.pipelines.push_back(std::move(pipeline));
  }
  PLANARIA_TRY_VOID(check_actions(plan, source));
  PLANARIA_TRY(idle, idle_from_json(idle_workers, source));
  plan.idle_workers = std::move(idle);
  PLANARIA_TRY(layout, layout_from_json(json, source));
  plan.shadows = std::move(layout.shadows);
  return plan;
}

}  // namespace planaria
