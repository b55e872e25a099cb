#include "liveput/lookahead.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

namespace planaria {
namespace {

constexpr double no_plan = -std::numeric_limits<double>::infinity();
constexpr int warned_max = 2;  // each interval more doubles the work

/// Returns the least size that is exceeded by one event of fifty at most.
int common_most(const Distribution& sizes) {
  double above = 1;
  int size = 0;
  while (size < sizes.largest() && above > 0.02) above -= sizes.probability(++size);
  return std::max(size, 1);
}

/// Returns by size how likely it is, from 1 on; sizes above `most` count as `most`.
std::vector<double> up_to(const Distribution& sizes, int most) {
  const std::span<const double> all = sizes.probabilities();
  std::vector<double> some(static_cast<std::size_t>(most) + 1, 0);
  for (std::size_t size = 1; size < all.size(); ++size) {
    some[std::min(size, some.size() - 1)] += all[size];
  }
  return some;
}

/// Adds to a total, by its probability, an event of this probability and size.
std::vector<double> plus(const std::vector<double>& total, double event,
                         const std::vector<double>& sizes) {
  std::vector<double> sum(total.size() + sizes.size() - 1, 0);
  for (std::size_t i = 0; i < total.size(); ++i) {
    sum[i] += total[i] * (1 - event);
    for (std::size_t size = 1; size < sizes.size(); ++size) {
      sum[i + size] += total[i] * event * sizes[size];
    }
  }
  return sum;
}

/// Returns the least total that is exceeded with a probability of `rare` at most.
int most_of(const std::vector<double>& total, double rare) {
  double above = 0;
  std::size_t most = total.size() - 1;
  while (most > 0 && above + total[most] <= rare) above += total[most--];
  return static_cast<int>(most);
}

}  // namespace

Lookahead::Lookahead(PriceTable& table, const OptimizerOptions& options, const Outlook& outlook,
                     int workers, int running)
    : table_(table),
      options_(options),
      outlook_(outlook),
      workers_(workers),
      running_(running),
      steps_(static_cast<int>(outlook.loss.size())),
      warned_(std::min(warned_max, static_cast<int>(outlook.known_lost.size()))),
      stride_(table.layouts().size() + 1) {
  for (const MeasuredLayout& one : table.layouts()) {
    const double rate = one.samples_per_s / 1000;
    const double missed = rate * table.least_ms(one.layout, false);
    least_.push_back(
        {one.layout.workers(), rate, missed, (rate * table.least_ms(one.layout, true)) - missed});
  }
  least_.push_back({});
  find_ranges();
  for (int n = 0; n <= ranges_.back().high; ++n) spans_.push_back(span_for(n));
  promises_.resize(static_cast<std::size_t>(ranges_.back().high) + 1);
}

/// Finds what may be there after each number of steps, but for what is rare.
void Lookahead::find_ranges() {
  ranges_.push_back({workers_, workers_});
  int known_lost = 0;
  std::vector<double> lost{1};
  std::vector<double> come{1};
  for (int step = 0; step < steps_; ++step) {
    if (known(step)) {
      known_lost += outlook_.known_lost[static_cast<std::size_t>(step)];
    } else {
      const Distribution& sizes = outlook_.loss_size(step);
      lost = plus(lost, loss_at(step), up_to(sizes, common_most(sizes)));
    }
    const double join =
        std::max(outlook_.join[static_cast<std::size_t>(step)], outlook_.join_beyond);
    const Distribution& sizes = outlook_.join_size(step);
    come = plus(come, join, up_to(sizes, common_most(sizes)));
    ranges_.push_back({std::max(0, workers_ - known_lost - most_of(lost, options_.rare)),
                       std::min(table_.workers_max(), workers_ + most_of(come, options_.rare))});
  }
}

/// Returns the layouts that are thought of; one where any fits.
Lookahead::Span Lookahead::span_for(int workers) const {
  const auto few = static_cast<int>(std::ceil((1 - options_.idle_share) * workers));
  const std::size_t first = table_.first_of(running_ > 0 ? std::min(few, running_) : few);
  const std::size_t end = table_.end_of(workers);
  return {end == 0 ? 0 : std::min(first, end - 1), end};
}

std::vector<double> Lookahead::values() {
  const std::size_t warnings = Warning{1} << warned_;
  std::vector<Values> after(warnings, held(ranges_.back()));
  for (int number = steps_ - 1; number >= 0; --number) {
    const auto at = static_cast<std::size_t>(number);
    Step step{number, ranges_[at], ranges_[at + 1]};
    const auto size = static_cast<std::size_t>(step.now.high - step.now.low + 1) * stride_;
    std::vector<Values> before(warnings, Values(size, 0));
    for (step.warning = 0; step.warning < warnings; ++step.warning) {
      if (!possible(step.warning, number + 1)) continue;
      step.then = &after[step.warning];
      for (int n = step.next.low; n <= step.next.high; ++n) {
        promise(step.next, step.then->data(), n);
      }
      const Values if_hurt = hurt(step);
      const Values if_unhurt = unhurt(step);
      // What was known one step before: the same, shifted, and whether this step's losses come.
      const Warning shifted = (step.warning << 1) & (warnings - 1);
      for (Warning first = 0; first < std::min<Warning>(warnings, 2); ++first) {
        const Warning earlier = shifted | first;
        if (!possible(earlier, number)) continue;
        add_expected(step, earlier, if_hurt, if_unhurt, before[earlier]);
      }
    }
    after = std::move(before);
  }
  Warning now = 0;
  for (int i = 0; i < warned_; ++i) {
    if (loss_at(i) > 0) now |= Warning{1} << i;
  }
  return std::move(after[now]);
}

/// Sorts what changes to the layouts that fit are worth at best. From step to step the order hardly
/// changes.
void Lookahead::promise(const Range& range, const double* then, int workers, double intervals) {
  std::vector<Promise>& all = promises_[static_cast<std::size_t>(workers)];
  if (all.empty()) {
    for (std::size_t to = thought_of(workers).first; to < thought_of(workers).end; ++to) {
      all.push_back({0, to});
    }
  }
  const double* const worth = then == nullptr ? nullptr : then + row(range, workers);
  for (std::size_t i = 0; i < all.size(); ++i) {
    Promise one = all[i];
    one.samples = earned(one.to, 0, intervals) - least_[one.to].missed +
                  (worth == nullptr ? 0 : worth[one.to]);
    std::size_t place = i;
    for (; place > 0 && all[place - 1].samples < one.samples; --place) all[place] = all[place - 1];
    all[place] = one;
  }
}

/// Returns the most that a change of the row is worth, or no_plan. No price is below nothing, so
/// what promises less than has been found is not even asked for its price.
double Lookahead::best_of(const std::vector<Promise>& promises, PriceTable::Row& row,
                          std::size_t from, double stay) {
  double best = stay;
  const int workers = least_[from].workers;
  std::size_t asked = 0;
  for (const auto& [samples, to] : promises) {
    if (samples <= best) break;
    const Least& least = least_[to];
    if (least.workers > workers && samples - least.missed_larger <= best) continue;
    const PriceTable::Price& price = table_.price(row, to, asked++);
    double missed = least.samples_per_ms * price.ms;
    // What ran goes on meanwhile.
    const double slower = least.samples_per_ms - least_[from].samples_per_ms;
    if (price.background_ms > 0) missed += std::max(0.0, slower) * price.background_ms;
    best = std::max(best, samples + least.missed - missed);
  }
  return best;
}

double Lookahead::decided(int left, PriceTable::Row& row_of, const Step& step, std::size_t from,
                          int lost) {
  const double* const then = step.then->data() + row(step.next, left);
  const bool stays = lost == 0 && from >= thought_of(left).first && from < table_.nothing();
  const double best = best_of(promises_[static_cast<std::size_t>(left)], row_of, from,
                              stays ? earned(from, 0, 1) + then[from] : no_plan);
  return best != no_plan ? best : then[table_.nothing()];
}

/// At the horizon: one more decision, held for a while.
Lookahead::Values Lookahead::held(const Range& range) {
  Values values(static_cast<std::size_t>(range.high - range.low + 1) * stride_, 0);
  for (int n = range.low; n <= range.high; ++n) {
    const double events = outlook_.loss.back() + join_at(n, steps_ - 1);
    const double intervals = options_.held_share / std::max(events, 1e-3);
    promise(range, nullptr, n, intervals);
    std::vector<PriceTable::Row>& rows = table_.after(n, 0);
    const auto value = [&](std::size_t from) {
      const double best = best_of(promises_[static_cast<std::size_t>(n)], rows[from], from,
                                  from == table_.nothing() ? no_plan : earned(from, 0, intervals));
      values[row(range, n) + from] = std::max(0.0, best);
    };
    for (std::size_t from = thought_of(n).first; from < thought_of(n).end; ++from) value(from);
    value(table_.nothing());
  }
  return values;
}

/// Returns what is decided where nobody was lost, by the machines that are there then: newcomers
/// change no price of what was there.
Lookahead::Values Lookahead::unhurt(const Step& step) {
  Values values(static_cast<std::size_t>(step.next.high - step.next.low + 1) * stride_, 0);
  for (int n = step.next.low; n <= step.next.high; ++n) {
    std::vector<PriceTable::Row>& rows = table_.after(n, 0);
    const int before = std::max(step.now.low, n - common_most(outlook_.join_size(step.number)));
    const auto value = [&](std::size_t from) {
      values[row(step.next, n) + from] = decided(n, rows[from], step, from, 0);
    };
    for (std::size_t from = thought_of(before).first; from < thought_of(n).end; ++from) value(from);
    value(table_.nothing());
  }
  return values;
}

/// Returns what is expected where some are lost, by the machines that were there before.
Lookahead::Values Lookahead::hurt(const Step& step) {
  Values values(static_cast<std::size_t>(step.now.high - step.now.low + 1) * stride_, 0);
  if (loss_at(step.number) <= 0) return values;
  const Distribution size =
      known(step.number)
          ? Distribution::certain(outlook_.known_lost[static_cast<std::size_t>(step.number)])
          : outlook_.loss_size(step.number);
  for (int n = std::max(1, step.now.low); n <= step.now.high; ++n) {
    double* const worth = values.data() + row(step.now, n);
    // Of what is rarer than the range tells apart no more is lost than it does.
    const int most = std::min(n - step.next.low, known(step.number) ? n : common_most(size));
    for (const auto& [lost, probability] : outcomes(size, most)) {
      std::vector<PriceTable::Row>& rows = table_.after(n, lost);
      const auto add = [&](std::size_t from) {
        worth[from] += probability * decided(n - lost, rows[from], step, from, lost);
      };
      for (std::size_t from = thought_of(n).first; from < thought_of(n).end; ++from) add(from);
      add(table_.nothing());
    }
  }
  return values;
}

void Lookahead::add_expected(const Step& step, Warning before, const Values& hurt,
                             const Values& unhurt, Values& values) const {
  double share = 1;  // of the ways that this warning has come about
  if (warned_ > 0) {
    const double later = loss_at(step.number + warned_);
    share = (step.warning >> (warned_ - 1) & 1) != 0 ? later : 1 - later;
  }
  const double loss_unwarned = loss_at(step.number);
  for (int n = step.now.low; n <= step.now.high; ++n) {
    double loss = loss_unwarned;
    double join = join_at(n, step.number);
    if (warned_ > 0) {
      loss = static_cast<double>(before & 1);
      // Whoever knows that nobody goes has more reason to expect that somebody comes.
      if (!known(step.number) && loss_unwarned < 1) join /= 1 - loss_unwarned;
    }
    if (n == 0) loss = 0;
    join = std::min(join, 1 - loss);
    double* const value = values.data() + row(step.now, n);
    const auto add = [&](double probability, const double* then) {
      probability *= share;
      if (probability <= 0) return;
      for (std::size_t from = thought_of(n).first; from < thought_of(n).end; ++from) {
        value[from] += probability * then[from];
      }
      value[table_.nothing()] += probability * then[table_.nothing()];
    };
    add(loss, hurt.data() + row(step.now, n));
    add(1 - loss - join, unhurt.data() + row(step.next, n));
    if (join <= 0) continue;
    const int most = std::min(room(n, step.number), step.next.high - n);
    for (const auto& [come, probability] : outcomes(outlook_.join_size(step.number), most)) {
      add(join * probability, unhurt.data() + row(step.next, n + come));
    }
  }
}

/// Returns the probability of losses. Behind the horizon it stays.
double Lookahead::loss_at(int step) const {
  const auto at = static_cast<std::size_t>(step);
  if (known(step)) return outlook_.known_lost[at] > 0 ? 1 : 0;
  return outlook_.loss[std::min(at, outlook_.loss.size() - 1)];
}

bool Lookahead::possible(Warning warning, int step) const {
  for (int i = 0; i < warned_; ++i) {
    const double loss = loss_at(step + i);
    if ((warning >> i & 1) != 0 ? loss <= 0 : loss >= 1) return false;
  }
  return true;
}

/// Returns how many may come at once.
int Lookahead::room(int workers, int step) const {
  const int most = workers < outlook_.most_seen ? outlook_.most_seen : table_.workers_max();
  return std::min(most - workers, common_most(outlook_.join_size(step)));
}

double Lookahead::join_at(int workers, int step) const {
  if (room(workers, step) <= 0) return 0;
  if (workers >= outlook_.most_seen) return outlook_.join_beyond;
  return outlook_.join[static_cast<std::size_t>(step)];
}

std::vector<Lookahead::Outcome> Lookahead::outcomes(const Distribution& sizes, int most) {
  const std::vector<double> likely = up_to(sizes, std::max(most, 0));
  std::vector<Outcome> all;
  for (std::size_t size = 0; size < likely.size(); ++size) {
    if (likely[size] > 0) all.push_back({static_cast<int>(size), likely[size]});
  }
  return all;
}

}  // namespace planaria
