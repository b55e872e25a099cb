#include "protocol/toy_worker.hpp"

#include <bit>

#include <planaria/base/random.hpp>

namespace planaria::protocol {
namespace {

std::uint64_t bits(std::int64_t number) {
  return static_cast<std::uint64_t>(number);
}

}  // namespace

RunSpec toy_spec() {
  RunSpec spec;
  spec.steps = 3;
  spec.micro_batches = 4;
  spec.micro_batch_size = 2;
  spec.dataset_samples = 100;
  spec.seed = 1;
  spec.layers = {
      {"embedding", 1, 0, ""}, {"block0", 1, 0, ""}, {"block1", 1, 0, ""}, {"head", 1, 0, ""}};
  spec.identity = {{"build", "abc"}, {"threads", "1"}};
  return spec;
}

ToyWorker::ToyWorker(const RunSpec& spec, const NewView& view, WorkerId worker)
    : spec_(spec), view_(view.view) {
  const auto place = place_of(view.layout, worker);
  if (!place) return;
  pipeline_ = place->pipeline;
  micro_batches_ = micro_batches_of(view.layout, pipeline_);
  const auto& pipeline = view.layout.pipelines[static_cast<std::size_t>(pipeline_)];
  const LayerRange range = pipeline.stages[static_cast<std::size_t>(place->stage)].layers;
  for (LayerId layer = range.first; layer <= range.last; layer = layer.next()) {
    layers_[layer] = mix({spec.seed, bits(layer.value)});
  }
}

Report ToyWorker::compute(Step step) const {
  Report report;
  report.view = view_;
  report.step = step;
  for (const auto& [layer, state] : layers_) {
    const std::uint64_t gradient = mix({state, bits(step.value)});
    report.layers.push_back({layer, static_cast<double>(gradient % 1000), gradient});
  }
  const bool first = layers_.contains(LayerId{0});
  const bool last = layers_.contains(LayerId{static_cast<int>(spec_.layers.size()) - 1});
  for (MicroBatchId id = micro_batches_.first; id <= micro_batches_.last; id = id.next()) {
    const std::uint64_t sample = mix({spec_.seed, bits(step.value), bits(id.value)});
    if (first) report.read.push_back({id, sample});
    if (last) report.labelled.push_back({id, sample + 1});
    if (last) report.losses.push_back({id, static_cast<double>(sample % 100)});
  }
  report.rate = 0.5 / static_cast<double>(step.value);
  report.resident_bytes = 1000 + step.value;
  return report;
}

void ToyWorker::apply(const CommitRecord& record) {
  level_ = record.step;
  for (auto& [layer, state] : layers_) {
    state = mix({state, bits(record.step.value), std::bit_cast<std::uint64_t>(record.norm),
                 std::bit_cast<std::uint64_t>(record.rate)});
  }
}

Applied ToyWorker::applied() const {
  Applied applied{.view = view_, .step = level_, .layers = {}, .peak_resident_bytes = 4096};
  for (const auto& [layer, state] : layers_) {
    const Json tensor{{"name", spec_.layers[static_cast<std::size_t>(layer.value)].name}};
    applied.layers.push_back({layer, state, {tensor}});
  }
  return applied;
}

}  // namespace planaria::protocol
