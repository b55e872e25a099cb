// liveput/loss_rows.hpp: probabilities by the number of losses, and how blocks of workers join.
// Private.
// Is: arithmetic of conditional probabilities. Every value is within [0, 1] and every sum is of
// values that are not negative: nothing overflows, nothing cancels, whatever the number of workers.
#pragma once

#include <vector>

namespace planaria {

/// At k: the probability of something good when k of a block's workers are lost, any set as likely
/// as any other. Behind its end it is 0.
using LossRow = std::vector<double>;

/// The hypergeometric distribution: of `lost` workers lost of two blocks together, how many are of
/// the first one. Its values come by ratios from the likeliest one outwards and are divided by
/// their sum: neither factorials nor logarithms.
class LossSplit {
 public:
  struct Blocks {
    int first = 0;   // workers of the first block
    int second = 0;  // workers of the second one
  };
  LossSplit(const Blocks& blocks, int lost);
  /// The fewest and the most losses that the first block can have.
  [[nodiscard]] int low() const { return low_; }
  [[nodiscard]] int high() const { return low_ + static_cast<int>(values_.size()) - 1; }
  /// Requires low() to high().
  [[nodiscard]] double at(int of_first) const {
    return values_[static_cast<std::size_t>(of_first - low_)];
  }

 private:
  int low_;
  std::vector<double> values_;
};

/// Returns weights of how many of a block of `block` workers vanish if each of all `workers` does
/// so by itself, all as likely: the likeliest number has weight 1. Given that `lost` vanish of all,
/// any set being as likely as any other, numbers lost of several blocks together are as likely as
/// the products of their weights say: unlike with LossSplit, one block's do not depend on what was
/// lost of others. O(min(block, lost)).
[[nodiscard]] std::vector<double> lone_weights(int block, int workers, int lost);

/// Workers with a row for each number of live holders, from 1.
struct LossBlock {
  int workers = 0;
  std::vector<LossRow> rows;
};

/// Returns the block of both together, good where both are. Rows end at losses_max.
/// O(losses x workers of the smaller block x rows).
[[nodiscard]] LossBlock joined(const LossBlock& one, const LossBlock& other, int losses_max);
/// Returns `count` blocks like `block` together. Requires at least 1.
[[nodiscard]] LossBlock repeated(const LossBlock& block, int count, int losses_max);
/// Returns a block whose losses harm nobody.
[[nodiscard]] LossBlock idle_block(int workers, std::size_t rows, int losses_max);

}  // namespace planaria
