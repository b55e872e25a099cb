// A trainer without LibTorch: a real process that joins a run, "trains" a toy model and misbehaves
// where it is told to. Options: see ToyArguments.
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <variant>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/host/coordinator_host.hpp>
#include <planaria/host/fault_striker.hpp>
#include <planaria/host/launcher.hpp>
#include <planaria/host/run_directory.hpp>
#include <planaria/observe/events.hpp>
#include <planaria/protocol/agent.hpp>
#include <planaria/transport/transport.hpp>

#include "host/toy_arguments.hpp"
#include "host/toy_model.hpp"

namespace planaria::test {
namespace {

namespace agent = protocol::agent;
using transport::FrameKey;
using transport::FrameKind;

/// Inputs of the agent, from any thread to one.
class Inputs {
 public:
  void put(agent::Input input) {
    const std::lock_guard lock(mutex_);
    inputs_.push_back(std::move(input));
    changed_.notify_one();
  }
  std::optional<agent::Input> take_within(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, limit, [&] { return !inputs_.empty(); })) return std::nullopt;
    agent::Input input = std::move(inputs_.front());
    inputs_.pop_front();
    return input;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<agent::Input> inputs_;
};

class ToyWorker {
 public:
  ToyWorker(ToyArguments arguments, int number, std::unique_ptr<transport::Transport> transport)
      : arguments_(std::move(arguments)), number_(number), transport_(std::move(transport)) {}

  agent::Finish run(const std::string& coordinator) {
    transport_->watch(
        {.connected = {},
         .lost = [this](transport::PeerId, const transport::PeerInfo&,
                        const Fault& why) { inputs_.put(agent::CoordinatorLost{why.sentence}); },
         .refused = {}});
    transport_->subscribe(FrameKind::control,
                          [this](transport::PeerId, const FrameKey&, transport::Buffer payload) {
                            auto message = protocol::decode(payload.bytes());
                            check(message.ok(), "the coordinator sent what cannot be read");
                            inputs_.put(agent::FromCoordinator{std::move(message).value()});
                          });
    const auto peer = transport_->connect(coordinator, transport::not_yet_joined, 5000);
    if (!peer.ok()) return {1, peer.fault().sentence};
    coordinator_ = peer.value();
    ToyOptions spec_options = arguments_.model;
    if (number_ == arguments_.misfit) spec_options.threads = 2;
    feed(agent::Start{{.spec = toy_spec(spec_options),
                       .address = fmt::format("toy:{}", number_),
                       .wanted = WorkerId(number_),
                       .process = ::getpid()}});
    while (!finished_) {
      const auto input = inputs_.take_within(std::chrono::milliseconds(20));
      if (input) feed(*input);
      tell_alive();
      if (held_ && std::filesystem::exists(arguments_.gate)) compute(*std::exchange(held_, {}));
    }
    return *finished_;
  }

 private:
  void feed(const agent::Input& input) {
    for (const agent::Command& command : agent::step(state_, input).commands) {
      std::visit([this](const auto& each) { carry_out(each); }, command);
    }
  }

  void carry_out(const agent::SendMessage& send) {
    const auto bytes = protocol::encode(send.message);
    const FrameKey key{.kind = FrameKind::control};
    static_cast<void>(transport::wait_send(*transport_, coordinator_, key, {std::span(bytes)}));
  }

  void tell_alive() {
    const Instant now = clock_.now();
    if (!state_.worker || (now - told_alive_).value < 100) return;
    told_alive_ = now;
    carry_out(agent::SendMessage{protocol::Alive{}});
  }

  // Workers of this kind say nothing to each other: what one holds, every other can compute.
  void carry_out(const agent::Connect&) { inputs_.put(agent::PeersConnected{{}}); }

  void carry_out(const agent::Prepare& prepare) {
    layers_.clear();
    take_roles(prepare.view, Step{prepare.view.first_step.value - 1});
    fmt::print("built view {}\n", prepare.view.view.value);
    std::fflush(stdout);
    inputs_.put(agent::Prepared{prepare.view.view});
  }

  void take_roles(const protocol::NewView& view, Step level) {
    range_ = {LayerId(-1), LayerId(-2)};
    if (const auto place = place_of(view.layout, *state_.worker)) {
      range_ = view.layout.pipelines[static_cast<std::size_t>(place->pipeline)]
                   .stages[static_cast<std::size_t>(place->stages.front())]
                   .layers;
      for (LayerId layer = range_.first; layer <= range_.last; layer = layer.next()) {
        hold(layer, level);
      }
      micro_batches_ = micro_batches_of(view.layout, place->pipeline);
    }
    shadowed_ = shadowed_by(view.layout, *state_.worker);
    for (const LayerId layer : shadowed_) hold(layer, level);
  }

  void hold(LayerId layer, Step level) {
    const auto [held, fresh] = layers_.try_emplace(layer, arguments_.model, layer);
    if (!fresh) return;
    for (Step step{1}; step <= level; step = step.next()) held->second.apply(step);
  }

  void carry_out(const agent::Compute& wanted) {
    if (wanted.step.value == arguments_.hold_at) {
      held_ = wanted;
    } else {
      compute(wanted);
    }
  }

  void compute(const agent::Compute& wanted) {
    if (wanted.step.value == arguments_.fail_at && number_ == 0) {
      inputs_.put(agent::WorkerFailed{{.sentence = "the loss was asked to fail",
                                       .kind = FaultKind::unavailable,
                                       .step = wanted.step,
                                       .micro_batch = MicroBatchId(1),
                                       .layer = LayerId(0)}});
      return;
    }
    protocol::Report report{.view = wanted.view, .step = wanted.step, .rate = 0.125};
    protocol::ShadowReport shadows{wanted.view, wanted.step, {}};
    for (const auto& [id, layer] : layers_) {
      const protocol::LayerReport found = layer.report(wanted.step);
      if (range_.contains(id)) {
        report.layers.push_back(found);
      } else if (std::ranges::find(shadowed_, id) != shadowed_.end()) {
        shadows.layers.push_back({id, found.checksum});
      }
    }
    const bool first = range_.first.value == 0;
    const bool last = range_.last.value + 1 == arguments_.model.layers;
    if (!striker_) striker_ = make_striker();
    for (MicroBatchId i = micro_batches_.first; i <= micro_batches_.last; i = i.next()) {
      note_computed(wanted, i);
      strike_at(wanted.step, i);
      if (first) report.read.push_back({i, toy_hash(arguments_.model, wanted.step, i, 0)});
      if (!last) continue;
      report.losses.push_back({i, toy_loss(arguments_.model, wanted.step, i)});
      report.labelled.push_back({i, toy_hash(arguments_.model, wanted.step, i, 1)});
    }
    if (range_.contains(range_.first)) inputs_.put(agent::Computed{std::move(report)});
    if (!shadowed_.empty()) inputs_.put(agent::Shadowed{std::move(shadows)});
  }

  [[nodiscard]] host::FaultStriker make_striker() {
    const char* run_dir = std::getenv(host::env_run_dir);
    auto striker = host::FaultStriker::from_environment(
        {.orders = {},
         .bounds = {},
         .steps = arguments_.model.steps,
         .run_dir = run_dir == nullptr ? "" : run_dir,
         .self = *state_.worker,
         .tell =
             [this](Step step, Json fields) {
               if (!open_events()) return;
               static_cast<void>(events_->write(to_json(Event{.at = clock_.now(),
                                                              .view = state_.view->view,
                                                              .step = step,
                                                              .name = "fault_injected",
                                                              .fields = std::move(fields)})));
             },
         .raise = {}});
    check(striker.ok(), "the faults cannot be read");
    return std::move(striker).value();
  }

  void strike_at(Step step, MicroBatchId micro_batch) {
    for (LayerId id = range_.first; id <= range_.last; id = id.next()) {
      striker_->at({.step = step,
                    .phase = host::FaultPhase::forward,
                    .micro_batch = micro_batch,
                    .layer = id});
    }
  }

  bool open_events() {
    const char* run_dir = std::getenv(host::env_run_dir);
    if (run_dir == nullptr) return false;
    if (events_) return true;
    const host::RunDirectory directory{.path = run_dir, .made = {}};
    auto opened = JsonLines::open(directory.worker_events(state_.worker->value));
    check(opened.ok(), "the worker's events cannot be written");
    events_.emplace(std::move(opened).value());
    return true;
  }

  void note_computed(const agent::Compute& wanted, MicroBatchId micro_batch) {
    if (!open_events()) return;
    for (LayerId id = range_.first; id <= range_.last; id = id.next()) {
      static_cast<void>(events_->write(to_json(Event{.at = clock_.now(),
                                                     .view = wanted.view,
                                                     .step = wanted.step,
                                                     .name = "computed",
                                                     .fields = {{"worker", state_.worker->value},
                                                                {"micro_batch", micro_batch.value},
                                                                {"layer", id.value},
                                                                {"kind", "F"}}})));
    }
  }

  void carry_out(const agent::Apply& apply) {
    for (auto& [id, layer] : layers_) layer.apply(apply.record.step);
    if (apply.next) take_roles(*apply.next, apply.record.step);
  }

  void carry_out(const agent::HandOver& hand_over) {
    protocol::Applied applied{.view = state_.view->view,
                              .step = hand_over.level,
                              .layers = {},
                              .peak_resident_bytes = 1000 + number_};
    for (const auto& [id, layer] : layers_) applied.layers.push_back(layer.state());
    inputs_.put(agent::AppliedRecord{std::move(applied)});
  }

  // The first tensor in a frame of its own, the others together: both are allowed.
  void carry_out(const agent::SendLayerState& send) {
    const auto& tensors = layers_.at(send.layer).tensors();
    send_tensors(send, std::span(tensors).first(1));
    send_tensors(send, std::span(tensors).subspan(1));
    inputs_.put(agent::SentState{send.layer, send.attempt});
  }

  void carry_out(const agent::SendCopies&) {}
  void carry_out(const agent::Rejoin& rejoin) { finished_ = agent::Finish{1, rejoin.why}; }

  void send_tensors(const agent::SendLayerState& send, std::span<const ToyLayer::Tensor> tensors) {
    std::vector<checkpoint::TensorInfo> infos;
    for (const auto& tensor : tensors) infos.push_back(tensor.info);
    const auto header = checkpoint::block_header(infos);
    const std::vector<std::byte> zeros(64);
    transport::Pieces pieces = {std::span(header)};
    for (const auto& tensor : tensors) {
      const auto bytes = std::as_bytes(std::span(tensor.data));
      pieces.push_back(bytes);
      pieces.push_back(std::span(zeros).first(checkpoint::padding_after(bytes.size())));
    }
    const FrameKey key{.kind = FrameKind::state,
                       .view = state_.view->view,
                       .step = Step{send.attempt},
                       .layer = send.layer};
    static_cast<void>(transport::wait_send(*transport_, coordinator_, key, pieces));
  }

  void carry_out(const agent::TellEvaluation&) {}
  void carry_out(const agent::Abort&) { held_.reset(); }
  void carry_out(const agent::Finish& finish) { finished_ = finish; }

  ToyArguments arguments_;
  int number_ = 0;
  host::RunClock clock_;
  Inputs inputs_;
  agent::AgentState state_;
  transport::PeerId coordinator_ = 0;
  std::map<LayerId, ToyLayer> layers_;
  std::vector<LayerId> shadowed_;
  Instant told_alive_;
  LayerRange range_{LayerId(-1), LayerId(-1)};
  MicroBatchRange micro_batches_;
  std::optional<agent::Compute> held_;
  std::optional<agent::Finish> finished_;
  std::optional<JsonLines> events_;
  std::optional<host::FaultStriker> striker_;
  std::unique_ptr<transport::Transport> transport_;
};

int say(int status, const std::string& sentence) {
  if (!sentence.empty()) fmt::print(stderr, "toy_worker: {}\n", sentence);
  return status;
}

int run_as_worker(const ToyArguments& arguments) {
  const char* number = std::getenv(host::env_worker);
  const int worker = number == nullptr ? -2 : std::atoi(number);
  if (worker == arguments.crash_before_join) return say(3, "crashed before it joined");
  const auto secret = host::read_secret(std::getenv(host::env_secret_file));
  if (!secret.ok()) return say(2, secret.fault().sentence);
  auto transport = transport::make_socket_transport({.secret = secret.value()});
  if (!transport.ok()) return say(2, transport.fault().sentence);
  ToyWorker toy(arguments, worker, std::move(transport).value());
  const agent::Finish finish = toy.run(std::getenv(host::env_coordinator));
  return say(finish.status, finish.sentence);
}

int run_in_process(const ToyArguments& arguments) {
  const auto json = parse_json(std::getenv(host::env_run_options), host::env_run_options);
  check(json.ok(), "PLANARIA_RUN_OPTIONS cannot be read");
  auto options = host::run_options_from_json(json.value(), host::env_run_options);
  check(options.ok(), "PLANARIA_RUN_OPTIONS cannot be read");
  const auto hub = transport::make_in_process_hub();
  const transport::TransportOptions with_secret{.secret = "known to all in one process"};
  const int workers = options.value().coordinator.workers + options.value().coordinator.spares;
  host::CoordinatorHost coordinator(options.value(),
                                    transport::make_in_process_transport(hub, with_secret).value(),
                                    host::progress_from_environment());
  const std::string address = coordinator.listen("in-process:coordinator").value();
  std::vector<std::thread> threads;
  for (int worker = 0; worker < workers; ++worker) {
    threads.emplace_back([&, worker] {
      ToyWorker toy(arguments, worker,
                    transport::make_in_process_transport(hub, with_secret).value());
      static_cast<void>(toy.run(address));
    });
  }
  const host::RunOutcome outcome = coordinator.wait();
  for (std::thread& thread : threads) thread.join();
  return say(outcome.status, outcome.sentence);
}

}  // namespace
}  // namespace planaria::test

int main(int argc, char** argv) {
  namespace test = planaria::test;
  const auto parsed = test::parse({argv + 1, argv + argc});
  if (const auto* bad = std::get_if<test::BadArgument>(&parsed)) return test::say(2, bad->sentence);
  const auto& arguments = std::get<test::ToyArguments>(parsed);
  if (std::getenv(planaria::host::env_in_process) != nullptr)
    return test::run_in_process(arguments);
  if (std::getenv(planaria::host::env_coordinator) == nullptr) {
    return test::say(2, "no coordinator: start it by planaria run");
  }
  return test::run_as_worker(arguments);
}
