// The simulation against hand-counted cases and a slow judge that knows nothing of ranks waking
// each other.
#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/simulate.hpp>

#include "schedule/simulated.hpp"

namespace planaria {
namespace {

using test::equal;
using test::simulated;
using test::unit;

Schedule empty(int ranks, int micro_batches, Placement placement = Placement::single,
               int chunks = 1) {
  Schedule schedule{placement, chunks, micro_batches, {}};
  schedule.ranks.resize(static_cast<std::size_t>(ranks));
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
    auto& actions = schedule.ranks[static_cast<std::size_t>(rank)];
    const auto run = [&, at = rank](const Action& one) {
      actions.push_back(one);
      int& state = stage_state[{schedule.stage_of(at, one.chunk), one.micro_batch}];
      if (one.kind == ActionKind::forward) state = 1;
      if (one.kind == ActionKind::backward_input) state = 2;
      if (one.kind == ActionKind::backward || one.kind == ActionKind::backward_weight) state = 3;
    };
    run(action);
    // Any other that could fire as well may be done together with it.
    const auto& [other_rank, other] = choices[random.below(choices.size())];
    const bool apart = other.micro_batch != action.micro_batch || other.chunk != action.chunk;
    if (other_rank == rank && apart && random.below(2) == 0) {
      actions.back().overlaps_next = true;
      run(other);
    } else if (action.kind == ActionKind::forward && random.below(4) == 0) {
      actions.push_back({ActionKind::recompute, action.micro_batch, action.chunk});
    }
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

double lasts(const Judged& one, const std::vector<StageCosts>& costs) {
  const StageCosts& c = costs[static_cast<std::size_t>(one.stage)];
  const char kind = static_cast<char>(one.action.kind);
  if (kind == 'F' || kind == 'R') return c.forward_ms;
  if (kind == 'B') return c.backward_input_ms;
  if (kind == 'W') return c.backward_weight_ms;
  return c.backward_input_ms + c.backward_weight_ms;
}

bool is_back(const Judged& one) {
  const char kind = static_cast<char>(one.action.kind);
  return kind == 'B' || kind == 'G';
}

// Whether the result of `from` is what `to` waits for.
bool feeds(const Judged& from, const Judged& to) {
  if (from.action.micro_batch != to.action.micro_batch) return false;
  const auto is_forward = [](const Judged& one) {
    return static_cast<char>(one.action.kind) == 'F';
  };
  if (is_forward(from) && is_forward(to)) return from.stage + 1 == to.stage;
  return is_back(from) && is_back(to) && from.stage == to.stage + 1;
}

// When what each action sends has arrived: of one rank's sends so many may be on their way at any
// moment, and who asked first goes first.
std::vector<double> arrivals(const std::vector<Judged>& all, const std::vector<StageCosts>& costs,
                             int places) {
  std::vector<double> there(all.size());
  std::map<int, std::multiset<double>> on_their_way;  // by rank: their ends
  for (std::size_t j = 0; j < all.size(); ++j) {      // a rank's actions end in their order
    const StageCosts& c = costs[static_cast<std::size_t>(all[j].stage)];
    const auto receiver =
        std::find_if(all.begin(), all.end(), [&](const Judged& to) { return feeds(all[j], to); });
    there[j] = all[j].end;
    if (receiver == all.end() || receiver->rank == all[j].rank) continue;
    const double send = is_back(all[j]) ? c.send_back_ms.value_or(c.send_ms) : c.send_ms;
    double begin = all[j].end;
    auto& busy = on_their_way[all[j].rank];
    while (places > 0 && std::count_if(busy.begin(), busy.end(),
                                       [&](double end) { return end > begin; }) >= places) {
      begin = *busy.upper_bound(begin);
    }
    there[j] = begin + send;
    busy.insert(there[j]);
  }
  return there;
}

std::vector<Judged> judge(const Schedule& schedule, const std::vector<StageCosts>& costs,
                          int places = 0) {
  std::vector<Judged> all;
  for (int r = 0; r < static_cast<int>(schedule.ranks.size()); ++r) {
    for (const Action& a : schedule.ranks[static_cast<std::size_t>(r)]) {
      all.push_back({r, schedule.stage_of(r, a.chunk), a});
    }
  }
  bool moved = true;
  while (moved) {
    moved = false;
    const std::vector<double> there = arrivals(all, costs, places);
    for (std::size_t j = 0; j < all.size();) {
      const std::size_t end = j + (all[j].action.overlaps_next ? 2 : 1);
      double start = j > 0 && all[j - 1].rank == all[j].rank ? all[j - 1].end : 0;
      double duration = 0;
      for (std::size_t part = j; part < end; ++part) {
        for (std::size_t from = 0; from < all.size(); ++from) {
          if (feeds(all[from], all[part])) start = std::max(start, there[from]);
        }
        duration += lasts(all[part], costs);
      }
      for (; j < end; ++j) {
        moved = moved || start != all[j].start || start + duration != all[j].end;
        all[j].start = start;
        all[j].end = start + duration;
      }
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
      if (random.below(2) == 0) costs.back().send_back_ms = draw(6);
    }
    const int places = static_cast<int>(random.below(4));
    INFO(places << " sends in flight");
    const auto result = simulated(schedule, costs, {.sends_in_flight = places});
    const auto expected = judge(schedule, costs, places);
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
        // A pair is busy once.
        const bool second = at > 0 && expected[at - 1].action.overlaps_next;
        busy += second ? 0 : expected[at].end - expected[at].start;
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

TEST_CASE("an overlapped pair takes what it is said to take", "[unit]") {
  const Schedule schedule = schedule_from_text("0: F0 F1&G0 G1\n", "test").value();
  CHECK(simulated(schedule, {{2, 3, 1, 0}}).makespan_ms == 2 + (2 + 4) + 4);
  const auto faster = simulated(schedule, {{2, 3, 1, 0}}, {.overlapped_ms = 5});
  CHECK(faster.makespan_ms == 2 + 5 + 4);
  CHECK(faster.ranks[0].busy_ms == 11);
  CHECK(faster.bubble_rate == 0);
  CHECK(faster.ranks[0].actions[1] == faster.ranks[0].actions[2]);
  CHECK(faster.ranks[0].peak_in_flight == 2);
  const auto refused = simulate(schedule, {{2, 3, 1, 0}}, {.overlapped_ms = 3.5});
  CHECK(refused.fault() ==
        Fault::invalid_input("overlapped_ms: 3.5, must be at least 4, the longer part of F1&G0"));
}

TEST_CASE("a limited number of sends goes in the order of asking, both directions together",
          "[unit]") {
  // Rank 1 of three asks for F0 down at 2, G.. up much later; with one place the second waits.
  const Schedule schedule = schedule_from_text("0: F0 F1 G0 G1\n1: F0 F1 G0 G1\n", "t").value();
  const std::vector<StageCosts> costs{{1, 1, 0, 5}, {1, 1, 0, 5}};
  const auto free = simulated(schedule, costs);
  CHECK(free.ranks[1].actions[0].start_ms == 6);
  CHECK(free.ranks[1].actions[1].start_ms == 7);
  const auto one = simulated(schedule, costs, {.sends_in_flight = 1});
  CHECK(one.ranks[1].actions[0].start_ms == 6);
  CHECK(one.ranks[1].actions[1].start_ms == 11);  // F1 was asked for at 2 and left at 6
  CHECK(one.ranks[0].actions[2].start_ms == one.ranks[1].actions[2].end_ms + 5);
}

TEST_CASE("jitter is drawn by its seed, from the distribution alone", "[unit]") {
  const Schedule schedule = one_forward_one_backward({3, 8});
  Jitter jitter{{1, 2}, {1, 3}, 7};
  const std::vector<StageCosts> costs = equal(3, {1, 1, 1, 1});
  const auto first = simulated(schedule, costs, {.jitter = &jitter});
  const auto again = simulated(schedule, costs, {.jitter = &jitter});
  CHECK(first.makespan_ms == again.makespan_ms);
  std::set<double> durations;
  for (const SimulatedRank& rank : first.ranks) {
    for (std::size_t at = 0; at < rank.actions.size(); ++at) {
      durations.insert(rank.actions[at].end_ms - rank.actions[at].start_ms);
    }
  }
  CHECK(durations == std::set<double>{1, 2, 4});
  jitter.seed = 8;
  CHECK(simulated(schedule, costs, {.jitter = &jitter}).makespan_ms != first.makespan_ms);
  jitter = {{1}, {1}, 7};
  CHECK(simulated(schedule, costs, {.jitter = &jitter}).makespan_ms ==
        simulated(schedule, costs).makespan_ms);
}

TEST_CASE("measured durations replace the costs of compute", "[unit]") {
  const Schedule schedule = one_forward_one_backward({2, 2});
  const std::vector<std::vector<double>> measured{{2, 2, 5, 5}, {3, 4, 3, 4}};
  const std::vector<StageCosts> costs{{2, 4, 1, 1}, {3, 3, 1, 1}};
  CHECK(simulated(schedule, equal(2, {9, 9, 9, 1}), {.durations_ms = &measured}).makespan_ms ==
        simulated(schedule, costs).makespan_ms);
  const std::vector<std::vector<double>> short_of_one{{2, 2, 5, 5}, {3, 4, 3}};
  CHECK(simulate(schedule, costs, {.durations_ms = &short_of_one}).fault() ==
        Fault::invalid_input("durations_ms: must be one for each action of each rank"));
}

TEST_CASE("several pipelines run one schedule around a dead rank", "[unit]") {
  const Schedule schedule =
      schedule_from_text("0: F0 G0\n1: F0 F1 G0 G1\n2: F1 G1\n3:\n", "test", 2).value();
  const auto result = simulated(schedule, equal(2, {1, 1, 1, 0.5}));
  CHECK(result.ranks[1].actions[1].start_ms == 2.5);
  CHECK(result.ranks[2].actions[1] == SimulatedAction{8.0, 10.0});
  CHECK(result.makespan_ms == 10);
  CHECK(result.bubble_rate == Approx(1 - (12.0 / (3 * 10))));  // over the live ranks
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
  CHECK(refused(schedule) == "rank 0 has F2, must be chunk 0 and micro-batch 0 to 1");
  // A rank without actions is no rank that waits: the others run.
  schedule.ranks = {{{forward, 0}, {forward, 1}}, {}};
  CHECK(simulated(schedule, equal(2, unit)).makespan_ms == 2);
}

}  // namespace planaria
