#include "planner/random_problems.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <planaria/base/random.hpp>

#include "planner/pipeline_rules.hpp"

namespace planaria {
namespace {

// From 1 to `max`, the larger more often.
int count_up_to(Random& random, int max) {
  return static_cast<int>(std::max(random.between(1, max), random.between(1, max)));
}

bool one_in(Random& random, std::uint64_t count) {
  return random.below(count) == 0;
}

// Whole numbers where the problem is to have ties, else any.
double duration_ms(Random& random, bool whole, int max) {
  return whole ? static_cast<double>(random.between(0, max)) : random.uniform() * max;
}

// A layer's numbers at the first micro-batch size; the others grow with the size, not in
// proportion.
LayerProfile random_layer(Random& random, bool whole, int activation_max) {
  LayerProfile layer;
  const int scale = one_in(random, 4) ? 20 : 5;
  const bool no_times = one_in(random, 8);
  layer.forward_ms = {no_times ? 0 : duration_ms(random, whole, scale)};
  layer.backward_input_ms = {no_times ? 0 : duration_ms(random, whole, scale)};
  layer.backward_weight_ms = {one_in(random, 6) ? 0 : duration_ms(random, whole, scale)};
  layer.optimizer_ms = one_in(random, 3) ? 0 : duration_ms(random, whole, 3);
  layer.parameter_bytes = one_in(random, 6) ? 0 : random.between(1, 100);
  layer.state_bytes = layer.parameter_bytes * random.between(0, 2);
  layer.gradient_bytes = layer.parameter_bytes;
  layer.boundary_bytes = {random.between(0, 40)};
  layer.activation_bytes = {random.between(0, activation_max)};
  layer.weight_gradient_bytes = {one_in(random, 2) ? 0 : random.between(0, 60)};
  return layer;
}

void add_size(LayerProfile& layer, double growth) {
  const auto grow = [growth](auto& numbers) {
    using Number = std::decay_t<decltype(numbers.front())>;
    numbers.push_back(static_cast<Number>(static_cast<double>(numbers.front()) * growth));
  };
  grow(layer.boundary_bytes);
  grow(layer.activation_bytes);
  grow(layer.weight_gradient_bytes);
  grow(layer.forward_ms);
  grow(layer.backward_input_ms);
  grow(layer.backward_weight_ms);
}

Profile random_profile(Random& random, int layers, bool whole) {
  Profile profile;
  profile.model = "random";
  profile.device = "none";
  const bool alike = one_in(random, 4);
  const int activation_max = one_in(random, 2) ? 1500 : 100;
  for (int i = 0; i < layers; ++i) {
    profile.layers.push_back(alike && i > 0 ? profile.layers.front()
                                            : random_layer(random, whole, activation_max));
    profile.layers.back().name = fmt::format("layer{}", i);
  }
  if (layers > 1 && one_in(random, 4)) profile.layers.back().tied_to = "layer0";
  profile.micro_batch_sizes = {static_cast<int>(random.between(1, 2))};
  for (std::uint64_t more = random.below(3); more > 0; --more) {
    const int size = profile.micro_batch_sizes.back() + static_cast<int>(random.between(1, 2));
    for (LayerProfile& layer : profile.layers) {
      add_size(layer, static_cast<double>(size) / profile.micro_batch_sizes.front() * 0.9);
    }
    profile.micro_batch_sizes.push_back(size);
  }
  // From next to nothing to more than all compute.
  const double ms = std::vector<double>{0.001, 0.1, 1, 10}[random.below(4)];
  profile.transfer = {{random.between(1, 10), ms * random.uniform()}};
  if (one_in(random, 2)) profile.transfer.push_back({50, ms * (1 + random.uniform())});
  return profile;
}

Links random_links(Random& random) {
  const double slowness = std::vector<double>{0.01, 1, 10}[random.below(3)];
  const auto link = [&](double factor) {
    const double latency_ms = one_in(random, 3) ? 0 : slowness * factor * random.uniform();
    return Link{latency_ms, 0.00005 / (slowness * factor * (0.5 + random.uniform()))};
  };
  const Link same_host = link(0.2);
  const Link same_zone = link(1);
  return {same_host, same_zone, link(4)};
}

// What one worker alone would want for all of the step.
std::int64_t alone_bytes(const Problem& problem, bool recompute) {
  const std::size_t at_size = *problem.profile.at_size(problem.micro_batch_size);
  const auto last = static_cast<int>(problem.profile.layers.size()) - 1;
  const int lanes = (problem.micro_batches + problem.lane_size - 1) / problem.lane_size;
  const auto orders = pipeline_rules::orders_of("gpipe", {1, problem.micro_batches});
  return peak_memory_of(problem.profile, {{LayerId{0}, LayerId{last}}, at_size, 1, recompute},
                        orders->front(), lanes);
}

Cluster random_cluster(Random& random, int workers, const Problem& problem) {
  const auto most = static_cast<double>(alone_bytes(problem, false));
  const auto least = static_cast<double>(alone_bytes(problem, true));
  Cluster cluster;
  const bool one_speed = one_in(random, 2);
  const bool one_memory = one_in(random, 2);
  const auto memory = [&] {
    const std::uint64_t kind = random.below(6);
    const double part = random.uniform();
    double bytes = 1.5 * most;                                          // ample
    if (kind == 1 || kind == 2) bytes = least + part * (most - least);  // alone only by recompute
    if (kind == 3 || kind == 4) bytes = least * (0.4 + 0.6 * part);     // only several together
    if (kind == 5) bytes = least * (0.1 + 0.4 * part);                  // hardly anything
    return static_cast<std::int64_t>(bytes);
  };
  const std::int64_t shared_memory = memory();
  const auto zones = static_cast<int>(random.between(1, 3));
  const auto hosts = static_cast<int>(random.between(1, 2));  // in each zone
  int id = 0;
  for (int i = 0; i < workers; ++i) {
    const std::string zone = fmt::format("z{}", random.below(static_cast<std::uint64_t>(zones)));
    const std::string host = fmt::format("h{}", random.below(static_cast<std::uint64_t>(hosts)));
    const double speed = one_speed ? 1 : std::vector<double>{0.5, 1, 1, 2}[random.below(4)];
    cluster.workers.push_back(
        {WorkerId{id}, zone, zone + host, one_memory ? shared_memory : memory(), speed});
    id += one_in(random, 5) ? 2 : 1;
  }
  if (one_in(random, 2)) cluster.links = random_links(random);
  return cluster;
}

template <class Number>
std::string list_of(const std::vector<Number>& numbers) {
  return fmt::format("[{}]", fmt::join(numbers, " "));
}

std::string text_of_link(const char* name, const Link& link) {
  return fmt::format("  {}: {} ms, {} GB/s\n", name, link.latency_ms, link.gigabytes_per_s);
}

}  // namespace

Problem random_problem(std::uint64_t seed, const ProblemLimits& limits) {
  Random random(mix({seed, 0x706c616eULL}));
  Problem problem;
  problem.origin = fmt::format("random_problem({}, {{{}, {}, {}}})", seed, limits.layers_max,
                               limits.workers_max, limits.micro_batches_max);
  const bool whole = one_in(random, 2);
  const int layers = count_up_to(random, limits.layers_max);
  const int workers = count_up_to(random, limits.workers_max);
  problem.micro_batches = count_up_to(random, limits.micro_batches_max);
  problem.lane_size = one_in(random, 2) ? 1 : static_cast<int>(random.between(1, 3));
  problem.profile = random_profile(random, layers, whole);
  const auto& sizes = problem.profile.micro_batch_sizes;
  problem.micro_batch_size = sizes[random.below(sizes.size())];
  problem.cluster = random_cluster(random, workers, problem);
  const auto& kinds = pipeline_rules::fixed_kinds();
  problem.schedules = one_in(random, 2) ? kinds : std::vector{kinds[random.below(kinds.size())]};
  problem.recompute = std::vector{Recompute::any, Recompute::any, Recompute::never,
                                  Recompute::always}[random.below(4)];
  problem.survive = one_in(random, 5) ? 1 + static_cast<int>(one_in(random, 4)) : 0;
  return problem;
}

std::string text_of(const Problem& problem) {
  const std::vector<std::string> recompute{"never", "always", "any"};
  std::string text =
      fmt::format("{}: {} micro-batches of {} in lanes of {}, {}, recompute {}, survive {}\n",
                  problem.origin, problem.micro_batches, problem.micro_batch_size,
                  problem.lane_size, list_of(problem.schedules),
                  recompute[static_cast<std::size_t>(problem.recompute)], problem.survive);
  text += fmt::format("  micro_batch_sizes {}\n", list_of(problem.profile.micro_batch_sizes));
  for (const LayerProfile& layer : problem.profile.layers) {
    text += fmt::format(
        "  {}: F {} B {} W {} optimizer {} ms, parameters {} state {} gradient {} boundary {} "
        "activation {} weight gradient {} bytes{}\n",
        layer.name, list_of(layer.forward_ms), list_of(layer.backward_input_ms),
        list_of(layer.backward_weight_ms), layer.optimizer_ms, layer.parameter_bytes,
        layer.state_bytes, layer.gradient_bytes, list_of(layer.boundary_bytes),
        list_of(layer.activation_bytes), list_of(layer.weight_gradient_bytes),
        layer.tied_to ? ", tied to " + *layer.tied_to : "");
  }
  for (const TransferPoint& point : problem.profile.transfer) {
    text += fmt::format("  transfer: {} bytes in {} ms\n", point.bytes, point.ms);
  }
  for (const ClusterWorker& worker : problem.cluster.workers) {
    text += fmt::format("  worker {}: zone {} host {}, {} bytes, speed {}\n", worker.id.value,
                        worker.zone, worker.host, worker.memory_bytes, worker.speed);
  }
  if (problem.cluster.links) {
    text += text_of_link("same host", problem.cluster.links->same_host);
    text += text_of_link("same zone", problem.cluster.links->same_zone);
    text += text_of_link("cross zone", problem.cluster.links->cross_zone);
  }
  return text;
}

}  // namespace planaria
