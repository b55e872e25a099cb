#include "schedule/degraded_spread.hpp"

#include <algorithm>
#include <map>
#include <numeric>

namespace planaria::degrading {
namespace {

// The larger shapes a kind may ask for: a multiple of the stages, or twice the stages.
Result<Schedule> base_of(const Problem& problem, const std::string& kind, int micro_batches) {
  const BuildOptions options{.chunks = problem.chunks};
  auto built = build_schedule(kind, {problem.depth, micro_batches}, options);
  for (const int wanted : {((micro_batches + problem.depth - 1) / problem.depth) * problem.depth,
                           (2 * problem.depth) - 1, 2 * problem.depth}) {
    if (built) break;
    if (wanted > micro_batches) built = build_schedule(kind, {problem.depth, wanted}, options);
  }
  return built;
}

std::vector<int> in_columns(const Problem& problem) {
  const int m = problem.micro_batches / problem.width;
  std::vector<int> all;
  for (int j = 0; j < m; ++j) {
    for (int pipeline = 0; pipeline < problem.width; ++pipeline) all.push_back((pipeline * m) + j);
  }
  return all;
}

std::vector<int> in_index_order(const Problem& problem) {
  std::vector<int> all(static_cast<std::size_t>(problem.micro_batches));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// Dead workers are those of the last pipelines.
void deal_dead(const Problem& problem, const std::vector<int>& all,
               std::vector<std::vector<int>>& to) {
  const int m = problem.micro_batches / problem.width;
  const int live = static_cast<int>(to.size());
  int turn = 0;
  for (const int i : all) {
    const int pipeline = i / m;
    at(to, pipeline < live ? pipeline : turn++ % live).push_back(i);
  }
}

std::vector<std::vector<int>> dealt_at(const Problem& problem, Dealing dealing, int live) {
  std::vector<std::vector<int>> to(static_cast<std::size_t>(live));
  const int n = problem.micro_batches;
  const auto end_of = [&](int k) {
    return dealing == Dealing::blocks ? (k * (n / live)) + std::min(k, n % live)
                                      : static_cast<int>(static_cast<std::int64_t>(k) * n / live);
  };
  switch (dealing) {
    case Dealing::blocks:
    case Dealing::floor_blocks:
      for (int k = 0; k < live; ++k) {
        for (int i = end_of(k); i < end_of(k + 1); ++i) at(to, k).push_back(i);
      }
      break;
    case Dealing::in_turn:
    case Dealing::columns: {
      int turn = 0;
      const bool columns = dealing == Dealing::columns;
      for (const int i : columns ? in_columns(problem) : in_index_order(problem)) {
        at(to, turn++ % live).push_back(i);
      }
      break;
    }
    case Dealing::dead_in_turn:
      deal_dead(problem, in_index_order(problem), to);
      break;
    case Dealing::dead_columns:
      deal_dead(problem, in_columns(problem), to);
      break;
  }
  return to;
}

void write(const Problem& problem, const std::vector<Action>& actions, const std::vector<int>& own,
           bool split, int rank, Orders& orders) {
  for (const Action& action : actions) {
    if (action.micro_batch >= static_cast<int>(own.size())) continue;
    const int stage = problem.stage_at(rank % problem.depth, action.chunk);
    const int cell = problem.cell(stage, at(own, action.micro_batch));
    auto& ops = at(orders.ranks, rank);
    at(orders.owner, cell) = rank;
    switch (action.kind) {
      case ActionKind::forward:
        ops.push_back(op_of(cell, Part::forward));
        break;
      case ActionKind::backward_weight:
        ops.push_back(op_of(cell, Part::weight));
        break;
      case ActionKind::backward_input:
        ops.push_back(op_of(cell, Part::input));
        break;
      case ActionKind::backward:
        ops.push_back(op_of(cell, Part::input));
        at(orders.fused, cell) = split ? 0 : 1;
        if (split) ops.push_back(op_of(cell, Part::weight));
        break;
      case ActionKind::recompute:
        break;  // no kind that can be degraded has one
    }
  }
}

}  // namespace

const std::vector<Dealing>& all_dealings() {
  static const std::vector<Dealing> all{Dealing::dead_in_turn, Dealing::dead_columns,
                                        Dealing::blocks,       Dealing::floor_blocks,
                                        Dealing::in_turn,      Dealing::columns};
  return all;
}

std::vector<std::vector<std::vector<int>>> dealt(const Problem& problem, Dealing dealing) {
  std::vector<std::vector<std::vector<int>>> all;
  for (const auto& live : problem.live) {
    all.push_back(dealt_at(problem, dealing, static_cast<int>(live.size())));
  }
  return all;
}

Result<Orders> spread(const Problem& problem, const std::string& kind, Dealing dealing,
                      bool split) {
  std::map<int, Schedule> bases;  // by micro-batches
  Orders orders(problem);
  const auto all = dealt(problem, dealing);
  for (int place = 0; place < problem.depth; ++place) {
    const auto& live = at(problem.live, place);
    for (std::size_t i = 0; i < live.size(); ++i) {
      const auto& own = at(all, place)[i];
      const int count = static_cast<int>(own.size());
      if (count == 0) continue;
      if (!bases.contains(count)) {
        PLANARIA_TRY(base, base_of(problem, kind, count));
        bases.emplace(count, std::move(base));
      }
      write(problem, at(bases.at(count).ranks, place), own, split, live[i], orders);
    }
  }
  return orders;
}

}  // namespace planaria::degrading
