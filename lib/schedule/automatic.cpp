#include <planaria/schedule/automatic.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/schedule/bounds.hpp>
#include <planaria/schedule/builders.hpp>

#include "schedule/automatic_exact.hpp"
#include "schedule/automatic_greedy.hpp"
#include "schedule/automatic_list.hpp"
#include "schedule/automatic_search.hpp"

namespace planaria {
namespace {

/// An order and how good it is.
struct Candidate {
  std::string found_by;
  Order order;
  Score score;
};

Order with_split_backward(const Order& order) {
  Order split;
  for (const RankOrder& rank : order) {
    RankOrder& kinds = split.emplace_back();
    for (const ActionKind kind : rank) {
      if (kind == ActionKind::backward) {
        kinds.push_back(ActionKind::backward_input);
        kinds.push_back(ActionKind::backward_weight);
      } else {
        kinds.push_back(kind);
      }
    }
  }
  return split;
}

/// The orders that are had at once, of those that fit.
class Candidates {
 public:
  explicit Candidates(Player& player) : player_(player) {
    add_named();
    add_greedy();
    add_listed();
    std::stable_sort(all_.begin(), all_.end(), [](const Candidate& left, const Candidate& right) {
      return better(left.score, right.score);
    });
  }
  /// The best first; never empty.
  [[nodiscard]] const std::vector<Candidate>& all() const { return all_; }

 private:
  void add(const std::string& found_by, Order order) {
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
      if (!fits(order[rank], player_.terms()[rank])) return;
    }
    if (!player_.play(order)) return;
    all_.push_back({found_by, std::move(order), player_.score()});
  }

  void add_named() {
    const PipelineShape shape{static_cast<int>(player_.terms().size()), player_.micro_batches()};
    for (const char* const kind : {"1f1b", "gpipe", "zb-h1", "zb-h2"}) {
      const auto built = build_schedule(kind, shape);
      if (!built) continue;  // too few micro-batches for zb-h2
      const Order order = order_of(built.value());
      add(kind, order);
      const Order split = with_split_backward(order);
      if (split != order) add(fmt::format("{}, B and W apart", kind), split);
    }
  }

  void add_greedy() {
    for (unsigned flags = 0; flags < 8; ++flags) {
      add("greedy", greedy_order(player_.terms(), player_.micro_batches(),
                                 {.wait_for_first = (flags & 1U) != 0,
                                  .prefer_inputs = (flags & 2U) != 0,
                                  .fill_greedily = (flags & 4U) != 0}));
    }
  }

  void add_listed() {
    const auto p = static_cast<int>(player_.terms().size());
    const int m = player_.micro_batches();
    // As many in flight as memory has room for, as ZB-H2 has, and as 1F1B has.
    for (const int slope : {0, 2, 1}) {
      for (const double look_ahead : {0.0, 0.5, 1.0}) {
        for (const bool forwards_first : {false, true}) {
          std::vector<ListRule> rules;
          for (int rank = 0; rank < p; ++rank) {
            const int in_flight = slope == 0 ? m : (slope * (p - rank - 1)) + 1;
            rules.push_back({in_flight, m, look_ahead, forwards_first});
          }
          add("list", list_order(player_.terms(), m, rules));
        }
      }
    }
  }

  Player& player_;
  std::vector<Candidate> all_;
};

/// Makes `best` the proven best in makespan, then in span.
void solve(Player& player, Candidate& best, double bound_ms) {
  const auto adopt = [&](std::optional<Order> found) {
    if (!found) return;
    check(player.play(*found), "an order that was played is one that plays");
    best = {"exact", std::move(*found), player.score()};
  };
  ExactObjective objective;
  objective.offset_ms.assign(player.terms().size(), 0);
  objective.deadline_ms = std::numeric_limits<double>::infinity();
  objective.known = best.score.makespan_ms;
  if (more(best.score.makespan_ms, bound_ms)) {
    adopt(best_order(player.terms(), player.micro_batches(), objective).order);
  }
  for (std::size_t rank = 0; rank < player.terms().size(); ++rank) {
    objective.offset_ms[rank] = -player.head_ms(rank);
  }
  objective.deadline_ms = best.score.makespan_ms;
  objective.known = best.score.span_ms;
  adopt(best_order(player.terms(), player.micro_batches(), objective).order);
}

/// Searches; returns what no makespan is less than.
double search(Player& player, Candidate& best, const Candidates& candidates, const Score& goal,
              std::uint64_t seed, const std::function<bool()>& keep_going) {
  std::vector<Order> starts;
  for (const Candidate& candidate : candidates.all()) {
    if (std::find(starts.begin(), starts.end(), candidate.order) == starts.end()) {
      starts.push_back(candidate.order);
    }
  }
  SearchAnswer found = improved(player, starts, goal, Random(seed), keep_going);
  check(player.play(found.order), "an order that was played is one that plays");
  const Score score = player.score();
  if (better(score, best.score)) best = {"search", std::move(found.order), score};
  return found.goal.makespan_ms;
}

}  // namespace

const std::vector<std::string>& kinds_and_automatic() {
  static const std::vector<std::string> kinds = [] {
    std::vector<std::string> all = schedule_kinds();
    all.emplace_back("auto");
    return all;
  }();
  return kinds;
}

Result<AutomaticSchedule> automatic(const AutomaticRequest& request,
                                    const std::function<bool()>& keep_going) {
  if (request.sends_in_flight < 0) {
    return Fault::invalid_input(
        fmt::format("sends_in_flight: {}, must be at least 0", request.sends_in_flight));
  }
  PLANARIA_TRY(terms, stage_terms(request.micro_batches, request.costs, request.memory,
                                  request.limit_bytes));
  const PipelineLimits limits{
      request.micro_batches, request.costs, request.memory, request.limit_bytes, {}};
  PLANARIA_TRY(known_bound, makespan_bound_ms(limits));
  PLANARIA_TRY(span_bound, span_bound_ms(limits));

  Player player(terms, request.micro_batches, request.sends_in_flight);
  const Candidates candidates(player);
  check(!candidates.all().empty(), "the list schedules fit and play");
  Candidate best = candidates.all().front();
  const bool exact =
      request.sends_in_flight == 0 && small_enough(terms.size(), request.micro_batches);
  double bound = known_bound;
  if (exact) {
    solve(player, best, known_bound);
  } else {
    bound = search(player, best, candidates, {known_bound, span_bound}, request.seed, keep_going);
  }

  AutomaticSchedule answer;
  answer.schedule = schedule_of(best.order, request.micro_batches);
  PLANARIA_TRY(simulated, simulate(answer.schedule, request.costs,
                                   {.sends_in_flight = request.sends_in_flight}));
  answer.makespan_ms = simulated.makespan_ms;
  answer.largest_span_ms = simulated.largest_span_ms;
  answer.optimal = exact || !more(answer.makespan_ms, bound);
  answer.bound_ms = answer.optimal ? answer.makespan_ms : bound;
  answer.found_by = best.found_by;
  return answer;
}

}  // namespace planaria
