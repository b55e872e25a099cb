// liveput/takeover.hpp: who takes which stage of a new layout, and how long the slowest of them
// fetches. Private.
// Is: the assignment whose longest fetch is shortest, and its expectation over who vanished, exact.
// Is not: what a change costs beside fetching (profile_prices.cpp).
#pragma once

#include <functional>
#include <optional>
#include <vector>

namespace planaria {

/// Pipelines that are all cut alike.
struct CutGrid {
  int width = 0;
  std::vector<int> firsts;  // the first layer of each stage, and behind them the number of layers
  [[nodiscard]] int depth() const { return static_cast<int>(firsts.size()) - 1; }
  [[nodiscard]] int workers() const { return width * depth(); }
};

/// What is expected of a takeover once some have vanished. The three probabilities, and that of
/// everybody left having all they need already, sum to 1.
struct TakeoverOutlook {
  double unhurt = 0;      // the probability that nobody who computed was lost
  double stage_lost = 0;  // that nobody holds some stage any more
  double fetching = 0;    // that neither, and somebody fetches
  double fetch_ms = 0;    // the sum of probability x slowest fetch over these cases
};

/// A worker that held stage s of the old layout and takes place q of the new one fetches q's layers
/// outside s; whoever held nothing, all of q's. Old and new stages overlap in a line, each place
/// with consecutive stages; so whether nobody need fetch longer than t is decided from the left to
/// the right: a stage's workers go to the first place that may have them and still lacks some, and
/// what a stage does not give before the line leaves it it cannot give at all.
class Takeover {
 public:
  /// How long a worker fetches layers [first, end) and [then, last), both perhaps none.
  struct Missing {
    int first = 0, end = 0, then = 0, last = 0;
  };
  using FetchMs = std::function<double(const Missing&)>;

  /// Requires grids of the same layers. O(old depth + new depth) calls of `fetch_ms`, which must
  /// not grow when layers are taken away.
  Takeover(const CutGrid& from, const CutGrid& to, const FetchMs& fetch_ms);

  /// Returns the slowest fetch where nobody was lost, and who stands by has nothing.
  /// O((old depth + new depth) log of it).
  [[nodiscard]] double unhurt_ms() const;
  /// Returns what is expected where `lost` of `workers` have vanished, each set as likely; the old
  /// layout was on the first of them. `held`: whoever they are, every layer is still held. Requires
  /// the old layout's workers at least.
  /// O(old depth x lost x width x new width) for each length of the slowest fetch that may occur.
  [[nodiscard]] TakeoverOutlook after(int workers, int lost, bool held) const;

 private:
  /// A stage and a place that have layers in common.
  struct Overlap {
    int place = 0;
    double ms = 0;
    bool begins_place = false;
    bool ends_place = false;
  };

  [[nodiscard]] std::optional<int> through(int stage, int lacking, int survivors,
                                           double longest_ms) const;
  [[nodiscard]] bool suffices_unhurt(double longest_ms) const;

  int from_width_;
  int to_width_;
  std::vector<std::vector<Overlap>> of_stage_;  // in the order of places
  std::vector<double> whole_ms_;                // of each place, for who has nothing
  std::vector<double> lengths_;                 // ascending: 0, and all that a fetch may take

  friend class Vanished;
};

}  // namespace planaria
