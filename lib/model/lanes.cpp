#include <planaria/model/lanes.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace planaria {
namespace {

// Descends to the lowest name of the same sum: a node without lanes on its right is its left child.
TreeNode lowest(TreeNode node, int lanes) {
  while (node.height > 0) {
    const int right_first = ((node.index * 2) + 1) << (node.height - 1);
    if (right_first < lanes) return node;
    node = {node.height - 1, node.index * 2};
  }
  return node;
}

}  // namespace

LaneTree::LaneTree(int micro_batches, int lane_size)
    : micro_batches_(micro_batches),
      lane_size_(lane_size),
      lanes_((micro_batches + lane_size - 1) / std::max(lane_size, 1)) {
  check(micro_batches >= 1, "a step has at least one micro-batch");
  check(lane_size >= 1, "a lane has at least one micro-batch");
}

LaneId LaneTree::lane_of(MicroBatchId micro_batch) const {
  return LaneId{micro_batch.value / lane_size_};
}

MicroBatchRange LaneTree::micro_batches_of(LaneId lane) const {
  const int first = lane.value * lane_size_;
  return {MicroBatchId{first}, MicroBatchId{std::min(first + lane_size_, micro_batches_) - 1}};
}

MicroBatchRange LaneTree::micro_batches_of(LaneRange lanes) const {
  return {micro_batches_of(lanes.first).first, micro_batches_of(lanes.last).last};
}

Result<LaneRange> LaneTree::lanes_of(MicroBatchRange range) const {
  const LaneRange lanes{lane_of(range.first), lane_of(range.last)};
  if (range.size() < 1 || micro_batches_of(lanes.first).first != range.first ||
      micro_batches_of(lanes.last).last != range.last) {
    return Fault::invalid_input(fmt::format("micro-batches {} to {} are not whole lanes of {}",
                                            range.first.value, range.last.value, lane_size_));
  }
  return lanes;
}

TreeNode LaneTree::root() const {
  int height = 0;
  while ((1 << height) < lanes_) ++height;
  return lowest({height, 0}, lanes_);
}

std::optional<LaneRange> LaneTree::lanes_under(TreeNode node) const {
  const std::int64_t first = static_cast<std::int64_t>(node.index) << node.height;
  if (first >= lanes_) return std::nullopt;
  const std::int64_t end = std::min<std::int64_t>(first + (std::int64_t{1} << node.height), lanes_);
  return LaneRange{LaneId{static_cast<int>(first)}, LaneId{static_cast<int>(end - 1)}};
}

std::vector<TreeNode> LaneTree::cover(LaneRange range) const {
  std::vector<TreeNode> nodes;
  int lane = range.first.value;
  while (lane <= range.last.value) {
    // The highest subtree that starts here and whose existing lanes all lie in the range.
    TreeNode best{0, lane};
    for (int height = 1; (lane & ((1 << height) - 1)) == 0; ++height) {
      const auto under = lanes_under({height, lane >> height});
      if (!under || under->last > range.last) break;
      best = {height, lane >> height};
      if (under->last.value == lanes_ - 1) break;
    }
    lane = lanes_under(best)->last.value + 1;
    nodes.push_back(lowest(best, lanes_));
  }
  return nodes;
}

std::optional<LaneTree::Merge> LaneTree::merge_of(TreeNode node) const {
  TreeNode alias = node;  // climbs through parents that are the same sum under a higher name
  while ((1 << alias.height) < lanes_) {
    const TreeNode parent{alias.height + 1, alias.index / 2};
    const bool is_left = alias.index % 2 == 0;
    const TreeNode sibling{alias.height, alias.index + (is_left ? 1 : -1)};
    if (lanes_under(sibling)) {
      const TreeNode other = lowest(sibling, lanes_);
      return is_left ? Merge{node, other, parent} : Merge{other, node, parent};
    }
    alias = parent;
  }
  return std::nullopt;
}

std::vector<TreeNode> added_up(const LaneTree& tree, const std::vector<TreeNode>& nodes) {
  struct Nothing {};
  TreeFold<Nothing> fold(tree);
  for (const TreeNode node : nodes) fold.put(node, {}, [](Nothing&, Nothing&&) {});
  std::vector<TreeNode> left;
  for (const auto& [node, nothing] : fold.held()) left.push_back(node);
  return left;
}

int LaneTree::partial_sums_max(int lanes) {
  // What is alive before a lane comes are the whole subtrees of those that have come. k subtrees
  // need the fewest lanes where they double up to the middle and halve from there (1 2 4 4 2 1, the
  // first at an odd lane): 2 (2^(k/2) - 1), and 2^(k/2) more for an odd k.
  int alive = 0;
  for (std::int64_t middle = 1; middle <= lanes; middle *= 2) {
    const std::int64_t both_sides = 2 * (middle - 1);
    if (both_sides <= lanes - 1 && middle > 1) ++alive;
    if (both_sides + middle <= lanes - 1) ++alive;
  }
  return alive + 1;
}

}  // namespace planaria
