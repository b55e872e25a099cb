// On records whose law is known: how near liveput, which has to learn it, comes to the best that
// can be done by whoever knows it.
#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/liveput/policies.hpp>
#include <planaria/liveput/simulation.hpp>

#include "liveput/shared_data.hpp"

using namespace planaria;

namespace {

constexpr int machines_max = 32;
constexpr std::size_t intervals_count = 660;
constexpr double interval_ms = 60'000;

/// In every interval, whatever was before: machines go, or come as far as there is room, or
/// neither. [size - 1]: how likely so many do.
struct Law {
  std::array<double, 3> loss{0.06, 0.03, 0.02};
  std::array<double, 4> join{0.06, 0.03, 0.02, 0.02};
};

/// Calls `then` with each number lost, each joined, and the probability.
template <class Then>
void each_outcome(const Law& law, int machines, const Then& then) {
  double calm = 1;
  for (std::size_t i = 0; i < law.loss.size(); ++i) {
    const int lost = std::min(static_cast<int>(i) + 1, machines);
    calm -= law.loss[i];
    then(lost, 0, law.loss[i]);
  }
  for (std::size_t i = 0; i < law.join.size(); ++i) {
    const int joined = std::min(static_cast<int>(i) + 1, machines_max - machines);
    calm -= law.join[i];
    then(0, joined, law.join[i]);
  }
  then(0, 0, calm);
}

std::vector<IntervalCounts> drawn(const Law& law, Random& random) {
  std::vector<IntervalCounts> intervals{{24, 0, 24}};
  while (intervals.size() < intervals_count) {
    const int machines = intervals.back().count;
    double left = random.uniform();
    IntervalCounts next{0, 0, machines};
    bool found = false;
    each_outcome(law, machines, [&](int lost, int joined, double probability) {
      if (!found && left < probability) {
        next = {joined, lost, machines - lost + joined};
        found = true;
      }
      left -= probability;
    });
    intervals.push_back(next);
  }
  return intervals;
}

/// The best that can be done knowing the law but not what comes: a Markov decision process over
/// machines and layouts, backward over all intervals.
class KnowsTheLaw final : public Policy {
 public:
  KnowsTheLaw(const PriceModel& prices, const Law& law) : prices_(prices), law_(law) {
    worth_.resize(intervals_count + 1);
    worth_.back() = Worth(machines_max + 1, std::vector<double>(nothing() + 1, 0));
    for (std::size_t t = intervals_count; t-- > 1;) worth_[t] = before(worth_[t + 1]);
  }

  Choice choose(const Situation& situation) override {
    const IntervalCounts& now = situation.now();
    const auto from = static_cast<std::size_t>(
        std::ranges::find(layouts(), situation.layout, &MeasuredLayout::layout) -
        layouts().begin());
    const std::size_t to = best({from, situation.workers_before(), now.lost, now.count},
                                worth_[std::min(situation.history.size(), intervals_count)])
                               .first;
    const GridLayout layout = to == nothing() ? GridLayout{} : layouts()[to].layout;
    return {.layout = layout, .charge = migration_charge(prices_, situation, layout)};
  }

 private:
  /// By machines, then by layout; behind the layouts, of none.
  using Worth = std::vector<std::vector<double>>;
  struct Event {
    std::size_t from = 0;
    int workers = 0;
    int lost = 0;
    int left = 0;
  };

  [[nodiscard]] const std::vector<MeasuredLayout>& layouts() const { return prices_.layouts(); }
  [[nodiscard]] std::size_t nothing() const { return layouts().size(); }

  double missed_ms(const Event& event, std::size_t to) {
    // Without a loss it does not matter how many stand by.
    const int workers = event.lost == 0 ? 0 : event.workers;
    auto& known = known_ms_[static_cast<std::size_t>((workers * 4) + event.lost)];
    if (known.empty()) known.assign((nothing() + 1) * nothing(), -1);
    double& ms = known[(event.from * nothing()) + to];
    if (ms < 0) {
      const GridLayout from = event.from == nothing() ? GridLayout{} : layouts()[event.from].layout;
      ms = prices_.change_ms({from, layouts()[to].layout, event.workers, event.lost});
    }
    return ms;
  }

  std::pair<std::size_t, double> best(const Event& event, const Worth& then) {
    const auto left = static_cast<std::size_t>(event.left);
    std::pair<std::size_t, double> most{nothing(), -1};
    for (std::size_t to = 0; to < nothing(); ++to) {
      const MeasuredLayout& one = layouts()[to];
      if (one.layout.workers() > event.left) continue;
      const double most_possible = (one.samples_per_s * interval_ms / 1000) + then[left][to];
      if (most_possible <= most.second) continue;
      const double samples = most_possible - (one.samples_per_s * missed_ms(event, to) / 1000);
      if (samples > most.second) most = {to, samples};
    }
    if (most.first == nothing()) most.second = then[left][nothing()];
    return most;
  }

  Worth before(const Worth& then) {
    Worth worth(machines_max + 1, std::vector<double>(nothing() + 1, 0));
    for (int machines = 0; machines <= machines_max; ++machines) {
      for (std::size_t from = 0; from <= nothing(); ++from) {
        if (from < nothing() && layouts()[from].layout.workers() > machines) continue;
        double& expected = worth[static_cast<std::size_t>(machines)][from];
        each_outcome(law_, machines, [&](int lost, int joined, double probability) {
          expected +=
              probability * best({from, machines, lost, machines - lost + joined}, then).second;
        });
      }
    }
    return worth;
  }

  const PriceModel& prices_;
  Law law_;
  std::vector<Worth> worth_;  // by interval: from it on, before what happens in it is known
  std::array<std::vector<double>, (machines_max + 1) * 4> known_ms_;
};

}  // namespace

TEST_CASE("liveput learns a law nearly as well as knowing it", "[integration]") {
  const auto data = test::published_data();
  if (!data) return;
  constexpr std::uint64_t seed = 31;
  CAPTURE(seed);
  Random random(seed);
  const Law law;
  for (const char* model : {"gpt2-1.5b", "vgg19"}) {
    const SettingPrices& prices = data->prices.at(model);
    KnowsTheLaw knows(prices, law);
    double reactive = 0;
    double learned = 0;
    double best = 0;
    for (int record = 0; record < 10; ++record) {
      const std::vector<IntervalCounts> intervals = drawn(law, random);
      SimulationRequest request;
      request.prices = &prices;
      request.intervals = intervals;
      request.end = intervals.size();
      request.interval_ms = interval_ms;
      reactive += simulate(request, *reactive_policy(prices)).samples;
      learned += simulate(request, *liveput_policy(prices, {})).samples;
      best += simulate(request, knows).samples;
    }
    const double way = (learned - reactive) / (best - reactive);
    INFO(model << ": " << way << " of the way from reactive to the best that can be known");
    CHECK(best > reactive);
    CHECK(way >= 0.9);
  }
}
