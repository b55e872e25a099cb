// What papers and programs of the field say of their schedules.
#include <algorithm>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/simulate.hpp>

#include "schedule/simulated.hpp"

namespace planaria {

using test::equal;
using test::simulated;
using test::unit;

TEST_CASE("1F1B and GPipe of equal stages take (m + p - 1)(f + b)", "[unit]") {
  for (int p = 1; p <= 6; ++p) {
    for (int m = 1; m <= 9; ++m) {
      INFO(p << " stages, " << m << " micro-batches");
      const StageCosts costs{2, 3, 1.5, 0};
      const double expected = (m + p - 1) * 6.5;
      const auto one = simulated(one_forward_one_backward({p, m}), equal(p, costs));
      CHECK(one.makespan_ms == Approx(expected));
      CHECK(simulated(gpipe({p, m}), equal(p, costs)).makespan_ms == Approx(expected));
      CHECK(one.bubble_rate == Approx(1 - m * 6.5 / one.largest_span_ms));
      for (int r = 0; r < p; ++r) {
        const SimulatedRank& rank = one.ranks[static_cast<std::size_t>(r)];
        CHECK(rank.peak_in_flight == std::min(p - r, m));
        CHECK(rank.busy_ms == Approx(m * 6.5));
        CHECK(rank.actions.front().start_ms == Approx(2 * r));
      }
    }
  }
}

TEST_CASE("the field's published makespans come out", "[unit]") {
  CHECK(simulated(one_forward_one_backward({4, 8}), equal(4, unit)).makespan_ms == 33);
  CHECK(simulated(one_forward_one_backward({8, 24}), equal(8, unit)).makespan_ms == 93);
  CHECK(simulated(zero_bubble_h1({4, 8}), equal(4, unit)).makespan_ms == 27);
  CHECK(simulated(zero_bubble_h1({8, 24}), equal(8, unit)).makespan_ms == 79);
  CHECK(simulated(v_half({8, 24}), equal(16, unit)).largest_span_ms == 161);
  CHECK(simulated(v_min({8, 24}), equal(16, unit)).largest_span_ms == 171);
  for (const int p : {2, 4, 8}) {
    const int m = 3 * p;
    const auto v = simulated(zero_bubble_v({p, m}), equal(2 * p, unit));
    CHECK(v.makespan_ms == 6 * m + p - 1);
    for (const SimulatedRank& rank : v.ranks) {
      CHECK(rank.span_ms == 6 * m);
      CHECK(rank.peak_in_flight == 2 * p);
    }
  }
}

TEST_CASE("the field's published bubble rates come out", "[unit]") {
  struct Case {
    int p, m;
    StageCosts costs;
    double one_f_one_b, h1, h2;
  };
  const std::vector<Case> cases{
      {8, 24, {18.522, 18.086, 9.337, 0.601}, .2431, .1585, .1083},
      {16, 48, {11.347, 11.248, 8.132, 0.377}, .2552, .1397, .0672},
  };
  for (const Case& c : cases) {
    const auto rate = [&](const Schedule& schedule) {
      return simulated(schedule, equal(c.p, c.costs)).bubble_rate;
    };
    CHECK(rate(one_forward_one_backward({c.p, c.m})) == Approx(c.one_f_one_b).margin(5e-5));
    CHECK(rate(zero_bubble_h1({c.p, c.m})) == Approx(c.h1).margin(5e-5));
    CHECK(rate(zero_bubble_h2({c.p, c.m})) == Approx(c.h2).margin(5e-5));
  }
}

TEST_CASE("formulas of the field hold where costs are equal", "[unit]") {
  constexpr double f = 2, b = 3, w = 1.5;
  const StageCosts costs{f, b, w, 0};
  for (int p = 1; p <= 5; ++p) {
    for (const int m : {2 * p - 1, 2 * p, 3 * p}) {
      INFO(p << " stages, " << m << " micro-batches");
      const double work = m * (f + b + w);
      const auto h1 = simulated(zero_bubble_h1({p, m}), equal(p, costs));
      CHECK(h1.makespan_ms == Approx(work + (p - 1) * (f + b - w)));
      const auto h2 = simulated(zero_bubble_h2({p, m}), equal(p, costs));
      CHECK(h2.largest_span_ms == Approx(work + (p - 1) * (f + b - 2 * w)));
      for (int v = 1; m % p == 0 && v <= 3; ++v) {
        // Bubble (p-1)(F+B+W) / v of a rank's whole F+B+W, which v chunks share.
        const auto loop = simulated(interleaved({p, m}, v), equal(p * v, costs));
        CHECK(loop.makespan_ms == Approx((v * work) + (p - 1) * (f + b + w)));
      }
    }
    // DualPipeV: (PP/2-1)(F&B + B - 3W), PP = 2p stages and B the full backward; F = B = W here.
    const int m = 3 * p;
    const auto dual = simulated(dualpipe_v({p, m}), equal(2 * p, unit));
    CHECK(dual.largest_span_ms == Approx((6 * m) + (p - 1) * (3 + 2 - 3)));
  }
}

TEST_CASE("varuna's published makespans come out", "[unit]") {
  struct Case {
    int p, n;
    double same_host, other_host;
    double gpipe, simulated, just_in_time;
  };
  // Microseconds; four ranks a host.
  const std::vector<Case> cases{{2, 4, 0, 0, 1900000, 1600000, 1600000},
                                {4, 5, 0, 0, 2900000, 2800000, 2600000},
                                {4, 8, 5000, 20000, 4130000, 4230000, 3930000},
                                {16, 64, 5000, 20000, 30340000, 31440000, 30030000}};
  for (const Case& c : cases) {
    INFO("p " << c.p << ", n " << c.n);
    std::vector<StageCosts> costs;
    for (int s = 0; s < c.p; ++s) {
      const auto link = [&](int to) { return s / 4 == to / 4 ? c.same_host : c.other_host; };
      costs.push_back({100000, 200000, 0, link(s + 1)});
      if (s > 0) costs.back().send_back_ms = link(s - 1);
    }
    const SimulationOptions four{.sends_in_flight = 4};
    CHECK(simulated(with_recompute(gpipe({c.p, c.n})), costs, four).makespan_ms == c.gpipe);
    SimulationOptions waiting = four;
    waiting.recompute_after_gradient = true;
    const Schedule planned =
        varuna({c.p, c.n}, costs, {.as_simulated = true, .sends_in_flight = 4});
    CHECK(simulated(planned, costs, waiting).makespan_ms == c.simulated);
    const Schedule at_run_time = varuna({c.p, c.n}, costs, {.sends_in_flight = 4});
    CHECK(simulated(at_run_time, costs, four).makespan_ms == c.just_in_time);
  }
}

}  // namespace planaria
