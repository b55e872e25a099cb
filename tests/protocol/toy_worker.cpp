#include "protocol/toy_worker.hpp"

#include <bit>
#include <cmath>
#include <utility>

#include <planaria/base/random.hpp>
#include <planaria/model/sample_order.hpp>

namespace planaria::protocol {
namespace {

std::uint64_t bits(std::int64_t number) {
  return static_cast<std::uint64_t>(number);
}

std::uint64_t part_of(const RunSpec& spec, LayerId layer, std::uint64_t state, Step step,
                      MicroBatchId micro_batch, std::uint64_t model) {
  return mix(
      {spec.seed, bits(layer.value), state, bits(step.value), bits(micro_batch.value), model});
}

std::uint64_t applied(std::uint64_t state, std::uint64_t gradient, const CommitRecord& record) {
  return mix({state, gradient, bits(record.step.value), std::bit_cast<std::uint64_t>(record.norm),
              std::bit_cast<std::uint64_t>(record.rate)});
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
      {"embedding", 1, 8, ""}, {"block0", 1, 8, ""}, {"block1", 1, 8, ""}, {"head", 1, 8, ""}};
  spec.identity = {{"build", "abc"}, {"threads", "1"}};
  return spec;
}

std::uint64_t toy_initial(const RunSpec& spec, LayerId layer) {
  return mix({spec.seed, bits(layer.value)});
}

std::uint64_t toy_model(const std::map<LayerId, std::uint64_t>& states) {
  std::uint64_t model = 1;
  for (const auto& [layer, state] : states) model = mix({model, bits(layer.value), state});
  return model;
}

double toy_loss(const RunSpec& spec, Step step, MicroBatchId micro_batch, std::uint64_t model) {
  return static_cast<double>(mix({toy_sample(spec, step, micro_batch), model}) % 1000);
}

double toy_evaluation_loss(const RunSpec& spec, Step level, MicroBatchId micro_batch,
                           std::uint64_t model) {
  return static_cast<double>(
      mix({spec.seed, bits(level.value), bits(micro_batch.value), model, 7}) % 1000);
}

std::uint64_t toy_sample(const RunSpec& spec, Step step, MicroBatchId micro_batch) {
  return mix({spec.seed, bits(step.value), bits(micro_batch.value)});
}

void toy_add(std::uint64_t& left, std::uint64_t&& right) {
  left = mix({left, right});
}

LaneTree toy_tree(const RunSpec& spec) {
  return {spec.micro_batches, spec.lane_size};
}

double toy_norm(std::uint64_t gradient) {
  return static_cast<double>(gradient % 1000);
}

double toy_rate(Step step) {
  return 0.5 / static_cast<double>(step.value);
}

ToyTruth::ToyTruth(RunSpec spec) : spec_(std::move(spec)) {
  states_.emplace_back();
  for (std::size_t i = 0; i < spec_.layers.size(); ++i) {
    states_[0].push_back(toy_initial(spec_, LayerId{static_cast<int>(i)}));
  }
}

void ToyTruth::compute_up_to(Step step) {
  while (static_cast<std::int64_t>(records_.size()) < step.value) {
    const Step next{static_cast<std::int64_t>(records_.size()) + 1};
    const auto before = states_.back();
    std::map<LayerId, std::uint64_t> all;
    for (std::size_t i = 0; i < before.size(); ++i) all[LayerId{static_cast<int>(i)}] = before[i];
    const std::uint64_t model = toy_model(all);
    std::vector<std::uint64_t> gradients;
    double squares = 0;
    for (const auto& [layer, state] : all) {
      const LaneTree tree = toy_tree(spec_);
      TreeFold<std::uint64_t> fold(tree);
      for (LaneId lane{0}; lane.value < tree.lanes(); lane = lane.next()) {
        std::uint64_t sum = 0;
        const MicroBatchRange range = tree.micro_batches_of(lane);
        for (MicroBatchId i = range.first; i <= range.last; i = i.next()) {
          sum += part_of(spec_, layer, state, next, i, model);
        }
        fold.put({0, lane.value}, sum, toy_add);
      }
      const std::uint64_t gradient = fold.take();
      gradients.push_back(gradient);
      squares += toy_norm(gradient);
    }
    double loss = 0;
    for (MicroBatchId i{0}; i.value < spec_.micro_batches; i = i.next()) {
      loss += toy_loss(spec_, next, i, model);
    }
    const CommitRecord record{.step = next,
                              .loss = loss / spec_.micro_batches,
                              .norm = std::sqrt(squares),
                              .rate = toy_rate(next),
                              .last = next.value == spec_.steps};
    auto& after = states_.emplace_back();
    for (std::size_t i = 0; i < before.size(); ++i) {
      after.push_back(applied(before[i], gradients[i], record));
    }
    gradients_.push_back(std::move(gradients));
    records_.push_back(record);
  }
}

std::uint64_t ToyTruth::state(LayerId layer, Step level) {
  compute_up_to(level);
  return states_.at(static_cast<std::size_t>(level.value))
      .at(static_cast<std::size_t>(layer.value));
}

std::uint64_t ToyTruth::gradient(LayerId layer, Step step) {
  compute_up_to(step);
  return gradients_.at(static_cast<std::size_t>(step.value) - 1)
      .at(static_cast<std::size_t>(layer.value));
}

const CommitRecord& ToyTruth::record(Step step) {
  compute_up_to(step);
  return records_.at(static_cast<std::size_t>(step.value) - 1);
}

Evaluation ToyTruth::evaluation(Step level) {
  compute_up_to(level);
  std::map<LayerId, std::uint64_t> all;
  for (LayerId layer{0}; layer.value < static_cast<int>(spec_.layers.size());
       layer = layer.next()) {
    all[layer] = state(layer, level);
  }
  const EvaluationOrder order{spec_.dataset_samples, spec_.evaluation_samples,
                              spec_.micro_batch_size};
  double sum = 0;
  for (MicroBatchId i{0}; i.value < order.micro_batches(); i = i.next()) {
    sum += toy_evaluation_loss(spec_, level, i, toy_model(all)) *
           static_cast<double>(order.size_of(i));
  }
  return {level, sum / static_cast<double>(spec_.evaluation_samples), spec_.evaluation_samples};
}

void ToyStore::build(const std::set<LayerId>& layers) {
  held_.clear();
  sums_.clear();
  forget_fills();
  for (const LayerId layer : layers) held_[layer] = {Step{0}, toy_initial(spec_, layer), {}};
}

void ToyStore::install(LayerId layer, Step level, std::uint64_t state) {
  held_[layer] = {level, state, {}};
  kept_.erase(layer);
  sums_.erase(layer);
}

bool ToyStore::begin_step(Step step, const std::map<LayerId, std::vector<TreeNode>>& finished) {
  for (auto& [layer, held] : held_) held.gradient.reset();
  if (step != sums_step_) sums_.clear();
  sums_step_ = step;
  std::map<LayerId, TreeFold<std::uint64_t>> before = std::exchange(sums_, {});
  for (const auto& [layer, nodes] : finished) {
    const auto found = before.find(layer);
    TreeFold<std::uint64_t>& fold = sums_.emplace(layer, toy_tree(spec_)).first->second;
    for (const TreeNode node : nodes) {
      if (found == before.end() || !found->second.held().contains(node)) return false;
      fold.put(node, found->second.held().at(node), toy_add);
    }
  }
  return true;
}

void ToyStore::add(LayerId layer, LaneId lane, std::uint64_t part) {
  sums_.try_emplace(layer, toy_tree(spec_)).first->second.put({0, lane.value}, part, toy_add);
}

const std::map<TreeNode, std::uint64_t>& ToyStore::sums(LayerId layer) const {
  static const std::map<TreeNode, std::uint64_t> none;
  const auto found = sums_.find(layer);
  return found == sums_.end() ? none : found->second.held();
}

// The whole sum, which any sum is within.
void ToyStore::set_gradient(LayerId layer, std::uint64_t gradient) {
  held_.at(layer).gradient = gradient;
  const LaneTree tree = toy_tree(spec_);
  TreeFold<std::uint64_t> fold(tree);
  fold.put(tree.root(), gradient, toy_add);
  sums_.insert_or_assign(layer, std::move(fold));
}

std::uint64_t ToyStore::part(LayerId layer, Step step, MicroBatchId micro_batch,
                             std::uint64_t model) const {
  return part_of(spec_, layer, held_.at(layer).state, step, micro_batch, model);
}

bool ToyStore::fill(LayerId layer, Step level, std::uint64_t state, Step until) {
  for (Step step = level.next(); step <= until; step = step.next()) {
    const bool there = kept_[layer].contains(step) && records_.contains(step);
    if (!there) return false;
    state = applied(state, kept_[layer][step], records_.at(step));
  }
  install(layer, until, state);
  return true;
}

void ToyStore::forget_fills() {
  kept_.clear();
  records_.clear();
}

void ToyStore::apply(const CommitRecord& record) {
  records_[record.step] = record;
  for (auto& [layer, held] : held_) {
    if (!held.gradient || held.level.next() != record.step) continue;
    held.state = applied(held.state, *held.gradient, record);
    held.level = record.step;
    held.gradient.reset();
  }
}

void ToyStore::drop_all_but(const std::set<LayerId>& layers) {
  std::erase_if(held_, [&](const auto& entry) { return !layers.contains(entry.first); });
  std::erase_if(sums_, [&](const auto& entry) { return !layers.contains(entry.first); });
}

}  // namespace planaria::protocol
