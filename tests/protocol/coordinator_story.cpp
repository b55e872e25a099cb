#include "protocol/coordinator_story.hpp"

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
    : options(std::move(asked)), spec(std::move(run)), state(options) {}

Decision CoordinatorStory::give(const Input& input) {
  Decision decision = step(state, input, clock.now());
  for (const auto& [worker, view] : sent<NewView>(decision)) {
    toys_[worker] = ToyWorker(spec, view, worker);
  }
  for (const auto& [worker, commit] : sent<Commit>(decision)) toys_[worker].apply(commit.record);
  return decision;
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

Decision CoordinatorStory::start() {
  for (int i = 0; i < options.workers; ++i) join(100 + static_cast<std::uint64_t>(i));
  Decision decision;
  for (int i = 0; i < options.workers; ++i) decision = say(i, Ready{ViewNumber{1}});
  return decision;
}

Decision CoordinatorStory::whole_step() {
  std::map<WorkerId, Report> reports;
  for (const auto& [worker, toy] : toys_) {
    if (toy.active()) reports[worker] = toy.compute(state.step);
  }
  Decision decision;
  for (const auto& [worker, report] : reports) decision = say(worker.value, report);
  return decision;
}

Decision CoordinatorStory::all_applied() {
  Decision decision;
  for (const auto& [worker, toy] : toys_) {
    decision = say(worker.value, toy.applied());
  }
  return decision;
}

}  // namespace planaria::protocol
