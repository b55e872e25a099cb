// Layouts in chunks: what plan() and replan() answer, cut finer.
#include <planaria/planner/chunks.hpp>

#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/planner/planner.hpp>

namespace planaria {
namespace {

constexpr ChunkForm v{Placement::v, 2};
constexpr ChunkForm loop{Placement::loop, 2};

std::vector<int> workers_by_stage(const PipelineAssignment& pipeline) {
  std::vector<int> workers;
  for (const StageAssignment& stage : pipeline.stages) workers.push_back(stage.worker.value);
  return workers;
}

Layout planned(int workers, int width, int depth, const std::vector<double>& costs) {
  PlanRequest request;
  request.layer_costs = costs;
  request.micro_batches = 8;
  request.workers = workers;
  request.width = width;
  request.depth = depth;
  return plan(request).value().layout;
}

ReplanRequest request_for(const Layout& before, const std::vector<double>& costs,
                          const std::vector<WorkerId>& workers) {
  ReplanRequest request;
  request.layer_costs = costs;
  request.layer_bytes.assign(costs.size(), 100);
  request.micro_batches = 8;
  request.workers = workers;
  request.before = before;
  request.ms_per_cost = 1;
  request.horizon_steps = 1;
  request.copies = 2;
  for (const WorkerId worker : workers_of(before)) {
    for (const LayerId layer : computed_by(before, worker)) request.holders[layer].insert(worker);
    for (const LayerId layer : shadowed_by(before, worker)) request.holders[layer].insert(worker);
  }
  return request;
}

}  // namespace

TEST_CASE("a pipeline is cut into the schedule's chunks, balanced", "[unit]") {
  const std::vector<double> costs{1, 1, 1, 1, 1, 1, 2};
  const Layout layout = planned(2, 1, 2, costs);
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
  const Layout layout = planned(3, 1, 3, costs);
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

TEST_CASE("nothing moves where nobody is gone", "[unit]") {
  const std::vector<double> costs(12, 1.0);
  for (const ChunkForm& form : {v, loop}) {
    const Layout before = in_chunks(planned(4, 2, 2, costs), costs, form);
    ReplanRequest request =
        request_for(before, costs, {WorkerId{0}, WorkerId{1}, WorkerId{2}, WorkerId{3}});
    request.width = 2;
    request.depth = 2;
    const Replan answer = replan_in_chunks(request, form).value();
    CHECK(answer.layout.pipelines == before.pipelines);
    CHECK(answer.transfers.empty());
    CHECK(answer.bytes == 0);
  }
}

TEST_CASE("without chunks it is replan()", "[unit]") {
  const std::vector<double> costs(6, 1.0);
  const Layout before = planned(3, 1, 3, costs);
  const ReplanRequest request = request_for(before, costs, {WorkerId{0}, WorkerId{2}});
  CHECK_FALSE(replan(request).ok());  // worker 1's layers are held by nobody
  CHECK(replan_in_chunks(request, {}).fault() == replan(request).fault());
  CHECK(replan_in_chunks(request, v).fault() == replan(request).fault());
}

TEST_CASE("drawn losses leave a layout that fits, and transfers that bring what is missing",
          "[unit]") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    const int layers = static_cast<int>(random.between(4, 16));
    std::vector<double> costs;
    for (int i = 0; i < layers; ++i) costs.push_back(static_cast<double>(random.between(1, 9)));
    const int workers = static_cast<int>(random.between(2, 6));
    const ChunkForm form = random.below(2) == 0 ? v : loop;
    PlanRequest plan_request;
    plan_request.layer_costs = costs;
    plan_request.micro_batches = 8;
    plan_request.workers = workers;
    Layout before = in_chunks(plan(plan_request).value().layout, costs, form);
    std::vector<WorkerId> all;
    for (int i = 0; i < workers; ++i) all.emplace_back(i);
    before.shadows =
        place_shadows(before, std::vector<std::int64_t>(costs.size(), 100), all, {}, 2);
    std::vector<WorkerId> left = all;
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(random.below(left.size())));
    ReplanRequest request = request_for(before, costs, left);
    const Replan answer = replan_in_chunks(request, form).value();
    const auto proof = verify(answer.layout, {layers, 8, 1, workers});
    if (!proof) FAIL(proof.fault().sentence);
    for (const PipelineAssignment& pipeline : answer.layout.pipelines) {
      const int chunks = chunks_in(pipeline);
      CHECK((chunks == 1 || stands_as(pipeline, form)));
    }
    std::map<WorkerId, std::set<LayerId>> has;
    for (const auto& [layer, holders] : request.holders) {
      for (const WorkerId worker : holders) has[worker].insert(layer);
    }
    for (const Transfer& transfer : answer.transfers) {
      CHECK(request.holders.at(transfer.layer).contains(transfer.from));
      CHECK(has[transfer.to].insert(transfer.layer).second);
    }
    for (const WorkerId worker : left) {
      for (const LayerId layer : computed_by(answer.layout, worker)) {
        CHECK(has[worker].contains(layer));
      }
    }
    CHECK(answer.bytes == 100 * static_cast<std::int64_t>(answer.transfers.size()));
  }
}

}  // namespace planaria
