// What the launcher does when: one transition per event, and by time.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include <planaria/base/check.hpp>
#include <planaria/base/text.hpp>

#include "host/faults_words.hpp"

namespace planaria::host {
namespace {

Instant after(Instant now, double s) {
  return now + Milliseconds{s * 1000};
}

std::optional<std::int64_t> whole(const Json& event, const char* key) {
  const auto found = event.find(key);
  if (found == event.end() || !found->is_number_integer()) return std::nullopt;
  if (found->is_number_unsigned() &&
      found->get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
    return std::nullopt;
  }
  return found->get<std::int64_t>();
}

std::string text(const Json& event, const char* key) {
  const auto found = event.find(key);
  return found != event.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<WorkerId> worker_of(const Json& event) {
  const auto number = whole(event, "worker");
  const bool fits =
      number && *number >= 0 && *number <= std::numeric_limits<WorkerId::Representation>::max();
  if (!fits) return std::nullopt;
  return WorkerId{static_cast<WorkerId::Representation>(*number)};
}

/// One transition.
class Transition {
 public:
  Transition(FaultClock& state, Instant now) : state_(state), now_(now) {}

  void take(const Json& event);
  void strike_what_is_due();
  void continue_who_is_due();
  [[nodiscard]] FaultDecision decision() && {
    std::string why;
    for (const std::string& part : reasons_) why += (why.empty() ? "" : "; ") + part;
    if (why.empty()) why = "no order is due";
    return {std::move(commands_), std::move(why)};
  }

 private:
  void joined(WorkerId worker);
  void new_layout(const Json& event);
  void injected(const Json& event);
  void strike(FaultClock::Tracked& tracked);
  void stop(WorkerId worker, std::optional<double> for_s);
  [[nodiscard]] bool is_due(const FaultOrder& order) const;
  [[nodiscard]] std::optional<WorkerId> target(const FaultTarget& who) const;

  FaultClock& state_;
  Instant now_;
  std::vector<FaultCommand> commands_;
  std::vector<std::string> reasons_;
};

void Transition::take(const Json& event) {
  if (!event.is_object()) return;
  const std::string name = text(event, "event");
  if (name == "run_started" && !state_.began) {
    state_.began = now_;
    state_.step = Step{1};
  } else if (name == "step_committed" || name == "rolled_back") {
    const auto level = whole(event, name == "rolled_back" ? "to" : "step");
    if (level && *level < std::numeric_limits<std::int64_t>::max()) {
      state_.step = Step{*level}.next();
    }
  } else if (name == "view") {
    new_layout(event);
  } else if (name == "worker_joined") {
    if (const auto worker = worker_of(event)) joined(*worker);
  } else if (name == "worker_lost") {
    if (const auto worker = worker_of(event)) state_.present.erase(*worker);
  } else if (name == "fault_injected") {
    injected(event);
  } else if (name == "run_ended") {
    state_.over = true;
  }
}

void Transition::joined(WorkerId worker) {
  state_.present.insert(worker);
  if (state_.began) state_.joined = worker;
}

void Transition::new_layout(const Json& event) {
  auto layout = layout_from_json(event.value("layout", Json()), "view");
  if (!layout.ok()) return;
  if (state_.layout) {
    if (const auto promoted = promoted_by(*state_.layout, layout.value())) {
      state_.promoted = promoted;
    }
  }
  state_.layout = std::move(layout).value();
}

// The worker's own word for it. Equal orders strike one after the other, the first first.
void Transition::injected(const Json& event) {
  const std::string order = text(event, "order");
  const auto tracked = std::ranges::find_if(state_.orders, [&](const FaultClock::Tracked& each) {
    return !each.struck && is_of_workers(each.order) && text_of(each.order) == order;
  });
  if (tracked == state_.orders.end()) return;
  tracked->struck = true;
  const auto worker = worker_of(event);
  if (tracked->order.kind == FaultAct::stop && worker) stop(*worker, tracked->order.for_s);
}

void Transition::stop(WorkerId worker, std::optional<double> for_s) {
  std::optional<Instant> until;
  if (for_s) until = after(now_, *for_s);
  const auto [entry, fresh] = state_.stopped.try_emplace(worker, until);
  if (fresh) return;
  // Stopped twice, it goes on when both are over.
  const bool longer = !until || (entry->second && *until > *entry->second);
  if (longer) entry->second = until;
}

bool Transition::is_due(const FaultOrder& order) const {
  if (const auto* at = std::get_if<AtSeconds>(&order.when)) {
    return now_ >= after(*state_.began, at->s);
  }
  return order.kind == FaultAct::join && state_.step >= std::get<Step>(order.when);
}

std::optional<WorkerId> Transition::target(const FaultTarget& who) const {
  std::optional<WorkerId> worker;
  if (const auto* number = std::get_if<WorkerId>(&who)) worker = *number;
  if (std::holds_alternative<LatestJoined>(who)) worker = state_.joined;
  if (std::holds_alternative<LatestPromoted>(who)) worker = state_.promoted;
  if (!worker || !state_.present.contains(*worker)) return std::nullopt;
  return worker;
}

void Transition::strike(FaultClock::Tracked& tracked) {
  const FaultOrder& order = tracked.order;
  if (order.kind == FaultAct::join) {
    tracked.struck = true;
    commands_.push_back({StartWorkers{order.count}, order});
    reasons_.push_back(item_of(order) + " strikes");
    return;
  }
  const auto worker = target(order.who);
  if (!worker) {
    reasons_.push_back(item_of(order) + " waits: there is no such worker now");
    return;
  }
  tracked.struck = true;
  if (order.kind == FaultAct::kill) {
    // Before its loss is told: two orders due at once must not both take it.
    state_.present.erase(*worker);
    state_.stopped.erase(*worker);
    commands_.push_back({Kill{*worker}, order});
  } else {
    stop(*worker, order.for_s);
    commands_.push_back({Stop{*worker, order.for_s}, order});
  }
  reasons_.push_back(fmt::format("{} strikes worker {}", item_of(order), worker->value));
}

void Transition::strike_what_is_due() {
  if (!state_.began || state_.over) return;
  for (FaultClock::Tracked& tracked : state_.orders) {
    if (!tracked.struck && is_due(tracked.order)) strike(tracked);
  }
}

void Transition::continue_who_is_due() {
  for (auto entry = state_.stopped.begin(); entry != state_.stopped.end();) {
    const auto [worker, until] = *entry;
    // Nobody stays stopped at the end: it must hear that the run is over.
    const bool due = state_.over || (until && now_ >= *until);
    if (!due) {
      ++entry;
      continue;
    }
    commands_.push_back({Continue{worker}, std::nullopt});
    reasons_.push_back(fmt::format("worker {} goes on", worker.value));
    entry = state_.stopped.erase(entry);
  }
}

}  // namespace

FaultClock fault_clock(const FaultPlan& plan) {
  check(!plan.random, "random faults are expanded before they are carried out");
  FaultClock state;
  for (const FaultOrder& order : plan.orders) state.orders.push_back({order});
  return state;
}

FaultDecision step(FaultClock& state, const Json& event, Instant now) {
  Transition transition(state, now);
  transition.take(event);
  transition.strike_what_is_due();
  transition.continue_who_is_due();
  return std::move(transition).decision();
}

std::optional<Instant> next_due(const FaultClock& state, Instant now) {
  std::optional<Instant> next;
  const auto consider = [&](Instant due) {
    if (due > now && (!next || due < *next)) next = due;
  };
  for (const auto& [order, struck] : state.orders) {
    const auto* at = std::get_if<AtSeconds>(&order.when);
    if (at != nullptr && !struck && state.began && !state.over)
      consider(after(*state.began, at->s));
  }
  for (const auto& [worker, until] : state.stopped) {
    if (until) consider(*until);
  }
  return next;
}

std::vector<std::string> unstruck(const FaultClock& state) {
  std::vector<std::string> texts;
  for (const auto& [order, struck] : state.orders) {
    if (!struck) texts.push_back(item_of(order));
  }
  return texts;
}

std::string orders_for_newcomers(const FaultClock& state) {
  FaultPlan rest;
  for (const auto& [order, struck] : state.orders) {
    // A throw strikes whoever computes its micro-batch, as often as that is.
    if (!struck || order.kind == FaultAct::throws) rest.orders.push_back(order);
  }
  return orders_for_workers(rest);
}

}  // namespace planaria::host
