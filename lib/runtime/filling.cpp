#include "runtime/filling.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <planaria/base/check.hpp>

namespace planaria::runtime {

void Filling::keep(LayerId layer, Step step, StepGradients gradients) {
  kept_[layer].insert_or_assign(step, std::move(gradients));
}

void Filling::note(const protocol::CommitRecord& record) {
  last_ = record.step;
  if (!kept_.empty()) records_.insert_or_assign(record.step, record);
}

const std::map<Step, StepGradients>* Filling::kept_of(LayerId layer) const {
  const auto found = kept_.find(layer);
  return found == kept_.end() ? nullptr : &found->second;
}

Result<void> Filling::verify_reach(LayerId layer, Step level) const {
  const auto* kept = kept_of(layer);
  Step last = std::max(level, last_);
  if (kept != nullptr) last = std::max(last, kept->rbegin()->first);
  for (Step step = level.next(); step <= last; step = step.next()) {
    if (kept != nullptr && kept->contains(step)) continue;
    return Fault::stale_view(
        fmt::format("the state of layer {} came at level {} and cannot be brought to {}: the "
                    "gradient of step {} is missing",
                    layer.value, level.value, last.value, step.value));
  }
  return {};
}

std::vector<Filling::Missed> Filling::take(LayerId layer, Step level) {
  std::vector<Missed> missed;
  if (const auto found = kept_.find(layer); found != kept_.end()) {
    for (auto& [step, gradients] : found->second) {
      if (step <= level) continue;
      Missed& next = missed.emplace_back(Missed{step, std::move(gradients), {}});
      if (const auto record = records_.find(step); record != records_.end()) {
        next.record = record->second;
      }
    }
  }
  // A gradient is kept before its step's record comes, so only the newest can lack one.
  for (std::size_t i = 0; i + 1 < missed.size(); ++i) {
    check(missed[i].record.has_value(), "a kept gradient without its record");
  }
  forget(layer);
  return missed;
}

void Filling::forget(LayerId layer) {
  kept_.erase(layer);
  if (kept_.empty()) records_.clear();
}

void Filling::restart() {
  forget_all();
  last_ = Step{0};
}

void Filling::forget_all() {
  kept_.clear();
  records_.clear();
}

std::set<LayerId> Filling::layers() const {
  std::set<LayerId> layers;
  for (const auto& [layer, kept] : kept_) layers.insert(layer);
  return layers;
}

}  // namespace planaria::runtime
