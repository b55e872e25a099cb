#include <planaria/runtime/profiling.hpp>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include <stdlib.h>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/text.hpp>
#include <planaria/transport/transport.hpp>

#include "runtime/process.hpp"
#include "runtime/profiling_parts.hpp"

namespace planaria {
namespace runtime {
namespace {

constexpr int repeats_max = 999;

// Of sorted values, between neighbours where it falls between them.
double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(place);
  const std::size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + ((place - static_cast<double>(low)) * (sorted[high] - sorted[low]));
}

// Every visit of one layer, as a profile has it.
void add_times(const std::vector<LayerVisit>& visits, const std::vector<int>& sizes,
               LayerProfile& layer, std::vector<Repeats>& all) {
  const auto median = [&](const std::string& what, const auto& value) {
    Repeats repeats{fmt::format("{}, {}", layer.name, what), {}};
    for (const LayerVisit& visit : visits) repeats.values.push_back(value(visit));
    const double found = median_of(repeats.values);
    all.push_back(std::move(repeats));
    return found;
  };
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::string of = " of " + counted(sizes[i], "sample");
    layer.forward_ms.push_back(
        median("forward" + of, [i](const LayerVisit& v) { return v.times[i].forward_ms; }));
    layer.backward_input_ms.push_back(median("backward for inputs" + of, [i](const LayerVisit& v) {
      return v.times[i].backward_input_ms;
    }));
    layer.backward_weight_ms.push_back(
        median("backward for weights" + of,
               [i](const LayerVisit& v) { return v.times[i].backward_weight_ms; }));
  }
  layer.optimizer_ms = median("optimizer", [](const LayerVisit& v) { return v.optimizer_ms; });
}

LayerProfile weighed(const LayerDefinition& definition, const LayerHolding& holding) {
  LayerProfile layer;
  layer.name = definition.name;
  layer.parameter_bytes = holding.layer.parameters;
  layer.state_bytes = holding.layer.state;
  layer.gradient_bytes = holding.layer.gradients;
  for (const MicroBatchBytes& bytes : holding.micro_batches) {
    layer.boundary_bytes.push_back(bytes.boundary);
    layer.activation_bytes.push_back(bytes.activation);
    layer.weight_gradient_bytes.push_back(bytes.weight_gradient);
  }
  if (!definition.tied.empty()) layer.tied_to = definition.tied.front().source_layer;
  return layer;
}

void tell(const ProfilingOptions& options, const std::string& what) {
  if (options.on_progress) options.on_progress(what);
}

// What a worker with the whole model goes through between two uses of a layer, by size: the other
// layers' parameters, gradients and activations.
std::vector<std::int64_t> bytes_beside(const Profile& profile, std::size_t layer) {
  std::vector<std::int64_t> bytes(profile.micro_batch_sizes.size(), 0);
  for (std::size_t i = 0; i < profile.layers.size(); ++i) {
    if (i == layer) continue;
    const LayerProfile& other = profile.layers[i];
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      bytes[size] += other.parameter_bytes + other.gradient_bytes + other.activation_bytes[size];
    }
  }
  return bytes;
}

std::vector<int> sizes_of(const TrainerOptions& trainer, const ProfilingOptions& options) {
  if (!options.micro_batch_sizes.empty()) return options.micro_batch_sizes;
  return {trainer.micro_batch_size};
}

}  // namespace

double median_of(std::vector<double> values) {
  check(!values.empty(), "a median of nothing");
  std::ranges::sort(values);
  return quantile(values, 0.5);
}

Spread spread_of(const std::vector<Repeats>& numbers) {
  Spread spread;
  std::vector<double> all;
  for (const Repeats& repeats : numbers) {
    std::vector<double> sorted = repeats.values;
    std::ranges::sort(sorted);
    const double median = quantile(sorted, 0.5);
    const double range = quantile(sorted, 0.75) - quantile(sorted, 0.25);
    all.push_back(median > 0 ? range / median : 0);
    if (all.size() > 1 && all.back() <= spread.largest) continue;
    spread.largest = all.back();
    spread.largest_of = repeats.of;
  }
  if (!all.empty()) spread.median = median_of(std::move(all));
  return spread;
}

Result<void> verify(const ProfilingOptions& options) {
  if (options.model.empty()) return Fault::invalid_input("model: empty, must be a name");
  if (options.repeats < 1 || options.repeats > repeats_max || options.repeats % 2 == 0) {
    return Fault::invalid_input(fmt::format("repeats: {}, must be an odd number from 1 to {}",
                                            options.repeats, repeats_max));
  }
  int before = 0;
  for (const int size : options.micro_batch_sizes) {
    if (size <= before) {
      return Fault::invalid_input(
          fmt::format("micro_batch_sizes: {}, must be at least {}", size, before + 1));
    }
    before = size;
  }
  return {};
}

LayerId busiest_layer(const Profile& profile) {
  const auto found = std::ranges::max_element(
      profile.layers, {}, [](const LayerProfile& layer) { return layer.forward_ms.front(); });
  return LayerId{static_cast<int>(found - profile.layers.begin())};
}

// The first way back counts bytes, and warms up what LibTorch keeps for each shape.
Result<MeasuredProfile> measure_layers(LayerBench& bench, const TrainerOptions& trainer,
                                       const ProfilingOptions& options) {
  MeasuredProfile measured;
  Profile& profile = measured.profile;
  profile.model = options.model;
  profile.device = fmt::format("{} x {}", bench.device_kind(), counted(trainer.threads, "thread"));
  profile.micro_batch_sizes = sizes_of(trainer, options);
  tell(options, "bytes");
  PLANARIA_TRY_VOID(bench.walk_to(bench.last_layer()));
  const std::size_t layers = trainer.layers.size();
  profile.layers.resize(layers);
  for (std::size_t i = layers; i-- > 0;) {
    PLANARIA_TRY_VOID(bench.hold(LayerId{static_cast<int>(i)}));
    PLANARIA_TRY(holding, bench.weigh());
    profile.layers[i] = weighed(trainer.layers[i], holding);
  }
  std::vector<std::vector<LayerVisit>> visits(layers);
  for (int round = 0; round < options.repeats; ++round) {
    tell(options, fmt::format("round {} of {}", round + 1, options.repeats));
    for (std::size_t i = layers; i-- > 0;) {
      PLANARIA_TRY_VOID(bench.hold(LayerId{static_cast<int>(i)}));
      PLANARIA_TRY(visit, bench.measure(round, bytes_beside(profile, i)));
      visits[i].push_back(std::move(visit));
    }
  }
  std::vector<Repeats> all;
  for (std::size_t i = 0; i < layers; ++i) {
    add_times(visits[i], profile.micro_batch_sizes, profile.layers[i], all);
  }
  measured.compute = spread_of(all);
  PLANARIA_TRY_VOID(bench.hold(busiest_layer(profile)));
  return measured;
}

Result<void> measure_transfers(TransferProbe& probe, LayerBench& bench,
                               const ProfilingOptions& options, MeasuredProfile& measured) {
  tell(options, "transfers");
  std::int64_t largest = 0;
  for (const LayerProfile& layer : measured.profile.layers) {
    largest = std::max({largest, layer.gradient_bytes, layer.boundary_bytes.back()});
  }
  const std::vector<std::int64_t> sizes = transfer_sizes(largest);
  PLANARIA_TRY(times,
               probe.measure(sizes, options.repeats, [&] { return bench.compute_forward(); }));
  std::vector<Repeats> all;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    measured.profile.transfer.push_back({sizes[i], median_of(times[i])});
    all.push_back({text_of_bytes(static_cast<std::uint64_t>(sizes[i])), std::move(times[i])});
  }
  measured.transfer = spread_of(all);
  return {};
}

namespace {

// A folder for one socket; its end takes it along.
class SocketFolder {
 public:
  [[nodiscard]] static Result<std::unique_ptr<SocketFolder>> create() {
    std::string path = (std::filesystem::temp_directory_path() / "planaria-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) {
      return Fault::unavailable(path + ": no folder can be made there");
    }
    return std::unique_ptr<SocketFolder>(new SocketFolder(path));
  }
  ~SocketFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  SocketFolder(const SocketFolder&) = delete;
  SocketFolder& operator=(const SocketFolder&) = delete;
  [[nodiscard]] std::string address() const { return "unix:" + path_ + "/socket"; }

 private:
  explicit SocketFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// The other worker, where that is a thread: it computes the same layer.
class EchoThread {
 public:
  /// Talks to `probe`, which outlives it.
  EchoThread(LayerBenchOptions bench, LayerId layer, TransferProbe& probe,
             std::unique_ptr<transport::Transport> transport, std::string address)
      : transport_(std::move(transport)),
        thread_([this, bench = std::move(bench), layer, &probe, address = std::move(address)] {
          prepare_process(bench.trainer->threads);  // the number of threads is a thread's own
          const Result<void> outcome = echo(bench, layer, address);
          if (!outcome) probe.give_up(outcome.fault());
        }) {}
  /// Waits for its end, which comes with the probe's connection.
  void join() { thread_.join(); }

 private:
  Result<void> echo(const LayerBenchOptions& options, LayerId layer, const std::string& address) {
    PLANARIA_TRY(bench, LayerBench::create(options));
    PLANARIA_TRY_VOID(bench->walk_to(layer));
    PLANARIA_TRY_VOID(bench->hold(layer));
    return echo_transfers(*transport_, address, [&] { return bench->compute_forward(); });
  }
  std::unique_ptr<transport::Transport> transport_;
  std::thread thread_;
};

}  // namespace
}  // namespace runtime

Result<MeasuredProfile> measure_profile(const TrainerOptions& trainer,
                                        const ProfilingOptions& options) {
  using namespace runtime;
  PLANARIA_TRY_VOID(verify(options));
  prepare_process(trainer.threads);
  keep_freed_memory();
  PLANARIA_TRY_VOID(spec_of(trainer, 1));
  GeneratorLock generator;
  const LayerBenchOptions bench_options{
      .trainer = &trainer,
      .micro_batch_sizes = sizes_of(trainer, options),
      .generator = &generator,
  };
  PLANARIA_TRY(bench, LayerBench::create(bench_options));
  PLANARIA_TRY(measured, measure_layers(*bench, trainer, options));
  PLANARIA_TRY(folder, SocketFolder::create());
  const transport::TransportOptions secret{.secret = "between two threads of one process"};
  PLANARIA_TRY(here, transport::make_socket_transport(secret));
  PLANARIA_TRY(there, transport::make_socket_transport(secret));
  TransferProbe probe(std::move(here));
  PLANARIA_TRY(address, probe.listen(folder->address()));
  EchoThread echo(bench_options, busiest_layer(measured.profile), probe, std::move(there), address);
  const auto transfers = measure_transfers(probe, *bench, options, measured);
  probe.close();
  echo.join();
  PLANARIA_TRY_VOID(transfers);
  return measured;
}

}  // namespace planaria
