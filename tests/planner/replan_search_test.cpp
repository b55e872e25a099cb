#include <algorithm>
#include <array>
#include <functional>
#include <limits>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/planner/planner.hpp>
#include <planaria/planner/replan.hpp>

#include "planner/replan_verifier.hpp"

// Brute force: every candidate that replan.hpp names, by another road, on small clusters.
namespace planaria {
namespace {

bool is_there(const ReplanRequest& request, WorkerId worker) {
  return std::find(request.workers.begin(), request.workers.end(), worker) != request.workers.end();
}

bool lacks(const ReplanRequest& request, WorkerId worker, LayerId layer) {
  const auto found = request.holders.find(layer);
  return found == request.holders.end() || found->second.count(worker) == 0;
}

// Every way to share lanes out, the least step cost of all.
double least_step_cost(const ReplanRequest& request, Layout layout) {
  const int lanes = (request.micro_batches + request.lane_size - 1) / request.lane_size;
  double least = std::numeric_limits<double>::infinity();
  const std::function<void(std::size_t, int, int)> share = [&](std::size_t i, int lanes_left,
                                                               int left) {
    if (i == layout.pipelines.size()) {
      if (lanes_left == 0) least = std::min(least, step_cost_of(layout, request.layer_costs));
      return;
    }
    for (int taken = 1; taken <= lanes_left; ++taken) {
      const int micro_batches = std::min(left, taken * request.lane_size);
      layout.pipelines[i].micro_batches = micro_batches;
      share(i + 1, lanes_left - taken, left - micro_batches);
    }
  };
  share(0, lanes, request.micro_batches);
  return least;
}

struct Moved {
  std::int64_t bytes = 0;
  std::int64_t end = 0;
};

// The greedy rule of replan.hpp, told anew.
Moved moved_by(const ReplanRequest& request, const Layout& layout) {
  struct Wanted {
    std::int64_t bytes;
    LayerId layer;
    WorkerId to;
  };
  std::vector<Wanted> wanted;
  for (const auto& pipeline : layout.pipelines) {
    for (const auto& stage : pipeline.stages) {
      for (LayerId layer = stage.layers.first; layer <= stage.layers.last; layer = layer.next()) {
        if (!lacks(request, stage.worker, layer)) continue;
        wanted.push_back(
            {request.layer_bytes[static_cast<std::size_t>(layer.value)], layer, stage.worker});
      }
    }
  }
  std::sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) {
    if (a.bytes != b.bytes) return a.bytes > b.bytes;
    return std::pair(a.layer, a.to) < std::pair(b.layer, b.to);
  });
  Moved moved;
  std::map<WorkerId, std::int64_t> out;
  std::map<WorkerId, std::int64_t> in;
  for (const Wanted& one : wanted) {
    std::tuple<std::int64_t, std::int64_t, WorkerId> best{INT64_MAX, INT64_MAX, WorkerId{}};
    for (const WorkerId from : request.holders.at(one.layer)) {
      if (!is_there(request, from)) continue;
      best = std::min(best, std::tuple(std::max(out[from], in[one.to]), out[from], from));
    }
    const std::int64_t done = std::get<0>(best) + one.bytes;
    out[std::get<2>(best)] = in[one.to] = done;
    moved.bytes += one.bytes;
    moved.end = std::max(moved.end, done);
  }
  return moved;
}

double score_of(const ReplanRequest& request, const Layout& layout) {
  return static_cast<double>(moved_by(request, layout).end) * request.ms_per_byte +
         request.horizon_steps * request.ms_per_cost * least_step_cost(request, layout);
}

// All ways for the stages that are left to hold every layer in order, none giving up a layer it
// had: what neighbours can make of lost stages. Pipelines without a stage left are dropped.
std::vector<Layout> every_repair(const ReplanRequest& request) {
  std::vector<Layout> layouts{{}};
  for (const auto& pipeline : request.before->pipelines) {
    std::vector<StageAssignment> left;
    for (const auto& stage : pipeline.stages) {
      if (is_there(request, stage.worker)) left.push_back(stage);
    }
    if (left.empty()) continue;
    std::vector<PipelineAssignment> ways;
    const std::function<void(PipelineAssignment)> extend = [&](PipelineAssignment so_far) {
      const std::size_t i = so_far.stages.size();
      const LayerId first = i == 0 ? LayerId{0} : so_far.stages.back().layers.last.next();
      const int layers = static_cast<int>(request.layer_costs.size());
      if (i == left.size()) {
        if (first.value == layers) ways.push_back(so_far);
        return;
      }
      if (first > left[i].layers.first) return;
      for (LayerId last = left[i].layers.last; last.value < layers; last = last.next()) {
        PipelineAssignment longer = so_far;
        longer.stages.push_back({{first, last}, left[i].worker});
        extend(longer);
      }
    };
    extend({});
    std::vector<Layout> longer;
    for (const Layout& layout : layouts) {
      for (const auto& way : ways) {
        longer.push_back(layout);
        longer.back().pipelines.push_back(way);
      }
    }
    layouts = longer;
  }
  if (layouts.front().pipelines.empty()) return {};
  return layouts;
}

Layout complete_pipelines(const ReplanRequest& request) {
  Layout complete;
  for (const auto& pipeline : request.before->pipelines) {
    if (std::all_of(pipeline.stages.begin(), pipeline.stages.end(),
                    [&](const auto& stage) { return is_there(request, stage.worker); })) {
      complete.pipelines.push_back(pipeline);
    }
  }
  return complete;
}

std::vector<Layout> every_shape(const ReplanRequest& request) {
  const int workers = static_cast<int>(request.workers.size());
  const auto planned = [&](std::optional<int> width, std::optional<int> depth) {
    return plan({.layer_costs = request.layer_costs,
                 .micro_batches = request.micro_batches,
                 .lane_size = request.lane_size,
                 .workers = workers,
                 .width = width,
                 .depth = depth})
        .value()
        .layout;
  };
  std::vector<Layout> shapes;
  if (request.width && request.depth && *request.width * *request.depth <= workers) {
    shapes.push_back(planned(request.width, request.depth));
  } else if (request.width) {
    shapes.push_back(planned(std::min(*request.width, workers), std::nullopt));
  } else if (request.depth) {
    shapes.push_back(planned(std::nullopt, std::min(*request.depth, workers)));
  } else {
    const int lanes = (request.micro_batches + request.lane_size - 1) / request.lane_size;
    shapes.push_back(planned(std::nullopt, std::nullopt));
    for (int width = 1; width <= std::min(workers, lanes); ++width) {
      shapes.push_back(planned(width, std::nullopt));
    }
  }
  if (request.before) {
    std::size_t places = 0;
    for (const auto& pipeline : request.before->pipelines) places += pipeline.stages.size();
    if (places <= request.workers.size()) shapes.push_back(*request.before);
  }
  return shapes;
}

int stayed(const ReplanRequest& request, const Layout& layout) {
  int count = 0;
  if (!request.before) return count;
  for (const WorkerId worker : request.workers) {
    const auto before = place_of(*request.before, worker);
    const auto now = place_of(layout, worker);
    count += before && now && *before == *now;
  }
  return count;
}

// All ways to give places away that transfer fewest bytes and, of those, let most workers stay.
std::vector<Layout> best_assignments(const ReplanRequest& request, Layout shape) {
  shape.shadows.clear();
  std::vector<StageAssignment*> places;
  for (auto& pipeline : shape.pipelines) {
    for (auto& stage : pipeline.stages) places.push_back(&stage);
  }
  std::vector<Layout> best;
  std::pair<std::int64_t, int> least{INT64_MAX, 0};
  std::set<WorkerId> used;
  const std::function<void(std::size_t)> assign = [&](std::size_t i) {
    if (i == places.size()) {
      const std::pair rank{moved_by(request, shape).bytes, -stayed(request, shape)};
      if (rank < least) best.clear();
      if (rank <= least) best.push_back(shape);
      least = std::min(least, rank);
      return;
    }
    for (const WorkerId worker : request.workers) {
      if (!used.insert(worker).second) continue;
      places[i]->worker = worker;
      assign(i + 1);
      used.erase(worker);
    }
  };
  assign(0);
  return best;
}

bool same_stages(const Layout& a, const Layout& b) {
  return std::equal(a.pipelines.begin(), a.pipelines.end(), b.pipelines.begin(), b.pipelines.end(),
                    [](const auto& one, const auto& other) { return one.stages == other.stages; });
}

void require_best(const ReplanRequest& request, const Replan& answer) {
  const double score = score_of(request, answer.layout);
  CHECK(score ==
        answer.transfer_ms + request.horizon_steps * request.ms_per_cost * answer.step_cost);
  bool known = false;
  const auto meets = [&](const Layout& candidate) {
    known = known || same_stages(candidate, answer.layout);
    return score <= score_of(request, candidate);
  };
  if (request.before) {
    for (const Layout& repaired : every_repair(request)) REQUIRE(meets(repaired));
    const Layout complete = complete_pipelines(request);
    if (!complete.pipelines.empty()) REQUIRE(meets(complete));
  }
  for (const Layout& shape : every_shape(request)) {
    // Which of equal assignments is taken is the lowest ids' affair; it is one of them.
    int met = 0;
    for (const Layout& assigned : best_assignments(request, shape)) met += meets(assigned) ? 1 : 0;
    REQUIRE(met > 0);
  }
  REQUIRE(known);
}

// A cluster some time after it was planned: some workers are gone, some new, some state is spread.
ReplanRequest some_request(Random& random) {
  const int layers = static_cast<int>(random.between(1, 6));
  const int workers = static_cast<int>(random.between(1, 5));
  ReplanRequest request{.micro_batches = static_cast<int>(random.between(1, 6)),
                        .lane_size = static_cast<int>(random.between(1, 2)),
                        .ms_per_cost = static_cast<double>(random.below(3)),
                        .ms_per_byte = 0.25 * static_cast<double>(random.below(3)),
                        .horizon_steps = std::array{0.0, 0.25, 1.0, 1000.0}[random.below(4)],
                        .copies = static_cast<int>(random.between(1, 3))};
  for (int i = 0; i < layers; ++i) {
    request.layer_costs.push_back(static_cast<double>(random.between(1, 4)));
    request.layer_bytes.push_back(random.between(0, 5));
  }
  PlanAnswer planned = plan({.layer_costs = request.layer_costs,
                             .micro_batches = request.micro_batches,
                             .lane_size = request.lane_size,
                             .workers = workers})
                           .value();
  const int lanes = (request.micro_batches + request.lane_size - 1) / request.lane_size;
  if (const int width = static_cast<int>(random.below(4)); width > 0 && width <= lanes) {
    request.width = width;
  }
  if (const int depth = static_cast<int>(random.below(4)); depth > 0 && depth <= layers) {
    request.depth = depth;
  }
  std::vector<WorkerId> all;  // ids with gaps
  for (int i = 0; i < workers; ++i)
    all.push_back(WorkerId{3 * i + static_cast<int>(random.below(3))});
  for (int width = 1; width <= std::min(workers, lanes); ++width) {
    if (random.below(2) == 0) continue;
    planned = plan({.layer_costs = std::vector<double>(request.layer_costs.size(), 1.0),
                    .micro_batches = request.micro_batches,
                    .lane_size = request.lane_size,
                    .workers = workers,
                    .width = width})
                  .value();
  }
  for (auto& pipeline : planned.layout.pipelines) {
    for (auto& stage : pipeline.stages) {
      stage.worker = all[static_cast<std::size_t>(stage.worker.value)];
    }
  }
  planned.layout.shadows =
      place_shadows(planned.layout, request.layer_bytes, all, {}, request.copies);
  request.holders = holders_in(planned.layout);
  if (random.below(8) > 0) request.before = planned.layout;
  for (const WorkerId worker : all) {
    if (random.below(4) > 0) request.workers.push_back(worker);
  }
  while (request.workers.size() < 5 && random.below(3) == 0) {
    request.workers.push_back(WorkerId{20 + static_cast<int>(request.workers.size())});
  }
  if (request.workers.empty()) request.workers.push_back(all.front());
  for (int i = 0; i < layers; ++i) {  // now and then somebody holds more
    if (random.below(3) > 0) continue;
    request.holders[LayerId{i}].insert(request.workers[random.below(request.workers.size())]);
  }
  return request;
}

std::string text_of(const ReplanRequest& request) {
  std::string text = fmt::format(
      "costs {} bytes {} M {} lane {} width {} depth {} ms/cost {} ms/byte {} horizon {} copies {}",
      fmt::join(request.layer_costs, " "), fmt::join(request.layer_bytes, " "),
      request.micro_batches, request.lane_size, request.width.value_or(0),
      request.depth.value_or(0), request.ms_per_cost, request.ms_per_byte, request.horizon_steps,
      request.copies);
  text += "\nworkers";
  for (const WorkerId worker : request.workers) text += fmt::format(" {}", worker.value);
  for (const auto& [layer, holders] : request.holders) {
    text += fmt::format("\nlayer {} held by", layer.value);
    for (const WorkerId worker : holders) text += fmt::format(" {}", worker.value);
  }
  if (request.before) text += "\nbefore " + to_json(*request.before).dump();
  return text;
}

}  // namespace

TEST_CASE("every small answer is consistent and the best of all candidates", "[unit]") {
  constexpr std::uint64_t seed = 93;
  Random random(seed);
  int answered = 0;
  for (int round = 0; round < 2500; ++round) {
    const ReplanRequest request = some_request(random);
    INFO("seed " << seed << " round " << round << " " << text_of(request));
    const auto answer = replan(request);
    bool all_held = true;
    for (int i = 0; i < static_cast<int>(request.layer_costs.size()); ++i) {
      all_held =
          all_held && std::any_of(request.workers.begin(), request.workers.end(),
                                  [&](WorkerId w) { return !lacks(request, w, LayerId{i}); });
    }
    REQUIRE(answer.ok() == all_held);
    if (!answer.ok()) {
      REQUIRE(answer.fault().kind == FaultKind::infeasible);
      continue;
    }
    ++answered;
    INFO(answer.value().explanation << "\n" << to_json(answer.value().layout).dump());
    require_consistent(request, answer.value());
    require_best(request, answer.value());
  }
  CHECK(answered > 1000);
}

TEST_CASE("many lost runs are cut so that no single cut could be better", "[unit]") {
  Random random(94);
  int repaired = 0;
  for (int round = 0; round < 60; ++round) {
    INFO("seed 94, round " << round);
    // Every second of 24 stages is lost: 5^11 ways to cut.
    ReplanRequest request{.micro_batches = 4, .ms_per_cost = 1, .ms_per_byte = 0.125};
    Layout before{.pipelines = {{4, {}}}};
    for (int stage = 0; stage < 24; ++stage) {
      before.pipelines[0].stages.push_back(
          {{LayerId{4 * stage}, LayerId{4 * stage + 3}}, WorkerId{stage}});
      if (stage % 2 == 0) request.workers.push_back(WorkerId{stage});
    }
    for (int i = 0; i < 96; ++i) {
      request.layer_costs.push_back(static_cast<double>(random.between(1, 9)));
      request.layer_bytes.push_back(random.between(1, 9));
      request.holders[LayerId{i}] = {WorkerId{i / 8 * 2}};
      if (random.below(4) == 0) request.holders[LayerId{i}].insert(WorkerId{(i / 8 * 2 + 2) % 24});
    }
    request.before = before;
    request.horizon_steps = 0.01 * static_cast<double>(random.between(0, 10));
    const Replan answer = replan(request).value();
    require_consistent(request, answer);
    INFO(answer.explanation);
    if (answer.explanation.find("repaired") == std::string::npos) continue;
    ++repaired;
    const double score = score_of(request, answer.layout);
    const auto& stages = answer.layout.pipelines[0].stages;
    REQUIRE(stages.size() == 12);
    for (std::size_t i = 0; i + 1 < stages.size(); ++i) {
      for (int first_behind = 8 * static_cast<int>(i) + 4, cut = 0; cut <= 4; ++cut) {
        Layout other = answer.layout;
        other.pipelines[0].stages[i].layers.last = LayerId{first_behind + cut - 1};
        other.pipelines[0].stages[i + 1].layers.first = LayerId{first_behind + cut};
        REQUIRE(score <= score_of(request, other));
      }
    }
  }
  REQUIRE(repaired >= 10);
}

}  // namespace planaria
