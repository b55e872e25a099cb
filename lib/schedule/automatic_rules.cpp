#include "schedule/automatic_rules.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <planaria/base/check.hpp>

namespace planaria {

RuleSearch::RuleSearch(Player& player, Random random, std::function<double()> energy)
    : player_(player), random_(random), energy_of_(std::move(energy)) {
  const auto p = static_cast<int>(player.terms().size());
  const int m = player.micro_batches();
  best_energy_ = std::numeric_limits<double>::infinity();
  // As many in flight as memory has room for, as 1F1B has, and as ZB-H2 has.
  for (const int slope : {0, 1, 2}) {
    for (const double look_ahead : {0.0, 0.5, 1.0}) {
      std::vector<ListRule> rules;
      rules.reserve(player.terms().size());
      for (int rank = 0; rank < p; ++rank) {
        rules.push_back({slope == 0 ? m : (slope * (p - rank - 1)) + 1, m, look_ahead, false});
      }
      const double value = try_rules(rules);
      if (value >= best_energy_) continue;
      best_energy_ = value;
      best_rules_ = std::move(rules);
      best_ = order_;
    }
  }
  rules_ = best_rules_;
  energy_ = best_energy_;
}

double RuleSearch::try_rules(const std::vector<ListRule>& rules) {
  order_ = list_order(player_.terms(), player_.micro_batches(), rules);
  check(player_.play(order_), "a list schedule plays");
  return energy_of_();
}

void RuleSearch::change(std::vector<ListRule>& rules) {
  const int m = player_.micro_batches();
  const int usual = std::min(m, (2 * static_cast<int>(rules.size())) + 1);
  std::size_t first = random_.below(rules.size());
  std::size_t last = random_.below(3) > 0 ? first : random_.below(rules.size());
  if (first > last) std::swap(first, last);
  const int what = static_cast<int>(random_.below(4));
  const int step = random_.below(2) == 0 ? 1 : -1;
  const bool anew = random_.below(4) == 0;
  const int number = static_cast<int>(random_.between(1, usual));
  const double look_ahead = 1.5 * random_.uniform();
  const auto stepped = [&](int from) {
    return anew ? number : std::clamp(std::min(from, usual) + step, 1, m);
  };
  for (std::size_t rank = first; rank <= last; ++rank) {
    ListRule& rule = rules[rank];
    if (what == 0) rule.in_flight = stepped(rule.in_flight);
    if (what == 1) rule.pending = stepped(rule.pending);
    if (what == 2) rule.look_ahead = look_ahead;
    if (what == 3) rule.forwards_first = step > 0;
  }
}

const Order& RuleSearch::run(int moves, const std::function<bool()>& keep_going) {
  rules_ = best_rules_;
  energy_ = best_energy_;
  for (int move = 0; move < moves && keep_going(); ++move) {
    // Small beside the makespan: most steps on a plateau are free, and those are many.
    const double left = 1 - (static_cast<double>(move) / moves);
    const double temperature = 0.002 * left * best_energy_;
    std::vector<ListRule> rules = rules_;
    change(rules);
    const double after = try_rules(rules);
    if (after > energy_ && random_.uniform() >= std::exp((energy_ - after) / temperature)) continue;
    energy_ = after;
    rules_ = std::move(rules);
    if (after >= best_energy_) continue;
    best_energy_ = after;
    best_rules_ = rules_;
    best_ = order_;
  }
  return best_;
}

}  // namespace planaria
