#include <fmt/format.h>

#include <planaria/liveput/policies.hpp>

namespace planaria {
namespace {

class Restart final : public Policy {
 public:
  explicit Restart(const PriceModel& prices) : prices_(prices) {}

  Choice choose(const Situation& situation) override {
    const IntervalCounts& now = situation.now();
    Choice choice{.layout = best_layout(prices_, now.count)};
    if (choice.layout.empty()) {
      choice.explanation = "no layout is small enough";
      return choice;
    }
    if (!situation.first && now.joined + now.lost == 0) {
      choice.explanation = "nobody came or went";
      return choice;
    }
    const bool grows = situation.first || now.joined > 0;
    const double begin_ms = prices_.restart_ms(choice.layout, grows);
    choice.charge = {begin_ms + prices_.read_all_ms(choice.layout), begin_ms};
    if (!situation.first) choice.charge.ms += prices_.checkpoint_ms();
    choice.explanation = situation.first ? "begins" : "restarts from a checkpoint";
    return choice;
  }

 private:
  const PriceModel& prices_;
};

class Reactive final : public Policy {
 public:
  explicit Reactive(const PriceModel& prices) : prices_(prices) {}

  Choice choose(const Situation& situation) override {
    const GridLayout best = best_layout(prices_, situation.now().count);
    return {.layout = best,
            .charge = migration_charge(prices_, situation, best),
            .explanation = best == situation.layout ? "is the fastest" : "is the fastest now"};
  }

 private:
  const PriceModel& prices_;
};

}  // namespace

std::unique_ptr<Policy> restart_policy(const PriceModel& prices) {
  return std::make_unique<Restart>(prices);
}

std::unique_ptr<Policy> reactive_policy(const PriceModel& prices) {
  return std::make_unique<Reactive>(prices);
}

}  // namespace planaria
