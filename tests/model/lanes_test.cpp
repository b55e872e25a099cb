#include <planaria/model/lanes.hpp>

#include <algorithm>
#include <functional>
#include <string>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>

namespace planaria {
namespace {

void add(std::string& left, std::string&& right) {
  left = "(" + left + "+" + right + ")";
}

std::string leaf(int lane) {
  return std::to_string(lane);
}

// The rule of the tree read plainly: halves of a power of two, what is missing is skipped.
std::string sum_of(int first, int width, int lanes) {
  if (width == 1) return leaf(first);
  std::string left = sum_of(first, width / 2, lanes);
  if (first + width / 2 < lanes) add(left, sum_of(first + width / 2, width / 2, lanes));
  return left;
}

std::string whole_sum(int lanes) {
  int width = 1;
  while (width < lanes) width *= 2;
  return sum_of(0, width, lanes);
}

LaneRange lanes_between(int first, int last) {
  return {LaneId{first}, LaneId{last}};
}

// What a worker holds after it has added all it may of its own lanes.
std::map<TreeNode, std::string> folded(const LaneTree& tree, LaneRange range) {
  TreeFold<std::string> fold(tree);
  for (int lane = range.first.value; lane <= range.last.value; ++lane) {
    fold.put({0, lane}, leaf(lane), add);
  }
  return fold.held();
}

// Calls `use` with every way to cut `lanes` lanes into at most `parts_max` ranges.
void every_split(int lanes, int parts_max,
                 const std::function<void(const std::vector<LaneRange>&)>& use) {
  std::vector<LaneRange> ranges;
  const std::function<void(int)> extend = [&](int first) {
    if (first == lanes) {
      use(ranges);
      return;
    }
    if (static_cast<int>(ranges.size()) == parts_max) return;
    for (int last = first; last < lanes; ++last) {
      ranges.push_back(lanes_between(first, last));
      extend(last + 1);
      ranges.pop_back();
    }
  };
  extend(0);
}

}  // namespace

TEST_CASE("any split of the lanes, arriving in any order, gives the same sum", "[unit]") {
  Random random(3);
  for (int lanes = 1; lanes <= 17; ++lanes) {
    const LaneTree tree(lanes, 1);
    const std::string expected = whole_sum(lanes);
    int wrong = 0;
    every_split(lanes, 4, [&](const std::vector<LaneRange>& ranges) {
      std::vector<std::pair<TreeNode, std::string>> arriving;
      for (const LaneRange& range : ranges) {
        for (const auto& held : folded(tree, range)) arriving.push_back(held);
      }
      const auto arrives = [&] {
        TreeFold<std::string> fold(tree);
        for (const auto& [node, value] : arriving) fold.put(node, value, add);
        wrong += fold.complete() && fold.take() == expected ? 0 : 1;
      };
      std::sort(arriving.begin(), arriving.end());
      if (arriving.size() <= 5) {
        do arrives();
        while (std::next_permutation(arriving.begin(), arriving.end()));
      } else {
        for (int i = 0; i < 20; ++i) {
          for (std::size_t j = arriving.size() - 1; j > 0; --j) {
            std::swap(arriving[j], arriving[random.below(j + 1)]);
          }
          arrives();
        }
      }
    });
    INFO("lanes " << lanes << ", seed 3");
    CHECK(wrong == 0);
  }
}

TEST_CASE("a range is covered by just the subtrees that its own fold leaves", "[unit]") {
  for (int lanes = 1; lanes <= 20; ++lanes) {
    const LaneTree tree(lanes, 1);
    for (int first = 0; first < lanes; ++first) {
      for (int last = first; last < lanes; ++last) {
        const LaneRange range = lanes_between(first, last);
        const std::vector<TreeNode> cover = tree.cover(range);
        int next = first;
        for (const TreeNode& node : cover) {
          const auto under = tree.lanes_under(node);
          REQUIRE(under.has_value());
          CHECK(under->first.value == next);
          next = under->last.value + 1;
        }
        CHECK(next == last + 1);
        const auto held = folded(tree, range);
        CHECK(held.size() == cover.size());
        for (const TreeNode& node : cover) CHECK(held.contains(node));
      }
    }
    CHECK(tree.cover(lanes_between(0, lanes - 1)) == std::vector<TreeNode>{tree.root()});
  }
}

TEST_CASE("a node without lanes on its right is known by its left child's name", "[unit]") {
  const LaneTree five(5, 1);
  CHECK(five.root() == TreeNode{3, 0});
  CHECK(five.cover(lanes_between(4, 4)) == std::vector<TreeNode>{{0, 4}});
  CHECK(five.merge_of({0, 4}) == LaneTree::Merge{{2, 0}, {0, 4}, {3, 0}});
  CHECK(five.merge_of({2, 0}) == LaneTree::Merge{{2, 0}, {0, 4}, {3, 0}});
  CHECK(five.merge_of({0, 3}) == LaneTree::Merge{{0, 2}, {0, 3}, {1, 1}});
  CHECK(five.merge_of({3, 0}) == std::nullopt);
  CHECK(five.lanes_under({1, 2}) == lanes_between(4, 4));
  CHECK(five.lanes_under({1, 3}) == std::nullopt);
  CHECK(LaneTree(1, 1).root() == TreeNode{0, 0});
  CHECK(LaneTree(4, 1).root() == TreeNode{2, 0});
}

TEST_CASE("lanes are consecutive micro-batches and the last may be shorter", "[unit]") {
  const LaneTree tree(7, 3);
  CHECK(tree.lanes() == 3);
  const auto between = [](int first, int last) {
    return MicroBatchRange{MicroBatchId{first}, MicroBatchId{last}};
  };
  CHECK(tree.micro_batches_of(LaneId{0}) == between(0, 2));
  CHECK(tree.micro_batches_of(LaneId{2}) == between(6, 6));
  for (int i = 0; i < 7; ++i) CHECK(tree.lane_of(MicroBatchId{i}) == LaneId{i / 3});
  CHECK(tree.lanes_of(between(3, 6)).value() == lanes_between(1, 2));
  CHECK(tree.lanes_of(between(0, 5)).value() == lanes_between(0, 1));
  CHECK(tree.lanes_of(between(0, 4)).fault() ==
        Fault::invalid_input("micro-batches 0 to 4 are not whole lanes of 3"));
  CHECK(tree.lanes_of(between(1, 2)).fault().sentence ==
        "micro-batches 1 to 2 are not whole lanes of 3");
  CHECK(LaneTree(2, 5).lanes() == 1);
  CHECK(LaneTree(2, 5).micro_batches_of(LaneId{0}) == between(0, 1));
  CHECK(LaneTree(6, 3).lanes() == 2);
}

TEST_CASE("the partial sums alive while folding are as the planner prices them", "[unit]") {
  const std::vector<int> expected{1, 2, 3, 3, 4, 4, 5, 5, 5, 5, 6};
  for (int lanes = 1; lanes <= 11; ++lanes) {
    CHECK(LaneTree::partial_sums_max(lanes) == expected[static_cast<std::size_t>(lanes - 1)]);
  }
  // The same by really folding, from every start in a tree that is larger than needed.
  const LaneTree tree(256, 1);
  for (int lanes = 1; lanes <= 40; ++lanes) {
    std::size_t most = 0;
    for (int start = 0; start + lanes <= 256; ++start) {
      TreeFold<int> fold(tree);
      for (int lane = start; lane < start + lanes; ++lane) {
        most = std::max(most, fold.held().size() + 1);  // the new one, before it is added
        fold.put({0, lane}, 1, [](int& left, int&& right) { left += right; });
      }
    }
    INFO(lanes);
    CHECK(static_cast<int>(most) == LaneTree::partial_sums_max(lanes));
  }
}

}  // namespace planaria
