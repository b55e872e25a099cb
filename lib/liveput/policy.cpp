#include <planaria/liveput/policy.hpp>

#include <planaria/base/check.hpp>

namespace planaria {

Standing standing_of(double leftover_ms, const Charge& charge) {
  if (charge.ms <= 0) return {leftover_ms};
  return {charge.ms + (leftover_ms > 0 ? charge.again_ms : 0)};
}

Course course_of(double leftover_ms, const Charge& charge, double interval_ms) {
  Course course;
  if (charge.background_ms <= 0) {
    const Standing standing = standing_of(leftover_ms, charge);
    course.standing_ms = standing.within(interval_ms);
    course.leftover_ms = standing.beyond(interval_ms);
    return course;
  }
  const Standing earlier{leftover_ms};
  const double begin_ms = std::max(leftover_ms, charge.background_ms);
  course.standing_ms = earlier.within(interval_ms);
  course.arrived = begin_ms <= interval_ms;
  if (!course.arrived) {
    course.before_ms = interval_ms - course.standing_ms;
    course.leftover_ms = earlier.beyond(interval_ms);
    course.coming_ms = begin_ms - interval_ms;
    return course;
  }
  course.before_ms = begin_ms - leftover_ms;
  const Standing stop{charge.ms};
  course.standing_ms += stop.within(interval_ms - begin_ms);
  course.leftover_ms = stop.beyond(interval_ms - begin_ms);
  return course;
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
  Charge charge{prices.change_ms(change), prices.restart_ms(to, false),
                prices.background_ms(change)};
  if (to == situation.coming && change.lost == 0) {
    charge.background_ms = std::min(charge.background_ms, situation.coming_ms);
  }
  return charge;
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
