// model/lanes.hpp: which gradients are added to which, in what order. Floor 1, pure.
// Is: the fixed binary tree over lanes that makes a sum independent of the layout (PROTOCOL 1).
// Is not: the sums themselves; runtime folds tensors, tests fold strings, by the same rule.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <planaria/base/check.hpp>
#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>

namespace planaria {

/// Micro-batches [first, last], both included; or lanes.
struct MicroBatchRange {
  MicroBatchId first, last;
  [[nodiscard]] int size() const { return last.value - first.value + 1; }
  friend auto operator<=>(const MicroBatchRange&, const MicroBatchRange&) = default;
};
struct LaneRange {
  LaneId first, last;
  [[nodiscard]] int size() const { return last.value - first.value + 1; }
  friend auto operator<=>(const LaneRange&, const LaneRange&) = default;
};

/// A node of the tree: at height h and index i it covers lanes i*2^h to (i+1)*2^h - 1. A node whose
/// right half holds no lane equals its left child; only the lowest such name is ever used.
struct TreeNode {
  std::int32_t height = 0;
  std::int32_t index = 0;
  friend auto operator<=>(const TreeNode&, const TreeNode&) = default;
};

/// The lanes of a step and the tree over them. Lanes are `lane_size` consecutive micro-batches, the
/// last may be shorter; the tree spans the next power of two, missing leaves are skipped, not added
/// as zero.
class LaneTree {
 public:
  /// Requires micro_batches >= 1 and 1 <= lane_size.
  LaneTree(int micro_batches, int lane_size);

  [[nodiscard]] int micro_batches() const { return micro_batches_; }
  [[nodiscard]] int lane_size() const { return lane_size_; }
  [[nodiscard]] int lanes() const { return lanes_; }
  [[nodiscard]] LaneId lane_of(MicroBatchId micro_batch) const;
  [[nodiscard]] MicroBatchRange micro_batches_of(LaneId lane) const;
  [[nodiscard]] MicroBatchRange micro_batches_of(LaneRange lanes) const;
  /// Returns the lanes that make up the range, or invalid_input where it cuts through a lane.
  [[nodiscard]] Result<LaneRange> lanes_of(MicroBatchRange range) const;
  /// Returns the lowest-named node that covers every lane: where the whole sum ends up.
  [[nodiscard]] TreeNode root() const;
  /// Returns the lanes under `node`, or nothing where it covers none that exist.
  [[nodiscard]] std::optional<LaneRange> lanes_under(TreeNode node) const;
  /// Returns the whole subtrees that together are `range`, in lane order: what a worker that has
  /// computed those lanes holds after adding all it may add on its own. O(log lanes) nodes.
  [[nodiscard]] std::vector<TreeNode> cover(LaneRange range) const;
  /// Returns which two nodes are added to get `node` further up, by their lowest names; nothing for
  /// the root. `node` is `left` or `right` of the answer.
  struct Merge {
    TreeNode left, right, sum;
    friend bool operator==(const Merge&, const Merge&) = default;
  };
  [[nodiscard]] std::optional<Merge> merge_of(TreeNode node) const;
  /// Returns the most partial sums alive while `lanes` consecutive lanes are folded, worst over
  /// where they start: 1, 2, 3, 3, 4, 4, 5, 5, 5, 5, 6, ... (PROTOCOL 1, b(s)).
  [[nodiscard]] static int partial_sums_max(int lanes);

 private:
  int micro_batches_;
  int lane_size_;
  int lanes_;
};

/// Returns what is left of disjoint `nodes` when their sums are added as far as the tree allows,
/// ascending: the nodes that a TreeFold holds then. O(nodes log nodes log lanes).
[[nodiscard]] std::vector<TreeNode> added_up(const LaneTree& tree,
                                             const std::vector<TreeNode>& nodes);

/// Folds values that arrive in any order of nodes, adding left + right wherever both halves of a
/// node are there. `Add` is called as add(left&, right&&) and leaves the sum in left. Values are
/// added in the tree's order only, so any split of the lanes gives the same bits.
template <class Value>
class TreeFold {
 public:
  explicit TreeFold(const LaneTree& tree) : tree_(tree) {}

  /// Takes the value of `node` and adds upwards as far as possible. Each lane may come only once.
  template <class Add>
  void put(TreeNode node, Value value, Add&& add) {
    check(held_.emplace(node, std::move(value)).second, "a tree node was put twice");
    while (const auto merge = tree_.merge_of(node)) {
      auto left = held_.find(merge->left);
      auto right = held_.find(merge->right);
      if (left == held_.end() || right == held_.end()) return;
      add(left->second, std::move(right->second));
      Value sum = std::move(left->second);
      held_.erase(left);
      held_.erase(right);
      node = merge->sum;
      held_.emplace(node, std::move(sum));
    }
  }

  [[nodiscard]] const std::map<TreeNode, Value>& held() const { return held_; }
  [[nodiscard]] std::map<TreeNode, Value>& held() { return held_; }
  [[nodiscard]] bool complete() const {
    return held_.size() == 1 && held_.begin()->first == tree_.root();
  }
  /// Takes the whole sum out. Requires complete().
  [[nodiscard]] Value take() {
    check(complete(), "sum taken before every lane was added");
    Value value = std::move(held_.begin()->second);
    held_.clear();
    return value;
  }

 private:
  LaneTree tree_;
  std::map<TreeNode, Value> held_;
};

}  // namespace planaria
