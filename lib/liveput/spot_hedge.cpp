#include <algorithm>
#include <cstddef>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/liveput/policies.hpp>

namespace planaria {
namespace {

class SpotHedge final : public Policy {
 public:
  SpotHedge(const PriceModel& prices, const SpotHedgeOptions& options)
      : prices_(prices), extra_(options.extra), target_(options.target) {
    if (target_ > 0) return;
    for (const MeasuredLayout& one : prices.layouts()) {
      target_ = std::max(target_, one.layout.workers());
    }
  }

  Choice choose(const Situation& situation) override {
    // Where zones are not told apart there is one.
    zones_.resize(std::max<std::size_t>(situation.zones.size(), 1));
    for (std::size_t z = 0; z < zones_.size(); ++z) {
      zones_[z].there =
          situation.zones.empty() ? situation.now().count : situation.zones[z].back().count;
      if (zones_[z].held <= zones_[z].there) continue;
      zones_[z].held = zones_[z].there;
      demote(zones_[z]);
    }
    int held = 0;
    for (const Zone& zone : zones_) held += zone.held;
    // A zone that has nothing to give is demoted, so each round takes a machine or a zone away; one
    // that the reset has just brought back is not asked again within an interval.
    for (Zone& zone : zones_) zone.asked_in_vain = false;
    while (held < target_ + extra_) {
      Zone* const zone = next_zone();
      if (zone == nullptr) break;
      if (zone->held == zone->there) {
        zone->asked_in_vain = true;
        demote(*zone);
        continue;
      }
      ++zone->held;
      ++held;
    }
    const GridLayout layout = best_layout(prices_, std::min(held, target_));
    return {
        .layout = layout,
        .charge = migration_charge(prices_, situation, layout),
        .explanation =
            layout.empty()
                ? "no layout is small enough"
                : fmt::format("holds {}, {} active", counted(held, "machine"),
                              counted(std::ranges::count(zones_, true, &Zone::active), "zone"))};
  }

 private:
  struct Zone {
    int there = 0;  // machines that it has
    int held = 0;   // of them that are taken
    bool active = true;
    bool asked_in_vain = false;
  };

  void demote(Zone& zone) {
    zone.active = false;
    if (std::ranges::count(zones_, true, &Zone::active) >= 2) return;
    for (Zone& one : zones_) one.active = true;
  }

  /// The active zone that is used least; of equals the first.
  Zone* next_zone() {
    Zone* next = nullptr;
    for (Zone& zone : zones_) {
      if (!zone.active || zone.asked_in_vain) continue;
      if (next == nullptr || zone.held < next->held) next = &zone;
    }
    return next;
  }

  const PriceModel& prices_;
  int extra_;
  int target_;
  std::vector<Zone> zones_;
};

}  // namespace

std::unique_ptr<Policy> spot_hedge_policy(const PriceModel& prices,
                                          const SpotHedgeOptions& options) {
  return std::make_unique<SpotHedge>(prices, options);
}

}  // namespace planaria
