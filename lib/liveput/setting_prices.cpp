#include <algorithm>
#include <limits>
#include <utility>

#include <planaria/liveput/prices.hpp>
#include <planaria/model/transfer_table.hpp>

#include "liveput/loss_rows.hpp"

namespace planaria {
namespace {

/// What the stages looked at so far must fetch, were some of their workers lost.
struct Fetched {
  bool any = false;
  double slowest_ms = 0;
  double sole_ms = 0;  // together, of stages nobody holds any more
  double weight = 1;
  [[nodiscard]] bool same_as(const Fetched& other) const {
    return any == other.any && slowest_ms == other.slowest_ms && sole_ms == other.sole_ms;
  }
};

/// The counts lost of each stage, stage after stage, told apart by what they make fetch alone.
class Vanishing {
 public:
  explicit Vanishing(const LayoutChange& change)
      : change_(change),
        of_stage_(lone_weights(change.from.width, change.workers, change.lost)),
        cases_(static_cast<std::size_t>(change.lost) + 1),
        after_(cases_.size()) {
    cases_.front().push_back({});
  }

  void add_stage(double move_ms, bool last) {
    for (std::vector<Fetched>& all : after_) all.clear();
    for (std::size_t before = 0; before < cases_.size(); ++before) {
      const std::size_t most = std::min(of_stage_.size(), cases_.size() - before);
      for (const Fetched& one : cases_[before]) {
        for (std::size_t lost = 0; lost < most; ++lost) {
          add(after_[before + lost], with_stage(one, static_cast<int>(lost), move_ms, last),
              of_stage_[lost]);
        }
      }
    }
    std::swap(cases_, after_);
  }

  /// Returns the expectation of `ms` of what is fetched; the rest of the losses are spares'.
  template <class Ms>
  [[nodiscard]] double expected(const Ms& ms) const {
    const auto of_spares =
        lone_weights(change_.workers - change_.from.workers(), change_.workers, change_.lost);
    double sum = 0;
    double all = 0;
    for (std::size_t lost = 0; lost < cases_.size(); ++lost) {
      const std::size_t spares = cases_.size() - 1 - lost;
      if (spares >= of_spares.size()) continue;
      for (const Fetched& one : cases_[lost]) {
        const double weight = one.weight * of_spares[spares];
        sum += weight * ms(one);
        all += weight;
      }
    }
    return sum / all;
  }

 private:
  [[nodiscard]] Fetched with_stage(Fetched one, int lost, double move_ms, bool last) const {
    const int missing = std::max(0, change_.to.width - (change_.from.width - lost));
    if (missing == 0) return one;
    one.any = true;
    one.slowest_ms = std::max(one.slowest_ms, move_ms);
    const bool sole = missing == change_.to.width || (last && missing == change_.to.width - 1);
    if (sole) one.sole_ms += move_ms;
    return one;
  }

  static void add(std::vector<Fetched>& all, Fetched one, double weight) {
    one.weight *= weight;
    const auto found =
        std::ranges::find_if(all, [&](const Fetched& other) { return one.same_as(other); });
    if (found == all.end()) {
      all.push_back(one);
    } else {
      found->weight += one.weight;
    }
  }

  const LayoutChange& change_;
  std::vector<double> of_stage_;
  std::vector<std::vector<Fetched>> cases_;  // by how many of the stages' workers were lost
  std::vector<std::vector<Fetched>> after_;  // while a stage is added
};

}  // namespace

SettingPrices::SettingPrices(Setting setting)
    : setting_(std::move(setting)), layouts_(setting_.throughput), sums_{0} {
  std::ranges::sort(layouts_, {}, &MeasuredLayout::layout);
  for (const double count : setting_.layer_parameters) sums_.push_back(sums_.back() + count);
  for (const MeasuredBuild& build : setting_.model_build) build_ms_[build.depth] = build.ms;
  for (const MeasuredRegroup& one : setting_.regroup) regroup_[one.layout] = one;
  for (const auto& [depth, ms] : build_ms_) {
    const std::vector<int>& firsts = cuts_[depth] = cuts(depth);
    std::vector<double>& moves = moves_ms_[depth];
    for (std::size_t q = 0; q + 1 < firsts.size(); ++q) {
      moves.push_back(move_ms(parameters(firsts[q], firsts[q + 1])));
    }
  }
}

std::vector<int> SettingPrices::cuts(int depth) const {
  const auto layers = static_cast<int>(setting_.layer_parameters.size());
  const int each = (layers - 1) / depth;
  const int rest = (layers - 1) % depth;
  std::vector<int> firsts{0};
  for (int stage = 0; stage < depth; ++stage) {
    const bool one_more = stage == 0;
    const bool of_rest = stage >= depth - 1 - rest && stage < depth - 1;
    firsts.push_back(firsts.back() + each + (one_more ? 1 : 0) + (of_rest ? 1 : 0));
  }
  return firsts;
}

double SettingPrices::move_ms(double parameter_count) const {
  return measured_ms(setting_.transfer, setting_.state_bytes_per_parameter * parameter_count);
}

const std::vector<double>& SettingPrices::moves_ms(int depth) const {
  return moves_ms_.at(depth);
}

double SettingPrices::restart_ms(const GridLayout& to, bool grows) const {
  const MeasuredRegroup& regroup = regroup_.at(to);
  const double both_ms = setting_.process_ms + build_ms_.at(to.depth);
  if (!grows) return both_ms + regroup.shrink_ms;
  return both_ms + regroup.grow_ms + setting_.rendezvous_ms + setting_.growth_extra_ms;
}

double SettingPrices::least_ms(const GridLayout& to, bool larger) const {
  return larger ? restart_ms(to, true) : setting_.process_ms + regroup_.at(to).shrink_ms;
}

double SettingPrices::read_all_ms(const GridLayout& to) const {
  double all_ms = 0;
  for (const double ms : moves_ms(to.depth)) all_ms += ms;
  return all_ms;
}

double SettingPrices::change_ms(const LayoutChange& change) const {
  if (change.to.empty()) return 0;
  if (change.from.depth == change.to.depth) {
    if (change.from == change.to && change.lost == 0) return 0;
    return regrouped_ms(change);
  }
  const auto& moves = moves_ms(change.to.depth);
  const double broadcast_ms = change.to.width > 1 ? *std::ranges::max_element(moves) : 0;
  return pull_ms(change.from, change.to.depth) + broadcast_ms +
         restart_ms(change.to, grows(change));
}

double SettingPrices::regrouped_ms(const LayoutChange& change) const {
  const double intra_ms = setting_.process_ms + regroup_.at(change.to).shrink_ms;
  // Whoever vanishes, every stage keeps enough workers.
  if (change.from.width - change.lost >= change.to.width) return intra_ms;
  Vanishing vanishing(change);
  const auto& moves = moves_ms(change.to.depth);
  for (std::size_t q = 0; q < moves.size(); ++q) {
    vanishing.add_stage(moves[q], q + 1 == moves.size());
  }
  const double restart = restart_ms(change.to, grows(change));
  return vanishing.expected([&](const Fetched& one) {
    return one.any ? std::max(one.slowest_ms, one.sole_ms) + restart : intra_ms;
  });
}

double SettingPrices::pull_ms(const GridLayout& from, int depth) const {
  if (from.empty()) return move_ms(0);
  const std::vector<int>& old = cuts_.at(from.depth);
  const std::vector<int>& now = cuts_.at(depth);
  std::vector<int> taken(static_cast<std::size_t>(from.depth), 0);
  std::size_t overlapping = 0;  // the first old stage that holds layers of this one
  double last = 0;
  for (int q = 0; q < std::min(depth, from.workers()); ++q) {
    const auto at = static_cast<std::size_t>(q);
    const double all = parameters(now[at], now[at + 1]);
    double least = std::numeric_limits<double>::infinity();
    std::size_t best = 0;
    // Of equals the worker of the lowest number: of the first pipeline that has one left.
    const auto look_at = [&](std::size_t s) {
      if (taken[s] == from.width) return;
      const int first = std::max(old[s], now[at]);
      const int end = std::max(first, std::min(old[s + 1], now[at + 1]));
      const double missing = all - parameters(first, end);
      if (missing < least || (missing == least && taken[s] < taken[best])) {
        least = missing;
        best = s;
      }
    };
    while (old[overlapping + 1] <= now[at]) ++overlapping;
    for (std::size_t s = overlapping; s < taken.size() && old[s] < now[at + 1]; ++s) look_at(s);
    // Who holds nothing of it is as good as any other such.
    if (least >= all) {
      least = std::numeric_limits<double>::infinity();
      best = 0;
      for (std::size_t s = 0; s < taken.size(); ++s) look_at(s);
    }
    ++taken[best];
    last = least;
  }
  return move_ms(last);
}

}  // namespace planaria
