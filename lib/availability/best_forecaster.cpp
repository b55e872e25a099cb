// The project's own forecast: hazards that share their rates for a start, kernels of what followed
// in like situations, and weights by what each foretold.
#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <planaria/base/check.hpp>

#include "availability/base_forecast.hpp"
#include "availability/forecasters.hpp"
#include "availability/mixture.hpp"

namespace planaria::forecasting {
namespace {

constexpr HazardPrior slow_prior{};
constexpr HazardPrior fast_prior{.half_life = 60};

Distribution between(const Distribution& slow, const Distribution& fast, double fast_share) {
  std::vector<double> weights(static_cast<std::size_t>(std::max(slow.largest(), fast.largest())) +
                              1);
  for (std::size_t value = 0; value < weights.size(); ++value) {
    const int of = static_cast<int>(value);
    weights[value] = (1 - fast_share) * slow.probability(of) + fast_share * fast.probability(of);
  }
  return Distribution::from_weights(std::move(weights));
}

EventHazard between(const EventHazard& slow, const EventHazard& fast, double fast_share) {
  EventHazard made = slow;
  made.in_burst = (1 - fast_share) * slow.in_burst + fast_share * fast.in_burst;
  made.otherwise = (1 - fast_share) * slow.otherwise + fast_share * fast.otherwise;
  made.size = between(slow.size, fast.size, fast_share);
  return made;
}

class BestForecaster : public Forecaster {
 public:
  explicit BestForecaster(const ForecastOptions& options)
      : look_ahead_(options.look_ahead),
        count_(count_kernels(), look_ahead_),
        lost_(event_kernels(), look_ahead_),
        joined_(event_kernels(), look_ahead_) {}

  void observe(const IntervalCounts& interval) override {
    slow_.observe(interval);
    fast_.observe(interval);
    const Situation& now = tracker_.observe(interval);
    count_.settle(interval.count);
    lost_.settle(interval.lost);
    joined_.settle(interval.joined);
    const BaseForecast slow = base_forecast(slow_.estimate(), now.count, now.most, look_ahead_);
    const BaseForecast fast = base_forecast(fast_.estimate(), now.count, now.most, look_ahead_);
    count_.foretell(now, slow.count, fast.count, slow.length);
    lost_.foretell(now, slow.lost, fast.lost, slow.length);
    joined_.foretell(now, slow.joined, fast.joined, slow.length);
    observed_ = true;
  }

  [[nodiscard]] Forecast forecast(int look_ahead) const override {
    check(observed_, "a forecast needs an interval observed");
    check(look_ahead >= 1 && look_ahead <= look_ahead_,
          "a forecast looks no farther ahead than it was made for");
    Forecast made;
    for (int h = 1; h <= look_ahead; ++h) {
      made.push_back({lost_at(h, lost_.mixed(h), tracker_.now().count),
                      Distribution::from_weights(joined_.mixed(h)),
                      Distribution::from_weights(count_.mixed(h))});
    }
    return made;
  }

  [[nodiscard]] std::optional<HazardEstimate> hazard() const override {
    const HazardEstimate slow = slow_.estimate();
    const HazardEstimate fast = fast_.estimate();
    return HazardEstimate{between(slow.loss, fast.loss, lost_.fast_share()),
                          between(slow.join, fast.join, joined_.fast_share())};
  }

 private:
  int look_ahead_;
  bool observed_ = false;
  SituationTracker tracker_;
  HazardCounter slow_{slow_prior};
  HazardCounter fast_{fast_prior};
  Mixture count_;
  Mixture lost_;
  Mixture joined_;
};

}  // namespace

std::unique_ptr<Forecaster> make_best_forecaster(const ForecastOptions& options) {
  return std::make_unique<BestForecaster>(options);
}

}  // namespace planaria::forecasting
