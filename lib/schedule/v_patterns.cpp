// V-Half and V-Min: a building block repeated every six slots, then squeezed into free slots
// without raising the peak (Qi et al., 2024, section 3 and appendix).
#include <algorithm>
#include <array>
#include <tuple>

#include <planaria/base/check.hpp>
#include <planaria/schedule/builders.hpp>

#include "schedule/building.hpp"

namespace planaria {
namespace {

// What a block holds of one micro-batch, in the order of its chain; W apart.
enum Part : std::size_t { forward_0, forward_1, backward_1, backward_0, weight, parts };
constexpr int period = 6;

using Offsets = std::array<int, weight>;  // of one rank

/// One rank's slots: the time of each action, and what lies at each time.
class RankSlots {
 public:
  RankSlots(const Offsets& offsets, int m) {
    for (std::size_t part = 0; part < weight; ++part) {
      for (int i = 0; i < m; ++i) times_[part].push_back(offsets[part] + (period * i));
    }
    rebuild();
  }

  [[nodiscard]] int time(std::size_t part, int i) const {
    return times_[part][static_cast<std::size_t>(i)];
  }
  [[nodiscard]] int count(std::size_t part) const { return static_cast<int>(times_[part].size()); }
  [[nodiscard]] int bound() const { return static_cast<int>(slots_.size()); }
  /// The time of the rank's i-th backward for inputs of both chunks.
  [[nodiscard]] int backward_time(int i) const {
    std::vector<int> all = times_[backward_1];
    all.insert(all.end(), times_[backward_0].begin(), times_[backward_0].end());
    std::nth_element(all.begin(), all.begin() + i, all.end());
    return all[static_cast<std::size_t>(i)];
  }

  void set_times(std::array<std::vector<int>, parts> times) {
    times_ = std::move(times);
    rebuild();
  }
  void drop_weights() {
    times_[weight].clear();
    rebuild();
  }
  /// Puts a W into each free slot while there is one to do, the rest at the end.
  void fill_weights() {
    times_[weight].clear();
    rebuild();
    int due = 0;
    for (int t = 0; t < bound(); ++t) {
      const std::size_t part = slots_[static_cast<std::size_t>(t)];
      if (part == parts) {
        if (due > 0) {
          times_[weight].push_back(t);
          --due;
        }
      } else {
        due += part == backward_1 || part == backward_0 ? 1 : 0;
      }
    }
    for (int t = bound(); due > 0; --due) times_[weight].push_back(t++);
    rebuild();
  }

  [[nodiscard]] bool is_free(int t) const { return slots_[static_cast<std::size_t>(t)] == parts; }
  void move(std::size_t part, int i, int t) {
    int& at = times_[part][static_cast<std::size_t>(i)];
    slots_[static_cast<std::size_t>(at)] = parts;
    slots_[static_cast<std::size_t>(t)] = static_cast<std::uint8_t>(part);
    at = t;
  }
  /// Most half micro-batches held; where W is dropped, as if it were filled in.
  [[nodiscard]] int peak() const {
    const bool fills = times_[weight].empty();
    int now = 0;
    int most = 0;
    int due = 0;
    for (const std::uint8_t part : slots_) {
      if (part == forward_0 || part == forward_1) most = std::max(most, ++now);
      if (part == backward_1 || part == backward_0) ++due;
      if (part == weight) --now;
      if (part == parts && fills && due > 0) {
        --now;
        --due;
      }
    }
    return most;
  }

 private:
  void rebuild() {
    int last = 0;
    for (const auto& times : times_) {
      for (const int t : times) last = std::max(last, t);
    }
    slots_.assign(static_cast<std::size_t>(last) + 1, parts);
    for (std::size_t part = 0; part < parts; ++part) {
      for (const int t : times_[part]) {
        check(slots_[static_cast<std::size_t>(t)] == parts, "two actions in one slot");
        slots_[static_cast<std::size_t>(t)] = static_cast<std::uint8_t>(part);
      }
    }
  }

  std::array<std::vector<int>, parts> times_;  // [part][micro-batch]; W: [its number]
  std::vector<std::uint8_t> slots_;            // [time]: the part that lies there, or `parts`
};

class Squeezing {
 public:
  Squeezing(const std::vector<Offsets>& offsets, int m) : m_(m) {
    for (const Offsets& of : offsets) ranks_.emplace_back(of, m);
  }

  Schedule squeezed() {
    for (RankSlots& rank : ranks_) rank.fill_weights();
    squeeze(true);
    play();
    for (RankSlots& rank : ranks_) rank.drop_weights();
    squeeze(false);
    for (RankSlots& rank : ranks_) rank.fill_weights();
    return in_order();
  }

 private:
  [[nodiscard]] int size() const { return static_cast<int>(ranks_.size()); }
  [[nodiscard]] RankSlots& rank(int r) { return ranks_[static_cast<std::size_t>(r)]; }

  /// The last slot of what part `i` of rank `r` needs, as things lie now.
  [[nodiscard]] int needs_until(int r, std::size_t part, int i) {
    int until = -1;
    const bool down = part == forward_0 || part == backward_1;  // towards higher ranks
    if (down && r > 0) until = std::max(until, rank(r - 1).time(part, i));
    if (!down && part != weight && r + 1 < size()) {
      until = std::max(until, rank(r + 1).time(part, i));
    }
    if (part == weight) until = std::max(until, rank(r).backward_time(i));
    if (part > forward_0 && part < weight) until = std::max(until, rank(r).time(part - 1, i));
    if (i > 0) until = std::max(until, rank(r).time(part, i - 1));
    return until;
  }

  void squeeze(bool with_weights) {
    int most = 0;
    std::vector<std::tuple<int, int, std::size_t, int>> order;  // (time, rank, part, number)
    for (int r = 0; r < size(); ++r) {
      most = std::max(most, rank(r).peak());
      for (std::size_t part = 0; part < parts; ++part) {
        for (int i = 0; i < rank(r).count(part); ++i) {
          order.emplace_back(rank(r).time(part, i), r, part, i);
        }
      }
    }
    std::sort(order.begin(), order.end());
    const int first_backward = rank(0).time(backward_0, 0);
    const int last_forward = rank(0).time(forward_0, m_ - 1);
    for (const auto& [time, r, part, i] : order) {
      const bool before = with_weights && std::tuple(time, r) < std::tuple(first_backward, 0);
      const bool after = std::tuple(time, r) > std::tuple(last_forward, 0);
      if (before || after) pull_in(r, part, i, most);
    }
  }

  void pull_in(int r, std::size_t part, int i, int most) {
    const int now = rank(r).time(part, i);
    for (int t = needs_until(r, part, i) + 1; t < now; ++t) {
      if (!rank(r).is_free(t)) continue;
      rank(r).move(part, i, t);
      if (rank(r).peak() <= most) return;
      rank(r).move(part, i, now);
    }
  }

  /// Each rank's actions in order of their slots; the oldest backward's W first.
  [[nodiscard]] Schedule in_order() {
    Schedule schedule = empty_schedule({size(), m_}, Placement::v, 2);
    for (int r = 0; r < size(); ++r) {
      std::vector<std::tuple<int, std::size_t, int>> order;
      for (std::size_t part = 0; part < parts; ++part) {
        for (int i = 0; i < rank(r).count(part); ++i) {
          order.emplace_back(rank(r).time(part, i), part, i);
        }
      }
      std::sort(order.begin(), order.end());
      std::vector<Action> backwards;
      for (const auto& [time, part, i] : order) {
        const int chunk = part == forward_1 || part == backward_1 ? 1 : 0;
        Action action{ActionKind::forward, i, chunk};
        if (part == backward_0 || part == backward_1) {
          action.kind = ActionKind::backward_input;
          backwards.push_back(action);
        }
        if (part == weight) {
          action = backwards[static_cast<std::size_t>(i)];
          action.kind = ActionKind::backward_weight;
        }
        schedule.ranks[static_cast<std::size_t>(r)].push_back(action);
      }
    }
    return schedule;
  }

  /// Moves everything to when it starts in unit times, played as early as possible.
  void play() {
    const Schedule schedule = in_order();
    const std::vector<StageCosts> unit(static_cast<std::size_t>(schedule.stages()), {1, 1, 1, 0});
    const auto played = simulate(schedule, unit);
    check(played.ok(), "a squeezed schedule can run");
    for (int r = 0; r < size(); ++r) {
      std::array<std::vector<int>, parts> times;
      const auto& actions = schedule.ranks[static_cast<std::size_t>(r)];
      for (std::size_t at = 0; at < actions.size(); ++at) {
        const auto& when = played.value().ranks[static_cast<std::size_t>(r)].actions[at];
        times[part_of(actions[at])].push_back(static_cast<int>(when.start_ms));
      }
      rank(r).set_times(std::move(times));
    }
  }
  static std::size_t part_of(const Action& action) {
    if (action.kind == ActionKind::backward_weight) return weight;
    if (action.kind == ActionKind::forward) return action.chunk == 0 ? forward_0 : forward_1;
    return action.chunk == 0 ? backward_0 : backward_1;
  }

  int m_;
  std::vector<RankSlots> ranks_;
};

}  // namespace

Schedule v_half(PipelineShape shape) {
  const int p = shape.stages;
  const int d = p % 2 == 0 ? 3 : 0;
  std::vector<Offsets> offsets;
  for (int i = 0; i < p; ++i) {
    offsets.push_back({2 * i, (3 * p) - i - 2, (3 * p) + d + (2 * i) - 1, (6 * p) + d - i - 2});
  }
  return Squeezing(offsets, shape.micro_batches).squeezed();
}

Schedule v_min(PipelineShape shape) {
  const int p = shape.stages;
  const int d = p % 3 == 0 ? 2 : 0;
  std::vector<Offsets> offsets;
  for (int i = 0; i < p; ++i) {
    offsets.push_back({i, (2 * p) - i - 1, (2 * p) + d + i, (4 * p) + d - i - 1});
  }
  return Squeezing(offsets, shape.micro_batches).squeezed();
}

}  // namespace planaria
