#include "protocol/commit_record.hpp"

#include <cmath>
#include <map>

#include <fmt/format.h>

#include "protocol/coordinator_transitions.hpp"

namespace planaria::protocol {
namespace {

// NaN equals NaN here: holders that computed the same non-finite norm agree.
bool same_number(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

template <class Value>
struct From {
  WorkerId worker;
  Value value{};
};

class StepSum {
 public:
  explicit StepSum(const CoordinatorState& state) : state_(state) {}

  Result<StepOutcome> commit() const {
    PLANARIA_TRY(norm, norm_of_gradient());
    PLANARIA_TRY(loss, mean_loss());
    // The record of a step that is done again has the first one's rate, whatever is said now.
    const bool again = static_cast<std::size_t>(state_.step.value) <= state_.committed.size();
    PLANARIA_TRY(rate, again ? Result<double>(0.0) : common_rate());
    PLANARIA_TRY(read, hashes("was read", &Report::read, state_.told.read));
    PLANARIA_TRY(labelled, hashes("was labelled", &Report::labelled, state_.told.labelled));
    const bool finite = std::isfinite(norm);
    const int skips_before = state_.last_record ? state_.last_record->skips_in_a_row : 0;
    const CommitRecord record{.step = state_.step,
                              .loss = loss,
                              .norm = norm,
                              .rate = rate,
                              .verdict = finite ? Verdict::apply : Verdict::skip,
                              .skips_in_a_row = finite ? 0 : skips_before + 1};
    return StepOutcome{record, {state_.step, std::move(read), std::move(labelled)}};
  }

  // Each worker reports exactly the layers it computes.
  [[nodiscard]] Result<void> check_layers() const {
    for (const auto& [worker, report] : state_.reports) {
      std::map<LayerId, int> times;
      for (const LayerReport& layer : report.layers) ++times[layer.layer];
      for (const LayerId layer : layers_of(state_, worker)) {
        if (times[layer] != 1) {
          return wrong(fmt::format("worker {} reported {} {} times, must be once", worker.value,
                                   text_of(state_, layer), times[layer]));
        }
        times.erase(layer);
      }
      if (!times.empty()) {
        return wrong(fmt::format("worker {} reported {}, which it does not hold", worker.value,
                                 text_of(state_, times.begin()->first)));
      }
    }
    return {};
  }

 private:
  [[nodiscard]] Fault wrong(const std::string& what) const {
    return Fault::corrupt(fmt::format("step {}: {}", state_.step.value, what));
  }

  [[nodiscard]] const LayerReport& of_holder(WorkerId worker, LayerId layer) const {
    for (const LayerReport& candidate : state_.reports.at(worker).layers) {
      if (candidate.layer == layer) return candidate;
    }
    check_failed("a layer was asked for that check_layers() had not seen", "");
  }

  // Every shadow has the gradient that the layer's lowest active holder reported.
  [[nodiscard]] Result<void> check_shadows(LayerId layer, WorkerId lowest,
                                           std::uint64_t checksum) const {
    for (const auto& [shadow, report] : state_.shadow_reports) {
      for (const LayerChecksum& found : report.layers) {
        if (found.layer != layer || found.checksum == checksum) continue;
        return wrong(fmt::format("{} has different gradients on workers {} and {}",
                                 text_of(state_, layer), lowest.value, shadow.value));
      }
    }
    return {};
  }

  // Layers in order: float addition is not associative (PROTOCOL 1).
  Result<double> norm_of_gradient() const {
    double sum = 0;
    for (LayerId layer{0}; layer.value < layer_count(state_); layer = layer.next()) {
      const auto holders = active_on(state_, layer);
      const LayerReport& lowest = of_holder(holders.front(), layer);
      for (const WorkerId holder : holders) {
        const LayerReport& other = of_holder(holder, layer);
        const char* differs = nullptr;
        if (!same_number(other.squared_norm, lowest.squared_norm)) differs = "gradient norms";
        if (other.checksum != lowest.checksum) differs = "gradients";
        if (differs != nullptr) {
          return wrong(fmt::format("{} has different {} on workers {} and {}",
                                   text_of(state_, layer), differs, holders.front().value,
                                   holder.value));
        }
      }
      PLANARIA_TRY_VOID(check_shadows(layer, holders.front(), lowest.checksum));
      sum += lowest.squared_norm;
    }
    return std::sqrt(sum);
  }

  // Collects one value per micro-batch from all reports, else from what was told in views that are
  // over; `verb` as in "was read by nobody".
  template <class Value, class Element>
  Result<std::vector<Value>> once_each(const char* verb, std::vector<Element> Report::*elements,
                                       Value Element::*value,
                                       const std::map<MicroBatchId, Value>& told) const {
    const int count = state_.spec->micro_batches;
    std::map<MicroBatchId, From<Value>> seen;
    for (const auto& [worker, report] : state_.reports) {
      for (const Element& element : report.*elements) {
        const int index = element.micro_batch.value;
        if (index < 0 || index >= count) {
          return wrong(fmt::format("micro-batch {} {} by worker {}, must be 0 to {}", index, verb,
                                   worker.value, count - 1));
        }
        const auto [known, fresh] =
            seen.try_emplace(element.micro_batch, From<Value>{worker, element.*value});
        if (!fresh && known->second.worker == worker) {
          return wrong(
              fmt::format("micro-batch {} {} twice by worker {}", index, verb, worker.value));
        }
        if (!fresh) {
          return wrong(fmt::format("micro-batch {} {} by workers {} and {}", index, verb,
                                   known->second.worker.value, worker.value));
        }
      }
    }
    std::vector<Value> values;
    for (MicroBatchId id{0}; id.value < count; id = id.next()) {
      const auto known = seen.find(id);
      const auto before = told.find(id);
      if (known == seen.end() && before == told.end()) {
        return wrong(fmt::format("micro-batch {} {} by nobody", id.value, verb));
      }
      values.push_back(known != seen.end() ? known->second.value : before->second);
    }
    return values;
  }

  Result<double> mean_loss() const {
    PLANARIA_TRY(losses, once_each("was computed", &Report::losses, &MicroBatchLoss::loss,
                                   state_.told.losses));
    double sum = 0;
    for (const double loss : losses) sum += loss;
    return sum / state_.spec->micro_batches;
  }

  Result<std::vector<std::uint64_t>> hashes(
      const char* verb, std::vector<MicroBatchHash> Report::*field,
      const std::map<MicroBatchId, std::uint64_t>& told) const {
    return once_each(verb, field, &MicroBatchHash::xxh3, told);
  }

  Result<double> common_rate() const {
    const WorkerId lowest = active_on(state_, LayerId{0}).front();
    const double rate = state_.reports.at(lowest).rate;
    for (const auto& [worker, report] : state_.reports) {
      if (same_number(report.rate, rate)) continue;
      return wrong(fmt::format("the learning rate is {} on worker {} and {} on worker {}", rate,
                               lowest.value, report.rate, worker.value));
    }
    return rate;
  }

  const CoordinatorState& state_;
};

}  // namespace

Result<StepOutcome> commit_step(const CoordinatorState& state) {
  return StepSum(state).commit();
}

Result<void> check_reported_layers(const CoordinatorState& state) {
  return StepSum(state).check_layers();
}

std::map<WorkerId, LayerId> differing_workers(const CoordinatorState& state) {
  std::map<LayerId, std::map<WorkerId, std::uint64_t>> found;
  for (const auto& [worker, report] : state.shadow_reports) {
    for (const LayerChecksum& layer : report.layers) found[layer.layer][worker] = layer.checksum;
  }
  std::map<LayerId, std::uint64_t> lowest;
  for (const auto& [worker, report] : state.reports) {
    for (const LayerReport& layer : report.layers) {
      found[layer.layer][worker] = layer.checksum;
      lowest.try_emplace(layer.layer, layer.checksum);
    }
  }
  std::map<WorkerId, LayerId> differing;
  for (const auto& [layer, checksums] : found) {
    std::map<std::uint64_t, int> votes;
    for (const auto& [worker, checksum] : checksums) ++votes[checksum];
    if (votes.size() == 1 || !lowest.contains(layer)) continue;
    std::uint64_t right = lowest.at(layer);
    for (const auto& [checksum, count] : votes) {
      if (count > votes.at(right)) right = checksum;
    }
    for (const auto& [worker, checksum] : checksums) {
      if (checksum != right) differing.try_emplace(worker, layer);
    }
  }
  return differing;
}

}  // namespace planaria::protocol
