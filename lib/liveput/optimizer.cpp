#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include <planaria/base/check.hpp>
#include <planaria/liveput/optimizer.hpp>

#include "liveput/price_table.hpp"

namespace planaria {
namespace {

constexpr double no_plan = -std::numeric_limits<double>::infinity();

/// Returns the layouts of every depth that is the fastest's for some number of workers: what a
/// sequence of fast layouts passes through, and what it shrinks to without another cut.
std::vector<MeasuredLayout> worth_a_thought(const PriceModel& prices) {
  std::set<int> depths;
  for (int workers = 1; workers <= prices.workers_max(); ++workers) {
    const GridLayout best = best_layout(prices, workers);
    if (!best.empty()) depths.insert(best.depth);
  }
  std::vector<MeasuredLayout> layouts;
  for (const MeasuredLayout& one : prices.layouts()) {
    if (depths.contains(one.layout.depth)) layouts.push_back(one);
  }
  return layouts;
}

/// So many machines go or come, with this probability.
struct Outcome {
  int lost = 0;
  int joined = 0;
  double probability = 0;
};

/// Backward over the intervals ahead: values[workers][layout] is the most expected of the rest, if
/// that many machines are there and this layout of the table (or nothing) has just run.
class Lookahead {
 public:
  Lookahead(const PriceModel& prices, PriceTable& table, const OptimizerOptions& options,
            const Outlook& outlook)
      : table_(table),
        layouts_(table.layouts()),
        options_(options),
        outlook_(outlook),
        workers_max_(prices.workers_max()),
        loss_reach_(common_most(outlook.loss_size)),
        join_reach_(common_most(outlook.join_size)) {}

  /// Returns values for `workers` machines at the end of the interval that begins now.
  std::vector<double> values(int workers) {
    const auto steps = static_cast<int>(outlook_.loss.size());
    set_range(workers, steps);
    std::vector<std::vector<double>> after(static_cast<std::size_t>(workers_max_) + 1);
    for (int n = low_; n <= high_; ++n) after[index(n)] = held(n);
    promises_.resize(after.size());
    unhurt_.resize(after.size());
    for (int step = steps - 1; step >= 0; --step) {
      for (int n = low_; n <= high_; ++n) {
        promises_[index(n)] = promises(n, after[index(n)]);
        unhurt_[index(n)] = decided(n, 0, n, after[index(n)]);
      }
      set_range(workers, step);
      std::vector<std::vector<double>> before(after.size());
      for (int n = low_; n <= high_; ++n) before[index(n)] = expected(n, step, after);
      after = std::move(before);
    }
    return after[index(workers)];
  }

 private:
  static std::size_t index(int workers) { return static_cast<std::size_t>(workers); }

  [[nodiscard]] bool fits(std::size_t layout, int workers) const {
    return layout == table_.nothing() || layouts_[layout].layout.workers() <= workers;
  }

  /// Machines there may be after so many steps; what is rarer counts as the most that is common.
  void set_range(int workers, int steps) {
    int known = 0;
    for (const int lost : outlook_.known_lost) known += lost;
    low_ = std::max(0, workers - (loss_reach_ * steps) - known);
    high_ = std::min(workers_max_, workers + (join_reach_ * steps));
  }

  /// What a layout earns in an interval in which nobody trains for this long; what is left over
  /// counts against the next.
  [[nodiscard]] double earned(std::size_t layout, double standing_ms, double intervals = 1) const {
    return layouts_[layout].samples_per_s * ((intervals * options_.interval_ms) - standing_ms) /
           1000;
  }

  /// What a change to a layout would be worth if it took no time.
  struct Promise {
    double samples = 0;
    std::size_t to = 0;
  };

  /// Returns the promises of all layouts that fit, best first, where `then` is the worth of the
  /// rest by layout.
  std::vector<Promise> promises(int workers, const std::vector<double>& then,
                                double intervals = 1) const {
    std::vector<Promise> all;
    for (std::size_t to = 0; to < layouts_.size(); ++to) {
      if (!fits(to, workers)) continue;
      all.push_back({earned(to, 0, intervals) + then[to], to});
    }
    std::ranges::stable_sort(all, std::ranges::greater{}, &Promise::samples);
    return all;
  }

  /// Returns the most that a change of the row is worth, or no_plan. No price is below nothing, so
  /// what promises less than has been found is not even asked for its price.
  double best_of(const std::vector<Promise>& promises, PriceTable::Row& row,
                 const std::vector<double>& then, double intervals = 1) {
    double best = no_plan;
    for (const auto& [samples, to] : promises) {
      if (samples <= best) break;
      best = std::max(best, earned(to, table_.ms(row, to), intervals) + then[to]);
    }
    return best;
  }

  /// At the horizon: one more decision, held until something is expected to happen.
  std::vector<double> held(int workers) {
    const double events = outlook_.loss.back() + join_probability(workers, outlook_.join.back());
    const double intervals = 1 / std::max(events, 1e-3);
    const std::vector<double> then(layouts_.size() + 1, 0);
    const auto ahead = promises(workers, then, intervals);
    std::vector<double> values = then;
    for (std::size_t from = 0; from <= table_.nothing(); ++from) {
      if (!fits(from, workers)) continue;
      PriceTable::Row& row = table_.after(workers, 0)[from];
      values[from] = std::max(0.0, best_of(ahead, row, then, intervals));
    }
    return values;
  }

  /// Returns by layout what the best change is worth once `lost` of `workers` have vanished and
  /// `left` are there.
  std::vector<double> decided(int workers, int lost, int left, const std::vector<double>& then) {
    std::vector<double> values(layouts_.size() + 1, 0);
    std::vector<PriceTable::Row>& rows = table_.after(workers, lost);
    for (std::size_t from = 0; from <= table_.nothing(); ++from) {
      if (!fits(from, workers)) continue;
      const double best = best_of(promises_[index(left)], rows[from], then);
      values[from] = best == no_plan ? then[table_.nothing()] : best;
    }
    return values;
  }

  std::vector<double> expected(int workers, int step,
                               const std::vector<std::vector<double>>& after) {
    std::vector<double> values(layouts_.size() + 1, 0);
    const auto add = [&](double probability, const std::vector<double>& then) {
      for (std::size_t from = 0; from <= table_.nothing(); ++from) {
        if (fits(from, workers)) values[from] += probability * then[from];
      }
    };
    for (const Outcome& outcome : outcomes(workers, step)) {
      const int left = workers - outcome.lost + outcome.joined;
      if (outcome.lost == 0) {
        add(outcome.probability, unhurt_[index(left)]);
      } else {
        add(outcome.probability, decided(workers, outcome.lost, left, after[index(left)]));
      }
    }
    return values;
  }

  /// Machines that may come at once.
  [[nodiscard]] int room(int workers) const {
    const int most = workers < outlook_.most_seen ? outlook_.most_seen : workers_max_;
    return std::min(most - workers, join_reach_);
  }

  [[nodiscard]] double join_probability(int workers, double below_most_seen) const {
    if (room(workers) == 0) return 0;
    return workers < outlook_.most_seen ? below_most_seen : outlook_.join_beyond;
  }

  [[nodiscard]] std::vector<Outcome> outcomes(int workers, int step) const {
    const auto at = static_cast<std::size_t>(step);
    if (at < outlook_.known_lost.size() && outlook_.known_lost[at] > 0) {
      return {{std::min(outlook_.known_lost[at], workers), 0, 1}};
    }
    const double loss = workers == 0 ? 0 : outlook_.loss[at];
    const double join = join_probability(workers, outlook_.join[at]);
    std::vector<Outcome> all{{0, 0, 1 - loss - join}};
    add(all, loss, outlook_.loss_size, std::min(workers, loss_reach_), [](int size) {
      return Outcome{size, 0, 0};
    });
    add(all, join, outlook_.join_size, room(workers), [](int size) { return Outcome{0, size, 0}; });
    return all;
  }

  /// Sizes above `most` count as `most`.
  template <class Make>
  static void add(std::vector<Outcome>& all, double probability, const Distribution& sizes,
                  int most, const Make& make) {
    if (probability <= 0 || most <= 0) return;
    std::vector<double> share(static_cast<std::size_t>(most) + 1, 0);
    for (int size = 1; size <= sizes.largest(); ++size) {
      share[static_cast<std::size_t>(std::min(size, most))] += sizes.probability(size);
    }
    for (int size = 1; size <= most; ++size) {
      Outcome outcome = make(size);
      outcome.probability = probability * share[static_cast<std::size_t>(size)];
      if (outcome.probability > 0) all.push_back(outcome);
    }
  }

  /// Returns the least size that is exceeded by one event of fifty at most.
  static int common_most(const Distribution& sizes) {
    double above = 1;
    int size = 0;
    while (size < sizes.largest() && above > 0.02) above -= sizes.probability(++size);
    return std::max(size, 1);
  }

  PriceTable& table_;
  const std::vector<MeasuredLayout>& layouts_;
  const OptimizerOptions& options_;
  const Outlook& outlook_;
  int workers_max_;
  int loss_reach_;
  int join_reach_;
  int low_ = 0;
  int high_ = 0;
  // By workers, of the step that follows: of all layouts, and what is decided if nobody is lost
  // (whoever came: newcomers change no price of what was there).
  std::vector<std::vector<Promise>> promises_;
  std::vector<std::vector<double>> unhurt_;
};

}  // namespace

LiveputOptimizer::LiveputOptimizer(const PriceModel& prices, const OptimizerOptions& options)
    : prices_(prices),
      options_(options),
      table_(std::make_unique<PriceTable>(prices, worth_a_thought(prices))) {}

LiveputOptimizer::~LiveputOptimizer() = default;

std::vector<ValuedLayout> LiveputOptimizer::choices(const Situation& situation,
                                                    const Outlook& outlook) {
  const int workers = situation.now().count;
  check(workers <= prices_.workers_max(), "as many machines as the prices are for, at most");
  const std::vector<double> values = Lookahead(prices_, *table_, options_, outlook).values(workers);
  std::vector<ValuedLayout> choices;
  for (std::size_t to = 0; to < table_->nothing(); ++to) {
    const MeasuredLayout& one = table_->layouts()[to];
    if (one.layout.workers() > workers) continue;
    ValuedLayout choice{one.layout, migration_charge(prices_, situation, one.layout)};
    const Standing standing = standing_of(situation.leftover_ms, choice.charge);
    choice.samples = (one.samples_per_s * (options_.interval_ms - standing.ms) / 1000) + values[to];
    choices.push_back(choice);
  }
  std::ranges::stable_sort(choices, std::ranges::greater{}, &ValuedLayout::samples);
  return choices;
}

}  // namespace planaria
