#include "host/run_record.hpp"

#include <cmath>

#include <planaria/base/hash.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/planner/recompute.hpp>

namespace planaria::host {
namespace {

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

// JSON has no word for these, and a program that reads the file should not stumble.
Json finite_or_null(double value) {
  return std::isfinite(value) ? Json(value) : Json();
}

Json hexes(const std::vector<std::uint64_t>& hashes) {
  Json list = Json::array();
  for (const std::uint64_t hash : hashes) list.push_back(hex64(hash));
  return list;
}

Json worker_json(const protocol::CoordinatorState& state, const RunFigures& figures,
                 WorkerId worker) {
  const Layout& layout = state.view.layout;
  Json layers = Json::array();
  for (const LayerId layer : computed_by(layout, worker)) layers.push_back(layer.value);
  Json shadows = Json::array();
  for (const ShadowAssignment& shadow : layout.shadows) {
    if (shadow.worker != worker) continue;
    for (const LayerId layer : shadow.layers) shadows.push_back(layer.value);
  }
  const auto peak = figures.peak_resident_bytes.find(worker);
  return {{"id", worker.value},
          {"layers", std::move(layers)},
          {"shadows", std::move(shadows)},
          {"peak_resident_bytes",
           peak == figures.peak_resident_bytes.end() ? Json() : Json(peak->second)}};
}

}  // namespace

Json run_json(const RunOptions& options, const RunSpec& spec) {
  Json layers = Json::array();
  for (const LayerSpec& layer : spec.layers) layers.push_back(layer.name);
  Json identity = Json::object();
  for (const Property& property : spec.identity) identity[property.name] = property.value;
  const protocol::CoordinatorOptions& asked = options.coordinator;
  return {{"version", 1},
          {"command", options.command},
          {"workers", asked.workers},
          {"spares", asked.spares},
          {"width", or_null(asked.width)},
          {"depth", or_null(asked.depth)},
          {"layout", asked.layout ? to_json(*asked.layout) : Json()},
          {"schedule", asked.schedule_text ? Json() : Json(asked.schedule)},
          {"schedule_text", or_null(asked.schedule_text)},
          {"profile", asked.profile ? to_json(*asked.profile) : Json()},
          {"memory_bytes", or_null(asked.memory_bytes)},
          {"recompute", name_of(asked.recompute)},
          {"transport", options.transport},
          {"faults", options.faults.empty() ? Json() : Json(options.faults)},
          {"commit_domains", asked.commit_domains},
          {"min_workers", asked.min_workers},
          {"wait_ms", asked.wait_ms},
          {"silence_max_ms", asked.silence_max_ms},
          {"steps", spec.steps},
          {"micro_batches", spec.micro_batches},
          {"micro_batch_size", spec.micro_batch_size},
          {"lane_size", spec.lane_size},
          {"dataset_samples", spec.dataset_samples},
          {"evaluation_samples", spec.evaluation_samples},
          {"layers", std::move(layers)},
          {"seed", spec.seed},
          {"identity", std::move(identity)}};
}

Json started_json(const protocol::CoordinatorState& state) {
  Json fields = {{"layout", text_of(state.view.layout)}, {"workers", state.members.size()}};
  if (state.spec) {
    fields["steps"] = state.spec->steps;
    fields["micro_batches"] = state.spec->micro_batches;
    fields["micro_batch_size"] = state.spec->micro_batch_size;
  }
  return fields;
}

Json ledger_json(const SampleOrder& order, const protocol::LedgerLine& line) {
  Json micro_batches = Json::array();
  for (std::size_t i = 0; i < line.read.size(); ++i) {
    micro_batches.push_back(order.samples(line.step, MicroBatchId(static_cast<std::int32_t>(i))));
  }
  return {{"step", line.step.value},
          {"epoch", order.epoch_of(line.step)},
          {"micro_batches", std::move(micro_batches)},
          {"read_xxh3", hexes(line.read)},
          {"labelled_xxh3", hexes(line.labelled)}};
}

Json result_json(const protocol::CoordinatorState& state, const RunFigures& figures) {
  const std::int64_t steps = state.last_record ? state.last_record->step.value : 0;
  std::int64_t samples = 0;
  if (state.spec) samples = steps * state.spec->micro_batches * state.spec->micro_batch_size;
  Json workers = Json::array();
  for (const auto& [worker, member] : state.members)
    workers.push_back(worker_json(state, figures, worker));
  const double seconds = figures.training_ms / 1000.0;
  return {{"version", 1},
          {"steps", steps},
          {"samples", samples},
          {"final_loss", state.last_record ? finite_or_null(state.last_record->loss) : Json()},
          {"weights_xxh3_128", figures.weights_hex},
          {"state_xxh3_128", figures.state_hex},
          {"holders_agree", figures.holders_agree},
          // This and what losses and joins cost are counted when the events are merged.
          {"redone_micro_batches", 0},
          {"views", state.view.view.value},
          {"workers_lost", 0},
          {"lost_step_ms", 0.0},
          {"recoveries", Json::array()},
          {"joins", Json::array()},
          {"workers", std::move(workers)},
          {"throughput_samples_per_s", seconds > 0 ? static_cast<double>(samples) / seconds : 0.0}};
}

}  // namespace planaria::host
