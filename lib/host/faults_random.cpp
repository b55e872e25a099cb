// What a seed orders.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include <planaria/base/check.hpp>
#include <planaria/base/random.hpp>
#include <planaria/base/text.hpp>

#include "host/faults_words.hpp"

namespace planaria::host {
namespace {

// So that a death is followed by a run that can still be compared with an undisturbed one.
constexpr int workers_left_min = 2;

int losses_of(const std::vector<FaultOrder>& orders) {
  return static_cast<int>(std::ranges::count_if(orders, is_loss));
}

/// Draws one order after the other. `alive` counts every loss as one for good.
class Draw {
 public:
  Draw(const RandomFaults& random, const FaultBounds& bounds, const std::vector<FaultOrder>& others)
      : left_(random),
        bounds_(bounds),
        random_(mix({random.seed, 0x6661756c7473ULL})),  // "faults": a stream of its own
        alive_(bounds.workers + bounds.spares - losses_of(others)),
        next_number_(bounds.workers + bounds.spares) {
    for (const FaultOrder& other : others) {
      if (const auto* worker = std::get_if<WorkerId>(&other.who)) named_.insert(*worker);
    }
    for (int i = 0; i < next_number_; ++i) add(WorkerId{i});
  }

  [[nodiscard]] FaultOrder at(Step step) {
    FaultOrder order = drawn();
    order.when = step;
    order.written = text_of(order);
    return order;
  }

 private:
  void add(WorkerId worker) {
    if (!named_.contains(worker)) victims_.push_back(worker);
  }

  // Kinds are drawn by how many of each are left, losses only where enough workers stay. What
  // check_random() has compared makes sure that a join is left wherever no loss may come.
  [[nodiscard]] FaultOrder drawn() {
    const int losses = alive_ > workers_left_min ? left_.kills + left_.stops : 0;
    const int choices = losses + left_.joins;
    check(choices > 0, "a plan of random faults has come to a dead end");
    const int choice = static_cast<int>(random_.below(static_cast<std::uint64_t>(choices)));
    if (choice >= losses) return join();
    return loss(choice < left_.kills ? FaultAct::kill : FaultAct::stop);
  }

  [[nodiscard]] FaultOrder join() {
    --left_.joins;
    ++alive_;
    add(WorkerId{next_number_++});
    return {.kind = FaultAct::join,
            .who = {},
            .phase = {},
            .for_s = {},
            .grace_s = {},
            .micro_batch = {},
            .layer = {},
            .written = {}};
  }

  [[nodiscard]] FaultOrder loss(FaultAct kind) {
    --(kind == FaultAct::kill ? left_.kills : left_.stops);
    --alive_;
    check(!victims_.empty(), "random faults have nobody left to strike");
    const auto victim =
        victims_.begin() + static_cast<std::ptrdiff_t>(random_.below(victims_.size()));
    FaultOrder order;
    order.kind = kind;
    order.who = *victim;
    // Only who computes from the start on is sure enough to come through a step's phases.
    if (victim->value < bounds_.workers) order.phase = phase();
    victims_.erase(victim);
    // Above the usual silence limit, in tenths.
    if (kind == FaultAct::stop) order.for_s = static_cast<double>(random_.between(10, 30)) / 10;
    return order;
  }

  [[nodiscard]] std::optional<FaultPhase> phase() {
    if (random_.below(2) == 0) return std::nullopt;
    constexpr auto phases = static_cast<std::uint64_t>(FaultPhase::committed) + 1;
    return static_cast<FaultPhase>(random_.below(phases));
  }

  RandomFaults left_;
  FaultBounds bounds_;
  Random random_;
  int alive_;
  int next_number_;
  std::set<WorkerId> named_;
  std::vector<WorkerId> victims_;
};

}  // namespace

Result<void> check_random(const RandomFaults& random, const FaultBounds& bounds,
                          const std::vector<FaultOrder>& others) {
  const int losses = random.kills + random.stops;
  const int at_start = bounds.workers + bounds.spares;
  const int past = losses_of(others);
  const int losses_max = std::max(0, at_start + random.joins - past - workers_left_min);
  if (losses <= losses_max) return {};
  const std::string ordered = past > 0 ? fmt::format(", {} lost by other orders", past) : "";
  return refused_item(item_of(random),
                      fmt::format("{}: {}, must be at most {}: {} at the start, {} of its own{}, "
                                  "and {} must stay",
                                  random.stops == 0 ? "kills" : "kills and stops", losses,
                                  losses_max, counted(at_start, "worker"),
                                  counted(random.joins, "join"), ordered, workers_left_min));
}

Result<std::vector<FaultOrder>> expand(const RandomFaults& random, const FaultBounds& bounds,
                                       const std::vector<FaultOrder>& others) {
  check(bounds.steps && *bounds.steps >= 1, "random faults are expanded once the steps are known");
  PLANARIA_TRY_VOID(check_random(random, bounds, others));
  const std::int64_t count = random.kills + random.stops + random.joins;
  Draw draw(random, bounds, others);
  Random steps(mix({random.seed, 0x7374657073ULL}));  // "steps"
  std::vector<FaultOrder> orders;
  // The steps fall into as many stretches of one length as there are orders, each gets its own.
  const auto stretch_begin = [&](std::int64_t i) {
    return *bounds.steps / count * i + *bounds.steps % count * i / count;
  };
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t first = stretch_begin(i);
    const std::int64_t last = std::max(first, stretch_begin(i + 1) - 1);
    orders.push_back(draw.at(Step{1 + steps.between(first, last)}));
  }
  return orders;
}

}  // namespace planaria::host
