#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include <planaria/liveput/outlook.hpp>

namespace planaria {
namespace {

constexpr int rounds = 5;                 // of fitting the factors of one age, then of the other
constexpr double probability_max = 0.45;  // of one kind: the two exclude each other

/// Returns the events seen of one age over those expected at the rate and the other age's factors.
template <class At>
double factor(std::size_t count, double weight, double rate, const At& at) {
  double seen = weight;
  double expected = weight;
  for (std::size_t i = 0; i < count; ++i) {
    const auto [events, intervals, other] = at(i);
    seen += events;
    expected += intervals * rate * other;
  }
  return seen / expected;
}

/// Returns what a number is like that is not 0.
Distribution above_nothing(const Distribution& number) {
  if (number.largest() == 0) return Distribution::certain(1);
  std::vector<double> weights(number.probabilities().begin(), number.probabilities().end());
  weights.front() = 0;
  return Distribution::from_weights(std::move(weights));
}

}  // namespace

Outlook outlook_of(const std::vector<ChangeForecast>& intervals, int workers_max) {
  Outlook outlook;
  outlook.most_seen = workers_max;
  for (const ChangeForecast& one : intervals) {
    outlook.loss.push_back(1 - one.lost.probability(0));
    outlook.join.push_back(1 - one.joined.probability(0));
    outlook.loss_sizes.push_back(above_nothing(one.lost));
    outlook.join_sizes.push_back(above_nothing(one.joined));
  }
  return outlook;
}

std::size_t OutlookCounter::age_class(int intervals_since) {
  std::size_t age = 0;
  for (int most = 1; age + 1 < ages && intervals_since > most; most *= 2) ++age;
  return age;
}

void OutlookCounter::count(Kind& kind, std::size_t loss_age, std::size_t join_age, int machines) {
  kind.intervals[loss_age][join_age] += 1;
  if (machines > 0) kind.events[loss_age][join_age] += 1;
}

void OutlookCounter::observe(const IntervalCounts& interval) {
  const bool lost = interval.lost > 0;
  const bool joined = began_ && interval.joined > 0;
  if (began_) {
    const std::size_t loss_age = age_class(since_loss_);
    const std::size_t join_age = age_class(since_join_);
    count(losses_, loss_age, join_age, interval.lost);
    if (count_ < most_seen_) {
      count(joins_, loss_age, join_age, interval.joined);
    } else {
      beyond_intervals_ += 1;
      if (joined) beyond_events_ += 1;
    }
    for (const auto& [kind, machines] :
         {std::pair{&losses_, interval.lost}, std::pair{&joins_, interval.joined}}) {
      if (machines <= 0) continue;
      kind->sizes.resize(std::max(kind->sizes.size(), static_cast<std::size_t>(machines) + 1));
      kind->sizes[static_cast<std::size_t>(machines)] += 1;
    }
  }
  since_loss_ = lost ? 1 : since_loss_ + 1;
  since_join_ = joined ? 1 : since_join_ + 1;
  count_ = interval.count;
  most_seen_ = std::max(most_seen_, interval.count);
  began_ = true;
}

OutlookCounter::ByAges OutlookCounter::probabilities(const Kind& kind) const {
  double events = belief_.event_intervals * belief_.event_probability;
  double intervals = belief_.event_intervals;
  for (std::size_t i = 0; i < ages; ++i) {
    for (std::size_t j = 0; j < ages; ++j) {
      events += kind.events[i][j];
      intervals += kind.intervals[i][j];
    }
  }
  const double rate = events / intervals;
  std::array<double, ages> by_loss;
  std::array<double, ages> by_join;
  by_loss.fill(1);
  by_join.fill(1);
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < ages; ++i) {
      by_loss[i] = factor(ages, belief_.factor_events, rate, [&](std::size_t j) {
        return std::tuple(kind.events[i][j], kind.intervals[i][j], by_join[j]);
      });
    }
    for (std::size_t j = 0; j < ages; ++j) {
      by_join[j] = factor(ages, belief_.factor_events, rate, [&](std::size_t i) {
        return std::tuple(kind.events[i][j], kind.intervals[i][j], by_loss[i]);
      });
    }
  }
  ByAges all;
  for (std::size_t i = 0; i < ages; ++i) {
    for (std::size_t j = 0; j < ages; ++j) {
      all[i][j] = std::min(probability_max, rate * by_loss[i] * by_join[j]);
    }
  }
  return all;
}

Distribution OutlookCounter::sizes(const Kind& kind) const {
  const Distribution believed = Distribution::geometric(belief_.mean_size);
  std::vector<double> weights(kind.sizes);
  weights.resize(std::max(weights.size(), believed.probabilities().size()));
  for (int size = 1; size <= believed.largest(); ++size) {
    weights[static_cast<std::size_t>(size)] += belief_.size_events * believed.probability(size);
  }
  return Distribution::from_weights(std::move(weights));
}

Outlook OutlookCounter::outlook(int look_ahead, std::span<const int> known_lost) const {
  Outlook outlook;
  outlook.known_lost.assign(known_lost.begin(), known_lost.end());
  outlook.most_seen = most_seen_;
  outlook.loss_sizes = {sizes(losses_)};
  outlook.join_sizes = {sizes(joins_)};
  outlook.join_beyond = (beyond_events_ + (belief_.event_intervals * belief_.event_probability *
                                           belief_.beyond_share)) /
                        (beyond_intervals_ + belief_.event_intervals);
  const ByAges losses = probabilities(losses_);
  const ByAges joins = probabilities(joins_);
  // How likely the last loss and the last join are so long ago by then; row and column 0: no other
  // than the last ones until now.
  const auto stride = static_cast<std::size_t>(look_ahead) + 1;
  std::vector<double> now(stride * stride, 0);
  std::vector<double> next(now.size(), 0);
  now.front() = 1;
  for (int h = 0; h < look_ahead; ++h) {
    const auto at = static_cast<std::size_t>(h);
    const bool known = at < known_lost.size();
    std::ranges::fill(next, 0.0);
    double loss = 0;
    double join = 0;
    for (std::size_t since_loss = 0; since_loss <= at; ++since_loss) {
      const std::size_t i =
          age_class(since_loss == 0 ? since_loss_ + h : static_cast<int>(since_loss));
      for (std::size_t since_join = 0; since_join <= at; ++since_join) {
        const double probability = now[(since_loss * stride) + since_join];
        if (probability == 0) continue;
        const std::size_t j =
            age_class(since_join == 0 ? since_join_ + h : static_cast<int>(since_join));
        const double losing = known ? (known_lost[at] > 0 ? 1.0 : 0.0) : losses[i][j];
        const double lost = probability * losing;
        const double joined = losing < 1 ? probability * joins[i][j] : 0;
        loss += lost;
        join += joined;
        const std::size_t loss_later = since_loss == 0 ? 0 : since_loss + 1;
        const std::size_t join_later = since_join == 0 ? 0 : since_join + 1;
        next[stride + join_later] += lost;
        next[(loss_later * stride) + 1] += joined;
        next[(loss_later * stride) + join_later] += probability - lost - joined;
      }
    }
    outlook.loss.push_back(loss);
    outlook.join.push_back(join);
    std::swap(now, next);
  }
  return outlook;
}

}  // namespace planaria
