// The simulation against closed forms, the field's published values, and a slow judge that knows
// nothing of ranks waking each other.
#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/simulate.hpp>

namespace planaria {
namespace {

constexpr StageCosts unit{1, 1, 1, 0};

std::vector<StageCosts> equal(int stages, StageCosts costs) {
  return std::vector<StageCosts>(static_cast<std::size_t>(stages), costs);
}

SimulatedSchedule simulated(const Schedule& schedule, const std::vector<StageCosts>& costs) {
  INFO(text_of(schedule));
  auto result = simulate(schedule, costs);
  if (!result) FAIL(result.fault().sentence);
  return std::move(result).value();
}

Schedule empty(int ranks, int micro_batches, Placement placement = Placement::single,
               int chunks = 1) {
  Schedule schedule{placement, chunks, micro_batches, {}};
  schedule.ranks.resize(static_cast<std::size_t>(ranks));
  return schedule;
}

// ZB-H1 (k = 1) and ZB-H2 (k = 2) of the zero-bubble paper, by their rule.
Schedule zero_bubble(int p, int m, int k) {
  Schedule schedule = empty(p, m);
  for (int r = 0; r < p; ++r) {
    auto& actions = schedule.ranks[static_cast<std::size_t>(r)];
    int forward = 0;
    int weight = 0;
    while (forward < std::min(k * (p - r - 1), m)) {
      actions.push_back({ActionKind::forward, forward++});
    }
    for (int b = 0; b < m; ++b) {
      if (forward < m) actions.push_back({ActionKind::forward, forward++});
      actions.push_back({ActionKind::backward_input, b});
      if (b >= k * r) actions.push_back({ActionKind::backward_weight, weight++});
    }
    while (weight < m) actions.push_back({ActionKind::backward_weight, weight++});
  }
  return schedule;
}

// ZB-V, for m >= 2p - 1.
Schedule zero_bubble_v(int p, int m) {
  Schedule schedule = empty(p, m, Placement::v, 2);
  for (int r = 0; r < p; ++r) {
    auto& actions = schedule.ranks[static_cast<std::size_t>(r)];
    std::map<std::pair<ActionKind, int>, int> done;
    const auto run = [&](ActionKind kind, int chunk) {
      actions.push_back({kind, done[{kind, chunk}]++, chunk});
    };
    const auto run_backward = [&](int chunk) {
      run(ActionKind::backward_input, chunk);
      run(ActionKind::backward_weight, chunk);
    };
    for (int i = 0; i < 2 * (p - r) - 1; ++i) run(ActionKind::forward, 0);
    for (int i = 0; i < r; ++i) {
      run(ActionKind::forward, 1);
      run(ActionKind::forward, 0);
    }
    for (int i = 0; i < p - r; ++i) {
      run(ActionKind::forward, 1);
      run_backward(1);
    }
    int& first = done[{ActionKind::forward, 0}];
    int& second = done[{ActionKind::forward, 1}];
    while (second < first || first < m) {
      if (first < m) run(ActionKind::forward, 0);
      run_backward(0);
      run(ActionKind::forward, 1);
      run_backward(1);
    }
    for (int i = 0; i < r; ++i) {
      run(ActionKind::backward_input, 0);
      run(ActionKind::backward_input, 1);
    }
    for (int i = 0; i < p - r; ++i) run_backward(0);
    while (done[{ActionKind::backward_weight, 1}] < m) run(ActionKind::backward_weight, 1);
    while (done[{ActionKind::backward_weight, 0}] < m) run(ActionKind::backward_weight, 0);
  }
  return schedule;
}

// A schedule that can run, its order drawn: whatever can fire next may.
Schedule drawn(Random& random) {
  const auto placement = static_cast<Placement>(random.below(3));
  const int p = static_cast<int>(random.between(1, 4));
  const int chunks = placement == Placement::single ? 1 : 2;
  const int m = static_cast<int>(random.between(1, 4));
  Schedule schedule = empty(p, m, placement, chunks);
  std::map<std::pair<int, int>, int> stage_state;  // (stage, micro-batch): 0 none, 1 F, 2 B, 3 all
  const int stages = schedule.stages();
  while (true) {
    std::vector<std::pair<int, Action>> choices;
    for (int r = 0; r < p; ++r) {
      for (int c = 0; c < chunks; ++c) {
        const int s = schedule.stage_of(r, c);
        for (int i = 0; i < m; ++i) {
          const int state = stage_state[{s, i}];
          const bool forwarded = s == 0 || stage_state[{s - 1, i}] >= 1;
          const bool has_gradient = s == stages - 1 || stage_state[{s + 1, i}] >= 2;
          if (state == 0 && forwarded) choices.push_back({r, {ActionKind::forward, i, c}});
          if (state == 1 && has_gradient) {
            choices.push_back({r, {ActionKind::backward, i, c}});
            choices.push_back({r, {ActionKind::backward_input, i, c}});
          }
          if (state == 2) choices.push_back({r, {ActionKind::backward_weight, i, c}});
        }
      }
    }
    if (choices.empty()) return schedule;
    const auto [rank, action] = choices[random.below(choices.size())];
    if (action.kind == ActionKind::forward && random.below(4) == 0) {
      schedule.ranks[static_cast<std::size_t>(rank)].push_back(action);
      schedule.ranks[static_cast<std::size_t>(rank)].push_back(
          {ActionKind::recompute, action.micro_batch, action.chunk});
    } else {
      schedule.ranks[static_cast<std::size_t>(rank)].push_back(action);
    }
    int& state = stage_state[{schedule.stage_of(rank, action.chunk), action.micro_batch}];
    if (action.kind == ActionKind::forward) state = 1;
    if (action.kind == ActionKind::backward_input) state = 2;
    if (action.kind == ActionKind::backward || action.kind == ActionKind::backward_weight)
      state = 3;
  }
}

// The judge: every action at 0, then pushed later by whatever it may not precede, until nothing
// moves. It looks at all pairs of actions.
struct Judged {
  int rank;
  int stage;
  Action action;
  double start = 0;
  double end = 0;
};

std::vector<Judged> judge(const Schedule& schedule, const std::vector<StageCosts>& costs) {
  std::vector<Judged> all;
  for (int r = 0; r < static_cast<int>(schedule.ranks.size()); ++r) {
    for (const Action& a : schedule.ranks[static_cast<std::size_t>(r)]) {
      all.push_back({r, schedule.stage_of(r, a.chunk), a});
    }
  }
  const auto lasts = [&](const Judged& one) {
    const StageCosts& c = costs[static_cast<std::size_t>(one.stage)];
    const char kind = static_cast<char>(one.action.kind);
    if (kind == 'F' || kind == 'R') return c.forward_ms;
    if (kind == 'B') return c.backward_input_ms;
    if (kind == 'W') return c.backward_weight_ms;
    return c.backward_input_ms + c.backward_weight_ms;
  };
  const auto kind_of = [](const Judged& one) { return static_cast<char>(one.action.kind); };
  const auto feeds = [&](const Judged& from, const Judged& to) {
    if (from.action.micro_batch != to.action.micro_batch) return false;
    const bool forward = kind_of(from) == 'F' && kind_of(to) == 'F' && from.stage + 1 == to.stage;
    const bool back = (kind_of(from) == 'B' || kind_of(from) == 'G') &&
                      (kind_of(to) == 'B' || kind_of(to) == 'G') && from.stage == to.stage + 1;
    return forward || back;
  };
  bool moved = true;
  while (moved) {
    moved = false;
    for (std::size_t j = 0; j < all.size(); ++j) {
      double start = j > 0 && all[j - 1].rank == all[j].rank ? all[j - 1].end : 0;
      for (const Judged& from : all) {
        if (!feeds(from, all[j])) continue;
        const double send = costs[static_cast<std::size_t>(from.stage)].send_ms;
        start = std::max(start, from.end + (from.rank == all[j].rank ? 0 : send));
      }
      const double end = start + lasts(all[j]);
      moved = moved || start != all[j].start || end != all[j].end;
      all[j].start = start;
      all[j].end = end;
    }
  }
  return all;
}

int most_in_flight(const std::vector<Judged>& all, int rank) {
  // Micro-batches (of a chunk) whose F has started and whose B or G has not ended, at each start.
  int most = 0;
  for (const Judged& at : all) {
    if (at.rank != rank) continue;
    int count = 0;
    for (const Judged& f : all) {
      if (f.rank != rank || static_cast<char>(f.action.kind) != 'F') continue;
      const auto before = &f <= &at;  // in the rank's order, which holds where times are equal
      const bool over = std::any_of(all.begin(), all.end(), [&](const Judged& b) {
        const char kind = static_cast<char>(b.action.kind);
        return b.rank == rank && (kind == 'B' || kind == 'G') && &b < &at && b.stage == f.stage &&
               b.action.micro_batch == f.action.micro_batch;
      });
      count += before && !over ? 1 : 0;
    }
    most = std::max(most, count);
  }
  return most;
}

}  // namespace

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

TEST_CASE("two uneven stages end when hand-counted", "[unit]") {
  // Rank 0 runs F0 and F1. Rank 1 gets F0 at 3, runs F0 G0 F1 G1 without a gap, and sends G0 at 10
  // and G1 at 17, each there 1 later.
  const std::vector<StageCosts> costs{{2, 4, 1, 1}, {3, 3, 1, 1}};
  const auto result = simulated(one_forward_one_backward({2, 2}), costs);
  const std::vector<SimulatedAction> first{{0, 2}, {2, 4}, {11, 16}, {18, 23}};
  const std::vector<SimulatedAction> second{{3, 6}, {6, 10}, {10, 13}, {13, 17}};
  CHECK(result.ranks[0].actions == first);
  CHECK(result.ranks[1].actions == second);
  CHECK(result.makespan_ms == 23);
  CHECK(result.ranks[1].span_ms == 14);
  CHECK(result.bubble_rate == Approx(1 - (14.0 + 14.0) / (2 * 23)));
}

TEST_CASE("the field's published makespans come out", "[unit]") {
  CHECK(simulated(one_forward_one_backward({4, 8}), equal(4, unit)).makespan_ms == 33);
  CHECK(simulated(one_forward_one_backward({8, 24}), equal(8, unit)).makespan_ms == 93);
  CHECK(simulated(zero_bubble(4, 8, 1), equal(4, unit)).makespan_ms == 27);
  CHECK(simulated(zero_bubble(8, 24, 1), equal(8, unit)).makespan_ms == 79);
  for (const int p : {2, 4, 8}) {
    const int m = 3 * p;
    const auto v = simulated(zero_bubble_v(p, m), equal(2 * p, unit));
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
    CHECK(rate(zero_bubble(c.p, c.m, 1)) == Approx(c.h1).margin(5e-5));
    CHECK(rate(zero_bubble(c.p, c.m, 2)) == Approx(c.h2).margin(5e-5));
  }
}

TEST_CASE("drawn schedules run as the slow judge says", "[unit]") {
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Random random(seed);
    const Schedule schedule = drawn(random);
    INFO("seed " << seed << ", placement " << static_cast<int>(schedule.placement) << "\n"
                 << text_of(schedule));
    std::vector<StageCosts> costs;
    for (int s = 0; s < schedule.stages(); ++s) {
      // Whole numbers: sums are exact, so equality is.
      const auto draw = [&](std::int64_t most) {
        return static_cast<double>(random.between(0, most));
      };
      costs.push_back({draw(5), draw(5), draw(5), draw(3)});
    }
    const auto result = simulated(schedule, costs);
    const auto expected = judge(schedule, costs);
    std::size_t at = 0;
    double last_end = 0;
    double busy = 0;
    double largest_span = 0;
    for (std::size_t r = 0; r < schedule.ranks.size(); ++r) {
      const SimulatedRank& rank = result.ranks[r];
      REQUIRE(rank.actions.size() == schedule.ranks[r].size());
      for (const SimulatedAction& action : rank.actions) {
        CHECK(action.start_ms == expected[at].start);
        CHECK(action.end_ms == expected[at].end);
        last_end = std::max(last_end, expected[at].end);
        busy += expected[at].end - expected[at].start;
        ++at;
      }
      CHECK(rank.peak_in_flight == most_in_flight(expected, static_cast<int>(r)));
      const double span = rank.actions.back().end_ms - rank.actions.front().start_ms;
      CHECK(rank.span_ms == span);
      largest_span = std::max(largest_span, span);
    }
    CHECK(result.makespan_ms == last_end);
    CHECK(result.largest_span_ms == largest_span);
    const double rate =
        largest_span == 0 ? 0
                          : 1 - busy / (static_cast<double>(schedule.ranks.size()) * largest_span);
    CHECK(result.bubble_rate == Approx(rate).margin(1e-12));
  }
}

TEST_CASE("a schedule that takes no time has no bubble", "[unit]") {
  const auto result = simulated(one_forward_one_backward({3, 4}), equal(3, {}));
  CHECK(result.makespan_ms == 0);
  CHECK(result.bubble_rate == 0);
}

TEST_CASE("costs that do not fit are refused by stage and field", "[unit]") {
  const Schedule schedule = one_forward_one_backward({2, 2});
  const auto refused = [&](const std::vector<StageCosts>& costs) {
    const auto result = simulate(schedule, costs);
    REQUIRE_FALSE(result.ok());
    CHECK(result.fault().kind == FaultKind::invalid_input);
    return result.fault().sentence;
  };
  CHECK(refused(equal(3, unit)) == "costs of 3 stages, must be of 2, the schedule's");
  CHECK(refused({unit, {-1, 1, 1, 0}}) ==
        "stages[1].forward_ms: -1, must be finite and at least 0");
  CHECK(refused({{1, 1, std::numeric_limits<double>::infinity(), 0}, unit}) ==
        "stages[0].backward_weight_ms: inf, must be finite and at least 0");
  CHECK(refused({unit, {1, 1, 1, std::numeric_limits<double>::quiet_NaN()}}) ==
        "stages[1].send_ms: nan, must be finite and at least 0");
}

TEST_CASE("a schedule that stands still is refused by who waits for what", "[unit]") {
  const auto refused = [](const Schedule& schedule) {
    const auto result = simulate(schedule, equal(schedule.stages(), unit));
    REQUIRE_FALSE(result.ok());
    CHECK(result.fault().kind == FaultKind::infeasible);
    return result.fault().sentence;
  };
  using enum ActionKind;
  Schedule schedule = empty(2, 2);
  schedule.ranks = {{{forward, 0}, {backward, 0}}, {{forward, 1}, {forward, 0}}};
  CHECK(refused(schedule) ==
        "rank 0 waits for ever before G0: stage 1 does not come to the backward of micro-batch 0");
  schedule.ranks = {{{forward, 0}}, {{backward, 0}, {forward, 0}}};
  CHECK(refused(schedule) ==
        "rank 1 waits for ever before G0: stage 1 does not come to the forward of micro-batch 0");
  schedule.ranks = {{{forward, 0}, {forward, 0}}, {}};
  CHECK(refused(schedule) == "rank 0 has F0 twice");
  schedule.ranks = {{{forward, 2}}, {}};
  CHECK(refused(schedule) == "rank 0 has F2, must be chunk 0 to 0 and micro-batch 0 to 1");
  // A rank without actions is no rank that waits: the others run.
  schedule.ranks = {{{forward, 0}, {forward, 1}}, {}};
  CHECK(simulated(schedule, equal(2, unit)).makespan_ms == 2);
}

}  // namespace planaria
