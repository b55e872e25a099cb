// Parcae's point forecast, taken as certain.
#include <cstddef>
#include <vector>

#include <planaria/availability/parcae_forecast.hpp>
#include <planaria/base/check.hpp>

#include "availability/forecasters.hpp"

namespace planaria::forecasting {
namespace {

class ArimaForecaster : public Forecaster {
 public:
  explicit ArimaForecaster(const ForecastOptions& options) {
    options_.look_ahead = options.look_ahead;
  }
  void observe(const IntervalCounts& interval) override {
    counts_.push_back(interval.count);
    // Twice the history at most is kept, so that dropping the old costs little.
    const auto history = static_cast<std::size_t>(options_.look_ahead);
    if (counts_.size() > 2 * history) {
      counts_.erase(counts_.begin(), counts_.end() - static_cast<std::ptrdiff_t>(history));
    }
    steps_ = parcae_forecast(counts_, scaling_, options_);
  }
  [[nodiscard]] Forecast forecast(int look_ahead) const override {
    check(look_ahead >= 1 && static_cast<std::size_t>(look_ahead) <= steps_.size(),
          "a forecast needs an interval observed and looks no farther than it was made for");
    Forecast made;
    for (int h = 0; h < look_ahead; ++h) {
      const IntervalCounts& step = steps_[static_cast<std::size_t>(h)];
      made.push_back({Distribution::certain(step.lost), Distribution::certain(step.joined),
                      Distribution::certain(step.count)});
    }
    return made;
  }

 private:
  ParcaeOptions options_;
  ParcaeScaling scaling_;
  std::vector<int> counts_;
  std::vector<IntervalCounts> steps_;
};

}  // namespace

std::unique_ptr<Forecaster> make_arima_forecaster(const ForecastOptions& options) {
  return std::make_unique<ArimaForecaster>(options);
}

}  // namespace planaria::forecasting
