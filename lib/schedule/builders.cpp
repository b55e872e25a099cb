#include <planaria/schedule/builders.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/text.hpp>

namespace planaria {
namespace {

Schedule empty_schedule(PipelineShape shape) {
  check(shape.stages >= 1, "a pipeline has at least one stage");
  check(shape.micro_batches >= 1, "a pipeline has at least one micro-batch");
  Schedule schedule;
  schedule.micro_batches = shape.micro_batches;
  schedule.ranks.resize(static_cast<std::size_t>(shape.stages));
  return schedule;
}

}  // namespace

Schedule gpipe(PipelineShape shape) {
  Schedule schedule = empty_schedule(shape);
  for (auto& actions : schedule.ranks) {
    for (int i = 0; i < shape.micro_batches; ++i) actions.push_back({ActionKind::forward, i, 0});
    for (int i = 0; i < shape.micro_batches; ++i) actions.push_back({ActionKind::backward, i, 0});
  }
  return schedule;
}

Schedule one_forward_one_backward(PipelineShape shape) {
  Schedule schedule = empty_schedule(shape);
  for (int rank = 0; rank < shape.stages; ++rank) {
    auto& actions = schedule.ranks[static_cast<std::size_t>(rank)];
    const int warm_up = std::min(shape.stages - rank - 1, shape.micro_batches);
    int backward = 0;
    for (int i = 0; i < shape.micro_batches; ++i) {
      actions.push_back({ActionKind::forward, i, 0});
      if (i >= warm_up) actions.push_back({ActionKind::backward, backward++, 0});
    }
    while (backward < shape.micro_batches) {
      actions.push_back({ActionKind::backward, backward++, 0});
    }
  }
  return schedule;
}

const std::vector<std::string>& schedule_kinds() {
  static const std::vector<std::string> kinds{"gpipe", "1f1b"};
  return kinds;
}

Result<Schedule> build_schedule(const std::string& kind, PipelineShape shape) {
  if (shape.stages < 1) {
    return Fault::invalid_input(fmt::format("stages: {}, must be at least 1", shape.stages));
  }
  if (shape.micro_batches < 1) {
    return Fault::invalid_input(
        fmt::format("micro_batches: {}, must be at least 1", shape.micro_batches));
  }
  if (kind == "gpipe") return gpipe(shape);
  if (kind == "1f1b") return one_forward_one_backward(shape);
  return Fault::invalid_input(
      fmt::format("schedule: {}, must be one of {}", kind, join(schedule_kinds(), ", ")));
}

}  // namespace planaria
