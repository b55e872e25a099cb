#include <planaria/protocol/coordinator.hpp>

#include <algorithm>

#include <fmt/format.h>

#include "protocol/coordinator_transitions.hpp"

namespace planaria::protocol {
namespace {

// Which transition a worker's message is. One that only the coordinator sends changes nothing.
struct OnMessage {
  CoordinatorState& state;
  WorkerId from;
  Instant now;

  Decision operator()(const Alive&) const {
    return {{}, fmt::format("worker {} runs", from.value)};
  }
  Decision operator()(const Connected& connected) const {
    return on_connected(state, from, connected, now);
  }
  Decision operator()(const Unreachable& pair) const {
    return on_unreachable(state, from, pair, now);
  }
  Decision operator()(const ShadowReport& report) const {
    return on_shadow_report(state, from, report, now);
  }
  Decision operator()(const Ready& ready) const { return on_ready(state, from, ready, now); }
  Decision operator()(const Report& report) const { return on_report(state, from, report, now); }
  Decision operator()(const Applied& applied) const {
    return on_applied(state, from, applied, now);
  }
  Decision operator()(const Failed& failed) const { return on_failed(state, from, failed, now); }
  Decision operator()(const Evaluating& evaluating) const {
    return on_evaluating(state, from, evaluating);
  }
  Decision operator()(const Evaluated& evaluated) const {
    return on_evaluated(state, from, evaluated, now);
  }
  Decision operator()(const StateSent& sent) const { return on_state_sent(state, from, sent); }
  Decision operator()(const StopAsked& asked) const {
    return on_stop(state, fmt::format("worker {}: {}", from.value, asked.why), now);
  }
  Decision operator()(const Join&) const {
    return ignored(fmt::format("join of worker {}", from.value), "it has joined before");
  }
  template <class Other>
  Decision operator()(const Other& other) const {
    return ignored(fmt::format("{} of worker {}", name_of(Message(other)), from.value),
                   "only the coordinator sends it");
  }
};

struct OnInput {
  CoordinatorState& state;
  Instant now;

  Decision operator()(const JoinRequest& request) const { return on_join(state, request, now); }
  Decision operator()(const WorkerLost& lost) const { return on_worker_lost(state, lost, now); }
  Decision operator()(const StopRequested& stop) const { return on_stop(state, stop.why, now); }
  Decision operator()(const Tick&) const { return on_tick(state, now); }
  Decision operator()(const ModelStored& stored) const { return on_model_stored(state, stored); }
  Decision operator()(const Received& received) const {
    const auto member = state.members.find(received.from);
    if (member == state.members.end()) {
      return ignored(fmt::format("{} of worker {}", name_of(received.message), received.from.value),
                     "it is not a member");
    }
    member->second.heard = now;
    return std::visit(OnMessage{state, received.from, now}, received.message);
  }
};

}  // namespace

Decision step(CoordinatorState& state, const Input& input, Instant now) {
  if (state.phase == CoordinatorState::Phase::finished) {
    return {{}, "the run is over: nothing changes"};
  }
  return std::visit(OnInput{state, now}, input);
}

void send_to_all(const CoordinatorState& state, const Message& message, Decision& decision) {
  for (const auto& [worker, member] : state.members) {
    decision.commands.emplace_back(Send{worker, message});
  }
}

void emit(const CoordinatorState& state, Instant now, const std::string& name, Json fields,
          Decision& decision) {
  using Phase = CoordinatorState::Phase;
  const bool before = state.phase == Phase::joining ||
                      (state.phase == Phase::preparing && state.view.view == ViewNumber{1});
  decision.commands.emplace_back(
      Emit{Event{now, state.view.view, before ? Step{0} : state.step, name, std::move(fields)}});
}

std::vector<WorkerId> active_workers(const CoordinatorState& state) {
  std::vector<WorkerId> workers;
  for (const auto& pipeline : state.view.layout.pipelines) {
    for (const auto& stage : pipeline.stages) workers.push_back(stage.worker);
  }
  std::ranges::sort(workers);
  workers.erase(std::unique(workers.begin(), workers.end()), workers.end());
  return workers;
}

std::vector<LayerId> layers_of(const CoordinatorState& state, WorkerId worker) {
  std::vector<LayerId> layers = computed_by(state.view.layout, worker);
  check(!layers.empty(), "the layers of an idle worker were asked for");
  return layers;
}

std::vector<WorkerId> active_on(const CoordinatorState& state, LayerId layer) {
  std::vector<WorkerId> active = active_holders(state.view.layout, layer);
  std::ranges::sort(active);
  check(!active.empty(), "a layer that nobody computes in a layout that was verified");
  return active;
}

bool holds(const CoordinatorState& state, WorkerId worker, LayerId layer) {
  const auto holders = state.holders.find(layer);
  return holders != state.holders.end() && holders->second.contains(worker);
}

std::vector<LayerId> shadowed_and_held(const CoordinatorState& state, WorkerId worker) {
  std::vector<LayerId> layers;
  for (const ShadowAssignment& shadow : state.view.layout.shadows) {
    if (shadow.worker != worker) continue;
    for (const LayerId layer : shadow.layers) {
      if (holds(state, worker, layer)) layers.push_back(layer);
    }
  }
  return layers;
}

int layer_count(const CoordinatorState& state) {
  return static_cast<int>(state.spec->layers.size());
}

std::vector<std::int64_t> layer_bytes(const CoordinatorState& state) {
  std::vector<std::int64_t> bytes;
  // Until somebody has built a layer all count the same.
  for (LayerId layer{0}; layer.value < layer_count(state); layer = layer.next()) {
    const auto known = state.layer_bytes.find(layer);
    bytes.push_back(known == state.layer_bytes.end() ? 1 : known->second);
  }
  return bytes;
}

const char* name_of(CoordinatorState::Phase phase) {
  using Phase = CoordinatorState::Phase;
  switch (phase) {
    case Phase::joining:
      return "joining";
    case Phase::preparing:
      return "preparing";
    case Phase::training:
      return "training";
    case Phase::asking:
      return "asking who holds what";
    case Phase::waiting:
      return "waiting for workers";
    case Phase::applying:
      return "applying its last step";
    case Phase::storing:
      return "storing its model";
    case Phase::finished:
      return "over";
  }
  check_failed("unknown phase of the coordinator", "");
}

std::string text_of(const std::vector<WorkerId>& workers) {
  std::string text = workers.size() == 1 ? "worker " : "workers ";
  for (std::size_t i = 0; i < workers.size(); ++i) {
    if (i > 0) text += i + 1 == workers.size() ? " and " : ", ";
    text += std::to_string(workers[i].value);
  }
  return text;
}

std::string text_of(const CoordinatorState& state, LayerId layer) {
  const bool known = state.spec && layer.value >= 0 && layer.value < layer_count(state);
  if (!known) return fmt::format("layer {}", layer.value);
  return fmt::format("layer {} ({})", layer.value,
                     state.spec->layers[static_cast<std::size_t>(layer.value)].name);
}

Decision ignored(const std::string& what, const std::string& why) {
  return {{}, fmt::format("{} ignored: {}", what, why)};
}

}  // namespace planaria::protocol
