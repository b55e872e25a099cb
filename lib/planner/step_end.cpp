#include "planner/step_end.hpp"

#include <algorithm>

namespace planaria {
namespace {

class StepEnd {
 public:
  StepEnd(const CostTerms& terms, const StepDraft& step)
      : terms_(terms),
        step_(step),
        reduced_ms_(step.computed_ms),
        sent_ms_(step.computed_ms.size(), 0),
        heard_ms_(step.computed_ms.size(), 0),
        optimizer_ms_(step.computed_ms.size(), 0),
        shadowing_ms_(step.computed_ms.size(), 0) {}

  [[nodiscard]] double ms() {
    for (int layer = terms_.layers() - 1; layer >= 0; --layer) {
      reduce(layer);
      if (!step_.shadows.empty()) tell_shadows(layer);
    }
    double end_ms = 0;
    for (int worker = 0; worker < terms_.workers(); ++worker) {
      const auto at = static_cast<std::size_t>(worker);
      if (step_.computed_ms[at] < 0) continue;
      const double speed = terms_.worker(worker).speed;
      end_ms = std::max(end_ms, std::max({reduced_ms_[at], sent_ms_[at], heard_ms_[at]}) +
                                    (optimizer_ms_[at] / speed) + (shadowing_ms_[at] / speed));
    }
    return end_ms;
  }

 private:
  [[nodiscard]] std::span<const int> holders_of(int layer) const {
    return std::span(step_.holders)
        .subspan(static_cast<std::size_t>(layer) * step_.width, step_.width);
  }

  void reduce(int layer) {
    const std::span<const int> holders = holders_of(layer);
    double end_ms = 0;
    for (const int holder : holders) {
      end_ms = std::max(end_ms, reduced_ms_[static_cast<std::size_t>(holder)]);
    }
    end_ms += terms_.reduction_ms(layer, holders);
    for (const int holder : holders) {
      reduced_ms_[static_cast<std::size_t>(holder)] = end_ms;
      optimizer_ms_[static_cast<std::size_t>(holder)] += terms_.layer(layer).optimizer_ms;
    }
  }

  // Beside further reductions: a shadow delays its teller and itself, nobody else.
  void tell_shadows(int layer) {
    const std::span<const int> holders = holders_of(layer);
    const auto& shadows = step_.shadows[static_cast<std::size_t>(layer)];
    if (shadows.empty()) return;
    const int teller = *std::ranges::min_element(holders);
    double& sent_ms = sent_ms_[static_cast<std::size_t>(teller)];
    sent_ms = std::max(sent_ms, reduced_ms_[static_cast<std::size_t>(teller)]);
    for (const int shadow : shadows) {
      sent_ms += terms_.transfer_ms(teller, shadow, terms_.layer(layer).gradient_bytes);
      double& heard_ms = heard_ms_[static_cast<std::size_t>(shadow)];
      heard_ms = std::max(heard_ms, sent_ms);
      shadowing_ms_[static_cast<std::size_t>(shadow)] += terms_.layer(layer).optimizer_ms;
    }
  }

  const CostTerms& terms_;
  const StepDraft& step_;
  std::vector<double> reduced_ms_;    // [worker]: end of its compute and reductions so far
  std::vector<double> sent_ms_;       // [worker]: end of what it sends to shadows
  std::vector<double> heard_ms_;      // [worker]: arrival of what it shadows
  std::vector<double> optimizer_ms_;  // [worker], at speed 1
  std::vector<double> shadowing_ms_;  // [worker], at speed 1
};

}  // namespace

double step_end_ms(const CostTerms& terms, const StepDraft& step) {
  return StepEnd(terms, step).ms();
}

}  // namespace planaria
