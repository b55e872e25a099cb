#include <planaria/liveput/survival.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <planaria/model/cluster.hpp>

#include "liveput/components.hpp"
#include "liveput/frontier.hpp"
#include "liveput/loss_rows.hpp"

namespace planaria {
namespace {

constexpr std::size_t uncertain_zones_max = 20;

/// A question that is sound.
struct Question {
  const Holders* holders = nullptr;
  int replicas_max = 0;
  int losses_max = 0;
  std::vector<LossZone> zones;
};

Result<void> check_range(const std::string& field, std::int64_t value, std::int64_t low,
                         std::int64_t high) {
  if (value >= low && value <= high) return {};
  return Fault::invalid_input(fmt::format("{}: {}, must be {} to {}", field, value, low, high));
}

Result<void> check_holders(const Holders& holders) {
  PLANARIA_TRY_VOID(check_range("workers", holders.workers, 1, Cluster::workers_max));
  if (holders.of_layers.empty()) {
    return Fault::invalid_input("of_layers: none, must be at least 1");
  }
  for (std::size_t layer = 0; layer < holders.of_layers.size(); ++layer) {
    const auto& of_layer = holders.of_layers[layer];
    if (of_layer.empty()) {
      return Fault::invalid_input(fmt::format("of_layers[{}]: none, must be at least 1", layer));
    }
    for (std::size_t i = 0; i < of_layer.size(); ++i) {
      const std::string field = fmt::format("of_layers[{}][{}]", layer, i);
      const int above = i == 0 ? 0 : of_layer[i - 1].value + 1;
      PLANARIA_TRY_VOID(check_range(field, of_layer[i].value, above, holders.workers - 1));
    }
  }
  return {};
}

Result<void> check_zones(const std::vector<LossZone>& zones, int workers) {
  if (zones.empty()) return {};
  std::int64_t sum = 0;
  std::size_t uncertain = 0;
  for (const LossZone& zone : zones) {
    PLANARIA_TRY_VOID(
        check_range(fmt::format("zone {}: workers", zone.name), zone.workers, 1, workers));
    if (!(zone.loss >= 0 && zone.loss <= 1)) {
      return Fault::invalid_input(
          fmt::format("zone {}: loss: {}, must be 0 to 1", zone.name, zone.loss));
    }
    sum += zone.workers;
    if (zone.loss > 0 && zone.loss < 1) ++uncertain;
  }
  if (sum != workers) {
    return Fault::invalid_input(
        fmt::format("zones: {} workers, must be {}, all there are", sum, workers));
  }
  if (uncertain <= uncertain_zones_max) return {};
  return Fault::exhausted(
      fmt::format("zones: {} that may vanish, must be at most {}", uncertain, uncertain_zones_max));
}

Result<Question> question_of(const Holders& holders, const SurvivalOptions& options) {
  PLANARIA_TRY_VOID(check_holders(holders));
  Question question{&holders, options.replicas_max.value_or(fewest_holders(holders)),
                    options.losses_max.value_or(holders.workers), options.zones};
  PLANARIA_TRY_VOID(check_range("replicas_max", question.replicas_max, 1, Cluster::workers_max));
  PLANARIA_TRY_VOID(check_range("losses_max", question.losses_max, 0, holders.workers));
  PLANARIA_TRY_VOID(check_zones(options.zones, holders.workers));
  return question;
}

/// Which zones are gone, and how likely exactly those are.
struct ZoneLoss {
  std::vector<bool> is_gone;  // by worker
  double probability = 1;
};

// Every outcome that is not impossible.
std::vector<ZoneLoss> zone_losses_of(const Question& question) {
  std::vector<ZoneLoss> outcomes{{{}, 1}};
  for (const LossZone& zone : question.zones) {
    std::vector<ZoneLoss> longer;
    for (const ZoneLoss& outcome : outcomes) {
      for (const bool gone : {false, true}) {
        const double probability = gone ? zone.loss : 1 - zone.loss;
        if (probability == 0) continue;
        longer.push_back({outcome.is_gone, outcome.probability * probability});
        longer.back().is_gone.resize(
            outcome.is_gone.size() + static_cast<std::size_t>(zone.workers), gone);
      }
    }
    outcomes = std::move(longer);
  }
  for (ZoneLoss& outcome : outcomes) {
    outcome.is_gone.resize(static_cast<std::size_t>(question.holders->workers), false);
  }
  return outcomes;
}

// The holders whose zones are there.
std::vector<std::vector<int>> sets_after(const Holders& holders, const ZoneLoss& outcome) {
  std::vector<std::vector<int>> sets;
  for (const auto& of_layer : holders.of_layers) {
    std::vector<int> set;
    for (const WorkerId worker : of_layer) {
      if (!outcome.is_gone[static_cast<std::size_t>(worker.value)]) set.push_back(worker.value);
    }
    sets.push_back(std::move(set));
  }
  return sets;
}

Result<LossBlock> block_of(const Component& component, const Question& question,
                           SurvivalBudget& budget) {
  LossBlock block{component.workers(), {}};
  const std::vector<FrontierStep> order = frontier_order(component);
  for (int replicas = 1; replicas <= question.replicas_max; ++replicas) {
    PLANARIA_TRY(row, component_row(component, order, {replicas, question.losses_max}, budget));
    block.rows.push_back(std::move(row));
  }
  return block;
}

// All workers, given which zones are gone. Whoever is lost a second time is so without effect.
Result<LossBlock> block_after(const ZoneLoss& outcome, const Question& question,
                              SurvivalBudget& budget) {
  const int workers = question.holders->workers;
  const auto rows = static_cast<std::size_t>(question.replicas_max);
  const auto sets = sets_after(*question.holders, outcome);
  const bool is_layer_gone =
      std::any_of(sets.begin(), sets.end(), [](const auto& set) { return set.empty(); });
  if (is_layer_gone) return LossBlock{workers, std::vector<LossRow>(rows)};
  PLANARIA_TRY_VOID(budget.spend(std::int64_t{workers} * (question.losses_max + 1),
                                 fmt::format("{} workers in zones", workers)));
  LossBlock all = idle_block(0, rows, question.losses_max);
  for (const auto& [component, count] : components_of(sets, workers)) {
    PLANARIA_TRY(block, block_of(component, question, budget));
    all = joined(all, repeated(block, count, question.losses_max), question.losses_max);
  }
  const int idle = workers - all.workers;
  return joined(all, idle_block(idle, rows, question.losses_max), question.losses_max);
}

}  // namespace

Survival::Survival(int losses_max, std::vector<std::vector<double>> rows)
    : losses_max_(losses_max), rows_(std::move(rows)) {
  for (const auto& row : rows_) {
    check_equal(row.size(), static_cast<std::size_t>(losses_max_) + 1, "a row has every loss");
  }
}

double Survival::at_least(int replicas, int lost) const {
  check(replicas >= 1 && replicas <= replicas_max(), "replicas were asked for");
  check(lost >= 0 && lost <= losses_max_, "so many losses were asked for");
  return rows_[static_cast<std::size_t>(replicas) - 1][static_cast<std::size_t>(lost)];
}

double Survival::at_least(int replicas, const Distribution& losses) const {
  double sum = 0;
  for (int lost = 0; lost <= losses.largest(); ++lost) {
    sum += losses.probability(lost) * at_least(replicas, lost);
  }
  return sum;
}

Result<Survival> survival_by_losses(const Holders& holders, const SurvivalOptions& options) {
  PLANARIA_TRY(question, question_of(holders, options));
  SurvivalBudget budget(options.limits.cells_max, options.limits.products_max);
  const auto length = static_cast<std::size_t>(question.losses_max) + 1;
  std::vector<std::vector<double>> rows(static_cast<std::size_t>(question.replicas_max),
                                        std::vector<double>(length, 0.0));
  for (const ZoneLoss& outcome : zone_losses_of(question)) {
    PLANARIA_TRY(block, block_after(outcome, question, budget));
    for (std::size_t row = 0; row < rows.size(); ++row) {
      for (std::size_t lost = 0; lost < block.rows[row].size(); ++lost) {
        rows[row][lost] += outcome.probability * block.rows[row][lost];
      }
    }
  }
  // Rounding may have made more holders likelier than fewer, or than certain.
  std::vector<double> above(length, 1.0);
  for (auto& row : rows) {
    for (std::size_t lost = 0; lost < length; ++lost) row[lost] = std::min(row[lost], above[lost]);
    above = row;
  }
  return Survival(question.losses_max, std::move(rows));
}

}  // namespace planaria
