#include <planaria/schedule/validate.hpp>

#include <algorithm>
#include <deque>
#include <optional>

#include <fmt/format.h>

namespace planaria {
namespace {

// Position of each action of one rank by micro-batch; absent is -1.
struct Positions {
  explicit Positions(int micro_batches)
      : forward(static_cast<std::size_t>(micro_batches), -1),
        backward_input(forward),
        backward_weight(forward),
        backward(forward) {}
  std::vector<int>& of(ActionKind kind) {
    switch (kind) {
      case ActionKind::forward:
        return forward;
      case ActionKind::backward_input:
        return backward_input;
      case ActionKind::backward_weight:
        return backward_weight;
      default:
        return backward;
    }
  }
  std::vector<int> forward, backward_input, backward_weight, backward;
};

std::string named(ActionKind kind, std::size_t micro_batch) {
  return text_of(Action{kind, static_cast<int>(micro_batch), 0});
}

Result<void> check_shape(const Schedule& schedule, const ValidationOptions& options) {
  if (options.sends_in_flight < 0 || options.sends_in_flight > 1'000'000) {
    return Fault::invalid_input(
        fmt::format("sends_in_flight: {}, must be 0 to 1000000", options.sends_in_flight));
  }
  if (options.lane_size < 1) {
    return Fault::invalid_input(
        fmt::format("lane_size: {}, must be at least 1", options.lane_size));
  }
  if (schedule.placement != Placement::single || schedule.chunks != 1) {
    return Fault::invalid_input(
        fmt::format("chunks: {}, must be 1 with placement single: several chunks cannot be run yet",
                    schedule.chunks));
  }
  if (schedule.ranks.empty()) return Fault::infeasible("the schedule has no ranks");
  if (schedule.micro_batches < 1) return Fault::infeasible("the schedule has no actions");
  return {};
}

Result<Positions> positions_of(const Schedule& schedule, std::size_t rank) {
  Positions positions(schedule.micro_batches);
  const auto& actions = schedule.ranks[rank];
  for (std::size_t at = 0; at < actions.size(); ++at) {
    const Action& action = actions[at];
    const auto refused = [&](const std::string& why) {
      return Fault::infeasible(fmt::format("rank {} {}", rank, why));
    };
    if (action.kind == ActionKind::recompute) {
      return refused(fmt::format("has {}: recompute cannot be run yet", text_of(action)));
    }
    if (action.chunk != 0 || action.micro_batch < 0 ||
        action.micro_batch >= schedule.micro_batches) {
      return refused(fmt::format("has {}, must be chunk 0 and micro-batch 0 to {}", text_of(action),
                                 schedule.micro_batches - 1));
    }
    int& position = positions.of(action.kind)[static_cast<std::size_t>(action.micro_batch)];
    if (position >= 0) return refused(fmt::format("has {} twice", text_of(action)));
    position = static_cast<int>(at);
  }
  return positions;
}

// F, and G or both halves, and in that order.
Result<void> check_micro_batch(const Positions& positions, std::size_t rank, std::size_t i) {
  const bool fused = positions.backward[i] >= 0;
  const bool input = positions.backward_input[i] >= 0;
  const bool weight = positions.backward_weight[i] >= 0;
  const auto misses = [&](ActionKind kind) {
    return Fault::infeasible(fmt::format("rank {} misses {}", rank, named(kind, i)));
  };
  if (positions.forward[i] < 0) return misses(ActionKind::forward);
  if (fused && (input || weight)) {
    return Fault::infeasible(
        fmt::format("rank {} has both {} and {}", rank, named(ActionKind::backward, i),
                    named(input ? ActionKind::backward_input : ActionKind::backward_weight, i)));
  }
  if (!fused && !input && !weight) return misses(ActionKind::backward);
  if (!fused && !input) return misses(ActionKind::backward_input);
  if (!fused && !weight) return misses(ActionKind::backward_weight);

  const auto ordered = [&](ActionKind first, int first_at, ActionKind then,
                           int then_at) -> Result<void> {
    if (first_at < then_at) return {};
    return Fault::infeasible(
        fmt::format("rank {} runs {} before {}", rank, named(then, i), named(first, i)));
  };
  if (fused) {
    return ordered(ActionKind::forward, positions.forward[i], ActionKind::backward,
                   positions.backward[i]);
  }
  PLANARIA_TRY_VOID(ordered(ActionKind::forward, positions.forward[i], ActionKind::backward_input,
                            positions.backward_input[i]));
  return ordered(ActionKind::backward_input, positions.backward_input[i],
                 ActionKind::backward_weight, positions.backward_weight[i]);
}

// Within a lane gradients are added in index order: float addition is not associative.
Result<void> check_weight_order(const Positions& positions, std::size_t rank, int lane_size) {
  const auto weight_of = [&](std::size_t i) {
    const bool fused = positions.backward[i] >= 0;
    return std::pair(fused ? ActionKind::backward : ActionKind::backward_weight,
                     fused ? positions.backward[i] : positions.backward_weight[i]);
  };
  for (std::size_t i = 1; i < positions.forward.size(); ++i) {
    if (i % static_cast<std::size_t>(lane_size) == 0) continue;
    const auto [before_kind, before_at] = weight_of(i - 1);
    const auto [kind, at] = weight_of(i);
    if (before_at < at) continue;
    return Fault::infeasible(
        fmt::format("rank {} runs {} before {}: weight gradients of a lane of {} go in index order",
                    rank, named(kind, i), named(before_kind, i - 1), lane_size));
  }
  return {};
}

/// Messages of one rank to one neighbour: receives pick them by micro-batch.
struct Channel {
  explicit Channel(int micro_batches) : arrived(static_cast<std::size_t>(micro_batches), false) {}
  std::vector<bool> arrived;  // sent and on their way
  int in_flight = 0;
};

/// Runs the ranks without time. An action fires once its message is there and the rank's last send
/// went out; firing never disables another action, so the order of firing does not change what can
/// fire in the end.
class Execution {
 public:
  Execution(const Schedule& schedule, int sends_in_flight, const std::vector<Positions>& positions)
      : schedule_(schedule),
        sends_in_flight_(sends_in_flight),
        positions_(positions),
        next_(schedule.ranks.size(), 0),
        blocked_send_(schedule.ranks.size()),
        down_(schedule.ranks.size(), Channel(schedule.micro_batches)),
        up_(down_) {}

  Result<std::vector<Firing>> run() {
    // A rank's progress can only unblock itself and its neighbours.
    std::deque<int> ready;
    for (int rank = 0; rank < ranks(); ++rank) ready.push_back(rank);
    while (!ready.empty()) {
      const int rank = ready.front();
      ready.pop_front();
      if (!advance(rank)) continue;
      for (int neighbour = rank - 1; neighbour <= rank + 1; ++neighbour) {
        if (neighbour >= 0 && neighbour < ranks()) ready.push_back(neighbour);
      }
    }
    for (int rank = 0; rank < ranks(); ++rank) {
      if (wait_of(rank)) return Fault::infeasible(shortest_cycle());
    }
    return fired_;
  }

 private:
  struct Message {
    int from, to, micro_batch;
  };
  struct Wait {
    int on;
    std::string words;
  };

  [[nodiscard]] int ranks() const { return static_cast<int>(schedule_.ranks.size()); }
  [[nodiscard]] const Action* next_of(int rank) const {
    const auto& actions = schedule_.ranks[static_cast<std::size_t>(rank)];
    const std::size_t at = next_[static_cast<std::size_t>(rank)];
    return at < actions.size() ? &actions[at] : nullptr;
  }
  Channel& channel(const Message& message) {
    return (message.to > message.from ? down_ : up_)[static_cast<std::size_t>(message.from)];
  }
  [[nodiscard]] const Channel& channel(const Message& message) const {
    return (message.to > message.from ? down_ : up_)[static_cast<std::size_t>(message.from)];
  }
  [[nodiscard]] std::optional<Message> needed(int rank, const Action& action) const {
    if (action.kind == ActionKind::forward) {
      if (rank == 0) return std::nullopt;
      return Message{rank - 1, rank, action.micro_batch};
    }
    if (action.kind == ActionKind::backward_weight || rank == ranks() - 1) return std::nullopt;
    return Message{rank + 1, rank, action.micro_batch};
  }
  [[nodiscard]] std::optional<Message> produced(int rank, const Action& action) const {
    if (action.kind == ActionKind::forward) {
      if (rank == ranks() - 1) return std::nullopt;
      return Message{rank, rank + 1, action.micro_batch};
    }
    if (action.kind == ActionKind::backward_weight || rank == 0) return std::nullopt;
    return Message{rank, rank - 1, action.micro_batch};
  }

  /// Sends or fires once; returns whether anything moved.
  bool advance(int rank) {
    auto& blocked = blocked_send_[static_cast<std::size_t>(rank)];
    if (blocked) {
      Channel& out = channel(*blocked);
      if (out.in_flight >= sends_in_flight_) return false;
      send(out, blocked->micro_batch);
      blocked.reset();
      return true;
    }
    const Action* action = next_of(rank);
    if (action == nullptr) return false;
    if (const auto message = needed(rank, *action)) {
      Channel& in = channel(*message);
      const auto at = static_cast<std::size_t>(message->micro_batch);
      if (!in.arrived[at]) return false;
      in.arrived[at] = false;
      --in.in_flight;
    }
    if (const auto message = produced(rank, *action)) {
      Channel& out = channel(*message);
      if (sends_in_flight_ > 0 && out.in_flight >= sends_in_flight_) {
        blocked = message;
      } else {
        send(out, message->micro_batch);
      }
    }
    fired_.push_back({rank, static_cast<int>(next_[static_cast<std::size_t>(rank)]++)});
    return true;
  }
  static void send(Channel& out, int micro_batch) {
    out.arrived[static_cast<std::size_t>(micro_batch)] = true;
    ++out.in_flight;
  }

  /// Returns what a rank that stands still waits for; nothing for one that is done.
  [[nodiscard]] std::optional<Wait> wait_of(int rank) const {
    if (const auto& blocked = blocked_send_[static_cast<std::size_t>(rank)]) {
      const auto& arrived = channel(*blocked).arrived;
      const auto oldest = std::find(arrived.begin(), arrived.end(), true) - arrived.begin();
      return Wait{blocked->to,
                  fmt::format("rank {} waits for rank {} to receive {} before it sends {}", rank,
                              blocked->to, sent_name(*blocked, static_cast<int>(oldest)),
                              sent_name(*blocked, blocked->micro_batch))};
    }
    const Action* action = next_of(rank);
    if (action == nullptr) return std::nullopt;
    const auto message = needed(rank, *action);
    check(message.has_value(), "an action that needs nothing has not fired");
    return Wait{message->from,
                fmt::format("rank {} waits for {} of rank {}", rank,
                            sent_name(*message, message->micro_batch), message->from)};
  }
  /// Names the action whose result a message is: F down the pipeline, B or G up.
  [[nodiscard]] std::string sent_name(const Message& message, int micro_batch) const {
    const auto i = static_cast<std::size_t>(micro_batch);
    if (message.to > message.from) return named(ActionKind::forward, i);
    const bool fused = positions_[static_cast<std::size_t>(message.from)].backward[i] >= 0;
    return named(fused ? ActionKind::backward : ActionKind::backward_input, i);
  }

  /// Every rank waits for one other at most, so breadth-first search is a walk from each.
  [[nodiscard]] std::string shortest_cycle() const {
    std::vector<int> shortest;
    for (int start = ranks() - 1; start >= 0; --start) {
      std::vector<int> path{start};
      auto wait = wait_of(start);
      while (wait && wait->on != start && path.size() <= schedule_.ranks.size()) {
        path.push_back(wait->on);
        wait = wait_of(wait->on);
      }
      const bool closed = wait && wait->on == start;
      if (closed && (shortest.empty() || path.size() < shortest.size())) shortest = path;
    }
    check(!shortest.empty(), "ranks that stand still wait in a cycle");
    std::string words;
    for (const int rank : shortest) words += (words.empty() ? "" : ", ") + wait_of(rank)->words;
    return words;
  }

  const Schedule& schedule_;
  int sends_in_flight_;
  const std::vector<Positions>& positions_;
  std::vector<std::size_t> next_;
  std::vector<std::optional<Message>> blocked_send_;
  std::vector<Channel> down_;  // [rank]: to rank + 1, results of F
  std::vector<Channel> up_;    // [rank]: to rank - 1, results of B and G
  std::vector<Firing> fired_;
};

}  // namespace

Result<std::vector<Firing>> validate(const Schedule& schedule, const ValidationOptions& options) {
  PLANARIA_TRY_VOID(check_shape(schedule, options));
  std::vector<Positions> positions;
  for (std::size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    PLANARIA_TRY(of_rank, positions_of(schedule, rank));
    for (std::size_t i = 0; i < of_rank.forward.size(); ++i) {
      PLANARIA_TRY_VOID(check_micro_batch(of_rank, rank, i));
    }
    PLANARIA_TRY_VOID(check_weight_order(of_rank, rank, options.lane_size));
    positions.push_back(std::move(of_rank));
  }
  return Execution(schedule, options.sends_in_flight, positions).run();
}

}  // namespace planaria
