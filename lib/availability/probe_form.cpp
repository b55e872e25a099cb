// Form H: a JSON file for each round of probes, with what each zone gave.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>

#include "availability/clock_time.hpp"
#include "availability/trace_forms.hpp"
#include "availability/trace_rows.hpp"

namespace planaria {
namespace {

constexpr std::size_t zones_max = 1000;

/// What one file says.
struct Round {
  std::int64_t at_ms = 0;
  std::int64_t interval_ms = 0;
  std::int64_t index = 0;              // rounds since the earliest
  std::map<std::string, int> created;  // by zone
};

Result<std::map<std::string, int>> created_of(const Json& zones, const std::string& source) {
  std::map<std::string, int> created;
  if (zones.size() > zones_max) {
    return Fault::invalid_input(fmt::format("{}:1:1: zone_results: {} zones, must be at most {}",
                                            source, zones.size(), zones_max));
  }
  for (const auto& [zone, result] : zones.items()) {
    const std::string path = "zone_results." + printable(zone);
    ObjectReader reader(result, source + ":1:1", path);
    created[zone] =
        static_cast<int>(reader.integer("instances_created", 0, TraceLimits::machines_max));
    if (result.is_object()) {
      for (const auto& [key, value] : result.items()) reader.ignore(key);
    }
    PLANARIA_TRY_VOID(reader.finish());
  }
  return created;
}

/// Returns the round and whether its total is its zones' sum.
Result<std::pair<Round, bool>> round_of(const RoundFile& file) {
  PLANARIA_TRY(json, parse_json(file.text, file.name,
                                {.depth_max = 16, .list_max = TraceLimits::records_max}));
  ObjectReader reader(json, file.name + ":1:1", "");
  const std::string scheduled_at = reader.text("scheduled_at");
  const double interval_s =
      reader.number("interval_sec", 0.001, static_cast<double>(TraceLimits::span_ms_max) / 1000);
  const auto total = reader.optional_integer("total_instances_created", 0, INT32_MAX);
  const Json* const zones = reader.optional_object("zone_results");
  if (zones == nullptr) reader.refuse("zone_results", "missing, must be an object");
  const auto at_ms = iso_ms(scheduled_at);
  if (!at_ms) {
    reader.refuse("scheduled_at",
                  printable(scheduled_at) + ", must be a time such as 2031-01-02T03:04:05+00:00");
  }
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) reader.ignore(key);
  }
  PLANARIA_TRY_VOID(reader.finish());
  Round round;
  round.at_ms = *at_ms;
  round.interval_ms = static_cast<std::int64_t>(interval_s * 1000 + 0.5);
  PLANARIA_TRY(created, created_of(*zones, file.name));
  round.created = std::move(created);
  std::int64_t sum = 0;
  for (const auto& [zone, count] : round.created) sum += count;
  return std::pair(std::move(round), !total || *total == sum);
}

/// A zone's counts by round, ascending.
using Series = std::map<std::int64_t, int>;

/// Numbers the rounds from the earliest, whose interval holds for all.
Result<void> number_rounds(std::vector<Round>& rounds, const std::string& source,
                           OddityCounts& oddities) {
  const Round first = rounds.front();
  for (std::size_t i = 0; i < rounds.size(); ++i) {
    Round& round = rounds[i];
    const std::int64_t since_ms = round.at_ms - first.at_ms;
    if (since_ms > TraceLimits::span_ms_max - first.interval_ms) {
      return refused_at(source, {static_cast<std::int64_t>(i) + 1, 1}, "days since the first round",
                        fmt::to_string(since_ms / 86'400'000), "at most 1000");
    }
    round.index = (since_ms + first.interval_ms / 2) / first.interval_ms;
    if (round.interval_ms != first.interval_ms) {
      oddities.note("uneven_tick", static_cast<std::int64_t>(i) + 1);
    }
  }
  return {};
}

/// Returns the series of each zone asked for.
std::map<std::string, Series> series_of(const std::vector<Round>& rounds, const std::string& zone,
                                        OddityCounts& oddities) {
  std::map<std::string, Series> series;
  for (std::size_t i = 0; i < rounds.size(); ++i) {
    const auto number = static_cast<std::int64_t>(i) + 1;
    for (const auto& [name, count] : rounds[i].created) {
      if (zone != "all" && zone != name) continue;
      Series& one = series[name];
      if (!one.empty() && one.rbegin()->first == rounds[i].index) oddities.note("overlap", number);
      if (!one.empty() && one.rbegin()->first + 1 < rounds[i].index) oddities.note("gap", number);
      one[rounds[i].index] = count;
    }
  }
  return series;
}

/// The sum over the zones at each round that says anything of one of them.
std::vector<CountRecord> summed(const std::map<std::string, Series>& series,
                                std::int64_t interval_ms) {
  std::map<std::int64_t, int> change_at;
  for (const auto& [zone, one] : series) {
    int before = 0;
    for (const auto& [index, count] : one) {
      change_at[index] += count - before;
      before = count;
    }
  }
  std::vector<CountRecord> records;
  const std::int64_t first = change_at.begin()->first;
  int count = 0;
  for (const auto& [index, change] : change_at) {
    count += change;
    records.push_back({(index - first) * interval_ms, count, 1});
  }
  return records;
}

std::string zones_in(const std::vector<Round>& rounds) {
  std::set<std::string> names{"all"};
  for (const Round& round : rounds) {
    for (const auto& [zone, count] : round.created) names.insert(zone);
  }
  return printable(join({names.begin(), names.end()}, ", "), 200);
}

}  // namespace

Result<Trace> read_rounds(const std::vector<RoundFile>& files, const std::string& source,
                          const TraceReading& reading, OddityCounts& oddities) {
  std::vector<std::pair<Round, bool>> found;
  for (const RoundFile& file : files) {
    PLANARIA_TRY(round, round_of(file));
    found.push_back(std::move(round));
  }
  if (found.empty()) return nothing_in(source);
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first.at_ms < b.first.at_ms; });
  std::vector<Round> rounds;
  for (auto& [round, has_sum] : found) {
    rounds.push_back(std::move(round));
    if (!has_sum) oddities.note("unequal_total", static_cast<std::int64_t>(rounds.size()));
  }
  PLANARIA_TRY_VOID(number_rounds(rounds, source, oddities));
  const auto series = series_of(rounds, reading.zone, oddities);
  if (series.empty()) {
    return Fault::invalid_input(fmt::format("{}: zone: {}, must be one of {}", source,
                                            printable(reading.zone), zones_in(rounds)));
  }
  const std::int64_t interval_ms = rounds.front().interval_ms;
  const std::vector<CountRecord> records = summed(series, interval_ms);
  for (const CountRecord& record : records) {
    if (record.count <= TraceLimits::machines_max) continue;
    return refused_at(source, {1, 1}, "machines of all zones", fmt::to_string(record.count),
                      fmt::format("at most {}", TraceLimits::machines_max));
  }
  PLANARIA_TRY(trace, trace_of_counts(TraceForm::probes, records, source));
  trace.end_ms = records.back().at_ms + interval_ms;
  trace.end_known = false;
  return trace;
}

}  // namespace planaria
