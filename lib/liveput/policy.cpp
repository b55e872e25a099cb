#include <planaria/liveput/policy.hpp>

namespace planaria {

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
