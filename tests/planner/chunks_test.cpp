// Layouts in chunks: pipelines cut finer, and how their workers stand.
#include <planaria/planner/chunks.hpp>

#include <catch2/catch.hpp>

#include "planner/even_layout.hpp"

namespace planaria {
namespace {

constexpr ChunkForm v{Placement::v, 2};
constexpr ChunkForm loop{Placement::loop, 2};

std::vector<int> workers_by_stage(const PipelineAssignment& pipeline) {
  std::vector<int> workers;
  for (const StageAssignment& stage : pipeline.stages) workers.push_back(stage.worker.value);
  return workers;
}

}  // namespace

TEST_CASE("a pipeline is cut into the schedule's chunks, balanced", "[unit]") {
  const std::vector<double> costs{1, 1, 1, 1, 1, 1, 2};
  const Layout layout = even_layout(costs, 8, 1, 2);
  const Layout in_v = in_chunks(layout, costs, v);
  REQUIRE(in_v.pipelines.size() == 1);
  CHECK(workers_by_stage(in_v.pipelines[0]) == std::vector{0, 1, 1, 0});
  CHECK(in_v.pipelines[0].stages[3].layers == LayerRange{LayerId{6}, LayerId{6}});
  CHECK(verify(in_v, {7, 8, 1, 2}).ok());
  CHECK(stands_as(in_v.pipelines[0], v));
  CHECK_FALSE(stands_as(in_v.pipelines[0], loop));
  CHECK(chunks_in(in_v.pipelines[0]) == 2);
  const Layout in_loop = in_chunks(layout, costs, loop);
  CHECK(workers_by_stage(in_loop.pipelines[0]) == std::vector{0, 1, 0, 1});
  CHECK(stands_as(in_loop.pipelines[0], loop));
  CHECK(in_chunks(layout, costs, {}) == layout);
  CHECK(form_of(in_v.pipelines[0]) == v);
  CHECK(form_of(in_loop.pipelines[0]) == loop);
  CHECK(form_of(layout.pipelines[0]) == ChunkForm{});
}

TEST_CASE("a pipeline with too few layers stays as it is", "[unit]") {
  const std::vector<double> costs{1, 1, 1, 1, 1};
  const Layout layout = even_layout(costs, 8, 1, 3);
  CHECK(in_chunks(layout, costs, v) == layout);
  CHECK(chunks_in(layout.pipelines[0]) == 1);
}

TEST_CASE("how a pipeline stands is told from its workers", "[unit]") {
  PipelineAssignment pipeline{4, {}};
  for (const int worker : {5, 6, 6}) {
    pipeline.stages.push_back({{LayerId{0}, LayerId{0}}, WorkerId{worker}});
  }
  CHECK(chunks_in(pipeline) == 0);  // one has two stages, the other one
  CHECK_FALSE(stands_as(pipeline, v));
  CHECK_FALSE(stands_as(pipeline, {}));
  CHECK_FALSE(form_of(pipeline).has_value());
  pipeline.stages.push_back({{LayerId{0}, LayerId{0}}, WorkerId{5}});
  CHECK(stands_as(pipeline, v));
  for (StageAssignment& stage : pipeline.stages) stage.worker = WorkerId{5};
  CHECK_FALSE(stands_as(pipeline, v));  // would be rank 0 and rank 1
  CHECK_FALSE(stands_as(pipeline, {}));
}

}  // namespace planaria
