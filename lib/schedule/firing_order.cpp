#include "schedule/firing_order.hpp"

#include <deque>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

/// What an action yields: activations to the stage behind, or gradients to the stage before.
enum class Yield { activation, gradient };

/// Runs the ranks without time. An action fires once what it needs is there and the rank's last
/// sends went out; firing never disables another action, so the order of firing does not change
/// what can fire in the end.
class Execution {
 public:
  Execution(const Schedule& schedule, const StageTable& stages, const std::vector<Work>& table,
            int sends_in_flight)
      : schedule_(schedule),
        stages_(stages),
        table_(table),
        sends_in_flight_(sends_in_flight),
        next_(schedule.ranks.size(), 0),
        blocked_(schedule.ranks.size()),
        on_their_way_(schedule.ranks.size()) {
    for (auto& there : there_) there.assign(stages.cells(), false);
  }

  Result<std::vector<Firing>> run() {
    std::deque<int> ready;
    for (int rank = 0; rank < ranks(); ++rank) ready.push_back(rank);
    while (!ready.empty()) {
      const int rank = ready.front();
      ready.pop_front();
      // A rank's progress can only unblock itself and those it exchanges messages with.
      woken_.clear();
      if (!advance(rank)) continue;
      for (const int woken : woken_) ready.push_back(woken);
      ready.push_back(rank);
    }
    for (int rank = 0; rank < ranks(); ++rank) {
      if (!waits_of(rank).empty()) return Fault::infeasible(shortest_cycle());
    }
    return fired_;
  }

 private:
  /// A result of a stage, wanted by a neighbouring one; within a rank it is no message.
  struct Message {
    Yield yield = Yield::activation;
    int stage = 0;  // that yields it
    int micro_batch = 0;
    int from = 0;
    int to = 0;
    [[nodiscard]] bool stays() const { return from == to; }
  };
  struct Wait {
    int on;
    std::string words;
  };
  /// Messages of one kind from one rank to another that were sent and not yet received.
  using Channels = std::map<std::pair<int, Yield>, int>;

  [[nodiscard]] int ranks() const { return static_cast<int>(schedule_.ranks.size()); }
  [[nodiscard]] std::size_t position(int rank) const {
    return next_[static_cast<std::size_t>(rank)];
  }
  [[nodiscard]] const std::vector<Action>& actions(int rank) const {
    return schedule_.ranks[static_cast<std::size_t>(rank)];
  }
  int& in_flight(const Message& message) {
    return on_their_way_[static_cast<std::size_t>(message.from)][{message.to, message.yield}];
  }
  [[nodiscard]] bool has_room(const Message& message) {
    return sends_in_flight_ == 0 || message.stays() || in_flight(message) < sends_in_flight_;
  }
  [[nodiscard]] Message message(Yield yield, int stage, int micro_batch, int consumer) const {
    const int from = table_[stages_.cell(stage, micro_batch)].rank;
    const int to = table_[stages_.cell(consumer, micro_batch)].rank;
    return {yield, stage, micro_batch, from, to};
  }
  [[nodiscard]] std::optional<Message> needed(int rank, const Action& action) const {
    const int stage = stages_.stage(rank, action.chunk);
    if (action.kind == ActionKind::forward) {
      if (stage == 0) return std::nullopt;
      return message(Yield::activation, stage - 1, action.micro_batch, stage);
    }
    const bool gives = gives_gradient(action.kind);
    if (!gives || stage + 1 == stages_.stages()) return std::nullopt;
    return message(Yield::gradient, stage + 1, action.micro_batch, stage);
  }
  [[nodiscard]] std::optional<Message> produced(int rank, const Action& action) const {
    const int stage = stages_.stage(rank, action.chunk);
    if (action.kind == ActionKind::forward) {
      if (stage + 1 == stages_.stages()) return std::nullopt;
      return message(Yield::activation, stage, action.micro_batch, stage + 1);
    }
    if (!gives_gradient(action.kind) || stage == 0) return std::nullopt;
    return message(Yield::gradient, stage, action.micro_batch, stage - 1);
  }
  static bool gives_gradient(ActionKind kind) {
    return kind == ActionKind::backward_input || kind == ActionKind::backward;
  }
  [[nodiscard]] std::vector<bool>::reference there(const Message& message) {
    return there_[static_cast<std::size_t>(message.yield)]
                 [stages_.cell(message.stage, message.micro_batch)];
  }

  /// Sends or fires once; returns whether anything moved.
  bool advance(int rank) {
    auto& blocked = blocked_[static_cast<std::size_t>(rank)];
    if (!blocked.empty()) {
      if (!has_room(blocked.front())) return false;
      send(blocked.front());
      blocked.pop_front();
      return true;
    }
    const std::size_t at = position(rank);
    if (at == actions(rank).size()) return false;
    const std::size_t parts = parts_at(actions(rank), at);
    for (std::size_t part = at; part < at + parts; ++part) {
      const auto need = needed(rank, actions(rank)[part]);
      if (need && !there(*need)) return false;
    }
    for (std::size_t part = at; part < at + parts; ++part) {
      if (const auto need = needed(rank, actions(rank)[part])) receive(*need);
    }
    for (std::size_t part = at; part < at + parts; ++part) {
      fired_.push_back({rank, static_cast<int>(part)});
      const auto given = produced(rank, actions(rank)[part]);
      if (!given) continue;
      if (blocked.empty() && has_room(*given)) {
        send(*given);
      } else {
        blocked.push_back(*given);
      }
    }
    next_[static_cast<std::size_t>(rank)] += parts;
    return true;
  }
  void receive(const Message& message) {
    there(message) = false;
    if (message.stays()) return;
    --in_flight(message);
    woken_.push_back(message.from);
  }
  void send(const Message& message) {
    there(message) = true;
    if (message.stays()) return;
    ++in_flight(message);
    woken_.push_back(message.to);
  }

  /// Returns what a rank that stands still waits for; nothing for one that is done.
  [[nodiscard]] std::vector<Wait> waits_of(int rank) {
    const auto& blocked = blocked_[static_cast<std::size_t>(rank)];
    if (!blocked.empty()) {
      const Message& message = blocked.front();
      return {Wait{message.to,
                   fmt::format("rank {} waits for rank {} to receive {} before it sends {}", rank,
                               message.to, sent_name(oldest_like(message)), sent_name(message))}};
    }
    std::vector<Wait> waits;
    const std::size_t at = position(rank);
    if (at == actions(rank).size()) return waits;
    for (std::size_t part = at; part < at + parts_at(actions(rank), at); ++part) {
      const auto need = needed(rank, actions(rank)[part]);
      if (!need || there(*need)) continue;
      waits.push_back({need->from, fmt::format("rank {} waits for {} of rank {}", rank,
                                               sent_name(*need), need->from)});
    }
    check(!waits.empty(), "an action that needs nothing has not fired");
    return waits;
  }
  /// The first message on the way that takes the room `blocked` waits for.
  [[nodiscard]] Message oldest_like(const Message& blocked) {
    for (int stage = 0; stage < stages_.stages(); ++stage) {
      const int consumer = blocked.yield == Yield::activation ? stage + 1 : stage - 1;
      if (consumer < 0 || consumer >= stages_.stages()) continue;
      for (int i = 0; i < schedule_.micro_batches; ++i) {
        const Message other = message(blocked.yield, stage, i, consumer);
        if (other.from == blocked.from && other.to == blocked.to && there(other)) return other;
      }
    }
    check_failed("a full channel has a message on its way", "");
  }
  /// Names the action whose result a message is.
  [[nodiscard]] std::string sent_name(const Message& message) const {
    const Work& work = table_[stages_.cell(message.stage, message.micro_batch)];
    const ActionKind kind = message.yield == Yield::activation ? ActionKind::forward
                            : work.is_fused()                  ? ActionKind::backward
                                                               : ActionKind::backward_input;
    int chunk = 0;
    while (stages_.stage(message.from, chunk) != message.stage) ++chunk;
    return name_in(schedule_, kind, chunk, message.micro_batch);
  }

  /// Searches from every rank in breadth; the highest rank wins among cycles of one length.
  [[nodiscard]] std::string shortest_cycle() {
    std::vector<std::vector<Wait>> waits;
    for (int rank = 0; rank < ranks(); ++rank) waits.push_back(waits_of(rank));
    std::string shortest;
    std::size_t length = schedule_.ranks.size() + 1;
    for (int start = ranks() - 1; start >= 0; --start) {
      const auto path = cycle_through(start, waits);
      if (path.empty() || path.size() >= length) continue;
      length = path.size();
      shortest.clear();
      for (const Wait* wait : path) shortest += (shortest.empty() ? "" : ", ") + wait->words;
    }
    check(!shortest.empty(), "ranks that stand still wait in a cycle");
    return shortest;
  }
  /// Returns the waits along a shortest cycle through `start`; none where there is no cycle.
  [[nodiscard]] std::vector<const Wait*> cycle_through(
      int start, const std::vector<std::vector<Wait>>& waits) const {
    constexpr int unseen = -1;
    std::vector<int> from(schedule_.ranks.size(), unseen);
    std::vector<const Wait*> by(schedule_.ranks.size(), nullptr);
    std::deque<int> open{start};
    while (!open.empty()) {
      const int rank = open.front();
      open.pop_front();
      for (const Wait& wait : waits[static_cast<std::size_t>(rank)]) {
        const auto on = static_cast<std::size_t>(wait.on);
        if (by[on] != nullptr) continue;
        by[on] = &wait;
        from[on] = rank;
        if (wait.on == start) {
          std::vector<const Wait*> path;
          int at = start;
          do {
            path.insert(path.begin(), by[static_cast<std::size_t>(at)]);
            at = from[static_cast<std::size_t>(at)];
          } while (at != start);
          return path;
        }
        open.push_back(wait.on);
      }
    }
    return {};
  }

  const Schedule& schedule_;
  const StageTable& stages_;
  const std::vector<Work>& table_;
  int sends_in_flight_;
  std::vector<std::size_t> next_;
  std::vector<std::deque<Message>> blocked_;  // [rank]: sends that found no room, in order
  std::vector<Channels> on_their_way_;        // [rank]
  std::vector<bool> there_[2];                // [yield][cell of the stage that yields]
  std::vector<int> woken_;                    // by the last advance
  std::vector<Firing> fired_;
};

}  // namespace

Result<std::vector<Firing>> firing_order(const Schedule& schedule, const StageTable& stages,
                                         const std::vector<Work>& table, int sends_in_flight) {
  return Execution(schedule, stages, table, sends_in_flight).run();
}

}  // namespace planaria
