#include "liveput/takeover.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <planaria/base/check.hpp>

#include "liveput/loss_rows.hpp"

namespace planaria {
namespace {

/// Probabilities closer than this are the same, but for rounding.
constexpr double rounding = 1e-14;

std::size_t at(int index) {
  return static_cast<std::size_t>(index);
}

}  // namespace

/// The numbers lost of each stage, stage after stage.
class Vanished {
 public:
  Vanished(const Takeover& takeover, int workers, int lost, bool held)
      : takeover_(takeover), lost_(lost), held_(held), splits_(takeover.of_stage_.size()) {
    int others = workers;
    for (auto& of_stage : splits_) {
      const int both = others;
      others -= takeover.from_width_;
      for (int before = 0; before <= lost; ++before) {
        // More than are there cannot be lost of this stage and those behind.
        const int rest = std::min(lost - before, both);
        of_stage.emplace_back(LossSplit::Blocks{takeover.from_width_, others}, rest);
      }
    }
  }

  [[nodiscard]] double unhurt() const {
    double probability = 1;
    for (const auto& of_stage : splits_) {
      const LossSplit& split = of_stage.front();
      if (split.low() > 0) return 0;
      probability *= split.at(0);
    }
    return probability;
  }

  /// Returns the probability that some who computed were lost, every stage is held, and nobody need
  /// fetch longer.
  [[nodiscard]] double within(double longest_ms) const {
    // By how many were lost so far, then by how many the place still lacks that is open.
    const auto none =
        std::vector<std::vector<double>>(at(lost_) + 1, std::vector<double>(at(places_max()), 0));
    auto now = none;
    now[0][0] = 1;
    for (std::size_t stage = 0; stage < splits_.size(); ++stage) {
      auto next = none;
      for (int before = 0; before <= lost_; ++before) {
        const LossSplit& split = splits_[stage][at(before)];
        for (int lacking = 0; lacking < places_max(); ++lacking) {
          const double so_far = now[at(before)][at(lacking)];
          if (so_far == 0) continue;
          for (int lost = split.low(); lost <= split.high(); ++lost) {
            const int survivors = takeover_.from_width_ - lost;
            if (survivors == 0 && !held_) continue;
            const auto then =
                takeover_.through(static_cast<int>(stage), lacking, survivors, longest_ms);
            if (then) next[at(before + lost)][at(*then)] += so_far * split.at(lost);
          }
        }
      }
      now = std::move(next);
    }
    double sum = 0;
    for (int lost = 1; lost <= lost_; ++lost) sum += now[at(lost)][0];
    return sum;
  }

 private:
  [[nodiscard]] int places_max() const { return takeover_.to_width_ + 1; }

  const Takeover& takeover_;
  int lost_;
  bool held_;
  std::vector<std::vector<LossSplit>> splits_;  // [stage][lost of those before]
};

Takeover::Takeover(const CutGrid& from, const CutGrid& to, const FetchMs& fetch_ms)
    : from_width_(from.width), to_width_(to.width), of_stage_(at(from.depth())) {
  check(from.firsts.back() == to.firsts.back(), "both layouts have the same layers");
  lengths_.push_back(0);
  for (int place = 0; place < to.depth(); ++place) {
    const int first = to.firsts[at(place)];
    const int end = to.firsts[at(place) + 1];
    whole_ms_.push_back(fetch_ms({first, end, end, end}));
    lengths_.push_back(whole_ms_.back());
    for (int stage = 0; stage < from.depth(); ++stage) {
      const int held = std::max(first, from.firsts[at(stage)]);
      const int held_end = std::min(end, from.firsts[at(stage) + 1]);
      if (held >= held_end) continue;
      const double ms = fetch_ms({first, held, held_end, end});
      of_stage_[at(stage)].push_back({place, ms, held == first, held_end == end});
      lengths_.push_back(ms);
    }
  }
  std::ranges::sort(lengths_);
  lengths_.erase(std::unique(lengths_.begin(), lengths_.end()), lengths_.end());
}

/// Returns how many workers the place lacks that is still open behind the stage (0: none is), or
/// nothing where a place stays without.
std::optional<int> Takeover::through(int stage, int lacking, int survivors,
                                     double longest_ms) const {
  for (const Overlap& overlap : of_stage_[at(stage)]) {
    // Where even who has nothing is done in time, anybody left over will do.
    if (overlap.begins_place) {
      lacking = whole_ms_[at(overlap.place)] <= longest_ms ? 0 : to_width_;
    }
    if (overlap.ms <= longest_ms) {
      const int go = std::min(lacking, survivors);
      lacking -= go;
      survivors -= go;
    }
    if (overlap.ends_place && lacking > 0) return std::nullopt;
  }
  return lacking;
}

bool Takeover::suffices_unhurt(double longest_ms) const {
  int lacking = 0;
  for (std::size_t stage = 0; stage < of_stage_.size(); ++stage) {
    const auto then = through(static_cast<int>(stage), lacking, from_width_, longest_ms);
    if (!then) return false;
    lacking = *then;
  }
  return true;
}

double Takeover::unhurt_ms() const {
  return *std::ranges::partition_point(lengths_, [&](double ms) { return !suffices_unhurt(ms); });
}

TakeoverOutlook Takeover::after(int workers, int lost, bool held) const {
  const Vanished vanished(*this, workers, lost, held);
  TakeoverOutlook outlook;
  outlook.unhurt = vanished.unhurt();
  const double nothing = vanished.within(0);
  const double all = vanished.within(lengths_.back());
  if (!held) outlook.stage_lost = std::max(0.0, 1 - outlook.unhurt - all);
  outlook.fetching = std::max(0.0, all - nothing);
  // Halves where the probability does not grow have no length that is the slowest.
  const auto add = [&](const auto& self, std::size_t low, double within_low, std::size_t high,
                       double within_high) -> void {
    if (within_high - within_low <= rounding) return;
    if (high - low == 1) {
      outlook.fetch_ms += (within_high - within_low) * lengths_[high];
      return;
    }
    const std::size_t middle = low + ((high - low) / 2);
    const double within_middle = vanished.within(lengths_[middle]);
    self(self, low, within_low, middle, within_middle);
    self(self, middle, within_middle, high, within_high);
  };
  add(add, 0, nothing, lengths_.size() - 1, all);
  return outlook;
}

}  // namespace planaria
