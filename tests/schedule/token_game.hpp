// A naive judge of schedules: tokens on a table, every order of play tried or one drawn at random.
// Shares no code and no idea with validate(): it knows nothing of completeness or of cycles.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <planaria/base/random.hpp>
#include <planaria/schedule/actions.hpp>

namespace planaria::test {

/// Token: what lies where. "x" activation on its way to a rank, "g" gradient on its way to a rank,
/// "f" and "b": that rank has run F, or B, of a micro-batch.
using Token = std::tuple<char, int, int>;

struct Table {
  std::vector<std::size_t> next;  // per rank
  std::set<Token> tokens;
  std::vector<std::optional<Token>> in_hand;  // per rank: a token that finds no place yet
  friend auto operator<=>(const Table&, const Table&) = default;
};

class TokenGame {
 public:
  /// `places`: tokens of a kind that may be on their way to a rank; 0: any number.
  TokenGame(const Schedule& schedule, int places) : schedule_(schedule), places_(places) {}

  [[nodiscard]] Table start() const {
    Table table;
    table.next.assign(schedule_.ranks.size(), 0);
    table.in_hand.resize(schedule_.ranks.size());
    return table;
  }

  /// Returns the table after `rank` moved, or nothing where it cannot.
  [[nodiscard]] std::optional<Table> moved(Table table, std::size_t rank) const {
    auto& hand = table.in_hand[rank];
    if (hand) {
      if (!has_place(table, *hand)) return std::nullopt;
      table.tokens.insert(*hand);
      hand.reset();
      return table;
    }
    const auto& actions = schedule_.ranks[rank];
    if (table.next[rank] == actions.size()) return std::nullopt;
    const Action action = actions[table.next[rank]];
    const int r = static_cast<int>(rank), i = action.micro_batch;
    const bool first = rank == 0, last = rank + 1 == schedule_.ranks.size();
    std::optional<Token> given;
    if (action.kind == ActionKind::forward) {
      if (!first && table.tokens.erase({'x', r, i}) == 0) return std::nullopt;
      table.tokens.insert({'f', r, i});
      if (!last) given = Token{'x', r + 1, i};
    } else if (action.kind == ActionKind::backward_weight) {
      if (!table.tokens.contains({'b', r, i})) return std::nullopt;
    } else {
      if (!table.tokens.contains({'f', r, i})) return std::nullopt;
      if (!last && table.tokens.erase({'g', r, i}) == 0) return std::nullopt;
      table.tokens.insert({'b', r, i});
      if (!first) given = Token{'g', r - 1, i};
    }
    ++table.next[rank];
    if (given && has_place(table, *given)) {
      table.tokens.insert(*given);
    } else {
      hand = given;
    }
    return table;
  }

  [[nodiscard]] bool won(const Table& table) const {
    for (std::size_t rank = 0; rank < schedule_.ranks.size(); ++rank) {
      if (table.next[rank] != schedule_.ranks[rank].size() || table.in_hand[rank]) return false;
    }
    return true;
  }

  /// Plays in every possible order. Returns which ends were reached: {won by some, stuck by some}.
  [[nodiscard]] std::pair<bool, bool> every_play() const {
    std::set<Table> seen;
    std::vector<Table> open{start()};
    std::pair<bool, bool> ends{false, false};
    while (!open.empty()) {
      const Table table = open.back();
      open.pop_back();
      if (!seen.insert(table).second) continue;
      bool any = false;
      for (std::size_t rank = 0; rank < schedule_.ranks.size(); ++rank) {
        if (auto after = moved(table, rank)) {
          any = true;
          open.push_back(*after);
        }
      }
      if (!any) (won(table) ? ends.first : ends.second) = true;
    }
    return ends;
  }

  /// Plays once, whose turn it is drawn at random. Returns whether the play was won.
  [[nodiscard]] bool random_play(Random& random) const {
    Table table = start();
    while (true) {
      std::vector<Table> choices;
      for (std::size_t rank = 0; rank < schedule_.ranks.size(); ++rank) {
        if (auto after = moved(table, rank)) choices.push_back(std::move(*after));
      }
      if (choices.empty()) return won(table);
      table = std::move(choices[random.below(choices.size())]);
    }
  }

 private:
  [[nodiscard]] bool has_place(const Table& table, const Token& token) const {
    if (places_ == 0) return true;
    int count = 0;
    for (const Token& other : table.tokens) {
      count += std::get<0>(other) == std::get<0>(token) && std::get<1>(other) == std::get<1>(token);
    }
    return count < places_;
  }

  const Schedule& schedule_;
  int places_;
};

}  // namespace planaria::test
