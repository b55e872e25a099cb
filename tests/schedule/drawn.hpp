// Drawings of built schedules, for tests.
#pragma once

#include <string>
#include <vector>

#include <fmt/format.h>

#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/draw.hpp>
#include <planaria/schedule/memory.hpp>

#include "simulated.hpp"

namespace planaria::test {

/// A kind with the same costs and bytes for every stage; without bytes no memory is drawn.
inline ScheduleDrawing drawn(const std::string& kind, PipelineShape shape, StageCosts costs,
                             StageMemory memory = {}) {
  ScheduleDrawing drawing;
  drawing.title =
      fmt::format("{}, {} stages, {} micro-batches", kind, shape.stages, shape.micro_batches);
  drawing.schedule = build_schedule(kind, shape).value();
  drawing.simulated = simulated(drawing.schedule, equal(drawing.schedule.stages(), costs),
                                {.recompute_after_gradient = kind == "varuna"});
  if (memory == StageMemory{}) return drawing;
  drawing.memory = memory_of(
      drawing.schedule,
      std::vector<StageMemory>(static_cast<std::size_t>(drawing.schedule.stages()), memory));
  return drawing;
}

}  // namespace planaria::test
