#include "protocol/coordinator_story.hpp"

#include <catch2/catch.hpp>

#include <fmt/format.h>

namespace planaria::protocol {

std::vector<Event> events(const Decision& decision, const std::string& name) {
  std::vector<Event> found;
  for (const Emit& emit : all_of<Emit>(decision)) {
    if (emit.event.name == name) found.push_back(emit.event);
  }
  return found;
}

std::string shape(const Layout& layout) {
  std::string text;
  for (const auto& pipeline : layout.pipelines) {
    if (!text.empty()) text += " | ";
    for (const auto& stage : pipeline.stages) {
      text += fmt::format("{}:{}-{} ", stage.worker.value, stage.layers.first.value,
                          stage.layers.last.value);
    }
    text += fmt::format("x{}", pipeline.micro_batches);
  }
  return text;
}

Layout grid(int width, const std::vector<int>& layers_per_stage, int micro_batches) {
  Layout layout;
  WorkerId worker{0};
  for (int i = 0; i < width; ++i) {
    PipelineAssignment pipeline{micro_batches, {}};
    LayerId first{0};
    for (const int layers : layers_per_stage) {
      pipeline.stages.push_back({{first, first.next(layers - 1)}, worker});
      first = first.next(layers);
      worker = worker.next();
    }
    layout.pipelines.push_back(pipeline);
  }
  return layout;
}

CoordinatorStory::CoordinatorStory(CoordinatorOptions asked, RunSpec run)
    : options(std::move(asked)), spec(std::move(run)), state(options), truth_(spec) {}

Decision CoordinatorStory::give(const Input& input) {
  return step(state, input, clock.now());
}

Decision CoordinatorStory::join(std::uint64_t connection, WorkerId wanted) {
  return join(connection, wanted, spec);
}

Decision CoordinatorStory::join(std::uint64_t connection, WorkerId wanted, const RunSpec& theirs) {
  return give(JoinRequest{connection, {theirs, fmt::format("host:{}", connection), wanted, 4000}});
}

Decision CoordinatorStory::say(int worker, const Message& message) {
  return give(Received{WorkerId{worker}, message});
}

Decision CoordinatorStory::lose(int worker, const std::string& why) {
  return give(WorkerLost{WorkerId{worker}, why});
}

Decision CoordinatorStory::pass(Milliseconds time, const std::set<int>& silent) {
  Decision decision;
  for (double passed = 0; passed < time.value; passed += 50) {
    clock.advance(Milliseconds{50});
    std::vector<WorkerId> members;
    for (const auto& [worker, membership] : state.members) members.push_back(worker);
    for (const WorkerId worker : members) {
      if (!silent.contains(worker.value)) say(worker.value, Alive{});
    }
    decision = give(Tick{});
    if (!decision.commands.empty()) return decision;
  }
  return decision;
}

Decision CoordinatorStory::gather() {
  const int count = options.workers + options.spares;
  for (int i = 0; i < count; ++i) join(next_connection_++);
  Decision decision;
  for (int i = 0; i < count; ++i) decision = say(i, Connected{});
  return decision;
}

Decision CoordinatorStory::start() {
  gather();
  return all_ready();
}

int CoordinatorStory::newcomer() {
  const auto admitted = all_of<Admit>(join(next_connection_++));
  const int worker = admitted.at(0).worker.value;
  say(worker, Connected{});
  return worker;
}

Decision CoordinatorStory::all_ready() {
  Decision decision;
  const auto view = state.view;
  for (const Member& member : view.members) {
    decision = say(member.worker.value, Ready{view.view});
  }
  return decision;
}

Report CoordinatorStory::report(int worker) {
  const Step now = state.step;
  const auto count = static_cast<int>(spec.layers.size());
  std::map<LayerId, std::uint64_t> states;
  for (LayerId layer{0}; layer.value < count; layer = layer.next()) {
    states[layer] = truth_.state(layer, Step{now.value - 1});
  }
  const std::uint64_t model = toy_model(states);
  const std::vector<LayerId> computed = computed_by(state.view.layout, WorkerId{worker});
  Report report{.view = state.view.view, .step = now};
  for (const LayerId layer : computed) {
    const std::uint64_t gradient = truth_.gradient(layer, now);
    report.layers.push_back({layer, toy_norm(gradient), gradient});
  }
  for (const Place& place : places_of(state.view.layout, WorkerId{worker})) {
    const MicroBatchRange share = micro_batches_of(state.view.layout, place.pipeline);
    for (MicroBatchId i = share.first; i <= share.last; i = i.next()) {
      const std::uint64_t sample = toy_sample(spec, now, i);
      if (computed.front() == LayerId{0}) report.read.push_back({i, sample});
      if (computed.back() != LayerId{count - 1}) continue;
      report.labelled.push_back({i, sample + 1});
      report.losses.push_back({i, toy_loss(spec, now, i, model)});
    }
  }
  report.rate = toy_rate(now);
  report.resident_bytes = 1000 + now.value;
  return report;
}

ShadowReport CoordinatorStory::shadow_report(int worker, bool filled) {
  ShadowReport report{state.view.view, state.step, {}};
  for (const LayerId layer : shadowed_by(state.view.layout, WorkerId{worker})) {
    const auto holders = state.holders.find(layer);
    const bool held = holders != state.holders.end() && holders->second.contains(WorkerId{worker});
    if (held || filled) report.layers.push_back({layer, truth_.gradient(layer, state.step)});
  }
  return report;
}

Applied CoordinatorStory::applied(int worker) {
  Applied applied{.view = state.view.view, .step = state.step, .peak_resident_bytes = 4096};
  for (const auto& [layer, holders] : state.holders) {
    if (!holders.contains(WorkerId{worker})) continue;
    const Json tensor{{"name", spec.layers[static_cast<std::size_t>(layer.value)].name}};
    applied.layers.push_back({layer, truth_.state(layer, state.step), {tensor}});
  }
  return applied;
}

namespace {

Decision whole_step_of(CoordinatorStory& story, bool filled) {
  std::map<WorkerId, std::vector<Message>> said;
  for (const Member& member : story.state.view.members) {
    const int worker = member.worker.value;
    if (place_of(story.state.view.layout, member.worker)) {
      said[member.worker].emplace_back(story.report(worker));
    }
    const ShadowReport shadowed = story.shadow_report(worker, filled);
    if (!shadowed.layers.empty()) said[member.worker].emplace_back(shadowed);
  }
  Decision decision;
  for (const auto& [worker, messages] : said) {
    for (const Message& message : messages) {
      Decision next = story.say(worker.value, message);
      if (!sent<Commit>(next).empty()) decision = std::move(next);
    }
  }
  return decision;
}

}  // namespace

Decision CoordinatorStory::whole_step() {
  return whole_step_of(*this, false);
}

// Reports are read in worker order: whoever fills is late where all the others have a lower number.
Decision CoordinatorStory::whole_step_filled() {
  return whole_step_of(*this, true);
}

Decision CoordinatorStory::all_applied() {
  Decision decision;
  const auto members = state.view.members;
  for (const Member& member : members) {
    decision = say(member.worker.value, applied(member.worker.value));
  }
  return decision;
}

std::string end_of(const Decision& decision, std::size_t members, int status) {
  const auto finish = all_of<Finish>(decision);
  if (finish.size() != 1) return "did not finish";
  CHECK(finish[0].status == status);
  const auto ends = sent<End>(decision);
  CHECK(ends.size() == members);
  for (const auto& [worker, end] : ends) {
    CHECK(end.status == status);
    CHECK(end.sentence == finish[0].sentence);
  }
  return finish[0].sentence;
}

}  // namespace planaria::protocol
