// What was measured on published traces by other programs comes out of these readers too.
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/availability/backtest.hpp>
#include <planaria/availability/describe.hpp>
#include <planaria/availability/generate.hpp>
#include <planaria/availability/trace_text.hpp>

#include "support/shared_folder.hpp"

namespace planaria::test {
namespace {

constexpr double minute_ms = 60'000;
constexpr double day_ms = 86'400'000;

/// A row of the table "Measured".
struct Measured {
  std::string file;
  std::string kind;
  double duration_ms = 0;
  int initial = 0;
  double mean = 0;
  int min = 0, max = 0;
  TurnoverSummary preemptions, allocations;
};

const std::string g4dn =
    "bamboo__aws-spot-instances-g4dn-xlarge-us-east-1c-2020-11-20-1930-to-2020-11-21-2200.csv";
const std::string p2 = "bamboo__aws-spot-instances-p2-xlarge-2020-11-20-to-2020-11-23.csv";
const std::string east_2b = "skynomad__16-nodes__us-east-2b_v100_1.json";
const std::string west_2a = "skynomad__16-nodes__us-west-2a_v100_1.json";
const std::string west_2c = "skynomad__4-nodes-real-preemption__us-west-2c_v100_1.json";
const std::string east_1c = "skynomad__processed__us-east-1c_v100_1.csv";
const std::string hadp = "parcae__gpt-1.5b__trace_hh_55_65.txt";
const std::string hasp = "parcae__gpt-1.5b__trace_hl_15_25.txt";
const std::string ladp = "parcae__gpt-1.5b__trace_lh_80_90.txt";
const std::string lasp = "parcae__gpt-1.5b__trace_ll_10_11.txt";

const TurnoverSummary p3_lost{79, 167, 6};
const TurnoverSummary p3_joined{83, 159, 8};
const std::vector<Measured> measured{
    {"bamboo__p3-trace.csv", "events", 682 * minute_ms, 18, 24.03, 10, 32, p3_lost, p3_joined},
    {"parcae__p3trace.csv", "events", 682 * minute_ms, 18, 24.03, 10, 32, p3_lost, p3_joined},
    {"parcae__p3.csv", "count-events", 682 * minute_ms, 18, 24.03, 10, 32, p3_lost, p3_joined},
    {hadp, "replay", 60 * minute_ms, 32, 27.48, 20, 32, {9, 19, 4}, {7, 16, 7}},
    {hasp, "replay", 60 * minute_ms, 27, 29.63, 23, 32, {6, 11, 5}, {4, 7, 4}},
    {ladp, "replay", 60 * minute_ms, 18, 16.82, 11, 24, {8, 18, 4}, {12, 17, 4}},
    {"parcae__vgg19__trace_lh_80_90.txt",
     "replay",
     60 * minute_ms,
     18,
     16.82,
     11,
     24,
     {8, 18, 4},
     {12, 17, 4}},
    {lasp, "replay", 60 * minute_ms, 18, 14.63, 14, 18, {3, 4, 2}, {0, 0, 0}},
    {g4dn, "staircase", 88'194'000, 0, 8.15, 0, 12, {35, 85, 10}, {21, 92, 10}},
    // The published mean, 15.51, is that of its minutes.
    {p2, "staircase", 319'302'000, 0, 15.505, 0, 16, {106, 172, 8}, {78, 186, 16}},
    {east_2b, "counts", 3247 * 5 * minute_ms, 0, 8.76, 0, 16, {136, 910, 16}, {148, 910, 16}},
    {west_2a, "counts", 4736 * 5 * minute_ms, 0, 6.90, 0, 16, {145, 1473, 16}, {132, 1489, 16}},
    {west_2c, "counts", 5131 * 5 * minute_ms, 4, 3.26, 0, 4, {181, 330, 4}, {176, 330, 4}},
    {east_1c, "availability", 45.57 * day_ms, 0, .467, 0, 1, {343, 343, 1}, {344, 344, 1}}};

Trace read(const std::string& folder, const std::string& file) {
  const auto trace = read_trace(folder + "/" + file, {});
  INFO((trace.ok() ? "" : trace.fault().sentence));
  REQUIRE(trace.ok());
  return trace.value();
}

TraceSummary described(const std::string& folder, const std::string& file) {
  return describe(read(folder, file));
}

/// Persistence at look-ahead I on a series: sum of |x[t+h] - x[t]|, and of x[t+h].
struct Persistence {
  double error = 0;
  double sum = 0;
  double count = 0;
};

Persistence persistence(const std::vector<int>& series, std::size_t first, std::size_t last) {
  Persistence total;
  for (std::size_t t = 0; t + last < series.size(); ++t) {
    for (std::size_t h = first; h <= last; ++h) {
      total.error += std::abs(series[t + h] - series[t]);
      total.sum += series[t + h];
      ++total.count;
    }
  }
  return total;
}

}  // namespace

TEST_CASE("published traces are read without being told their form, and say what was measured") {
  const auto folder = shared_folder("traces");
  if (!folder) return;
  for (const Measured& row : measured) {
    INFO(row.file);
    const TraceSummary found = described(*folder, row.file);
    CHECK(name_of(found.form) == row.kind);
    CHECK(static_cast<double>(found.duration_ms) == Approx(row.duration_ms).margin(0.005 * day_ms));
    CHECK(found.initial == row.initial);
    CHECK(found.mean == Approx(row.mean).margin(row.mean < 1 ? 0.0005 : 0.005));
    CHECK(found.min == row.min);
    CHECK(found.max == row.max);
    CHECK(found.preemptions == row.preemptions);
    CHECK(found.allocations == row.allocations);
    const bool has_names = row.kind == "events";
    CHECK(found.lifetimes.has_value() == has_names);
  }
}

TEST_CASE("lifetimes, spells and silences of published traces are those measured") {
  const auto folder = shared_folder("traces");
  if (!folder) return;
  const TraceSummary p3 = described(*folder, "bamboo__p3-trace.csv");
  REQUIRE(p3.lifetimes);
  CHECK(p3.lifetimes->median_min == 59);
  CHECK(*p3.lifetimes->mean_min == Approx(87.7).margin(0.05));
  CHECK(p3.lifetimes->kaplan_meier_median_min == 68);
  CHECK(p3.lifetimes->ended == 167);
  CHECK(p3.lifetimes->still_there == 10);
  CHECK(*p3.preemptions_per_machine_hour == Approx(.611).margin(0.0005));
  CHECK(*described(*folder, west_2c).preemptions_per_machine_hour == Approx(.236).margin(0.0005));
  CHECK(described(*folder, east_2b).spell_above_zero_min == 35);
  CHECK(described(*folder, west_2a).spell_above_zero_min == 25);
  CHECK(described(*folder, west_2c).spell_above_zero_min == 75);
  CHECK(*described(*folder, east_1c).spell_above_zero_min == Approx(29).margin(0.5));

  struct Shares {
    std::string file;
    double at_zero, at_max, longest_zero_h;
  };
  for (const Shares& row : {Shares{east_2b, .37, .46, 21.8}, Shares{west_2a, .55, .42, 57.3},
                            Shares{west_2c, .16, .79, -1}}) {
    INFO(row.file);
    const TraceSummary found = described(*folder, row.file);
    CHECK(found.share_at_zero == Approx(row.at_zero).margin(0.005));
    CHECK(found.share_at_max == Approx(row.at_max).margin(0.005));
    if (row.longest_zero_h > 0) {
      CHECK(static_cast<double>(found.longest_zero_ms) / 3'600'000 ==
            Approx(row.longest_zero_h).margin(0.05));
    }
  }
  CHECK(static_cast<double>(described(*folder, g4dn).longest_zero_ms) / 3'600'000 ==
        Approx(5.98).margin(0.005));
}

TEST_CASE("the oddities of published traces are those known") {
  const auto folder = shared_folder("traces");
  if (!folder) return;
  for (const Measured& row : measured) {
    INFO(row.file);
    const std::vector<TraceOddity> odd = read(*folder, row.file).oddities;
    if (row.file == p2) {
      CHECK(odd == std::vector<TraceOddity>{{"shared_time", 6, odd.front().first_line}});
    } else if (row.file == east_1c) {
      CHECK(odd == std::vector<TraceOddity>{{"uneven_tick", 20157 - 13213, odd[0].first_line}});
    } else {
      CHECK(odd.empty());
    }
  }
}

TEST_CASE("the counts of all forms of one record are equal") {
  const auto folder = shared_folder("traces");
  if (!folder) return;
  const Trace nodes = read(*folder, "bamboo__p3-trace.csv");
  CHECK(read(*folder, "parcae__p3trace.csv") == nodes);
  CHECK(read(*folder, "parcae__p3.csv").changes == nodes.changes);
  // The replays are minutes 330-389, 90-149, 480-539 and 600-659 of it.
  const std::vector<int> counts = counts_on_grid(nodes, 60'000);
  const std::vector<std::pair<std::string, std::ptrdiff_t>> parts{
      {hadp, 330}, {hasp, 90}, {ladp, 480}, {lasp, 600}};
  for (const auto& [file, begin] : parts) {
    INFO(file);
    CHECK(counts_on_grid(read(*folder, file), 60'000) ==
          std::vector<int>(counts.begin() + begin, counts.begin() + begin + 60));
  }
}

TEST_CASE("persistence on the minutes of published traces errs as it was measured") {
  const auto folder = shared_folder("traces");
  if (!folder) return;
  struct Row {
    std::string file;
    std::size_t points;
    std::vector<double> pooled, at, error;
  };
  const std::vector<Row> rows{
      {"bamboo__p3-trace.csv",
       683,
       {.0743, .0864, .0971},
       {.1213, .1393, .1536},
       {1.790, 2.084, 2.342}},
      {hadp, 60, {.0900, .1051, .1210}, {.1436, .1738, .1995}, {2.428, 2.822, 3.234}},
      {hasp, 60, {.0496, .0543, .0550}, {.0874, .0985, .1029}, {1.502, 1.654, 1.679}},
      {ladp, 60, {.1467, .1742, .1984}, {.2405, .2757, .3028}, {2.457, 2.918, 3.321}},
      {lasp, 60, {.0237, .0290, .0341}, {.0408, .0483, .0550}, {.341, .416, .488}},
      {g4dn, 1470, {.0486, .0570, .0649}, {.0800, .0948, .1086}, {.397, .465, .530}},
      {p2, 5322, {.0138, .0156, .0172}, {.0209, .0233, .0258}, {.215, .242, .267}},
      {east_2b, 16235, {.0576, .0704, .0832}, {.1024, .1279, .1535}, {.505, .617, .729}},
      {west_2a, 23680, {.0794, .0954, .1095}, {.1362, .1666, .1847}, {.548, .658, .756}},
      {west_2c, 25655, {.0350, .0423, .0493}, {.0610, .0754, .0870}, {.114, .138, .161}},
      {east_1c, 65627, {.1010, .1232, .1427}, {.1795, .2222, .2461}, {.047, .057, .067}}};
  const std::vector<int> ahead{8, 10, 12};
  for (const Row& row : rows) {
    const Trace trace = read(*folder, row.file);
    const std::vector<int> counts = counts_on_grid(trace, 60'000);
    const auto forecaster = make_forecaster(ForecastMethod::persistence);
    const auto scores = backtests(intervals_on_grid(trace, 60'000), *forecaster, ahead);
    CHECK(counts.size() == row.points);
    for (std::size_t i = 0; i < ahead.size(); ++i) {
      INFO(row.file << ", I = " << ahead[i]);
      const auto farthest = static_cast<std::size_t>(ahead[i]);
      const Persistence all = persistence(counts, 1, farthest);
      const Persistence last = persistence(counts, farthest, farthest);
      CHECK(all.error / all.sum == Approx(row.pooled[i]).margin(0.00005));
      CHECK(last.error / last.sum == Approx(row.at[i]).margin(0.00005));
      CHECK(all.error / all.count == Approx(row.error[i]).margin(0.0005));
      CHECK(scores[i].normalized_l1 == Approx(all.error / all.sum).epsilon(1e-12));
      CHECK(scores[i].crps == Approx(all.error / all.count).epsilon(1e-12));
    }
  }
}

TEST_CASE("persistence on the ticks of published traces errs as it was measured") {
  const auto folder = shared_folder("traces");
  if (!folder) return;
  struct Row {
    std::string file;
    std::vector<double> pooled;
  };
  const std::vector<std::size_t> ahead{1, 2, 4, 8, 10, 12};
  for (const Row& row : {Row{east_2b, {.0640, .0960, .1493, .1749, .1891, .2023}},
                         Row{west_2a, {.0907, .1287, .1812, .2473, .2711, .2906}},
                         Row{west_2c, {.0394, .0574, .0871, .1302, .1467, .1601}}}) {
    const std::vector<int> counts = counts_on_grid(read(*folder, row.file), 300'000);
    for (std::size_t i = 0; i < ahead.size(); ++i) {
      INFO(row.file << ", I = " << ahead[i]);
      const Persistence all = persistence(counts, 1, ahead[i]);
      CHECK(all.error / all.sum == Approx(row.pooled[i]).margin(0.00005));
    }
  }
}

TEST_CASE("a trace by the law of a published one is like it") {
  const auto folder = shared_folder("traces");
  if (!folder) return;
  const Trace p3 = read(*folder, "bamboo__p3-trace.csv");
  const TraceSummary real = describe(p3);
  const auto law = fit_law(p3);
  REQUIRE(law.ok());
  const TraceSummary like = describe(generate(law.value(), {.hours = 1000, .seed = 6}).value());
  CHECK(like.mean == Approx(real.mean).epsilon(0.08));
  CHECK(like.max <= real.max);
  CHECK(*like.preemptions_per_machine_hour ==
        Approx(*real.preemptions_per_machine_hour).epsilon(0.1));
  const auto burst = [](const TurnoverSummary& all) {
    return static_cast<double>(all.machines) / static_cast<double>(all.events);
  };
  CHECK(burst(like.preemptions) == Approx(burst(real.preemptions)).epsilon(0.08));
  CHECK(burst(like.allocations) == Approx(burst(real.allocations)).epsilon(0.15));
  CHECK(*like.lifetimes->kaplan_meier_median_min ==
        Approx(*real.lifetimes->kaplan_meier_median_min).epsilon(0.2));
}

}  // namespace planaria::test
