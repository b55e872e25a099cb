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

/// Token: what lies where. "x" activation on its way to a stage, "g" gradient on its way to a
/// stage, "f" and "b": that stage has run F, or B, of a micro-batch.
using Token = std::tuple<char, int, int>;

struct Table {
  std::vector<std::size_t> next;  // per rank
  std::set<Token> tokens;
  std::vector<std::vector<Token>> in_hand;  // per rank: tokens that find no place yet, in order
  friend auto operator<=>(const Table&, const Table&) = default;
};

class TokenGame {
 public:
  /// `places`: tokens of a kind that may be on their way from one rank to another; 0: any number.
  /// For schedules one wide.
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
    if (!hand.empty()) {
      if (!has_place(table, hand.front())) return std::nullopt;
      table.tokens.insert(hand.front());
      hand.erase(hand.begin());
      return table;
    }
    const auto& actions = schedule_.ranks[rank];
    const std::size_t at = table.next[rank];
    if (at == actions.size()) return std::nullopt;
    const std::size_t end = at + (actions[at].overlaps_next ? 2 : 1);
    std::vector<Token> given;
    std::vector<Token> done;
    for (std::size_t part = at; part < end; ++part) {
      if (!take(table, rank, actions[part], given, done)) return std::nullopt;
    }
    for (const Token& token : done) table.tokens.insert(token);
    table.next[rank] = end;
    for (const Token& token : given) {
      if (hand.empty() && has_place(table, token)) {
        table.tokens.insert(token);
      } else {
        hand.push_back(token);
      }
    }
    return table;
  }

  [[nodiscard]] bool won(const Table& table) const {
    for (std::size_t rank = 0; rank < schedule_.ranks.size(); ++rank) {
      if (table.next[rank] != schedule_.ranks[rank].size() || !table.in_hand[rank].empty())
        return false;
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
  // Takes what one action needs off the table and says what it gives.
  bool take(Table& table, std::size_t rank, const Action& action, std::vector<Token>& given,
            std::vector<Token>& done) const {
    const int stage = schedule_.stage_of(static_cast<int>(rank), action.chunk);
    const int i = action.micro_batch;
    const bool first = stage == 0, last = stage + 1 == schedule_.stages();
    if (action.kind == ActionKind::forward) {
      if (!first && table.tokens.erase({'x', stage, i}) == 0) return false;
      done.emplace_back('f', stage, i);
      if (!last) given.emplace_back('x', stage + 1, i);
    } else if (action.kind == ActionKind::backward_weight) {
      if (!table.tokens.contains({'b', stage, i})) return false;
    } else if (action.kind == ActionKind::recompute) {
      if (!table.tokens.contains({'f', stage, i})) return false;
    } else {
      if (!table.tokens.contains({'f', stage, i})) return false;
      if (!last && table.tokens.erase({'g', stage, i}) == 0) return false;
      done.emplace_back('b', stage, i);
      if (!first) given.emplace_back('g', stage - 1, i);
    }
    return true;
  }

  // From which rank to which a token on its way goes.
  [[nodiscard]] std::pair<int, int> way(const Token& token) const {
    const auto rank_of = [&](int stage) {
      for (int rank = 0; rank < static_cast<int>(schedule_.ranks.size()); ++rank) {
        for (int chunk = 0; chunk < schedule_.chunks; ++chunk) {
          if (schedule_.stage_of(rank, chunk) == stage) return rank;
        }
      }
      return -1;
    };
    const auto [kind, stage, i] = token;
    return {rank_of(kind == 'x' ? stage - 1 : stage + 1), rank_of(stage)};
  }

  [[nodiscard]] bool has_place(const Table& table, const Token& token) const {
    const auto [from, to] = way(token);
    if (places_ == 0 || from == to) return true;
    int count = 0;
    for (const Token& other : table.tokens) {
      const char kind = std::get<0>(other);
      if (kind != std::get<0>(token)) continue;
      count += way(other) == std::pair(from, to) ? 1 : 0;
    }
    return count < places_;
  }

  const Schedule& schedule_;
  int places_;
};

}  // namespace planaria::test
