#include "liveput/loss_rows.hpp"

#include <algorithm>
#include <cstdint>

namespace planaria {
namespace {

// Less than this beside the likeliest value counts as nothing: before numbers lose digits.
constexpr double negligible = 1e-300;

std::size_t longest(const LossBlock& block) {
  std::size_t length = 0;
  for (const LossRow& row : block.rows) length = std::max(length, row.size());
  return length;
}

// What `lost` losses of both add up to, over how many of them are of `one`.
double joined_at(const LossSplit& split, const LossRow& one, const LossRow& other, int lost) {
  const int low = std::max(split.low(), lost - static_cast<int>(other.size()) + 1);
  const int high = std::min(split.high(), static_cast<int>(one.size()) - 1);
  double sum = 0;
  for (int i = low; i <= high; ++i) {
    sum += split.at(i) *
           (one[static_cast<std::size_t>(i)] * other[static_cast<std::size_t>(lost - i)]);
  }
  return sum;
}

}  // namespace

LossSplit::LossSplit(const Blocks& blocks, int lost) : low_(std::max(0, lost - blocks.second)) {
  const int high = std::min(blocks.first, lost);
  const std::int64_t all = std::int64_t{blocks.first} + blocks.second;
  const auto likeliest =
      static_cast<int>((std::int64_t{lost} + 1) * (std::int64_t{blocks.first} + 1) / (all + 2));
  const int mode = std::clamp(likeliest, low_, high);
  values_.assign(static_cast<std::size_t>(high - low_ + 1), 0.0);
  const auto value = [&](int i) -> double& { return values_[static_cast<std::size_t>(i - low_)]; };
  // C(first, i) C(second, lost - i), by the ratio of neighbours.
  const auto ratio = [&](int i) {  // that of i + 1 to i
    const double up = static_cast<double>(blocks.first - i) * (lost - i);
    return up / (static_cast<double>(i + 1) * (blocks.second - lost + i + 1));
  };
  value(mode) = 1;
  double sum = 1;
  for (int i = mode; i < high && value(i) > negligible; ++i)
    sum += value(i + 1) = value(i) * ratio(i);
  for (int i = mode; i > low_ && value(i) > negligible; --i) {
    sum += value(i - 1) = value(i) / ratio(i - 1);
  }
  for (double& probability : values_) probability /= sum;
}

LossBlock joined(const LossBlock& one, const LossBlock& other, int losses_max) {
  if (one.workers > other.workers) return joined(other, one, losses_max);
  LossBlock both{one.workers + other.workers, std::vector<LossRow>(one.rows.size())};
  const auto length = static_cast<int>(longest(one) + longest(other)) - 1;
  for (int lost = 0; lost < std::min(length, losses_max + 1); ++lost) {
    const LossSplit split({one.workers, other.workers}, lost);
    for (std::size_t row = 0; row < both.rows.size(); ++row) {
      const LossRow& first = one.rows[row];
      const LossRow& second = other.rows[row];
      if (first.empty() || second.empty()) continue;
      if (static_cast<std::size_t>(lost) + 1 >= first.size() + second.size()) continue;
      both.rows[row].push_back(joined_at(split, first, second, lost));
    }
  }
  return both;
}

LossBlock repeated(const LossBlock& block, int count, int losses_max) {
  if (count == 1) return block;
  const LossBlock half = repeated(block, count / 2, losses_max);
  const LossBlock even = joined(half, half, losses_max);
  return count % 2 == 0 ? even : joined(block, even, losses_max);
}

LossBlock idle_block(int workers, std::size_t rows, int losses_max) {
  const auto length = static_cast<std::size_t>(std::min(workers, losses_max)) + 1;
  return {workers, std::vector<LossRow>(rows, LossRow(length, 1.0))};
}

std::vector<double> lone_weights(int block, int workers, int lost) {
  const int most = std::min(block, lost);
  // The odds at which `lost` of all are expected to vanish.
  const double odds = static_cast<double>(lost) / std::max(workers - lost, 1);
  const int mode =
      std::min(most, static_cast<int>((static_cast<double>(block) + 1) * lost / (workers + 1.0)));
  std::vector<double> weights(static_cast<std::size_t>(most) + 1, 1);
  const auto at = [&](int i) -> double& { return weights[static_cast<std::size_t>(i)]; };
  for (int i = mode; i < most; ++i) at(i + 1) = at(i) * odds * (block - i) / (i + 1);
  for (int i = mode; i > 0; --i) at(i - 1) = at(i) * i / (odds * (block - i + 1));
  return weights;
}

}  // namespace planaria
