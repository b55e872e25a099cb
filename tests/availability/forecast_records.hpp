// Records to forecast: made up ones, and the published ones with what they are called.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/availability/backtest.hpp>
#include <planaria/availability/trace_text.hpp>
#include <planaria/base/random.hpp>

namespace planaria::test {

/// Machines that go in bursts of up to 3 and come back in ones and twos, at most `most` at once.
inline std::vector<IntervalCounts> made_up_record(std::uint64_t seed, int intervals, int most) {
  Random random(seed);
  std::vector<IntervalCounts> record{{most, 0, most}};
  int since = 100;
  while (static_cast<int>(record.size()) < intervals) {
    IntervalCounts next{0, 0, record.back().count};
    if (random.uniform() < (since < 2 ? 0.4 : 0.08)) {
      next.lost = std::min(next.count, 1 + static_cast<int>(random.below(3)));
    } else if (random.uniform() < 0.15) {
      next.joined = std::min(most - next.count, 1 + static_cast<int>(random.below(2)));
    }
    since = next.lost > 0 ? 0 : since + 1;
    next.count += next.joined - next.lost;
    record.push_back(next);
  }
  return record;
}

/// The published record as intervals of a minute.
inline std::vector<IntervalCounts> published_record(const std::string& folder,
                                                    const std::string& name) {
  const auto trace = read_trace(folder + "/" + name, {});
  REQUIRE(trace.ok());
  return intervals_on_grid(trace.value(), 60'000);
}

/// All fourteen; the second list has hundreds of hours.
inline const std::vector<std::string> short_records{
    "bamboo__p3-trace.csv",
    "parcae__p3trace.csv",
    "parcae__p3.csv",
    "parcae__gpt-1.5b__trace_hh_55_65.txt",
    "parcae__gpt-1.5b__trace_hl_15_25.txt",
    "parcae__gpt-1.5b__trace_lh_80_90.txt",
    "parcae__gpt-1.5b__trace_ll_10_11.txt",
    "parcae__vgg19__trace_lh_80_90.txt",
    "bamboo__aws-spot-instances-g4dn-xlarge-us-east-1c-2020-11-20-1930-to-2020-11-21-2200.csv",
    "bamboo__aws-spot-instances-p2-xlarge-2020-11-20-to-2020-11-23.csv"};
inline const std::vector<std::string> long_records{
    "skynomad__16-nodes__us-east-2b_v100_1.json", "skynomad__16-nodes__us-west-2a_v100_1.json",
    "skynomad__4-nodes-real-preemption__us-west-2c_v100_1.json",
    "skynomad__processed__us-east-1c_v100_1.csv"};

}  // namespace planaria::test
