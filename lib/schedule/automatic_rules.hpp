// schedule/automatic_rules.hpp: looks for rules that make a good list schedule. Private.
// Is: the coarse half of the search: a rule changes what a rank does in every round alike. The fine
// half, automatic_search.hpp, moves single actions.
#pragma once

#include <functional>
#include <vector>

#include <planaria/base/random.hpp>

#include "schedule/automatic_list.hpp"

namespace planaria {

/// Annealing over one rule a rank.
class RuleSearch {
 public:
  /// `energy` of an order that has been played is what is made small.
  RuleSearch(Player& player, Random random, std::function<double()> energy);

  /// Tries `moves` changes, `keep_going` permitting. Returns the best order so far.
  const Order& run(int moves, const std::function<bool()>& keep_going);

 private:
  double try_rules(const std::vector<ListRule>& rules);
  void change(std::vector<ListRule>& rules);

  Player& player_;
  Random random_;
  std::function<double()> energy_of_;
  std::vector<ListRule> rules_, best_rules_;
  double energy_ = 0;
  double best_energy_ = 0;
  Order order_, best_;
};

}  // namespace planaria
