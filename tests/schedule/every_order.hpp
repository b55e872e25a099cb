// Every schedule of a small pipeline, one after another. Shares nothing with automatic().
#pragma once

#include <functional>
#include <vector>

#include <planaria/schedule/actions.hpp>

namespace planaria::test {

struct EveryOrder {
  int stages = 1;
  int micro_batches = 1;
  bool in_index_order = true;  // otherwise micro-batches of a kind in any order too
  bool fused = false;          // with G too

  /// Every list of a rank that runs each B after its F and each W after its B.
  [[nodiscard]] std::vector<std::vector<Action>> rank_lists() const {
    std::vector<std::vector<Action>> all;
    std::vector<Action> list;
    std::vector<int> state(static_cast<std::size_t>(micro_batches), 0);  // 1: F run, 2: B, 3: all
    extend(list, state, all);
    return all;
  }

  /// Calls `each` with every schedule made of lists of which rank r's satisfies `keep`.
  void for_each(const std::function<bool(int, const std::vector<Action>&)>& keep,
                const std::function<void(const Schedule&)>& each) const {
    const auto lists = rank_lists();
    Schedule schedule;
    schedule.micro_batches = micro_batches;
    schedule.ranks.resize(static_cast<std::size_t>(stages));
    std::vector<std::vector<std::vector<Action>>> by_rank(static_cast<std::size_t>(stages));
    for (int rank = 0; rank < stages; ++rank) {
      for (const auto& list : lists) {
        if (keep(rank, list)) by_rank[static_cast<std::size_t>(rank)].push_back(list);
      }
    }
    choose(0, by_rank, schedule, each);
  }

 private:
  void extend(std::vector<Action>& list, std::vector<int>& state,
              std::vector<std::vector<Action>>& all) const {
    bool whole = true;
    // Of each kind, whether its next in index order has been met.
    std::vector<bool> met(3, false);
    for (int i = 0; i < micro_batches; ++i) {
      int& of = state[static_cast<std::size_t>(i)];
      if (of == 3) continue;
      whole = false;
      const int before = of;
      if (in_index_order && met[static_cast<std::size_t>(before)]) continue;
      met[static_cast<std::size_t>(before)] = true;
      static constexpr ActionKind kinds[] = {ActionKind::forward, ActionKind::backward_input,
                                             ActionKind::backward_weight};
      of = before + 1;
      list.push_back({kinds[before], i});
      extend(list, state, all);
      if (fused && before == 1) {
        of = 3;
        list.back().kind = ActionKind::backward;
        extend(list, state, all);
      }
      list.pop_back();
      of = before;
    }
    if (whole) all.push_back(list);
  }

  void choose(std::size_t rank, const std::vector<std::vector<std::vector<Action>>>& by_rank,
              Schedule& schedule, const std::function<void(const Schedule&)>& each) const {
    if (rank == by_rank.size()) {
      each(schedule);
      return;
    }
    for (const auto& list : by_rank[rank]) {
      schedule.ranks[rank] = list;
      choose(rank + 1, by_rank, schedule, each);
    }
  }
};

}  // namespace planaria::test
