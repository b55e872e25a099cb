#include <planaria/availability/generate.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/random.hpp>

namespace planaria {
namespace {

constexpr double hours_max = 24'000;
constexpr std::int64_t lives_max = 5'000'000;

struct Machine {
  std::size_t life = 0;  // its index in the trace
  std::int64_t from_tick = 0;
  int zone = 0;
};

int drawn_size(const std::vector<BurstSize>& sizes, Random& random) {
  double weights = 0;
  for (const BurstSize& size : sizes) weights += size.weight;
  double left = random.uniform() * weights;
  for (const BurstSize& size : sizes) {
    left -= size.weight;
    if (left < 0) return size.machines;
  }
  return sizes.back().machines;
}

/// Goes from tick to tick. Rates are such that the expected number of machines lost and joined is
/// exactly the law's, however bursts are cut by how many there are.
class Generation {
 public:
  Generation(const TraceLaw& law, const GenerateOptions& options)
      : law_(law),
        random_(options.seed),
        tick_ms_(std::int64_t{1000} * options.tick_s),
        tick_h_(static_cast<double>(options.tick_s) / 3600),
        life_h_(mean_life_h(law.hazard, tick_h_ * 60)) {
    trace_.form = TraceForm::events;
    trace_.end_ms = static_cast<std::int64_t>(options.hours * 3'600'000);
    trace_.initial = law.initial;
    for (int i = 0; i < law.initial; ++i) join(0);
    stormy_ = random_.uniform() < 0.5;
  }

  Result<Trace> run() {
    for (std::int64_t tick = 1; tick * tick_ms_ <= trace_.end_ms; ++tick) {
      if (random_.uniform() < tick_h_ * 60 / law_.storm_min) stormy_ = !stormy_;
      TraceChange change{tick * tick_ms_, 0, 0};
      const auto before = static_cast<int>(machines_.size());
      for (int zone = 0; zone < law_.zones; ++zone) change.lost += lose_in(zone, tick);
      change.joined = join_some(before, tick);
      if (change.lost > 0 || change.joined > 0) trace_.changes.push_back(change);
      if (static_cast<std::int64_t>(trace_.lives.size()) > lives_max) {
        return Fault::invalid_input(fmt::format(
            "hours: more than {} machines come in them, must be fewer hours or lower hazards",
            lives_max));
      }
    }
    return std::move(trace_);
  }

 private:
  /// Straight lines between peak and trough: the same number on every machine.
  [[nodiscard]] double weather_at(std::int64_t tick) const {
    const double hour = static_cast<double>(tick) * tick_h_;
    const double from_peak = std::abs(std::fmod(hour - law_.day_peak_h + 48, 24) - 12) / 12;
    const double day = 1 + law_.day_strength * (2 * from_peak - 1);
    return day * (stormy_ ? 1 + law_.storm_strength : 1 - law_.storm_strength);
  }

  /// Returns the machines of as many bursts as are expected, rounded up or down by lot, of `most`
  /// at most.
  int drawn_bursts(const std::vector<BurstSize>& sizes, double expected, int most) {
    const double bursts = std::floor(expected + random_.uniform());
    int machines = 0;
    for (int i = 0; i < bursts && machines < most; ++i) machines += drawn_size(sizes, random_);
    return std::min(machines, most);
  }

  /// Returns how many went.
  int lose_in(int zone, std::int64_t tick) {
    std::vector<std::size_t> there;
    std::vector<double> rates;
    double rate = 0;
    for (std::size_t i = 0; i < machines_.size(); ++i) {
      if (machines_[i].zone != zone) continue;
      const double age_min = static_cast<double>(tick - 1 - machines_[i].from_tick) * tick_h_ * 60;
      there.push_back(i);
      rates.push_back(hazard_at(law_.hazard, age_min));
      rate += rates.back();
    }
    if (there.empty()) return 0;
    const auto most = static_cast<int>(there.size());
    const double chance = rate * weather_at(tick) * tick_h_ / mean_burst(law_.loss_bursts, most);
    const int lost = drawn_bursts(law_.loss_bursts, chance, most);
    if (lost == 0) return 0;
    std::vector<bool> gone(machines_.size());
    for (int i = 0; i < lost; ++i) gone[there[take_one(rates)]] = true;
    std::vector<Machine> left;
    for (std::size_t i = 0; i < machines_.size(); ++i) {
      if (!gone[i]) left.push_back(machines_[i]);
      if (gone[i]) trace_.lives[machines_[i].life].to_ms = tick * tick_ms_;
    }
    machines_ = std::move(left);
    return lost;
  }

  /// Draws one by its rate and sets that to -1; where no rate is above 0 the first that is left.
  std::size_t take_one(std::vector<double>& rates) {
    double sum = 0;
    for (const double rate : rates) sum += std::max(rate, 0.0);
    double left = random_.uniform() * sum;
    std::size_t taken = rates.size();
    for (std::size_t i = 0; i < rates.size(); ++i) {
      if (rates[i] < 0) continue;
      if (taken == rates.size() || rates[i] > 0) taken = i;
      left -= rates[i];
      if (left < 0 && rates[i] > 0) break;
    }
    rates[taken] = -1;
    return taken;
  }

  /// As many as the mean asks for, the more the fewer there are. Returns how many came.
  int join_some(int before, std::int64_t tick) {
    const int room = law_.machines_max - before;
    if (room <= 0) return 0;
    const double rate =
        law_.mean_machines / life_h_ * room / (law_.machines_max - law_.mean_machines);
    const double chance = rate * tick_h_ / mean_burst(law_.join_bursts, room);
    const int joined = drawn_bursts(law_.join_bursts, chance, room);
    for (int i = 0; i < joined; ++i) join(tick);
    return joined;
  }

  void join(std::int64_t tick) {
    const int zone = static_cast<int>(random_.below(static_cast<std::uint64_t>(law_.zones)));
    const std::string number = fmt::format("node{}", trace_.lives.size() + 1);
    const std::string name =
        law_.zones == 1 ? number : std::string(1, static_cast<char>('a' + zone)) + "-" + number;
    machines_.push_back({trace_.lives.size(), tick, zone});
    trace_.lives.push_back({name, tick * tick_ms_, std::nullopt});
  }

  const TraceLaw& law_;
  Random random_;
  std::int64_t tick_ms_;
  double tick_h_;
  double life_h_;
  bool stormy_ = false;
  std::vector<Machine> machines_;
  Trace trace_;
};

}  // namespace

Result<Trace> generate(const TraceLaw& law, const GenerateOptions& options) {
  PLANARIA_TRY_VOID(verify(law));
  if (!(options.hours > 0 && options.hours <= hours_max)) {
    return Fault::invalid_input(
        fmt::format("hours: {}, must be a number above 0, at most {}", options.hours, hours_max));
  }
  if (options.tick_s < 1 || options.tick_s > 3600) {
    return Fault::invalid_input(fmt::format("tick_s: {}, must be from 1 to 3600", options.tick_s));
  }
  return Generation(law, options).run();
}

}  // namespace planaria
