#include <utility>

#include <fmt/format.h>

#include <planaria/liveput/policies.hpp>

#include "liveput/layout_text.hpp"

namespace planaria {
namespace {

class Liveput final : public Policy {
 public:
  Liveput(const PriceModel& prices, const OptimizerOptions& options)
      : prices_(prices), options_(options), optimizer_(prices, options) {}

  Choice choose(const Situation& situation) override {
    for (; observed_ < situation.history.size(); ++observed_) {
      counter_.observe(situation.history[observed_]);
    }
    const Outlook outlook = counter_.outlook(options_.look_ahead, situation.noticed_lost);
    const std::vector<ValuedLayout> choices = optimizer_.choices(situation, outlook);
    if (choices.empty()) return {.explanation = "no layout is small enough"};
    return {.layout = choices.front().layout,
            .charge = choices.front().charge,
            .explanation = explained(situation, choices, outlook)};
  }

 private:
  /// Why not the layout that is fastest now.
  [[nodiscard]] std::string explained(const Situation& situation,
                                      const std::vector<ValuedLayout>& choices,
                                      const Outlook& outlook) const {
    const ValuedLayout& best = choices.front();
    const GridLayout fastest = best_layout(prices_, situation.now().count);
    if (best.layout == fastest) return "is the fastest now";
    for (const ValuedLayout& other : choices) {
      if (other.layout != fastest) continue;
      return fmt::format(
          "{} would stand still for {:.1f} s, {:.1f} here, and train {:.0f} samples fewer in {} "
          "intervals: a loss in the next has probability {:.2f}, a join {:.2f}",
          text_of(fastest), other.charge.ms / 1000, best.charge.ms / 1000,
          best.samples - other.samples, options_.look_ahead, outlook.loss.front(),
          outlook.join.front());
    }
    return "is expected to train most";
  }

  const PriceModel& prices_;
  OptimizerOptions options_;
  LiveputOptimizer optimizer_;
  OutlookCounter counter_;
  std::size_t observed_ = 0;
};

}  // namespace

std::unique_ptr<Policy> liveput_policy(const PriceModel& prices, const OptimizerOptions& options) {
  return std::make_unique<Liveput>(prices, options);
}

}  // namespace planaria
