// Which ranks recompute, for schedules that are there.
#include <planaria/planner/recompute.hpp>

#include <catch2/catch.hpp>

#include <planaria/schedule/builders.hpp>

#include "planner/even_case.hpp"

namespace planaria {
namespace {

PipelineAssignment assigned(const PlannedPipeline& planned) {
  PipelineAssignment pipeline{planned.micro_batches, {}};
  for (const PlannedStage& stage : planned.stages) {
    pipeline.stages.push_back({stage.layers, stage.worker});
  }
  return pipeline;
}

int depth_of(const PlannedPipeline& pipeline, const std::string& schedule) {
  return static_cast<int>(pipeline.stages.size()) / chunks_of(schedule);
}

}  // namespace

TEST_CASE("those ranks recompute of which the plan says so, whatever the memory", "[unit]") {
  int some = 0;
  int all = 0;
  int none = 0;
  for (const char* const kind : {"gpipe", "1f1b", "zb-h1", "zb-h2", "zb-v"}) {
    for (std::int64_t memory = 2'000; memory <= 40'000; memory += 400) {
      EvenCase even(9, 3, memory, 8);
      even.request.schedule = kind;
      even.request.width = 1;
      even.request.proof_effort_max = 0;
      const auto best = best_plan(even.request);
      if (!best) continue;
      const Plan& plan = best.value().plan;
      const PlannedPipeline& planned = plan.pipelines.front();
      const int depth = depth_of(planned, kind);
      const Schedule schedule =
          build_schedule(kind, {.stages = depth, .micro_batches = planned.micro_batches}).value();
      const std::vector<int> ranks = recomputing_ranks(assigned(planned), schedule,
                                                       {.profile = &even.profile,
                                                        .cluster = &even.cluster,
                                                        .micro_batch_size = plan.micro_batch_size,
                                                        .lane_size = plan.lane_size})
                                         .value();
      INFO(kind << ", memory " << memory);
      std::vector<int> of_plan;
      for (int rank = 0; rank < depth; ++rank) {
        const auto stage = static_cast<std::size_t>(schedule.stage_of(rank, 0));
        if (planned.stages[stage].recompute) of_plan.push_back(rank);
      }
      CHECK(ranks == of_plan);
      const auto count = static_cast<int>(ranks.size());
      ++(count == 0 ? none : count == depth ? all : some);
    }
  }
  CHECK(some > 0);
  CHECK(all > 0);
  CHECK(none > 0);
}

TEST_CASE("never and always are what they say, and sizes must be the profile's", "[unit]") {
  const EvenCase even(6, 2, memory_without_limit, 4);
  const PipelineAssignment pipeline{
      4, {{{LayerId{0}, LayerId{2}}, WorkerId{0}}, {{LayerId{3}, LayerId{5}}, WorkerId{1}}}};
  RecomputeRequest request{.profile = &even.profile, .cluster = &even.cluster};
  const Schedule schedule = one_forward_one_backward({2, 4});
  CHECK(recomputing_ranks(pipeline, schedule, request).value().empty());
  // A worker of which nothing is left beside what it shadows.
  EvenCase tight = even;
  request.cluster = &tight.cluster;
  for (std::int64_t memory = 200'000; memory > 0; memory -= 100) {
    for (ClusterWorker& worker : tight.cluster.workers) worker.memory_bytes = memory;
    if (!recomputing_ranks(pipeline, schedule, request).value().empty()) break;
    request.shadows = {{WorkerId{1}, {LayerId{0}, LayerId{1}, LayerId{2}}}};
    const bool beside = !recomputing_ranks(pipeline, schedule, request).value().empty();
    request.shadows.clear();
    if (beside) break;
  }
  CHECK(recomputing_ranks(pipeline, schedule, request).value().empty());
  request.shadows = {{WorkerId{1}, {LayerId{0}, LayerId{1}, LayerId{2}}}};
  CHECK(recomputing_ranks(pipeline, schedule, request).value() == std::vector{1});
  request.shadows.clear();
  request.cluster = &even.cluster;
  request.recompute = Recompute::always;
  CHECK(recomputing_ranks(pipeline, schedule, request).value() == std::vector{0, 1});
  request.recompute = Recompute::never;
  CHECK(recomputing_ranks(pipeline, schedule, request).value().empty());
  request.recompute = Recompute::any;
  request.micro_batch_size = 3;
  CHECK(recomputing_ranks(pipeline, schedule, request).fault().sentence ==
        "micro_batch_size: 3, must be one of 1, 2");
}

}  // namespace planaria
