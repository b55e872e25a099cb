// What the planner reads, and what it makes of it.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/hash.hpp>
#include <planaria/base/random.hpp>
#include <planaria/model/cluster.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/model/profile.hpp>
#include <planaria/planner/best_plan.hpp>
#include <planaria/planner/plan.hpp>
#include <planaria/planner/plan_picture.hpp>
#include <planaria/planner/templates.hpp>

#include "fuzz/json_values.hpp"

namespace planaria::test {
namespace {

/// Layers of 1 to 4 ms and about a megabyte, at the sizes 1 and 2.
Profile small_profile(int layers) {
  Profile profile;
  profile.model = "small";
  profile.device = "none";
  profile.micro_batch_sizes = {1, 2};
  profile.transfer = {{1000, 0.1}, {1'000'000, 1}};
  for (int i = 0; i < layers; ++i) {
    const double ms = 1 + (i % 4);
    profile.layers.push_back({.name = fmt::format("layer{}", i),
                              .parameter_bytes = 1'000'000,
                              .state_bytes = 2'000'000,
                              .gradient_bytes = 1'000'000,
                              .boundary_bytes = {1000, 2000},
                              .activation_bytes = {50'000, 100'000},
                              .weight_gradient_bytes = {0, 10},
                              .forward_ms = {ms, 2 * ms},
                              .backward_input_ms = {ms, 2 * ms},
                              .backward_weight_ms = {ms, 1.5 * ms},
                              .optimizer_ms = 0.5,
                              .tied_to = std::nullopt});
  }
  return profile;
}

/// Two zones and two workers on each host.
Cluster small_cluster(int workers) {
  constexpr std::int64_t memory_bytes = 20'000'000;
  Cluster cluster;
  for (int id = 0; id < workers; ++id) {
    cluster.workers.push_back({WorkerId{id}, id < workers / 2 ? "a" : "b",
                               fmt::format("host{}", id / 2), memory_bytes, 1 + (0.5 * (id % 3))});
  }
  cluster.links = Links{{0.01, 8}, {0.1, 1}, {1, 0.5}};
  return cluster;
}

bool is_time(double ms) {
  return std::isfinite(ms) && ms >= 0;
}

/// A plan that is priced is a sound one, whoever made it.
void take_cost(const Plan& plan, const Profile& profile, const Cluster& cluster) {
  const auto cost = cost_of(plan, profile, cluster);
  if (!cost) {
    hold_sentence(cost.fault());
    return;
  }
  hold(is_time(cost.value().step_ms), "a step takes a time");
  for (const auto& [worker, bytes] : cost.value().memory_bytes) {
    hold(bytes >= 0, fmt::format("worker {} holds {} bytes", worker.value, bytes));
    hold(cluster.worker(worker) != nullptr, "who holds something is in the cluster");
  }
  const auto picture = svg_of_plan(plan, profile, cluster);
  hold(picture.ok() && picture.value().ends_with("</svg>\n"), "what has a price has a picture");
}

/// The best plan's own promises.
void take_plan(const Plan& plan, const Profile& profile, const Cluster& cluster) {
  Plan told = plan;
  told.candidates = 0;  // a plan's file does not have it
  hold_written_back(told, plan_from_json);
  const auto cost = cost_of(plan, profile, cluster);
  if (!cost) throw BrokenPromise("the best plan has no price: " + cost.fault().sentence);
  const double slack = 1e-9 * plan.step_ms;
  hold(std::abs(cost.value().step_ms - plan.step_ms) <= slack, "the best plan has its own price");
  hold(plan.bound_step_ms <= plan.step_ms + slack, "no plan is below the bound");
  for (const auto& [worker, bytes] : cost.value().memory_bytes) {
    hold(bytes <= cluster.worker(worker)->memory_bytes, "the best plan fits");
  }
}

/// Asks for something else with each file, the same for the same one.
BestPlanRequest any_request(Random& random) {
  static const std::vector<std::string> kinds{"auto", "gpipe",       "1f1b",  "zb-h1",     "zb-h2",
                                              "zb-v", "interleaved", "v-min", "dualpipe-v"};
  BestPlanRequest request;
  request.micro_batches = static_cast<int>(random.between(1, 5));
  request.survive = static_cast<int>(random.between(0, 1));
  request.shadows = random.below(4) != 0;
  request.explain = random.below(2) == 0;
  request.recompute = static_cast<Recompute>(random.below(3));
  if (random.below(2) == 0) request.schedule = kinds[random.below(kinds.size())];
  if (random.below(4) == 0) request.lane_size.reset();
  if (random.below(4) == 0) request.lane_size = static_cast<int>(random.between(1, 6));
  if (random.below(4) == 0) request.width = static_cast<int>(random.between(1, 3));
  if (random.below(4) == 0) request.depth = static_cast<int>(random.between(1, 3));
  if (random.below(8) == 0) request.min_samples_per_s = random.uniform() * 1000;
  return request;
}

/// Plans with both, where that is little work.
void take_both(const Profile& profile, const Cluster& cluster, Random& random) {
  BestPlanRequest request = any_request(random);
  request.profile = &profile;
  request.cluster = &cluster;
  int moves = 5;
  request.keep_going = [&](double) { return moves-- > 0; };
  const auto best = best_plan(request);
  if (best) {
    take_plan(best.value().plan, profile, cluster);
  } else {
    hold_sentence(best.fault());
  }
}

/// All on one worker.
Plan lonely_plan(const Profile& profile, WorkerId worker) {
  Plan plan;
  plan.micro_batches = 2;
  plan.micro_batch_size = profile.micro_batch_sizes.front();
  plan.schedule = "1f1b";
  const LayerId last{static_cast<int>(profile.layers.size()) - 1};
  plan.pipelines = {{2, {{{LayerId{0}, last}, worker, false, 0, ""}}}};
  return plan;
}

Random random_of(std::string_view text) {
  return Random(xxh3_64(std::as_bytes(std::span(text.data(), text.size()))));
}

void take_templates(const Profile& profile) {
  std::vector<double> layer_ms;
  for (const LayerProfile& layer : profile.layers) {
    layer_ms.push_back(layer.forward_ms.front() + layer.backward_input_ms.front() +
                       layer.backward_weight_ms.front());
  }
  const auto templates = pipeline_templates(layer_ms, 1, static_cast<int>(layer_ms.size()));
  hold(templates.ok(), "a profile has templates");
}

}  // namespace

std::optional<Fault> read_profile(std::string_view text) {
  const auto read = read_value(text, profile_from_json);
  if (!read) return refusal_of(read.fault());
  const Profile& profile = read.value();
  hold_written_back(profile, profile_from_json);
  for (const std::int64_t bytes : {0, 1, 1000, 1'000'000'000}) {
    hold(is_time(transfer_ms(profile.transfer, bytes)), "a transfer takes a time");
  }
  constexpr std::size_t layers_templates = 32;
  constexpr std::size_t layers_planned = 4;
  constexpr std::size_t sizes_planned = 2;
  if (profile.layers.size() <= layers_templates) take_templates(profile);
  const Cluster cluster = small_cluster(3);
  take_cost(lonely_plan(profile, WorkerId{0}), profile, cluster);
  if (profile.layers.size() > layers_planned) return std::nullopt;
  if (profile.micro_batch_sizes.size() > sizes_planned) return std::nullopt;
  Random random = random_of(text);
  take_both(profile, cluster, random);
  constexpr std::int64_t much_memory = 1'000'000'000'000'000;
  take_both(profile, identical_workers(2, much_memory), random);
  return std::nullopt;
}

std::optional<Fault> read_cluster(std::string_view text) {
  const auto read = read_value(text, cluster_from_json);
  if (!read) return refusal_of(read.fault());
  const Cluster& cluster = read.value();
  hold_written_back(cluster, cluster_from_json);
  const Profile profile = small_profile(3);
  const WorkerId first = cluster.workers.front().id;
  const WorkerId last = cluster.workers.back().id;
  hold(is_time(transfer_ms(cluster, profile.transfer, first, last, 1'000'000)),
       "a transfer takes a time");
  take_cost(lonely_plan(profile, last), profile, cluster);
  constexpr std::size_t workers_planned = 3;
  if (cluster.workers.size() > workers_planned) return std::nullopt;
  Random random = random_of(text);
  take_both(profile, cluster, random);
  return std::nullopt;
}

std::optional<Fault> read_plan(std::string_view text) {
  const auto read = read_value(text, plan_from_json);
  if (!read) return refusal_of(read.fault());
  const Plan& plan = read.value();
  hold_written_back(plan, plan_from_json);
  const auto layout = read_value(text, layout_from_json);
  hold(layout.ok() && layout.value() == layout_of(plan), "a plan is read as its layout too");
  // What is priced is simulated, so only what is small.
  constexpr std::int64_t cells_priced = 2000;
  std::int64_t cells = 0;
  for (const PlannedPipeline& pipeline : plan.pipelines) {
    cells += static_cast<std::int64_t>(pipeline.stages.size()) * pipeline.micro_batches;
  }
  if (cells <= cells_priced) take_cost(plan, small_profile(4), small_cluster(6));
  return std::nullopt;
}

}  // namespace planaria::test
