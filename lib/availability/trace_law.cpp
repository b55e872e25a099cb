#include <planaria/availability/trace_law.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

#include <fmt/format.h>

#include <planaria/availability/trace_text.hpp>

namespace planaria {
namespace {

constexpr double hazard_max = 1000;
constexpr double age_min_max = TraceLaw::age_min_max;

Fault not_allowed(const std::string& what, double value, const std::string& allowed) {
  return Fault::invalid_input(fmt::format("{}: {}, must be {}", what, value, allowed));
}

/// NaN is in no range.
bool is_in(double value, double low, double high) {
  return value >= low && value <= high;
}

Result<void> verify_hazard(const std::vector<HazardPiece>& hazard) {
  bool any = false;
  for (std::size_t i = 0; i < hazard.size(); ++i) {
    const std::string path = fmt::format("hazard[{}]", i);
    const double from = hazard[i].from_min;
    if (i == 0 && from != 0) return not_allowed(path + ".from_min", from, "0");
    if (i > 0 && !(from > hazard[i - 1].from_min && from <= age_min_max)) {
      return not_allowed(path + ".from_min", from,
                         fmt::format("above {}, at most {}", hazard[i - 1].from_min, age_min_max));
    }
    if (!is_in(hazard[i].per_hour, 0, hazard_max)) {
      return not_allowed(path + ".per_hour", hazard[i].per_hour, "a number from 0 to 1000");
    }
    any = any || hazard[i].per_hour > 0;
  }
  if (any) return {};
  return Fault::invalid_input("hazard: none above 0, must be above 0 at some age");
}

Result<void> verify_bursts(const char* what, const std::vector<BurstSize>& sizes) {
  double sum = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::string path = fmt::format("{}[{}]", what, i);
    if (sizes[i].machines < 1 || sizes[i].machines > TraceLimits::machines_max) {
      return not_allowed(path + ".machines", sizes[i].machines,
                         fmt::format("from 1 to {}", TraceLimits::machines_max));
    }
    if (!is_in(sizes[i].weight, 0, 1e9)) {
      return not_allowed(path + ".weight", sizes[i].weight, "a number from 0 to 1e9");
    }
    sum += sizes[i].weight;
  }
  if (sum > 0) return {};
  return Fault::invalid_input(
      fmt::format("{}: no weight above 0, must be above 0 somewhere", what));
}

Json json_of(const std::vector<BurstSize>& sizes) {
  Json json = Json::array();
  for (const BurstSize& size : sizes) json.push_back({size.machines, size.weight});
  return json;
}

}  // namespace

Result<void> verify(const TraceLaw& law) {
  if (law.machines_max < 1 || law.machines_max > TraceLimits::machines_max) {
    return not_allowed("machines_max", law.machines_max,
                       fmt::format("from 1 to {}", TraceLimits::machines_max));
  }
  if (!(law.mean_machines > 0 && law.mean_machines < law.machines_max)) {
    return not_allowed(
        "mean_machines", law.mean_machines,
        fmt::format("above 0 and below {}, the most machines there are", law.machines_max));
  }
  if (law.initial < 0 || law.initial > law.machines_max) {
    return not_allowed("initial", law.initial, fmt::format("from 0 to {}", law.machines_max));
  }
  PLANARIA_TRY_VOID(verify_hazard(law.hazard));
  PLANARIA_TRY_VOID(verify_bursts("loss_bursts", law.loss_bursts));
  PLANARIA_TRY_VOID(verify_bursts("join_bursts", law.join_bursts));
  if (!is_in(law.storm_strength, 0, 1)) {
    return not_allowed("storm_strength", law.storm_strength, "a number from 0 to 1");
  }
  if (!is_in(law.storm_min, 1, age_min_max)) {
    return not_allowed("storm_min", law.storm_min, fmt::format("from 1 to {}", age_min_max));
  }
  if (!is_in(law.day_strength, 0, 1)) {
    return not_allowed("day_strength", law.day_strength, "a number from 0 to 1");
  }
  if (!is_in(law.day_peak_h, 0, 24)) {
    return not_allowed("day_peak_h", law.day_peak_h, "a number from 0 to 24");
  }
  if (law.zones < 1 || law.zones > 26) return not_allowed("zones", law.zones, "from 1 to 26");
  return {};
}

Json to_json(const TraceLaw& law) {
  Json hazard = Json::array();
  for (const HazardPiece& piece : law.hazard) hazard.push_back({piece.from_min, piece.per_hour});
  return {{"mean_machines", law.mean_machines},
          {"machines_max", law.machines_max},
          {"initial", law.initial},
          {"hazard", std::move(hazard)},
          {"loss_bursts", json_of(law.loss_bursts)},
          {"join_bursts", json_of(law.join_bursts)},
          {"storm_strength", law.storm_strength},
          {"storm_min", law.storm_min},
          {"day_strength", law.day_strength},
          {"day_peak_h", law.day_peak_h},
          {"zones", law.zones}};
}

double mean_burst(const std::vector<BurstSize>& sizes, int machines_max) {
  double sum = 0;
  double weights = 0;
  for (const BurstSize& size : sizes) {
    sum += size.weight * std::min(size.machines, machines_max);
    weights += size.weight;
  }
  return sum / weights;
}

double hazard_at(const std::vector<HazardPiece>& hazard, double age_min) {
  double per_hour = 0;
  for (const HazardPiece& piece : hazard) {
    if (piece.from_min > age_min) break;
    per_hour = piece.per_hour;
  }
  return per_hour;
}

// In steps and without exp(): the same number on every machine.
double mean_life_h(const std::vector<HazardPiece>& hazard, double tick_min) {
  const double last_min = hazard.back().from_min;
  double alive = 1;
  double life_h = 0;
  double age_min = 0;
  for (; age_min < last_min && alive > 1e-12; age_min += tick_min) {
    life_h += alive * tick_min / 60;
    alive *= 1 - std::min(1.0, hazard_at(hazard, age_min) * tick_min / 60);
  }
  const double per_hour = hazard_at(hazard, age_min);
  return per_hour > 0 ? life_h + alive / std::min(per_hour, 60 / tick_min) : life_h + alive * 1e6;
}

}  // namespace planaria
