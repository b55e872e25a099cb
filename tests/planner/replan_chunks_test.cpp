// What replan() answers for schedules that give a worker several stages.
#include <planaria/planner/replan.hpp>

#include <map>
#include <set>

#include <catch2/catch.hpp>

#include <planaria/base/random.hpp>
#include <planaria/planner/chunks.hpp>

#include "planner/even_layout.hpp"
#include "planner/replan_verifier.hpp"

namespace planaria {
namespace {

struct Kind {
  const char* name;
  ChunkForm form;
};
const Kind v{"zb-v", {Placement::v, 2}};
const Kind loop{"interleaved", {Placement::loop, 2}};

ReplanCase request_for(const Layout& before, const std::vector<double>& costs, const Kind& kind,
                       const std::vector<WorkerId>& workers) {
  ReplanCase request;
  request.layer_costs = costs;
  request.layer_bytes.assign(costs.size(), 100);
  request.micro_batches = 12;
  request.schedule = kind.name;
  request.workers = workers;
  request.before = before;
  request.horizon_steps = 1;
  request.copies = 2;
  request.holders = holders_in(before);
  return request;
}

}  // namespace

TEST_CASE("in chunks nothing moves where nobody is gone", "[unit]") {
  const std::vector<double> costs(12, 1.0);
  for (const Kind& kind : {v, loop}) {
    const Layout before = in_chunks(even_layout(costs, 12, 2, 2), costs, kind.form);
    ReplanCase request =
        request_for(before, costs, kind, {WorkerId{0}, WorkerId{1}, WorkerId{2}, WorkerId{3}});
    request.width = 2;
    request.depth = 2;
    const Replan answer = replan(request).value();
    INFO(kind.name << ": " << answer.explanation);
    CHECK(answer.layout.pipelines == before.pipelines);
    CHECK(answer.transfers.empty());
    CHECK(answer.bytes == 0);
  }
}

TEST_CASE("pipelines with more stages a worker than the schedule has are planned anew", "[unit]") {
  const std::vector<double> costs(12, 1.0);
  const std::vector<WorkerId> all{WorkerId{0}, WorkerId{1}, WorkerId{2}};
  Layout before = in_chunks(even_layout(costs, 12, 1, 3), costs, v.form);
  before.shadows = place_shadows(before, std::vector<std::int64_t>(12, 100), all, {}, 2);
  ReplanCase request = request_for(before, costs, v, {WorkerId{0}, WorkerId{2}});
  request.schedule = "1f1b";
  request.width = 1;
  request.ms_per_byte = 1;
  request.horizon_steps = 0;  // as it is, or repaired, fewer bytes would move
  const Replan answer = replan(request).value();
  INFO(answer.explanation);
  for (const auto& pipeline : answer.layout.pipelines) CHECK(chunks_in(pipeline) == 1);
}

TEST_CASE("too few layers for a schedule's chunks: pipelines without them", "[unit]") {
  ReplanCase request = request_for({}, {1}, v, {WorkerId{0}, WorkerId{3}});
  request.before.reset();
  request.holders[LayerId{0}] = {WorkerId{3}};
  const Replan answer = replan(request).value();
  for (const auto& pipeline : answer.layout.pipelines) CHECK(chunks_in(pipeline) == 1);
}

TEST_CASE("drawn losses leave chunks that fit, and transfers that bring what is missing",
          "[unit]") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    Random random(seed);
    const int layers = static_cast<int>(random.between(4, 16));
    std::vector<double> costs;
    for (int i = 0; i < layers; ++i) costs.push_back(static_cast<double>(random.between(1, 9)));
    const int workers = static_cast<int>(random.between(2, 6));
    const Kind& kind = random.below(2) == 0 ? v : loop;
    std::vector<WorkerId> all;
    for (int i = 0; i < workers; ++i) all.emplace_back(i);
    ReplanCase whole = request_for({}, costs, kind, all);
    whole.before.reset();
    Layout before = anew(whole);
    before.shadows =
        place_shadows(before, std::vector<std::int64_t>(costs.size(), 100), all, {}, 2);
    std::vector<WorkerId> left = all;
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(random.below(left.size())));
    const ReplanCase request = request_for(before, costs, kind, left);
    const Replan answer = replan(request).value();
    const auto proof = verify(answer.layout, {layers, 12, 1, workers});
    if (!proof) FAIL(proof.fault().sentence);
    for (const PipelineAssignment& pipeline : answer.layout.pipelines) {
      CHECK(stands_as(pipeline, kind.form));
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
