#include <map>

#include <planaria/liveput/policies.hpp>

#include "liveput/unsaved_work.hpp"
#include "liveput/without_shadows.hpp"

namespace planaria {
namespace {

class Varuna final : public Policy {
 public:
  Varuna(const PriceModel& prices, const VarunaOptions& options)
      : prices_(prices), options_(options), unsaved_(options.checkpoint_steps) {}

  Choice choose(const Situation& situation) override {
    const IntervalCounts& now = situation.now();
    const bool warned = warned_;
    warned_ = !situation.noticed_lost.empty();
    Choice choice;
    if (!situation.first && now.lost > 0 && !warned) choice.lost_samples = unsaved_.samples();
    const MeasuredLayout morphed = morphed_to(now.count);
    choice.layout = morphed.layout;
    if (choice.layout.empty()) {
      choice.explanation = "no layout is small enough";
      unsaved_.keep(0);
      return choice;
    }
    choice.explanation = "nobody came or went";
    if (situation.first || situation.layout.empty() || now.joined + now.lost > 0) {
      choice.charge = checkpoint_charge(prices_, choice.layout, situation.first);
      choice.explanation = situation.first ? "begins" : "all restart from a checkpoint";
      unsaved_.keep(0);
    }
    unsaved_.train(morphed, 1, options_.interval_ms,
                   course_of(situation.leftover_ms, choice.charge, options_.interval_ms));
    return choice;
  }

 private:
  /// Of each depth the widest layout, of these the fastest.
  [[nodiscard]] MeasuredLayout morphed_to(int workers) const {
    std::map<int, MeasuredLayout> widest;
    for (const MeasuredLayout& one : without_shadows(prices_)) {  // ascending by width
      if (one.layout.width <= workers / one.layout.depth) widest[one.layout.depth] = one;
    }
    MeasuredLayout fastest;
    for (const auto& [depth, one] : widest) {
      if (one.samples_per_s > fastest.samples_per_s) fastest = one;
    }
    return fastest;
  }

  const PriceModel& prices_;
  VarunaOptions options_;
  UnsavedWork unsaved_;
  bool warned_ = false;  // before this interval, of what is lost in it
};

}  // namespace

std::unique_ptr<Policy> varuna_policy(const PriceModel& prices, const VarunaOptions& options) {
  return std::make_unique<Varuna>(prices, options);
}

}  // namespace planaria
