#include <planaria/liveput/policy.hpp>

#include <planaria/base/check.hpp>

namespace planaria {

Standing standing_of(double leftover_ms, const Charge& charge) {
  if (charge.ms <= 0) return {leftover_ms};
  return {charge.ms + (leftover_ms > 0 ? charge.again_ms : 0)};
}

double samples_per_s(const PriceModel& prices, const GridLayout& layout) {
  if (layout.empty()) return 0;
  const auto& all = prices.layouts();
  const auto found = std::ranges::lower_bound(all, layout, {}, &MeasuredLayout::layout);
  check(found != all.end() && found->layout == layout, "a policy chooses one of layouts()");
  return found->samples_per_s;
}

Charge migration_charge(const PriceModel& prices, const Situation& situation,
                        const GridLayout& to) {
  if (to.empty()) return {};
  const LayoutChange change{situation.layout, to, situation.workers_before(), situation.now().lost};
  return {prices.change_ms(change), prices.restart_ms(to, false)};
}

GridLayout best_layout(const PriceModel& prices, int workers) {
  GridLayout best;
  double best_rate = -1;
  for (const MeasuredLayout& one : prices.layouts()) {
    if (one.layout.workers() > workers || one.samples_per_s <= best_rate) continue;
    best = one.layout;
    best_rate = one.samples_per_s;
  }
  return best;
}

}  // namespace planaria
