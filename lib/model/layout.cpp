#include <planaria/model/layout.hpp>

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include <planaria/base/text.hpp>

namespace planaria {
namespace {

// More than anybody has, few enough that sums stay far from overflow.
constexpr std::int64_t count_max = 1'000'000;

Result<StageAssignment> stage_from_json(const Json& json, const std::string& source,
                                        const std::string& path) {
  ObjectReader reader(json, source, path);
  StageAssignment stage;
  stage.layers.first = LayerId{static_cast<int>(reader.integer("first_layer", 0, count_max))};
  stage.layers.last = LayerId{static_cast<int>(reader.integer("last_layer", 0, count_max))};
  stage.worker = WorkerId{static_cast<int>(reader.integer("worker", 0, count_max))};
  for (const char* key : {"recompute", "peak_memory_bytes", "actions"}) reader.ignore(key);
  PLANARIA_TRY_VOID(reader.finish());
  return stage;
}

Result<PipelineAssignment> pipeline_from_json(const Json& json, const std::string& source,
                                              const std::string& path) {
  ObjectReader reader(json, source, path);
  PipelineAssignment pipeline;
  pipeline.micro_batches = static_cast<int>(reader.integer("micro_batches", 1, count_max));
  const Json& stages = reader.array("stages");
  PLANARIA_TRY_VOID(reader.finish());
  for (std::size_t i = 0; i < stages.size(); ++i) {
    PLANARIA_TRY(stage, stage_from_json(stages[i], source, fmt::format("{}.stages[{}]", path, i)));
    pipeline.stages.push_back(stage);
  }
  return pipeline;
}

Result<ShadowAssignment> shadow_from_json(const Json& json, const std::string& source,
                                          const std::string& path) {
  ObjectReader reader(json, source, path);
  ShadowAssignment shadow;
  shadow.worker = WorkerId{static_cast<int>(reader.integer("worker", 0, count_max))};
  for (const Json& layer : reader.array("layers")) {
    // Read through an object of its own, for the same sentence as any other number.
    const std::string key = fmt::format("layers[{}]", shadow.layers.size());
    const Json element = {{key, layer}};
    ObjectReader number(element, source, path);
    shadow.layers.emplace_back(static_cast<int>(number.integer(key, 0, count_max)));
    PLANARIA_TRY_VOID(number.finish());
  }
  PLANARIA_TRY_VOID(reader.finish());
  return shadow;
}

}  // namespace

std::vector<Place> places_of(const Layout& layout, WorkerId worker) {
  std::vector<Place> places;
  for (std::size_t pipeline = 0; pipeline < layout.pipelines.size(); ++pipeline) {
    const auto& stages = layout.pipelines[pipeline].stages;
    Place place{static_cast<int>(pipeline), {}};
    for (std::size_t stage = 0; stage < stages.size(); ++stage) {
      if (stages[stage].worker == worker) place.stages.push_back(static_cast<int>(stage));
    }
    if (!place.stages.empty()) places.push_back(std::move(place));
  }
  return places;
}

std::optional<Place> place_of(const Layout& layout, WorkerId worker) {
  const std::vector<Place> places = places_of(layout, worker);
  return places.empty() ? std::nullopt : std::optional(places.front());
}

std::vector<int> joined_with(const Layout& layout, int pipeline) {
  std::set<int> joined{pipeline};
  std::vector<int> to_visit{pipeline};
  while (!to_visit.empty()) {
    const auto visited = static_cast<std::size_t>(to_visit.back());
    to_visit.pop_back();
    for (const StageAssignment& stage : layout.pipelines[visited].stages) {
      for (const Place& place : places_of(layout, stage.worker)) {
        if (joined.insert(place.pipeline).second) to_visit.push_back(place.pipeline);
      }
    }
  }
  return {joined.begin(), joined.end()};
}

bool shares_workers(const Layout& layout) {
  std::map<WorkerId, std::size_t> seen;  // its first pipeline
  for (std::size_t pipeline = 0; pipeline < layout.pipelines.size(); ++pipeline) {
    for (const StageAssignment& stage : layout.pipelines[pipeline].stages) {
      if (seen.emplace(stage.worker, pipeline).first->second != pipeline) return true;
    }
  }
  return false;
}

std::vector<LayerRange> chunks_of(const Layout& layout, WorkerId worker) {
  std::vector<LayerRange> chunks;
  const auto place = place_of(layout, worker);
  if (!place) return chunks;
  const auto& stages = layout.pipelines[static_cast<std::size_t>(place->pipeline)].stages;
  for (const int stage : place->stages) {
    chunks.push_back(stages[static_cast<std::size_t>(stage)].layers);
  }
  return chunks;
}

std::vector<LayerId> computed_by(const Layout& layout, WorkerId worker) {
  std::vector<LayerId> layers;
  for (const LayerRange& range : chunks_of(layout, worker)) {
    for (LayerId layer = range.first; layer <= range.last; layer = layer.next()) {
      layers.push_back(layer);
    }
  }
  return layers;
}

MicroBatchRange micro_batches_of(const Layout& layout, int pipeline) {
  check(pipeline >= 0 && pipeline < static_cast<int>(layout.pipelines.size()),
        "the pipeline exists");
  int first = 0;
  for (int before = 0; before < pipeline; ++before) {
    first += layout.pipelines[static_cast<std::size_t>(before)].micro_batches;
  }
  const int share = layout.pipelines[static_cast<std::size_t>(pipeline)].micro_batches;
  return {MicroBatchId{first}, MicroBatchId{first + share - 1}};
}

std::vector<WorkerId> active_holders(const Layout& layout, LayerId layer) {
  std::vector<WorkerId> holders;
  for (const auto& pipeline : layout.pipelines) {
    for (const auto& stage : pipeline.stages) {
      if (!stage.layers.contains(layer)) continue;
      const bool is_new = std::find(holders.begin(), holders.end(), stage.worker) == holders.end();
      if (is_new) holders.push_back(stage.worker);
    }
  }
  return holders;
}

WorkerId lowest_active_holder(const Layout& layout, LayerId layer) {
  const std::vector<WorkerId> holders = active_holders(layout, layer);
  check(!holders.empty(), "a layer that nobody computes");
  return *std::min_element(holders.begin(), holders.end());
}

std::vector<WorkerId> shadows_of(const Layout& layout, LayerId layer) {
  std::set<WorkerId> workers;
  for (const ShadowAssignment& shadow : layout.shadows) {
    const auto& layers = shadow.layers;
    if (std::find(layers.begin(), layers.end(), layer) != layers.end()) {
      workers.insert(shadow.worker);
    }
  }
  return {workers.begin(), workers.end()};
}

std::vector<LayerId> shadowed_by(const Layout& layout, WorkerId worker) {
  std::set<LayerId> layers;
  for (const ShadowAssignment& shadow : layout.shadows) {
    if (shadow.worker == worker) layers.insert(shadow.layers.begin(), shadow.layers.end());
  }
  return {layers.begin(), layers.end()};
}

std::vector<WorkerId> workers_of(const Layout& layout) {
  std::set<WorkerId> workers;
  for (const auto& pipeline : layout.pipelines) {
    for (const auto& stage : pipeline.stages) workers.insert(stage.worker);
  }
  for (const auto& shadow : layout.shadows) workers.insert(shadow.worker);
  return {workers.begin(), workers.end()};
}

std::string text_of(const Layout& layout) {
  std::vector<int> depths;
  for (const auto& pipeline : layout.pipelines) {
    depths.push_back(static_cast<int>(pipeline.stages.size()));
  }
  if (depths.empty()) return "no pipelines";
  const std::string shared = shares_workers(layout) ? ", sharing workers" : "";
  if (std::all_of(depths.begin(), depths.end(), [&](int d) { return d == depths.front(); })) {
    return counted(static_cast<int>(depths.size()), "pipeline") + " x " +
           counted(depths.front(), "stage") + shared;
  }
  return fmt::format("pipelines of {} stages{}", fmt::join(depths, ", "), shared);
}

Json to_json(const Layout& layout) {
  Json pipelines = Json::array();
  for (const auto& pipeline : layout.pipelines) {
    Json stages = Json::array();
    for (const auto& stage : pipeline.stages) {
      stages.push_back({{"first_layer", stage.layers.first.value},
                        {"last_layer", stage.layers.last.value},
                        {"worker", stage.worker.value}});
    }
    pipelines.push_back({{"micro_batches", pipeline.micro_batches}, {"stages", stages}});
  }
  Json json = {{"pipelines", pipelines}};
  if (layout.shadows.empty()) return json;
  Json shadows = Json::array();
  for (const auto& shadow : layout.shadows) {
    Json layers = Json::array();
    for (LayerId layer : shadow.layers) layers.push_back(layer.value);
    shadows.push_back({{"worker", shadow.worker.value}, {"layers", layers}});
  }
  json["shadows"] = shadows;
  return json;
}

Result<Layout> layout_from_json(const Json& json, const std::string& source) {
  ObjectReader reader(json, source, "");
  reader.optional_integer("version", 1, 1);
  for (const char* key :
       {"micro_batches", "micro_batch_size", "lane_size", "schedule", "survives", "idle_workers",
        "step_ms", "samples_per_s", "bound_step_ms", "optimal", "search", "explain"}) {
    reader.ignore(key);
  }
  const Json& pipelines = reader.array("pipelines");
  const Json* shadows = reader.optional_array("shadows");
  PLANARIA_TRY_VOID(reader.finish());
  Layout layout;
  for (std::size_t i = 0; i < pipelines.size(); ++i) {
    PLANARIA_TRY(pipeline,
                 pipeline_from_json(pipelines[i], source, fmt::format("pipelines[{}]", i)));
    layout.pipelines.push_back(std::move(pipeline));
  }
  for (std::size_t i = 0; shadows != nullptr && i < shadows->size(); ++i) {
    PLANARIA_TRY(shadow, shadow_from_json((*shadows)[i], source, fmt::format("shadows[{}]", i)));
    layout.shadows.push_back(std::move(shadow));
  }
  return layout;
}

}  // namespace planaria
