#include "schedule/limits.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace planaria {
namespace {

// More would overflow when the bytes of all micro-batches are summed up.
constexpr std::int64_t most_bytes = std::int64_t{1} << 46;
constexpr int most_micro_batches = 1'000'000;

Result<void> check_time(std::size_t stage, const char* field, double ms) {
  if (std::isfinite(ms) && ms >= 0) return {};
  return Fault::invalid_input(
      fmt::format("stages[{}].{}: {}, must be finite and at least 0", stage, field, ms));
}

Result<void> check_bytes(std::size_t stage, const char* field, std::int64_t bytes) {
  if (bytes >= 0 && bytes <= most_bytes) return {};
  return Fault::invalid_input(
      fmt::format("stages[{}].{}: {}, must be 0 to {}", stage, field, bytes, most_bytes));
}

Result<void> check_costs_of(std::size_t stage, const StageCosts& costs) {
  PLANARIA_TRY_VOID(check_time(stage, "forward_ms", costs.forward_ms));
  PLANARIA_TRY_VOID(check_time(stage, "backward_input_ms", costs.backward_input_ms));
  PLANARIA_TRY_VOID(check_time(stage, "backward_weight_ms", costs.backward_weight_ms));
  PLANARIA_TRY_VOID(check_time(stage, "send_ms", costs.send_ms));
  return check_time(stage, "send_back_ms", costs.send_back_ms.value_or(0));
}

Result<void> check_size(const char* field, std::size_t size, std::size_t stages) {
  if (size == 0 || size == stages) return {};
  return Fault::invalid_input(
      fmt::format("{}: of {} stages, must be of {}, as costs are", field, size, stages));
}

}  // namespace

std::int64_t StageTerms::most_in_flight(std::int64_t micro_batches) const {
  if (activation_bytes == 0) return micro_batches;
  return std::min(micro_batches, limit_bytes / activation_bytes);
}

std::int64_t StageTerms::most_pending(std::int64_t in_flight, std::int64_t micro_batches) const {
  if (weight_gradient_bytes == 0) return micro_batches;
  const std::int64_t left = limit_bytes - (in_flight * activation_bytes);
  return std::min(micro_batches, left / weight_gradient_bytes);
}

Result<std::vector<StageTerms>> stage_terms(int micro_batches, const std::vector<StageCosts>& costs,
                                            const std::vector<StageMemory>& memory,
                                            const std::vector<std::int64_t>& limit_bytes) {
  if (micro_batches < 1 || micro_batches > most_micro_batches) {
    return Fault::invalid_input(
        fmt::format("micro_batches: {}, must be 1 to {}", micro_batches, most_micro_batches));
  }
  if (costs.empty()) return Fault::invalid_input("costs: of 0 stages, must be of at least 1");
  PLANARIA_TRY_VOID(check_size("memory", memory.size(), costs.size()));
  PLANARIA_TRY_VOID(check_size("limit_bytes", limit_bytes.size(), costs.size()));
  std::vector<StageTerms> terms(costs.size());
  for (std::size_t stage = 0; stage < costs.size(); ++stage) {
    PLANARIA_TRY_VOID(check_costs_of(stage, costs[stage]));
    StageTerms& of = terms[stage];
    of.forward_ms = costs[stage].forward_ms;
    of.input_ms = costs[stage].backward_input_ms;
    of.weight_ms = costs[stage].backward_weight_ms;
    if (stage + 1 < costs.size()) of.send_ms = costs[stage].send_ms;
    if (stage > 0) of.send_back_ms = costs[stage].send_back_ms.value_or(costs[stage].send_ms);
    if (memory.empty()) continue;
    of.activation_bytes = memory[stage].activation_bytes;
    of.weight_gradient_bytes = memory[stage].weight_gradient_bytes;
    PLANARIA_TRY_VOID(check_bytes(stage, "activation_bytes", of.activation_bytes));
    PLANARIA_TRY_VOID(check_bytes(stage, "weight_gradient_bytes", of.weight_gradient_bytes));
    if (limit_bytes.empty()) continue;
    of.limit_bytes = limit_bytes[stage];
    // A fused backward needs nothing beside the activation.
    if (of.limit_bytes < of.activation_bytes) {
      return Fault::infeasible(
          fmt::format("stage {}: limit_bytes {}, must be at least {}: one micro-batch takes {}",
                      stage, of.limit_bytes, of.activation_bytes, of.activation_bytes));
    }
  }
  return terms;
}

}  // namespace planaria
