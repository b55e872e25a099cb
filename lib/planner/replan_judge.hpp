// planner/replan_judge.hpp: which of several layouts costs least over the horizon. Private to
// planner. Is: replan()'s order of candidates. Is not: where they come from (replan.cpp).
#pragma once

#include <cstdint>
#include <optional>
#include <tuple>
#include <vector>

#include <planaria/planner/replan.hpp>

#include "planner/holdings.hpp"
#include "planner/layout_price.hpp"
#include "planner/transfers.hpp"

namespace planaria {

/// The tie rule of replan.hpp: score, bytes, step, changed, idle workers, width.
using ReplanRank = std::tuple<double, std::int64_t, double, bool, int, std::size_t>;

struct ReplanCandidate {
  Layout layout;  // without shadows
  const char* origin = "";
  double score = 0;
  double step_ms = 0;
  double transfer_ms = 0;
  std::int64_t bytes = 0;
  bool changed = false;  // from before
  int idle = 0;
  std::vector<Transfer> transfers;
  [[nodiscard]] ReplanRank rank() const {
    return {score, bytes, step_ms, changed, idle, layout.pipelines.size()};
  }
};

class ReplanJudge {
 public:
  /// Borrows all.
  ReplanJudge(const ReplanRequest& request, const Holdings& holdings, LayoutPrice& price)
      : request_(request), holdings_(holdings), price_(price) {}

  /// Prices the layout, its lanes shared out, and keeps it if it fits and is better than the best;
  /// returns whether it is.
  bool consider(Layout layout, const char* origin);
  /// Counts a candidate that need not be priced.
  void count() { ++considered_; }
  /// Tells whether whatever ranks at least so is worse than the best.
  [[nodiscard]] bool hopeless(const ReplanRank& least) const {
    return best_ && least > best_->rank();
  }
  /// Returns what no way to give the layout's places to workers ranks before, if its step takes no
  /// less than `step_ms`. Each place gets the
  /// worker that lacks least, as if workers could be in several: no assignment transfers less, nor
  /// ends before the place that gets most, nor before the mean.
  [[nodiscard]] ReplanRank least_rank(const Layout& layout, double step_ms) const;

  [[nodiscard]] const std::optional<ReplanCandidate>& best() const { return best_; }
  [[nodiscard]] int considered() const { return considered_; }

 private:
  [[nodiscard]] double score_of(double transfer_ms, double step_ms) const {
    return transfer_ms + (request_.horizon_steps * step_ms);
  }
  [[nodiscard]] double ms_of(std::int64_t end) const {
    return static_cast<double>(end) * request_.ms_per_byte;
  }
  [[nodiscard]] std::optional<ReplanCandidate> evaluate(Layout layout, const char* origin);
  using Ranges = std::vector<LayerRange>;  // of one worker's stages
  void add_needs(int worker, const Ranges& ranges, std::vector<Need>& needs) const;
  [[nodiscard]] std::int64_t lacking_bytes(int worker, const Ranges& ranges) const;

  const ReplanRequest& request_;
  const Holdings& holdings_;
  LayoutPrice& price_;
  std::optional<ReplanCandidate> best_;
  int considered_ = 0;
};

}  // namespace planaria
