#include <planaria/liveput/migration_costs.hpp>

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/text.hpp>

namespace planaria {
namespace {

constexpr double ms_max = 1e9;
constexpr int layers_max = 1'000'000;

void read_ms(ObjectReader& reader, const char* key, double& value) {
  value = reader.optional_number(key, 0, ms_max).value_or(value);
}

Result<MigrationCosts> costs_from_fields(const Json& json, const std::string& source) {
  MigrationCosts costs;
  ObjectReader reader(json, source, "");
  reader.integer("version", 1, 1);
  read_ms(reader, "detect_ms", costs.detect_ms);
  read_ms(reader, "view_ms", costs.view_ms);
  read_ms(reader, "cut_over_ms", costs.cut_over_ms);
  read_ms(reader, "start_ms", costs.start_ms);
  read_ms(reader, "build_ms", costs.build_ms);
  read_ms(reader, "rolled_back_ms", costs.rolled_back_ms);
  costs.redo_steps = reader.optional_number("redo_steps", 0, 1).value_or(costs.redo_steps);
  costs.layers_per_step = static_cast<int>(
      reader.optional_integer("layers_per_step", 0, layers_max).value_or(costs.layers_per_step));
  costs.checkpoint_ms = reader.optional_number("checkpoint_ms", 0, ms_max);
  const std::string growth = reader.optional_text("growth").value_or("background");
  if (growth != "background" && growth != "stop") {
    reader.refuse("growth", printable(growth) + ", must be background or stop");
  }
  costs.growth = growth == "stop" ? Growth::stop : Growth::background;
  PLANARIA_TRY_VOID(reader.finish());
  return costs;
}

/// The middle one; of two, the mean of both. Nothing of none.
std::optional<double> median(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

/// A loss that a run has recovered from: all times from the fault, null what did not come before
/// the next commit.
struct Recovery {
  std::optional<double> detect_ms, view_ms, transfer_ms;
};

Result<Recovery> recovery_from(const Json& json, const std::string& source,
                               const std::string& path) {
  ObjectReader one(json, source, path);
  Recovery recovery;
  recovery.detect_ms = one.optional_number("detect_ms", 0, ms_max);
  recovery.view_ms = one.optional_number("view_ms", 0, ms_max);
  recovery.transfer_ms = one.optional_number("transfer_ms", 0, ms_max);
  one.ignore("resume_ms");
  one.ignore("worker");
  PLANARIA_TRY_VOID(one.finish());
  return recovery;
}

/// Of a run's result.json other keys are other readers'. From the news of a loss until all layers
/// are where they must be counts as the view's: after most losses nothing moves, but all wait for
/// the actions that still run.
Result<MigrationCosts> costs_from_result(const Json& json, const std::string& source) {
  MigrationCosts costs;
  std::vector<double> detected, viewed, waited;
  const Json no_joins = Json::array();
  const Json& recoveries = json.at("recoveries");
  const Json& joins = json.contains("joins") ? json.at("joins") : no_joins;
  for (const auto& [list, name] : {std::pair(&recoveries, "recoveries"), {&joins, "joins"}}) {
    if (list->is_array()) continue;
    return Fault::invalid_input(fmt::format("{}: {}: must be a list", source, name));
  }
  for (std::size_t i = 0; i < recoveries.size(); ++i) {
    PLANARIA_TRY(one, recovery_from(recoveries[i], source, fmt::format("recoveries[{}]", i)));
    if (!one.detect_ms) continue;
    detected.push_back(*one.detect_ms);
    const std::optional<double> ready_ms = one.transfer_ms ? one.transfer_ms : one.view_ms;
    if (ready_ms) viewed.push_back(std::max(0.0, *ready_ms - *one.detect_ms));
  }
  for (std::size_t i = 0; i < joins.size(); ++i) {
    ObjectReader one(joins[i], source, fmt::format("joins[{}]", i));
    if (const auto ms = one.optional_number("waited_ms", 0, ms_max)) waited.push_back(*ms);
    one.ignore("fill_ms");
    one.ignore("worker");
    PLANARIA_TRY_VOID(one.finish());
  }
  costs.detect_ms = median(std::move(detected)).value_or(costs.detect_ms);
  costs.view_ms = median(std::move(viewed)).value_or(costs.view_ms);
  costs.cut_over_ms = median(std::move(waited)).value_or(costs.cut_over_ms);
  return costs;
}

}  // namespace

Result<MigrationCosts> migration_costs_from_json(const Json& json, const std::string& source) {
  if (json.is_object() && json.contains("recoveries")) return costs_from_result(json, source);
  return costs_from_fields(json, source);
}

}  // namespace planaria
