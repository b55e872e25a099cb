// The rows and prices that an independent program computed from the published measurements
// (parcae-setting's page): the same to 1e-6.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/liveput/policies.hpp>
#include <planaria/liveput/prices.hpp>
#include <planaria/liveput/simulation.hpp>

#include "liveput/shared_data.hpp"

using namespace planaria;
using namespace planaria::test;

namespace {

// Printed to a thousandth.
bool close(double found, double golden) {
  return found == Approx(golden).epsilon(1e-6).margin(5e-4);
}

struct Row {
  const char* model;
  int first, end;  // intervals
  double ideal, restart, reactive, oracle;
};

const std::vector<Row> rows{
    {"gpt2-1.5b", 330, 390, 143547.300, 107545.237, 128957.858, 134700.864},
    {"gpt2-1.5b", 90, 150, 149501.580, 124158.483, 141122.032, 142333.543},
    {"gpt2-1.5b", 480, 540, 108432.900, 73255.256, 96462.636, 100356.547},
    {"gpt2-1.5b", 600, 660, 103787.460, 98820.372, 101734.230, 101898.646},
    {"gpt2-1.5b", 0, 683, 1506023.700, 1171346.158, 1390025.140, 1424903.018},
    {"vgg19", 330, 390, 6481221.300, 5629594.540, 6037331.496, 6087163.777},
    {"vgg19", 90, 150, 6944854.740, 6342555.048, 6621451.549, 6655082.356},
    {"vgg19", 480, 540, 4524034.020, 3795429.157, 4253438.832, 4288263.059},
    {"vgg19", 600, 660, 4209724.980, 4110806.272, 4141563.505, 4146742.163},
    {"vgg19", 0, 683, 66484452.060, 58534009.332, 62769163.632, 63330090.599},
};

struct Price {
  const char* model;
  LayoutChange change;
  double ms;
};

const std::vector<Price> prices_asked{
    {"gpt2-1.5b", {{4, 8}, {4, 8}, 32, 0}, 0},
    {"gpt2-1.5b", {{4, 8}, {3, 8}, 32, 0}, 1689.800},
    {"gpt2-1.5b", {{4, 8}, {3, 8}, 32, 2}, 2227.842},
    {"gpt2-1.5b", {{4, 8}, {3, 9}, 32, 4}, 7820.072},
    {"gpt2-1.5b", {{3, 10}, {3, 10}, 30, 1}, 33455.777},
    {"gpt2-1.5b", {{3, 9}, {3, 9}, 30, 1}, 29101.496},
    {"gpt2-1.5b", {{4, 7}, {4, 8}, 28, 0}, 35759.739},
    {"gpt2-1.5b", {{1, 14}, {2, 7}, 14, 0}, 10091.132},
    {"gpt2-1.5b", {{1, 13}, {1, 13}, 14, 1}, 22865.901},
    {"gpt2-1.5b", {{0, 0}, {2, 9}, 18, 0}, 27848.072},
    {"vgg19", {{16, 2}, {15, 2}, 32, 1}, 10265.000},
    {"vgg19", {{16, 2}, {15, 2}, 32, 2}, 10772.729},
    {"vgg19", {{14, 2}, {16, 2}, 29, 0}, 24561.950},
    {"vgg19", {{15, 2}, {15, 2}, 31, 1}, 22506.264},
    {"vgg19", {{6, 2}, {4, 3}, 12, 0}, 5895.814},
};

}  // namespace

TEST_CASE("restart, reactive and oracle earn what the independent program says", "[unit]") {
  const auto data = published_data();
  if (!data) return;
  const std::vector<IntervalCounts>& intervals = data->p3;
  REQUIRE(intervals.size() == 683);
  for (const Row& row : rows) {
    CAPTURE(row.model, row.first);
    const SettingPrices& prices = data->prices.at(row.model);
    const SimulationRequest request{&prices, intervals, static_cast<std::size_t>(row.first),
                                    static_cast<std::size_t>(row.end)};
    CHECK(close(ideal_samples(request), row.ideal));
    CHECK(close(simulate(request, *restart_policy(prices)).samples, row.restart));
    CHECK(close(simulate(request, *reactive_policy(prices)).samples, row.reactive));
    CHECK(close(simulate(request, *oracle_policy(request)).samples, row.oracle));
  }
}

TEST_CASE("single changes cost what the independent program says", "[unit]") {
  const auto data = published_data();
  if (!data) return;
  for (const Price& price : prices_asked) {
    CAPTURE(price.model, price.change.from.width, price.change.from.depth, price.change.to.width,
            price.change.to.depth, price.change.lost);
    CHECK(close(data->prices.at(price.model).change_ms(price.change), price.ms));
  }
  const SettingPrices& gpt2 = data->prices.at("gpt2-1.5b");
  CHECK(close(gpt2.restart_ms({4, 8}, true), 32189.815));
  CHECK(close(gpt2.restart_ms({4, 8}, false), 4858.315));
  CHECK(close(gpt2.restart_ms({3, 9}, true), 29689.815));
  CHECK(close(gpt2.restart_ms({3, 9}, false), 4661.815));
  CHECK(gpt2.cuts(8) == std::vector<int>{0, 7, 13, 19, 25, 31, 37, 44, 50});
  CHECK(close(gpt2.moves_ms(8)[0], 3569.781));
  CHECK(close(gpt2.moves_ms(8)[5], 2470.002));
  CHECK(close(gpt2.moves_ms(8)[6], 2881.669));
  CHECK(close(gpt2.moves_ms(8)[7], 3158.157));
  CHECK(close(gpt2.pull_ms({1, 14}, 7), 1646.668));
  const SettingPrices& vgg19 = data->prices.at("vgg19");
  CHECK(vgg19.cuts(4) == std::vector<int>{0, 5, 10, 15, 19});
  CHECK(close(vgg19.moves_ms(4)[2], 83.843));
  CHECK(close(vgg19.moves_ms(4)[3], 1623.151));
  CHECK(vgg19.restart_ms({16, 2}, true) == 22855);
  CHECK(vgg19.restart_ms({16, 2}, false) == 11055);
}

TEST_CASE("of each number of workers the fastest layout is the published one", "[unit]") {
  const auto data = published_data();
  if (!data) return;
  const std::vector<GridLayout> gpt2{{1, 8},  {1, 9},  {1, 10}, {1, 11}, {2, 6},  {1, 13}, {2, 7},
                                     {2, 7},  {2, 8},  {1, 17}, {2, 9},  {2, 9},  {2, 10}, {3, 7},
                                     {2, 11}, {2, 11}, {3, 8},  {3, 8},  {2, 13}, {2, 13}, {2, 13},
                                     {2, 13}, {3, 10}, {3, 10}, {4, 8}};
  const std::vector<int> vgg19{4,  4,  5,  5,  6,  6,  7,  7,  8,  8,  8,  8, 10,
                               10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15, 16};
  const SettingPrices& prices = data->prices.at("gpt2-1.5b");
  const SettingPrices& wide = data->prices.at("vgg19");
  for (std::size_t i = 0; i < gpt2.size(); ++i) {
    const int workers = 8 + static_cast<int>(i);
    CAPTURE(workers);
    CHECK(best_layout(prices, workers) == gpt2[i]);
    CHECK(best_layout(wide, workers) == GridLayout{vgg19[i], 2});
  }
}
