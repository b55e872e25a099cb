#include "liveput/components.hpp"

#include <algorithm>
#include <numeric>
#include <set>

namespace planaria {
namespace {

using Sets = std::vector<std::vector<int>>;

Sets without_repeats(const Sets& sets) {
  Sets kept;
  std::set<std::vector<int>> seen;
  for (const auto& set : sets) {
    if (seen.insert(set).second) kept.push_back(set);
  }
  return kept;
}

// Of sets that all differ: those that have no other one within them.
Sets without_supersets(const Sets& sets, int workers) {
  // A set within another one begins with a worker of that.
  std::vector<std::vector<std::size_t>> beginning_with(static_cast<std::size_t>(workers));
  for (std::size_t i = 0; i < sets.size(); ++i) {
    beginning_with[static_cast<std::size_t>(sets[i].front())].push_back(i);
  }
  Sets kept;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const auto& set = sets[i];
    const auto holds = [&](std::size_t other) {
      return other != i &&
             std::includes(set.begin(), set.end(), sets[other].begin(), sets[other].end());
    };
    const bool has_another = std::any_of(set.begin(), set.end(), [&](int worker) {
      const auto& others = beginning_with[static_cast<std::size_t>(worker)];
      return std::any_of(others.begin(), others.end(), holds);
    });
    if (!has_another) kept.push_back(set);
  }
  return kept;
}

// The sets that each worker is in.
std::vector<std::vector<int>> memberships_of(const Sets& sets, int workers) {
  std::vector<std::vector<int>> memberships(static_cast<std::size_t>(workers));
  for (std::size_t i = 0; i < sets.size(); ++i) {
    for (const int worker : sets[i]) {
      memberships[static_cast<std::size_t>(worker)].push_back(static_cast<int>(i));
    }
  }
  return memberships;
}

// Which sets hang together: each one's component is named by its first set.
class Union {
 public:
  explicit Union(std::size_t sets) : parents_(sets) {
    std::iota(parents_.begin(), parents_.end(), 0);
  }
  int first_of(int set) {
    int& parent = parents_[static_cast<std::size_t>(set)];
    if (parent != set) parent = first_of(parent);
    return parent;
  }
  void unite(int one, int other) {
    const int a = first_of(one);
    const int b = first_of(other);
    parents_[static_cast<std::size_t>(std::max(a, b))] = std::min(a, b);
  }

 private:
  std::vector<int> parents_;
};

}  // namespace

int Component::workers() const {
  int sum = 0;
  for (const HolderClass& alike : classes) sum += alike.workers;
  return sum;
}

std::vector<int> Component::holders_of_sets() const {
  std::vector<int> holders(static_cast<std::size_t>(sets), 0);
  for (const HolderClass& alike : classes) {
    for (const int set : alike.sets) holders[static_cast<std::size_t>(set)] += alike.workers;
  }
  return holders;
}

std::map<Component, int> components_of(const std::vector<std::vector<int>>& holder_sets,
                                       int workers) {
  const Sets sets = without_supersets(without_repeats(holder_sets), workers);
  const auto memberships = memberships_of(sets, workers);
  Union together(sets.size());
  for (const auto& membership : memberships) {
    for (const int set : membership) together.unite(membership.front(), set);
  }
  std::map<int, Component> components;          // by first set
  std::vector<int> number_within(sets.size());  // of each set in its component
  for (std::size_t i = 0; i < sets.size(); ++i) {
    number_within[i] = components[together.first_of(static_cast<int>(i))].sets++;
  }
  std::map<std::vector<int>, int> alike;  // workers by their sets
  for (const auto& membership : memberships) {
    if (!membership.empty()) ++alike[membership];
  }
  for (const auto& [membership, count] : alike) {
    HolderClass holders{{}, count};
    for (const int set : membership) {
      holders.sets.push_back(number_within[static_cast<std::size_t>(set)]);
    }
    components[together.first_of(membership.front())].classes.push_back(std::move(holders));
  }
  std::map<Component, int> counts;
  for (auto& [first, component] : components) ++counts[std::move(component)];
  return counts;
}

}  // namespace planaria
