#include "runtime/profile_order.hpp"

#include <cstdlib>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include <planaria/host/launcher.hpp>
#include <planaria/host/profile_launch.hpp>
#include <planaria/transport/transport.hpp>

#include "runtime/process.hpp"
#include "runtime/profiling_parts.hpp"

namespace planaria::runtime {
namespace {

// Where the launcher is gone, so are we soon.
void tell_launcher(const Json& message) {
  const std::string descriptor = environment(host::env_progress_fd);
  if (descriptor.empty()) return;
  const std::string line = message.dump() + "\n";
  std::size_t done = 0;
  while (done < line.size()) {
    const ssize_t count =
        ::write(std::atoi(descriptor.c_str()), line.data() + done, line.size() - done);
    if (count <= 0) return;
    done += static_cast<std::size_t>(count);
  }
}

Result<std::unique_ptr<transport::Transport>> transport_of_order() {
  transport::TransportOptions options;
  PLANARIA_TRY(secret, host::read_secret(environment(host::env_secret_file)));
  options.secret = std::move(secret);
  return transport::make_socket_transport(options);
}

Json to_json(const Spread& spread) {
  return {
      {"median", spread.median}, {"largest", spread.largest}, {"largest_of", spread.largest_of}};
}

Result<void> measure_as_ordered(const TrainerOptions& trainer, const host::ProfileOrder& order) {
  const ProfilingOptions options{
      .model = order.model,
      .micro_batch_sizes = order.micro_batch_sizes.empty()
                               ? std::vector<int>{trainer.micro_batch_size}
                               : order.micro_batch_sizes,
      .repeats = order.repeats,
      .on_progress = [](const std::string& what) {
        tell_launcher({{"progress", what}});
      }};
  PLANARIA_TRY_VOID(verify(options));
  GeneratorLock generator;
  PLANARIA_TRY(bench, LayerBench::create({.trainer = &trainer,
                                          .micro_batch_sizes = options.micro_batch_sizes,
                                          .generator = &generator}));
  PLANARIA_TRY(measured, measure_layers(*bench, trainer, options));
  PLANARIA_TRY(transport, transport_of_order());
  TransferProbe probe(std::move(transport));
  PLANARIA_TRY(address, probe.listen(order.listen));
  host::ProfileOrder other = order;
  other.other = address;
  other.layer = busiest_layer(measured.profile).value;
  other.micro_batch_sizes = {options.micro_batch_sizes.front()};
  tell_launcher({{"other_worker", host::to_json(other)}});
  PLANARIA_TRY_VOID(measure_transfers(probe, *bench, options, measured));
  tell_launcher({{"profile", to_json(measured.profile)},
                 {"compute_spread", to_json(measured.compute)},
                 {"transfer_spread", to_json(measured.transfer)}});
  return {};
}

Result<void> echo_as_ordered(const TrainerOptions& trainer, const host::ProfileOrder& order) {
  const LayerId layer{order.layer};
  if (layer.value >= static_cast<int>(trainer.layers.size()) || order.micro_batch_sizes.empty()) {
    return Fault::invalid_input(
        fmt::format("{}: layer: {}, must be one of {}, with a micro-batch size", host::env_profile,
                    layer.value, trainer.layers.size()));
  }
  GeneratorLock generator;
  PLANARIA_TRY(bench, LayerBench::create({.trainer = &trainer,
                                          .micro_batch_sizes = order.micro_batch_sizes,
                                          .generator = &generator}));
  PLANARIA_TRY_VOID(bench->walk_to(layer));
  PLANARIA_TRY_VOID(bench->hold(layer));
  PLANARIA_TRY(transport, transport_of_order());
  return echo_transfers(*transport, order.other, [&] { return bench->compute_forward(); });
}

Result<void> carry_out_order(const TrainerOptions& trainer) {
  PLANARIA_TRY(json, parse_json(environment(host::env_profile), host::env_profile));
  PLANARIA_TRY(order, host::profile_order_from_json(json, host::env_profile));
  PLANARIA_TRY_VOID(spec_of(trainer, 1));
  return order.other.empty() ? measure_as_ordered(trainer, order) : echo_as_ordered(trainer, order);
}

}  // namespace

bool profile_asked() {
  return !environment(host::env_profile).empty();
}

TrainingOutcome take_part_in_profile(const TrainerOptions& trainer) {
  const auto done = carry_out_order(trainer);
  return done ? TrainingOutcome{} : outcome_of(done.fault());
}

}  // namespace planaria::runtime
