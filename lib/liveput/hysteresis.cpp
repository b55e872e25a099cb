#include <utility>

#include <fmt/format.h>

#include <planaria/liveput/policies.hpp>

namespace planaria {
namespace {

class Hysteresis final : public Policy {
 public:
  Hysteresis(const PriceModel& prices, const HysteresisOptions& options)
      : prices_(prices), options_(options) {}

  Choice choose(const Situation& situation) override {
    const int workers = situation.now().count;
    const Choice best = choice_of(situation, best_layout(prices_, workers));
    const GridLayout& running = situation.layout;
    if (best.layout.empty() || running.empty() || running.workers() > workers) {
      return with(best, best.layout.empty() ? "no layout is small enough" : "must change");
    }
    if (best.layout == running) return with(best, "is the fastest");
    const Choice held = choice_of(situation, running);
    const double gain = worth(situation, best) - worth(situation, held);
    if (gain <= 0) return with(held, fmt::format("another is not worth {:.0f} samples", -gain));
    return with(best, fmt::format("is worth {:.0f} samples more", gain));
  }

 private:
  [[nodiscard]] Choice choice_of(const Situation& situation, const GridLayout& layout) const {
    return {.layout = layout, .charge = migration_charge(prices_, situation, layout)};
  }

  /// Samples until everything is expected to change again.
  [[nodiscard]] double worth(const Situation& situation, const Choice& choice) const {
    const Course course = course_of(situation.leftover_ms, choice.charge, options_.hold_ms);
    const double trained_ms = options_.hold_ms - course.standing_ms - course.before_ms;
    return ((samples_per_s(prices_, choice.layout) * trained_ms) +
            (samples_per_s(prices_, situation.layout) * course.before_ms)) /
           1000;
  }

  static Choice with(Choice choice, std::string explanation) {
    choice.explanation = std::move(explanation);
    return choice;
  }

  const PriceModel& prices_;
  HysteresisOptions options_;
};

}  // namespace

std::unique_ptr<Policy> hysteresis_policy(const PriceModel& prices,
                                          const HysteresisOptions& options) {
  return std::make_unique<Hysteresis>(prices, options);
}

}  // namespace planaria
