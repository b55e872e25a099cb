// What liveput earns on the published trace, beside what reacts at once and what knows the future.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/liveput/policies.hpp>
#include <planaria/liveput/simulation.hpp>

#include "liveput/shared_data.hpp"

using namespace planaria;
using namespace planaria::test;

namespace {

struct Earned {
  double ideal = 0, reactive = 0, oracle = 0, liveput = 0;
  [[nodiscard]] double way() const { return (liveput - reactive) / (oracle - reactive); }
};

Earned earned(const SimulationRequest& request) {
  return {ideal_samples(request), simulate(request, *reactive_policy(*request.prices)).samples,
          simulate(request, *oracle_policy(request)).samples,
          simulate(request, *liveput_policy(*request.prices, {})).samples};
}

}  // namespace

TEST_CASE("without notice liveput goes half of the way to a perfect future, and never back",
          "[unit]") {
  const auto data = published_data();
  if (!data) return;
  const std::vector<IntervalCounts>& intervals = data->p3;
  for (const auto& [name, prices] : data->prices) {
    const std::string& model = name;  // a structured binding cannot be captured
    Earned pooled;
    for (const auto& [first, end] : {std::pair<std::size_t, std::size_t>{330, 390},
                                     {90, 150},
                                     {480, 540},
                                     {600, 660},
                                     {0, 683}}) {
      const Earned one = earned({&prices, intervals, first, end});
      CAPTURE(model, first, one.reactive / one.ideal, one.liveput / one.ideal, one.way());
      CHECK(one.liveput >= one.reactive - (0.001 * one.ideal));
      CHECK(one.liveput <= one.oracle * (1 + 1e-12));
      if (first == 0) {
        CHECK(one.way() >= 0.5);
      } else {
        pooled.reactive += one.reactive;
        pooled.oracle += one.oracle;
        pooled.liveput += one.liveput;
      }
    }
    CAPTURE(model, pooled.way());
    CHECK(pooled.way() >= 0.5);
  }
}

TEST_CASE("two minutes of notice are worth more of the way than none", "[unit]") {
  const auto data = published_data();
  if (!data) return;
  const std::vector<IntervalCounts>& intervals = data->p3;
  for (const auto& [name, prices] : data->prices) {
    const std::string& model = name;  // a structured binding cannot be captured
    const SimulationRequest none{.prices = &prices, .intervals = intervals, .end = 683};
    SimulationRequest two = none;
    two.notice_intervals = 2;
    const double without = earned(none).way();
    const double with = earned(two).way();
    CAPTURE(model, without, with);
    CHECK(with >= without + 0.1);
    CHECK(with >= 0.7);
  }
}
