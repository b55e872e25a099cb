// What reads settings, forecasts and machines' prices, and what policies make of them.
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <planaria/availability/forecast_file.hpp>
#include <planaria/liveput/policies.hpp>
#include <planaria/liveput/prices.hpp>
#include <planaria/liveput/setting.hpp>
#include <planaria/liveput/simulation.hpp>

#include "cli/machine_prices.hpp"
#include "fuzz/json_values.hpp"

namespace planaria::test {
namespace {

/// A setting as a file has it; nothing in the library writes one.
Json written(const Setting& setting) {
  std::set<int> widths, depths;
  Json throughput = Json::array();
  for (const auto& [layout, step_ms, samples_per_s] : setting.throughput) {
    widths.insert(layout.width);
    depths.insert(layout.depth);
    throughput.push_back({{"width", layout.width},
                          {"depth", layout.depth},
                          {"step_ms", step_ms},
                          {"samples_per_s", samples_per_s}});
  }
  Json transfer = Json::array();
  for (const TransferPoint& point : setting.transfer) {
    transfer.push_back({{"bytes", point.bytes}, {"ms", point.ms}});
  }
  Json builds = Json::array();
  for (const MeasuredBuild& build : setting.model_build) {
    builds.push_back({{"depth", build.depth}, {"ms", build.ms}});
  }
  Json regroups = Json::array();
  for (const auto& [layout, grow_ms, shrink_ms] : setting.regroup) {
    regroups.push_back({{"width", layout.width},
                        {"depth", layout.depth},
                        {"grow_ms", grow_ms},
                        {"shrink_ms", shrink_ms}});
  }
  return {{"version", 1},
          {"model", setting.model},
          {"samples_per_step", setting.samples_per_step},
          {"micro_batch_size", setting.micro_batch_size},
          {"interval_s", setting.interval_s},
          {"max_workers", setting.max_workers},
          {"layer_parameters", setting.layer_parameters},
          {"state_bytes_per_parameter", setting.state_bytes_per_parameter},
          {"partition_rule", "any"},
          {"allowed_depths", depths},
          {"allowed_widths", widths},
          {"throughput", std::move(throughput)},
          {"transfer", std::move(transfer)},
          {"rendezvous_ms", setting.rendezvous_ms},
          {"growth_extra_ms", setting.growth_extra_ms},
          {"process_ms", setting.process_ms},
          {"checkpoint_ms", setting.checkpoint_ms},
          {"model_build", std::move(builds)},
          {"regroup", std::move(regroups)}};
}

/// Machines come, go and come again, as far as there may be that many.
std::vector<IntervalCounts> some_intervals(int workers_max) {
  std::vector<IntervalCounts> intervals;
  int before = 0;
  for (const int wanted : {2, 3, 3, 1, 4, 0, 0, 4, 2}) {
    const int now = std::min(wanted, workers_max);
    intervals.push_back({std::max(now - before, 0), std::max(before - now, 0), now});
    before = now;
  }
  return intervals;
}

void take_prices(const PriceModel& prices) {
  for (const MeasuredLayout& to : prices.layouts()) {
    for (const MeasuredLayout& from : prices.layouts()) {
      for (int lost = 0; lost <= std::min(from.layout.workers(), 3); ++lost) {
        const double ms =
            prices.change_ms({from.layout, to.layout, from.layout.workers() + (lost / 2), lost});
        hold(std::isfinite(ms) && ms >= 0, fmt::format("a change takes a time, not {} ms", ms));
      }
    }
    for (const double ms : {prices.change_ms({{}, to.layout, to.layout.workers(), 0}),
                            prices.restart_ms(to.layout, true), prices.read_all_ms(to.layout)}) {
      hold(std::isfinite(ms) && ms >= 0, fmt::format("a restart takes a time, not {} ms", ms));
    }
  }
}

/// Whatever the prices, nobody does better than who knows the future, nor that better than what
/// costs nothing.
void take_policies(const Setting& setting, const PriceModel& prices) {
  const std::vector<IntervalCounts> intervals = some_intervals(setting.max_workers);
  SimulationRequest request;
  request.prices = &prices;
  request.intervals = intervals;
  request.end = intervals.size();
  request.interval_ms = setting.interval_s * 1000;
  constexpr int look_ahead = 3;
  std::map<std::string, std::unique_ptr<Policy>> policies;
  policies["restart"] = restart_policy(prices);
  policies["reactive"] = reactive_policy(prices);
  policies["liveput"] = liveput_policy(prices, {look_ahead, request.interval_ms});
  const double best = simulate(request, *oracle_policy(request)).samples;
  const double ideal = ideal_samples(request);
  const double slack = 1e-9 * ideal;
  hold(best >= 0 && best <= ideal + slack, fmt::format("{} of {} samples", best, ideal));
  for (const auto& [name, policy] : policies) {
    const double samples = simulate(request, *policy).samples;
    hold(std::isfinite(samples) && samples <= best + slack,
         fmt::format("{} trains {} samples, with a perfect future {}", name, samples, best));
  }
}

void hold_distribution(const Distribution& distribution) {
  double sum = 0;
  for (const double probability : distribution.probabilities()) {
    hold(probability >= 0 && probability <= 1, "a probability is one");
    sum += probability;
  }
  hold(std::abs(sum - 1) <= 1e-9, fmt::format("probabilities sum to 1, not {}", sum));
  hold(distribution.mean() >= 0 && distribution.mean() <= distribution.largest() * (1 + 1e-9),
       "a mean is between the least and the most");
}

/// Up to the last digits: what is read is divided by its sum again.
bool alike(const Distribution& one, const Distribution& other) {
  const auto all = one.probabilities();
  return std::equal(all.begin(), all.end(), other.probabilities().begin(),
                    other.probabilities().end(),
                    [](double a, double b) { return std::abs(a - b) <= 1e-12; });
}

}  // namespace

std::optional<Fault> read_setting(std::string_view text) {
  const auto setting = read_value(text, setting_from_json);
  if (!setting) return refusal_of(setting.fault());
  hold_written_back(setting.value(), setting_from_json, written);
  // What is asked of prices grows with the square of layouts, and of those who vanish.
  constexpr std::size_t few_layouts = 12;
  constexpr int few_workers = 64;
  if (setting.value().throughput.size() > few_layouts) return std::nullopt;
  if (setting.value().max_workers > few_workers) return std::nullopt;
  const SettingPrices prices(setting.value());
  take_prices(prices);
  take_policies(setting.value(), prices);
  return std::nullopt;
}

std::optional<Fault> read_forecast(std::string_view text) {
  const auto forecast = read_value(text, forecast_file_from_json);
  if (!forecast) return refusal_of(forecast.fault());
  const ForecastFile& file = forecast.value();
  hold(file.interval_s > 0 && !file.intervals.empty(), "a forecast is of an interval at least");
  const auto again = read_value(json_of(file).dump(), forecast_file_from_json);
  if (!again) throw BrokenPromise("what was written is refused: " + again.fault().sentence);
  hold(again.value().interval_s == file.interval_s &&
           again.value().intervals.size() == file.intervals.size(),
       "what was written reads back as long");
  for (std::size_t i = 0; i < file.intervals.size(); ++i) {
    const ChangeForecast& one = file.intervals[i];
    hold_distribution(one.lost);
    hold_distribution(one.joined);
    hold(alike(one.lost, again.value().intervals[i].lost) &&
             alike(one.joined, again.value().intervals[i].joined),
         "what was written reads back as the same");
  }
  return std::nullopt;
}

std::optional<Fault> read_machine_prices(std::string_view text) {
  const auto prices = read_value(text, cli::machine_prices_from_json);
  if (!prices) return refusal_of(prices.fault());
  hold_written_back(prices.value(), cli::machine_prices_from_json);
  hold(prices.value().spot_per_hour >= 0 && prices.value().on_demand_per_hour >= 0,
       "a machine costs nothing at least");
  return std::nullopt;
}

}  // namespace planaria::test
