// Whether the orders of a plan can strike in the run they are meant for.
#include <fmt/format.h>

#include <algorithm>

#include "host/faults_words.hpp"

namespace planaria::host {
namespace {

// Steps and seconds cannot be compared: then anything may come first.
template <class Compare>
bool compare_times(const FaultTime& a, const FaultTime& b, bool unknown, Compare compare) {
  if (a.index() != b.index()) return unknown;
  if (const auto* step = std::get_if<Step>(&a)) {
    return compare(step->value, std::get<Step>(b).value);
  }
  return compare(std::get<AtSeconds>(a).s, std::get<AtSeconds>(b).s);
}
bool may_precede(const FaultOrder& a, const FaultOrder& b) {
  return compare_times(a.when, b.when, true, [](auto x, auto y) { return x <= y; });
}
bool surely_by(const FaultOrder& a, const FaultOrder& b) {
  return compare_times(a.when, b.when, false, [](auto x, auto y) { return x <= y; });
}
bool surely_before(const FaultOrder& a, const FaultOrder& b) {
  return compare_times(a.when, b.when, false, [](auto x, auto y) { return x < y; });
}

// A stopped worker that goes on has been taken for dead, and joins again as new.
bool comes_back(const FaultOrder& order) {
  return order.kind == FaultAct::stop && order.for_s.has_value();
}

std::string range_text(std::int64_t low, std::optional<std::int64_t> high) {
  return high ? fmt::format("a whole number from {} to {}", low, *high)
              : fmt::format("a whole number from {}", low);
}

/// Looks at one order after the other; the first fault counts.
class PlanCheck {
 public:
  PlanCheck(const FaultPlan& plan, const FaultBounds& bounds) : plan_(plan), bounds_(bounds) {}

  [[nodiscard]] Result<void> order(std::size_t index) const;

 private:
  [[nodiscard]] Result<void> supported(const FaultOrder& order) const;
  [[nodiscard]] Result<void> numbers(const FaultOrder& order) const;
  [[nodiscard]] Result<void> target(const FaultOrder& order) const;
  [[nodiscard]] Result<void> beside_earlier(std::size_t index) const;
  [[nodiscard]] Result<void> enough_to_kill(const FaultOrder& order) const;

  [[nodiscard]] int at_start() const { return bounds_.workers + bounds_.spares; }
  /// Workers that may have started, and that may have come back, by the time of `order`.
  [[nodiscard]] int started_by(const FaultOrder& order) const;
  [[nodiscard]] int back_by(const FaultOrder& order) const;

  const FaultPlan& plan_;
  const FaultBounds& bounds_;
};

int PlanCheck::started_by(const FaultOrder& order) const {
  int count = plan_.random ? plan_.random->joins : 0;
  for (const FaultOrder& other : plan_.orders) {
    if (other.kind == FaultAct::join && may_precede(other, order)) count += other.count;
  }
  return count;
}

int PlanCheck::back_by(const FaultOrder& order) const {
  int count = plan_.random ? plan_.random->stops : 0;
  for (const FaultOrder& other : plan_.orders) {
    const bool itself = &other == &order;
    if (!itself && comes_back(other) && may_precede(other, order)) ++count;
  }
  return count;
}

Result<void> PlanCheck::supported(const FaultOrder& order) const {
  if (const auto* zone = std::get_if<Zone>(&order.who)) {
    return refused_item(item_of(order),
                        fmt::format("zone: {}, not supported yet: a run's workers have no zones, "
                                    "must be worker=N",
                                    zone->name));
  }
  const bool later = order.kind == FaultAct::notice || order.kind == FaultAct::partition ||
                     order.kind == FaultAct::kill_coordinator;
  if (!later) return {};
  return refused_item(item_of(order),
                      fmt::format("kind: {}, not supported yet, must be one of kill, stop, throw, "
                                  "join, random",
                                  name_of(order.kind)));
}

Result<void> PlanCheck::numbers(const FaultOrder& order) const {
  const auto within = [&](const char* field, std::int64_t value, std::int64_t low,
                          std::optional<std::int64_t> high) -> Result<void> {
    if (value >= low && (!high || value <= *high)) return {};
    return refused_item(item_of(order),
                        fmt::format("{}: {}, must be {}", field, value, range_text(low, high)));
  };
  const auto last = [](const std::optional<int>& count) {
    return count ? std::optional<std::int64_t>(*count - 1) : std::nullopt;
  };
  if (const auto* step = std::get_if<Step>(&order.when)) {
    PLANARIA_TRY_VOID(within("step", step->value, 1, bounds_.steps));
  }
  if (order.micro_batch) {
    PLANARIA_TRY_VOID(
        within("micro_batch", order.micro_batch->value, 0, last(bounds_.micro_batches)));
  }
  if (order.layer) {
    PLANARIA_TRY_VOID(within("layer", order.layer->value, 0, last(bounds_.layers)));
  }
  return {};
}

Result<void> PlanCheck::target(const FaultOrder& order) const {
  const int newcomers = started_by(order) + back_by(order);
  if (const auto* worker = std::get_if<WorkerId>(&order.who)) {
    const int last = at_start() + newcomers - 1;
    if (worker->value <= last) return {};
    return refused_item(item_of(order), fmt::format("worker: {}, must be {}, joined or promoted",
                                                    worker->value, range_text(0, last)));
  }
  if (std::holds_alternative<LatestJoined>(order.who) && newcomers == 0) {
    return refused_item(item_of(order),
                        "worker: joined, nobody joins by then, must follow a join, or a stop with "
                        "for_s");
  }
  if (std::holds_alternative<LatestPromoted>(order.who)) {
    // Without a change of the members no layout changes, and nobody is promoted.
    const bool changed =
        plan_.random || std::ranges::any_of(plan_.orders, [&](const FaultOrder& other) {
          const bool changes = is_loss(other) || other.kind == FaultAct::join;
          return &other != &order && changes && may_precede(other, order);
        });
    if (!changed) {
      return refused_item(item_of(order),
                          "worker: promoted, nobody is promoted by then, must follow a kill, stop "
                          "or join");
    }
  }
  return {};
}

// Worker numbers are not used twice: who was killed cannot be struck again.
Result<void> PlanCheck::beside_earlier(std::size_t index) const {
  const FaultOrder& order = plan_.orders[index];
  for (std::size_t i = 0; i < plan_.orders.size(); ++i) {
    const FaultOrder& other = plan_.orders[i];
    if (i == index) continue;
    const bool numbered = std::holds_alternative<WorkerId>(order.who);
    const bool same_worker = numbered && other.who == order.who;
    const bool killed_twice = i < index && order.kind == FaultAct::kill;
    const bool gone = same_worker && other.kind == FaultAct::kill && is_loss(order) &&
                      (killed_twice || surely_before(other, order));
    if (gone) {
      return refused_item(item_of(order),
                          fmt::format("worker: {}, is killed by {}, must be one that lives",
                                      std::get<WorkerId>(order.who).value, shown(item_of(other))));
    }
    const bool once = order.kind == FaultAct::throws || numbered;
    if (i < index && once && other == order) {
      return refused_item(item_of(order), "given twice, must be given once");
    }
  }
  return {};
}

Result<void> PlanCheck::enough_to_kill(const FaultOrder& order) const {
  if (order.kind != FaultAct::kill) return {};
  int kills = 0;
  int kills_of_joined = 0;
  for (const FaultOrder& other : plan_.orders) {
    if (other.kind != FaultAct::kill || !surely_by(other, order)) continue;
    ++kills;
    if (std::holds_alternative<LatestJoined>(other.who)) ++kills_of_joined;
  }
  const int workers = at_start() + started_by(order);
  if (kills > workers) {
    return refused_item(item_of(order),
                        fmt::format("kills: {} by then, must be at most {}: so many workers there "
                                    "are",
                                    kills, workers));
  }
  const int newcomers = started_by(order) + back_by(order);
  if (kills_of_joined > newcomers) {
    return refused_item(item_of(order),
                        fmt::format("worker: joined, {} such kills by then, must be at most {}: so "
                                    "many workers join",
                                    kills_of_joined, newcomers));
  }
  return {};
}

Result<void> PlanCheck::order(std::size_t index) const {
  const FaultOrder& order = plan_.orders[index];
  PLANARIA_TRY_VOID(supported(order));
  PLANARIA_TRY_VOID(numbers(order));
  PLANARIA_TRY_VOID(target(order));
  PLANARIA_TRY_VOID(beside_earlier(index));
  return enough_to_kill(order);
}

// Kills at steps and kills at seconds are counted apart above; all together they cannot be more
// than all workers either.
Result<void> check_all_kills(const FaultPlan& plan, const FaultBounds& bounds) {
  int kills = 0;
  int workers = bounds.workers + bounds.spares + (plan.random ? plan.random->joins : 0);
  for (const FaultOrder& order : plan.orders) {
    if (order.kind == FaultAct::kill) ++kills;
    if (order.kind == FaultAct::join) workers += order.count;
  }
  if (kills <= workers) return {};
  return Fault::invalid_input(
      fmt::format("--faults: {}: kills: {} in all, must be at most {}: so many workers there are",
                  shown(text_of(plan)), kills, workers));
}

}  // namespace

bool is_of_workers(const FaultOrder& order) {
  const bool kind = order.kind == FaultAct::kill || order.kind == FaultAct::stop ||
                    order.kind == FaultAct::throws;
  return kind && std::holds_alternative<Step>(order.when);
}

bool is_loss(const FaultOrder& order) {
  return order.kind == FaultAct::kill || order.kind == FaultAct::stop;
}

Result<void> check_faults(const FaultPlan& plan, const FaultBounds& bounds) {
  const std::size_t random_count =
      plan.random
          ? static_cast<std::size_t>(plan.random->kills + plan.random->stops + plan.random->joins)
          : 0;
  const std::size_t count = plan.orders.size() + random_count;
  if (count > fault_orders_max) {
    return Fault::invalid_input(fmt::format("--faults: {}: orders: {}, must be at most {}",
                                            shown(text_of(plan)), count, fault_orders_max));
  }
  const PlanCheck check(plan, bounds);
  for (std::size_t i = 0; i < plan.orders.size(); ++i) PLANARIA_TRY_VOID(check.order(i));
  PLANARIA_TRY_VOID(check_all_kills(plan, bounds));
  if (!plan.random) return {};
  return check_random(*plan.random, bounds, plan.orders);
}

}  // namespace planaria::host
