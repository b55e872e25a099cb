#include <planaria/schedule/builders.hpp>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/text.hpp>

#include "schedule/building.hpp"

namespace planaria {
namespace {

// ZB-H1 and ZB-H2 by the paper's rule; `k` is how many times 1F1B's warm-up.
Schedule zero_bubble(PipelineShape shape, int k) {
  Schedule schedule = empty_schedule(shape);
  const int m = shape.micro_batches;
  for (int rank = 0; rank < shape.stages; ++rank) {
    RankWriter write(schedule.ranks[static_cast<std::size_t>(rank)], 1, m);
    while (write.forwards() < std::min(k * (shape.stages - rank - 1), m)) write.forward();
    while (write.inputs() < m) {
      if (write.forwards() < m) write.forward();
      write.backward_input();
      if (write.inputs() > k * rank) write.backward_weight();
    }
    while (write.weights() < m) write.backward_weight();
  }
  return schedule;
}

struct Kind {
  const char* name;
  int chunks;           // 0: BuildOptions::chunks
  int least_per_stage;  // least m is this x p + least_beyond
  int least_beyond;
};

constexpr std::array<Kind, 11> all_kinds{{{"gpipe", 1, 0, 1},
                                          {"1f1b", 1, 0, 1},
                                          {"interleaved", 0, 1, 0},
                                          {"zb-h1", 1, 0, 1},
                                          {"zb-h2", 1, 2, -1},
                                          {"zb-v", 2, 0, 1},
                                          {"v-half", 2, 0, 1},
                                          {"v-min", 2, 0, 1},
                                          {"dualpipe-v", 2, 2, 0},
                                          {"varuna", 1, 0, 1},
                                          {"varuna-jit", 1, 0, 1}}};

const Kind* kind_named(const std::string& name) {
  const auto* const found = std::find_if(all_kinds.begin(), all_kinds.end(),
                                         [&](const Kind& kind) { return kind.name == name; });
  return found == all_kinds.end() ? nullptr : found;
}

Result<void> check_shape(const Kind& kind, PipelineShape shape, const BuildOptions& options) {
  if (shape.stages < 1) {
    return Fault::invalid_input(fmt::format("stages: {}, must be at least 1", shape.stages));
  }
  if (shape.micro_batches < 1) {
    return Fault::invalid_input(
        fmt::format("micro_batches: {}, must be at least 1", shape.micro_batches));
  }
  const int least = (kind.least_per_stage * shape.stages) + kind.least_beyond;
  if (shape.micro_batches < least) {
    return Fault::invalid_input(
        fmt::format("micro_batches: {}, must be at least {} for {} of {} "
                    "stages",
                    shape.micro_batches, least, kind.name, shape.stages));
  }
  if (kind.chunks == 0) {
    if (options.chunks < 1) {
      return Fault::invalid_input(fmt::format("chunks: {}, must be at least 1", options.chunks));
    }
    if (shape.micro_batches % shape.stages != 0) {
      return Fault::invalid_input(
          fmt::format("micro_batches: {}, must be a multiple of the stages, {}, for {}",
                      shape.micro_batches, shape.stages, kind.name));
    }
  }
  return {};
}

Result<Schedule> build_varuna(const Kind& kind, PipelineShape shape, const BuildOptions& options) {
  std::vector<StageCosts> costs = options.costs;
  if (costs.empty()) costs.assign(static_cast<std::size_t>(shape.stages), {1, 1, 1, 0});
  if (costs.size() != static_cast<std::size_t>(shape.stages)) {
    return Fault::invalid_input(
        fmt::format("costs of {} stages, must be of {}", costs.size(), shape.stages));
  }
  return varuna(shape, costs,
                {.as_simulated = std::string(kind.name) == "varuna",
                 .sends_in_flight = options.sends_in_flight});
}

}  // namespace

Schedule empty_schedule(PipelineShape shape, Placement placement, int chunks) {
  check(shape.stages >= 1, "a pipeline has at least one stage");
  check(shape.micro_batches >= 1, "a pipeline has at least one micro-batch");
  Schedule schedule;
  schedule.placement = placement;
  schedule.chunks = chunks;
  schedule.micro_batches = shape.micro_batches;
  schedule.ranks.resize(static_cast<std::size_t>(shape.stages));
  return schedule;
}

Schedule gpipe(PipelineShape shape, Placement placement, int chunks) {
  Schedule schedule = empty_schedule(shape, placement, chunks);
  for (auto& actions : schedule.ranks) {
    RankWriter write(actions, chunks, shape.micro_batches);
    for (int chunk = 0; chunk < chunks; ++chunk) {
      for (int i = 0; i < shape.micro_batches; ++i) write.forward(chunk);
    }
    for (int chunk = chunks - 1; chunk >= 0; --chunk) {
      for (int i = 0; i < shape.micro_batches; ++i) write.backward(chunk);
    }
  }
  return schedule;
}

Schedule one_forward_one_backward(PipelineShape shape) {
  Schedule schedule = empty_schedule(shape);
  for (int rank = 0; rank < shape.stages; ++rank) {
    RankWriter write(schedule.ranks[static_cast<std::size_t>(rank)], 1, shape.micro_batches);
    const int warm_up = std::min(shape.stages - rank - 1, shape.micro_batches);
    for (int i = 0; i < warm_up; ++i) write.forward();
    while (write.inputs() < shape.micro_batches) {
      if (write.forwards() < shape.micro_batches) write.forward();
      write.backward();
    }
  }
  return schedule;
}

Schedule interleaved(PipelineShape shape, int chunks) {
  const int p = shape.stages;
  const int m = shape.micro_batches;
  check(chunks >= 1 && m % p == 0, "interleaved micro-batches come in groups of p");
  Schedule schedule = empty_schedule(shape, Placement::loop, chunks);
  const int all = m * chunks;
  const auto chunk_of = [&](int count) { return count % (p * chunks) / p; };
  for (int rank = 0; rank < p; ++rank) {
    RankWriter write(schedule.ranks[static_cast<std::size_t>(rank)], chunks, m);
    const int warm_up = std::min((2 * (p - rank - 1)) + ((chunks - 1) * p), all);
    int forward = 0;
    while (forward < warm_up) write.forward(chunk_of(forward++));
    for (int backward = 0; backward < all; ++backward) {
      if (forward < all) write.forward(chunk_of(forward++));
      write.backward(chunks - 1 - chunk_of(backward));
    }
  }
  return schedule;
}

Schedule zero_bubble_h1(PipelineShape shape) {
  return zero_bubble(shape, 1);
}

Schedule zero_bubble_h2(PipelineShape shape) {
  return zero_bubble(shape, 2);
}

Schedule with_recompute(const Schedule& schedule, const std::vector<int>& ranks) {
  Schedule recomputing = schedule;
  for (int rank = 0; rank < static_cast<int>(schedule.ranks.size()); ++rank) {
    if (!ranks.empty() && std::find(ranks.begin(), ranks.end(), rank) == ranks.end()) continue;
    const auto& before = schedule.ranks[static_cast<std::size_t>(rank)];
    auto& after = recomputing.ranks[static_cast<std::size_t>(rank)];
    after.clear();
    for (std::size_t at = 0; at < before.size(); at += parts_at(before, at)) {
      const std::size_t end = at + parts_at(before, at);
      for (std::size_t part = at; part < end; ++part) {
        const Action& action = before[part];
        if (action.kind != ActionKind::backward && action.kind != ActionKind::backward_input) {
          continue;
        }
        after.push_back({ActionKind::recompute, action.micro_batch, action.chunk});
      }
      for (std::size_t part = at; part < end; ++part) after.push_back(before[part]);
    }
  }
  return recomputing;
}

const std::vector<std::string>& schedule_kinds() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Kind& kind : all_kinds) all.emplace_back(kind.name);
    return all;
  }();
  return names;
}

int chunks_of(const std::string& kind, const BuildOptions& options) {
  const Kind* const known = kind_named(kind);
  if (known == nullptr) return 1;
  return known->chunks == 0 ? options.chunks : known->chunks;
}

Placement placement_of(const std::string& kind) {
  const Kind* const known = kind_named(kind);
  if (known == nullptr || known->chunks == 1) return Placement::single;
  return known->chunks == 0 ? Placement::loop : Placement::v;
}

Result<Schedule> build_schedule(const std::string& kind, PipelineShape shape,
                                const BuildOptions& options) {
  const Kind* const known = kind_named(kind);
  if (known == nullptr) {
    return Fault::invalid_input(fmt::format("schedule: {}, must be one of {}", printable(kind),
                                            fmt::join(schedule_kinds(), ", ")));
  }
  PLANARIA_TRY_VOID(check_shape(*known, shape, options));
  if (kind == "gpipe") return gpipe(shape);
  if (kind == "1f1b") return one_forward_one_backward(shape);
  if (kind == "interleaved") return interleaved(shape, options.chunks);
  if (kind == "zb-h1") return zero_bubble_h1(shape);
  if (kind == "zb-h2") return zero_bubble_h2(shape);
  if (kind == "zb-v") return zero_bubble_v(shape);
  if (kind == "v-half") return v_half(shape);
  if (kind == "v-min") return v_min(shape);
  if (kind == "dualpipe-v") return dualpipe_v(shape);
  return build_varuna(*known, shape, options);
}

}  // namespace planaria
