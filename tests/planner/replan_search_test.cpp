#include <algorithm>
#include <array>
#include <functional>
#include <limits>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/planner/replan.hpp>

#include "planner/even_layout.hpp"
#include "planner/replan_verifier.hpp"

// Brute force: every candidate that replan.hpp names, by another road, on small clusters.
namespace planaria {
namespace {

bool is_there(const ReplanCase& request, WorkerId worker) {
  return std::find(request.workers.begin(), request.workers.end(), worker) != request.workers.end();
}

bool lacks(const ReplanCase& request, WorkerId worker, LayerId layer) {
  const auto found = request.holders.find(layer);
  return found == request.holders.end() || found->second.count(worker) == 0;
}

// Steps of pipelines, by the verifier of plans; the same ones come again and again.
class Times {
 public:
  explicit Times(const std::vector<double>& layer_costs) : layer_costs_(layer_costs) {}

  double ms(const PipelineAssignment& pipeline) {
    std::vector<int> key{pipeline.micro_batches};
    for (const auto& stage : pipeline.stages) key.push_back(stage.layers.last.value);
    const auto [found, fresh] = known_.try_emplace(std::move(key), 0);
    if (fresh) found->second = step_ms_of(pipeline, layer_costs_);
    return found->second;
  }

 private:
  const std::vector<double>& layer_costs_;
  std::map<std::vector<int>, double> known_;
};

// Every way to share lanes out, the least step of all.
double least_step_ms(const ReplanCase& request, Times& times, Layout layout) {
  const int lanes = (request.micro_batches + request.lane_size - 1) / request.lane_size;
  double least = std::numeric_limits<double>::infinity();
  const std::function<void(std::size_t, int, int, double)> share =
      [&](std::size_t i, int lanes_left, int left, double most) {
        if (i == layout.pipelines.size()) {
          if (lanes_left == 0) least = std::min(least, most);
          return;
        }
        for (int taken = 1; taken <= lanes_left; ++taken) {
          const int micro_batches = std::min(left, taken * request.lane_size);
          layout.pipelines[i].micro_batches = micro_batches;
          share(i + 1, lanes_left - taken, left - micro_batches,
                std::max(most, times.ms(layout.pipelines[i])));
        }
      };
  share(0, lanes, request.micro_batches, 0);
  return least;
}

struct Moved {
  std::int64_t bytes = 0;
  std::int64_t end = 0;
};

// The greedy rule of replan.hpp, told anew.
Moved moved_by(const ReplanCase& request, const Layout& layout) {
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

double score_of(const ReplanCase& request, Times& times, const Layout& layout) {
  return static_cast<double>(moved_by(request, layout).end) * request.ms_per_byte +
         request.horizon_steps * least_step_ms(request, times, layout);
}

// All ways for the stages that are left to hold every layer in order, none giving up a layer it
// had: what neighbours can make of lost stages. Pipelines without a stage left are dropped.
std::vector<Layout> every_repair(const ReplanCase& request) {
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

Layout complete_pipelines(const ReplanCase& request) {
  Layout complete;
  for (const auto& pipeline : request.before->pipelines) {
    if (std::all_of(pipeline.stages.begin(), pipeline.stages.end(),
                    [&](const auto& stage) { return is_there(request, stage.worker); })) {
      complete.pipelines.push_back(pipeline);
    }
  }
  return complete;
}

std::vector<Layout> every_shape(const ReplanCase& request) {
  std::vector<Layout> shapes{anew(request)};
  if (request.before) {
    std::size_t places = 0;
    for (const auto& pipeline : request.before->pipelines) places += pipeline.stages.size();
    if (places <= request.workers.size()) shapes.push_back(*request.before);
  }
  return shapes;
}

// All ways to give places away that transfer fewest bytes.
std::vector<Layout> best_assignments(const ReplanCase& request, Layout shape) {
  shape.shadows.clear();
  std::vector<StageAssignment*> places;
  for (auto& pipeline : shape.pipelines) {
    for (auto& stage : pipeline.stages) places.push_back(&stage);
  }
  std::vector<Layout> best;
  std::int64_t least = INT64_MAX;
  std::set<WorkerId> used;
  const std::function<void(std::size_t)> assign = [&](std::size_t i) {
    if (i == places.size()) {
      const std::int64_t bytes = moved_by(request, shape).bytes;
      if (bytes < least) best.clear();
      if (bytes <= least) best.push_back(shape);
      least = std::min(least, bytes);
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

// Sums of the same times in another order.
constexpr double rounding = 1e-9;

void require_best(const ReplanCase& request, const Replan& answer) {
  Times times(request.layer_costs);
  const double score = score_of(request, times, answer.layout);
  // Lanes are shared out as well as can be.
  CHECK(answer.step_ms <= least_step_ms(request, times, answer.layout) * (1 + rounding));
  const auto meets = [&](const Layout& candidate) {
    return score <= score_of(request, times, candidate) * (1 + rounding);
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
}

Layout renamed(Layout layout, const std::vector<WorkerId>& workers) {
  for (auto& pipeline : layout.pipelines) {
    for (auto& stage : pipeline.stages) {
      stage.worker = workers[static_cast<std::size_t>(stage.worker.value)];
    }
  }
  return layout;
}

// Turns shares in lanes into micro-batches; the last lane may be shorter.
void share_lanes(const ReplanCase& request, Layout& layout) {
  int left = request.micro_batches;
  for (auto& pipeline : layout.pipelines) {
    pipeline.micro_batches = std::min(left, pipeline.micro_batches * request.lane_size);
    left -= pipeline.micro_batches;
  }
}

// A cluster some time after it was planned: some workers are gone, some new, some state is spread.
ReplanCase some_request(Random& random) {
  const int layers = static_cast<int>(random.between(1, 6));
  const int workers = static_cast<int>(random.between(1, 5));
  ReplanCase request;
  request.micro_batches = static_cast<int>(random.between(1, 6));
  request.lane_size = static_cast<int>(random.between(1, 2));
  request.ms_per_byte = 0.25 * static_cast<double>(random.below(3));
  request.horizon_steps = std::array{0.0, 0.25, 1.0, 1000.0}[random.below(4)];
  request.copies = static_cast<int>(random.between(1, 3));
  for (int i = 0; i < layers; ++i) {
    request.layer_costs.push_back(static_cast<double>(random.between(1, 4)));
    request.layer_bytes.push_back(random.between(0, 5));
  }
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
  ReplanCase whole = request;
  whole.workers = all;
  whole.width.reset();
  whole.depth.reset();
  Layout planned = anew(whole);
  if (const int width = static_cast<int>(random.below(4)); width > 0) {
    const int few = std::min({width, workers, lanes});
    planned =
        renamed(even_layout(request.layer_costs, lanes, few, std::min(layers, workers / few)), all);
    share_lanes(request, planned);
  }
  planned.shadows = place_shadows(planned, request.layer_bytes, all, {}, request.copies);
  request.holders = holders_in(planned);
  if (random.below(8) > 0) request.before = planned;
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

std::string text_of(const ReplanCase& request) {
  std::string text = fmt::format(
      "costs {} bytes {} M {} lane {} width {} depth {} ms/byte {} horizon {} copies {}",
      fmt::join(request.layer_costs, " "), fmt::join(request.layer_bytes, " "),
      request.micro_batches, request.lane_size, request.width.value_or(0),
      request.depth.value_or(0), request.ms_per_byte, request.horizon_steps, request.copies);
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
    const ReplanCase request = some_request(random);
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
    ReplanCase request;
    request.micro_batches = 4;
    request.ms_per_byte = 0.125;
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
    Times times(request.layer_costs);
    const double score = score_of(request, times, answer.layout);
    const auto& stages = answer.layout.pipelines[0].stages;
    REQUIRE(stages.size() == 12);
    for (std::size_t i = 0; i + 1 < stages.size(); ++i) {
      for (int first_behind = 8 * static_cast<int>(i) + 4, cut = 0; cut <= 4; ++cut) {
        Layout other = answer.layout;
        other.pipelines[0].stages[i].layers.last = LayerId{first_behind + cut - 1};
        other.pipelines[0].stages[i + 1].layers.first = LayerId{first_behind + cut};
        REQUIRE(score <= score_of(request, times, other) * (1 + rounding));
      }
    }
  }
  REQUIRE(repaired >= 10);
}

}  // namespace planaria
