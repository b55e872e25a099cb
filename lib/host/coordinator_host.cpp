#include <planaria/host/coordinator_host.hpp>

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include <planaria/model/layout.hpp>
#include <planaria/protocol/coordinator.hpp>

#include "host/mailbox.hpp"
#include "host/model_store.hpp"
#include "host/overloaded.hpp"
#include "host/run_files.hpp"
#include "host/run_record.hpp"

namespace planaria::host {
namespace {

using protocol::Command;
using protocol::CoordinatorState;
using transport::Buffer;
using transport::FrameKey;
using transport::FrameKind;
using transport::PeerId;

/// A connection, and who it turned out to be.
struct Peer {
  std::string address;
  std::optional<WorkerId> worker;
  bool evicted = false;  // it was a worker's: what still comes means nothing
};

// How long the last messages may take to reach the workers, and these to leave: longer than any
// worker that still listens needs, shorter than a person would wait.
constexpr std::chrono::milliseconds farewell_max{2000};

// How often the machine hears that time passes: silence is found so much later at most.
constexpr std::chrono::milliseconds tick_every{20};

}  // namespace

class CoordinatorHost::Impl {
 public:
  Impl(RunOptions options, std::unique_ptr<transport::Transport> transport,
       std::function<void(const Json&)> on_event)
      : options_(std::move(options)),
        machine_(options_.coordinator),
        files_(options_.run_dir, std::move(on_event)),
        transport_(std::move(transport)) {
    transport_->watch({.connected =
                           [this](PeerId peer, const transport::PeerInfo& info) {
                             mailbox_.put(PeerCame{peer, info.address});
                           },
                       .lost =
                           [this](PeerId peer, const transport::PeerInfo&, const Fault& fault) {
                             mailbox_.put(PeerWent{peer, fault.sentence});
                           },
                       .refused =
                           [this](const std::string& from, const std::string& why) {
                             mailbox_.put(StrangerRefused{from, why});
                           }});
    for (const FrameKind kind : {FrameKind::control, FrameKind::state}) {
      transport_->subscribe(kind, [this](PeerId peer, const FrameKey& key, Buffer payload) {
        mailbox_.put(FrameArrived{peer, key, std::move(payload)});
      });
    }
  }

  Result<std::string> listen(const std::string& address) { return transport_->listen(address); }

  RunOutcome wait() {
    while (!outcome_) {
      auto arrival = mailbox_.take_before(tick_due_);
      if (arrival) handle(std::move(*arrival));
      if (!outcome_ && std::chrono::steady_clock::now() >= tick_due_) {
        feed(protocol::Tick{});
        tick_due_ = std::chrono::steady_clock::now() + tick_every;
      }
      stop_if_disk_failed();
    }
    say_farewell();
    return *outcome_;
  }

  void request_stop(const std::string& why) { mailbox_.put(StopAsked{why}); }

 private:
  void handle(Arrival arrival) {
    now_ = clock_.now();
    std::visit(Overloaded{[&](FrameArrived& frame) {
                            if (frame.key.kind == FrameKind::state) return take_state(frame);
                            take_message(frame);
                          },
                          [&](PeerCame& came) {
                            peers_[came.peer] = {came.address, {}};
                          },
                          [&](PeerWent& went) { peer_went(went); },
                          [&](StrangerRefused& stranger) {
                            emit("refused", {{"peer", stranger.from}, {"why", stranger.why}});
                          },
                          [&](StopAsked& stop) { feed(protocol::StopRequested{stop.why}); }},
               arrival);
  }

  void take_message(const FrameArrived& frame) {
    const auto peer = peers_.find(frame.peer);
    if (peer == peers_.end() || peer->second.evicted) return;  // gone already
    auto message = protocol::decode(frame.payload.bytes());
    if (!message.ok()) return turn_out(frame.peer, message.fault().sentence);
    if (peer->second.worker) {
      if (const auto* applied = std::get_if<protocol::Applied>(&message.value())) {
        figures_.peak_resident_bytes[*peer->second.worker] = applied->peak_resident_bytes;
      }
      return feed(protocol::Received{*peer->second.worker, std::move(message).value()});
    }
    if (auto* join = std::get_if<protocol::Join>(&message.value())) {
      return feed(protocol::JoinRequest{frame.peer, std::move(*join)});
    }
    turn_out(frame.peer,
             fmt::format("sent {} before it had joined", protocol::name_of(message.value())));
  }

  // What it sent cannot be a worker's of this run: close the connection, which the machine hears of
  // as a loss where it was a worker.
  void turn_out(PeerId peer, const std::string& why) {
    emit("refused", {{"peer", peers_.at(peer).address}, {"why", why}});
    transport_->disconnect(peer);
  }

  void peer_went(const PeerWent& went) {
    const auto found = peers_.find(went.peer);
    if (found == peers_.end()) return;
    const std::optional<WorkerId> worker = found->second.worker;
    peers_.erase(found);
    if (!worker) return;
    by_worker_.erase(*worker);
    feed(protocol::WorkerLost{*worker, went.why});
  }

  void take_state(const FrameArrived& frame) {
    const auto peer = peers_.find(frame.peer);
    const bool asked = model_ && peer != peers_.end() && peer->second.worker &&
                       frame.key.step.value == machine_.attempt;
    if (!asked) return;
    store_outcome(model_->take(frame.key.layer, frame.payload.bytes()));
  }

  // Storing ends with the first fault, or when the last layer is there.
  void store_outcome(const Result<void>& outcome) {
    if (outcome.ok()) return;
    model_.reset();
    feed(protocol::ModelStored{outcome.fault()});
  }

  // The machine takes inputs one at a time; what a command gives rise to waits for its turn.
  void feed(protocol::Input input) {
    inputs_.push_back(std::move(input));
    if (feeding_) return;
    feeding_ = true;
    while (!inputs_.empty() && !outcome_) {
      const protocol::Input next = std::move(inputs_.front());
      inputs_.pop_front();
      now_ = clock_.now();
      const protocol::Decision decision = protocol::step(machine_, next, now_);
      note_phase();
      carry_out(decision.commands);
      if (refused_ && !outcome_) {
        end_run({2, *refused_});
        for (const auto& [worker, peer] : by_worker_) send(peer, protocol::End{2, *refused_}, {});
      }
    }
    feeding_ = false;
  }

  // The run begins with its first view, after all have joined and can hear that their faults cannot
  // be.
  void note_view() {
    if (std::exchange(started_, true) || !machine_.spec) return;
    const auto checked = check_faults(options_, *machine_.spec);
    if (!checked.ok()) refused_ = checked.fault().sentence;
    if (!refused_) emit("run_started", started_json(machine_));
  }

  void note_phase() {
    if (machine_.phase == CoordinatorState::Phase::training && !training_began_) {
      training_began_ = now_;
    }
    if (machine_.last_record && machine_.last_record->step != last_commit_) {
      last_commit_ = machine_.last_record->step;
      if (training_began_) figures_.training_ms = (now_ - *training_began_).value;
    }
  }

  // In order, but the end is written before the workers hear of it: who watches then knows the
  // reason before the first worker repeats it.
  void carry_out(const std::vector<Command>& commands) {
    const protocol::Finish* finish = nullptr;
    for (const Command& command : commands) {
      if (const auto* found = std::get_if<protocol::Finish>(&command)) finish = found;
    }
    const auto is_send = [](const Command& command) {
      return std::holds_alternative<protocol::Send>(command);
    };
    for (const Command& command : commands) {
      if (finish == nullptr || !is_send(command)) carry_out(command);
    }
    if (finish == nullptr) return;
    end_run(*finish);
    for (const Command& command : commands) {
      if (is_send(command)) carry_out(command);
    }
  }

  void carry_out(const Command& command) {
    std::visit(Overloaded{[&](const protocol::Admit& admit) { this->admit(admit); },
                          [&](const protocol::TurnAway& away) { turn_away(away); },
                          [&](const protocol::Send& send) {
                            const auto peer = by_worker_.find(send.to);
                            if (peer != by_worker_.end())
                              this->send(peer->second, send.message, {});
                          },
                          [&](const protocol::Disconnect& disconnect) {
                            this->disconnect(disconnect.worker);
                          },
                          [&](const protocol::Emit& emit) {
                            if (emit.event.name == "view") note_view();
                            files_.event(emit.event);
                          },
                          [&](const protocol::SpecFixed& fixed) { fix_spec(fixed.spec); },
                          [&](const protocol::LedgerLine& line) {
                            if (order_) files_.ledger_line(ledger_json(*order_, line));
                          },
                          [&](const protocol::StoreModel& store) { open_model(store); },
                          [&](const protocol::LayerStored& stored) { layer_stored(stored.layer); },
                          [&](const protocol::Finish&) {}},  // end_run()
               command);
  }

  void admit(const protocol::Admit& admit) {
    const auto peer = peers_.find(admit.connection);
    if (peer == peers_.end())
      return feed(protocol::WorkerLost{admit.worker, "left while it joined"});
    peer->second.worker = admit.worker;
    by_worker_[admit.worker] = admit.connection;
  }

  // Its connection ends when it has read why, or with the run.
  void disconnect(WorkerId worker) {
    const auto found = by_worker_.find(worker);
    if (found == by_worker_.end()) return;
    Peer& peer = peers_.at(found->second);
    peer.worker.reset();
    peer.evicted = true;
    by_worker_.erase(found);
  }

  void turn_away(const protocol::TurnAway& away) {
    const auto peer = peers_.find(away.connection);
    if (peer == peers_.end()) return;
    send(away.connection, protocol::Refuse{away.why},
         [this, connection = away.connection] { transport_->disconnect(connection); });
  }

  void send(PeerId peer, const protocol::Message& message, std::function<void()> then) {
    auto bytes = std::make_shared<std::vector<std::byte>>(protocol::encode(message));
    const FrameKey key{.kind = FrameKind::control, .view = machine_.view.view};
    mailbox_.send_begins();
    transport_->send(peer, key, {std::span<const std::byte>(*bytes)},
                     // A loss is told by the watcher; here it only ends the loan of the bytes.
                     [this, bytes, then = std::move(then)](const Result<void>& sent) {
                       if (then && sent.ok()) then();
                       mailbox_.send_ends();
                     });
  }

  void fix_spec(const RunSpec& spec) {
    auto order = SampleOrder::create({.seed = spec.seed,
                                      .dataset_samples = spec.dataset_samples,
                                      .micro_batches = spec.micro_batches,
                                      .micro_batch_size = spec.micro_batch_size});
    if (order.ok()) order_.emplace(std::move(order).value());
    files_.whole_file("run.json", run_json(options_, spec));
  }

  void open_model(const protocol::StoreModel& store) {
    figures_.holders_agree = store.holders_agree;
    const Step level = machine_.last_record ? machine_.last_record->step : Step(0);
    auto model = ModelStore::create(files_.path_of("model.safetensors"), store.layers, level);
    if (!model.ok()) return feed(protocol::ModelStored{model.fault()});
    model_.emplace(std::move(model).value());
    if (model_->complete()) close_model();
  }

  void layer_stored(LayerId layer) {
    if (!model_) return;  // failed already
    const Result<void> ended = model_->end_layer(layer);
    if (!ended.ok()) return store_outcome(ended);
    if (model_->complete()) close_model();
  }

  void close_model() {
    const Result<void> closed = model_->close();
    if (!closed.ok()) return store_outcome(closed);
    figures_.weights_hex = model_->weights_hex();
    figures_.state_hex = model_->state_hex();
    model_stored_ = true;
    feed(protocol::ModelStored{});
  }

  void end_run(const protocol::Finish& finish) {
    outcome_ = RunOutcome{finish.status, finish.sentence};
    if (model_stored_) files_.whole_file("result.json", result_json(machine_, figures_));
    if (files_.fault() && outcome_->status == 0) outcome_ = {1, files_.fault()->sentence};
    emit("run_ended", {{"status", outcome_->status}, {"sentence", outcome_->sentence}});
  }

  void stop_if_disk_failed() {
    if (outcome_ || !files_.fault() || std::exchange(disk_failed_, true)) return;
    feed(protocol::StopRequested{files_.fault()->sentence});
  }

  void emit(const std::string& name, Json fields) {
    files_.event({.at = now_,
                  .view = machine_.view.view,
                  .step = training_began_ ? machine_.step : Step(0),
                  .name = name,
                  .fields = std::move(fields)});
  }

  // A socket that is closed with bytes unread resets the connection, and the last message with it.
  // So the workers, who leave when they have read it, go first.
  void say_farewell() {
    const auto deadline = std::chrono::steady_clock::now() + farewell_max;
    mailbox_.wait_for_sends(deadline);
    if (options_.transport == "in-process")
      return;  // queues lose nothing, and workers may wait for us
    while (!by_worker_.empty()) {
      auto arrival = mailbox_.take_before(deadline);
      if (!arrival) return;
      if (auto* went = std::get_if<PeerWent>(&*arrival)) peer_went(*went);
    }
  }

  RunOptions options_;
  RunClock clock_;
  Instant now_;  // of what is being handled, so that all events of one decision stand in order
  CoordinatorState machine_;
  RunFiles files_;
  std::optional<RunOutcome> outcome_;

  std::map<PeerId, Peer> peers_;
  std::map<WorkerId, PeerId> by_worker_;
  std::deque<protocol::Input> inputs_;
  bool feeding_ = false;

  std::optional<SampleOrder> order_;
  std::optional<ModelStore> model_;
  bool model_stored_ = false;
  bool disk_failed_ = false;
  std::optional<std::string> refused_;  // why the faults asked for cannot be
  RunFigures figures_;
  bool started_ = false;
  std::optional<Instant> training_began_;
  Step last_commit_{0};

  std::chrono::steady_clock::time_point tick_due_ = std::chrono::steady_clock::now() + tick_every;
  Mailbox mailbox_;
  // Last, so that its thread has ended before anything it touches goes.
  std::unique_ptr<transport::Transport> transport_;
};

CoordinatorHost::CoordinatorHost(RunOptions options,
                                 std::unique_ptr<transport::Transport> transport,
                                 std::function<void(const Json&)> on_event)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(transport), std::move(on_event))) {
}
CoordinatorHost::~CoordinatorHost() = default;

Result<std::string> CoordinatorHost::listen(const std::string& address) {
  return impl_->listen(address);
}
RunOutcome CoordinatorHost::wait() {
  return impl_->wait();
}
void CoordinatorHost::request_stop(const std::string& why) {
  impl_->request_stop(why);
}

}  // namespace planaria::host
