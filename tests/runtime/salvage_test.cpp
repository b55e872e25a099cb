// A step that is broken off goes on from the sums that are finished, whoever computes in the next
// view: with the bits of a worker alone.
#include <algorithm>

#include "runtime/role_story.hpp"

namespace planaria::test {
namespace {

using protocol::CommitRecord;
using protocol::Verdict;

Layout of_workers(Layout layout, const std::vector<int>& workers) {
  auto next = workers.begin();
  for (PipelineAssignment& pipeline : layout.pipelines) {
    for (StageAssignment& stage : pipeline.stages) stage.worker = WorkerId{*next++};
  }
  return layout;
}

ShadowAssignment shadow_of_all(int worker) {
  ShadowAssignment shadow{WorkerId{worker}, {}};
  for (LayerId layer{0}; layer.value < kinds; layer = layer.next()) shadow.layers.push_back(layer);
  return shadow;
}

// Pipelines of so many micro-batches each, all cut before these layers.
Layout grid(const std::vector<int>& first_layers, const std::vector<int>& shares) {
  Layout layout;
  for (const int share : shares) {
    layout.pipelines.push_back(pipeline(first_layers, share).pipelines[0]);
  }
  return layout;
}

// A layout, and what it becomes when somebody is lost.
struct Loss {
  std::string what;
  Layout before;
  Layout after;
};

std::vector<Loss> losses() {
  const Layout square = of_workers(grid({0, 2}, {4, 4}), {0, 1, 2, 3});
  Layout with_shadow = square;
  with_shadow.shadows = {shadow_of_all(4)};
  Layout deep = of_workers(pipeline({0, 2, 3}, 8), {0, 1, 2});
  deep.shadows = {shadow_of_all(4)};
  const Layout wide = of_workers(grid({0}, {4, 2, 2}), {0, 1, 2});
  return {
      {"nobody", square, square},
      {"a stage behind, whose shadow takes over", with_shadow,
       of_workers(grid({0, 2}, {4, 4}), {0, 1, 2, 4})},
      {"a stage in front, whose shadow takes over", with_shadow,
       of_workers(grid({0, 2}, {2, 6}), {4, 1, 2, 3})},
      {"a whole pipeline", square, of_workers(pipeline({0, 2}, 8), {2, 3})},
      {"the middle of three stages", deep, of_workers(pipeline({0, 2, 3}, 8), {0, 4, 2})},
      {"one of three pipelines", wide, of_workers(grid({0}, {4, 4}), {0, 2})},
  };
}

TrainerOptions eight_micro_batches(int lane_size) {
  TrainerOptions options = layers_of_every_kind();
  options.micro_batches = 8;
  options.lane_size = lane_size;
  return options;
}

const std::vector<Verdict> four(4, Verdict::apply);

void check_as_alone(RoleStory& story, const Layout& layout,
                    const std::vector<std::vector<std::string>>& alone) {
  for (const WorkerId worker : workers_of(layout)) {
    for (const auto& held : story.stage(worker.value).layers()) {
      INFO("worker " << worker.value << ", layer " << held.id.value);
      if (held.level != story.step()) continue;
      CHECK(story.state_of(worker.value, held.id.value) ==
            alone[static_cast<std::size_t>(story.step().value) - 1]
                 [static_cast<std::size_t>(held.id.value)]);
    }
  }
}

void check_record(const CommitRecord& found, const CommitRecord& alone) {
  CHECK(found.loss == alone.loss);
  CHECK(found.norm == alone.norm);
}

}  // namespace

TEST_CASE("a step that is broken off anywhere goes on with the bits of a worker alone",
          "[conformance]") {
  const int lane_size = GENERATE(1, 2);
  const TrainerOptions options = eight_micro_batches(lane_size);
  std::vector<CommitRecord> records;
  const auto alone = states_alone(options, four, &records);
  for (const Loss& loss : losses()) {
    int used = 0;
    for (int actions = 1; actions < 40; actions += 3) {
      INFO("lost: " << loss.what << ", lanes of " << lane_size << ", after " << actions
                    << " actions");
      RoleStory story(options, 5);
      story.build(loss.before);
      story.begin_view(loss.before);
      story.steps({Verdict::apply, Verdict::apply});
      story.break_off(actions);
      used += story.go_on(loss.after);
      const CommitRecord record = story.decide();
      check_record(record, records[2]);
      story.apply(record);
      check_as_alone(story, loss.after, alone);
      story.steps({Verdict::apply});
      check_as_alone(story, loss.after, alone);
    }
    INFO("lost: " << loss.what);
    CHECK(used > 0);
  }
}

TEST_CASE("a step that is broken off twice goes on from what both views finished",
          "[conformance]") {
  const TrainerOptions options = eight_micro_batches(1);
  std::vector<CommitRecord> records;
  const auto alone = states_alone(options, four, &records);
  const Layout wide = of_workers(grid({0}, {3, 3, 2}), {0, 1, 2});
  int more = 0;
  for (int actions = 4; actions < 16; ++actions) {
    INFO("after " << actions << " actions");
    RoleStory story(options, 3);
    story.build(wide);
    story.begin_view(wide);
    story.steps({Verdict::apply, Verdict::apply});
    story.break_off(actions);
    const int first = story.go_on(wide, 3);
    const int second = story.go_on(of_workers(grid({0}, {4, 4}), {0, 1}));
    more += second > first ? 1 : 0;
    check_record(story.decide(), records[2]);
    story.apply(records[2]);
    check_as_alone(story, of_workers(grid({0}, {4, 4}), {0, 1}), alone);
  }
  CHECK(more > 0);
}

TEST_CASE("a step that everybody had finished is not computed again", "[conformance]") {
  const TrainerOptions options = eight_micro_batches(1);
  std::vector<CommitRecord> records;
  const auto alone = states_alone(options, four, &records);
  const Layout square = of_workers(grid({0, 2}, {4, 4}), {0, 1, 2, 3});
  RoleStory story(options, 4);
  story.build(square);
  story.begin_view(square);
  story.steps({Verdict::apply, Verdict::apply});
  story.break_off(1000);
  CHECK(story.go_on(of_workers(pipeline({0, 2}, 8), {2, 3})) == 8 * kinds);
  check_record(story.decide(), records[2]);
  story.apply(records[2]);
  check_as_alone(story, of_workers(pipeline({0, 2}, 8), {2, 3}), alone);
}

TEST_CASE("a shadow that takes over has the gradient, but for what ties are in", "[conformance]") {
  const TrainerOptions options = eight_micro_batches(1);
  std::vector<CommitRecord> records;
  const auto alone = states_alone(options, four, &records);
  const Loss behind = losses()[1];
  RoleStory story(options, 5);
  story.build(behind.before);
  story.begin_view(behind.before);
  story.steps({Verdict::apply, Verdict::apply});
  story.break_off(1000);
  // The head is tied to the embedding: the shadow has what was added of both.
  CHECK(story.go_on(behind.after) == 8 * kinds);
  check_record(story.decide(), records[2]);
  story.apply(records[2]);
  check_as_alone(story, behind.after, alone);

  RoleStory later(options, 5);
  Layout no_pipeline = behind.before;
  no_pipeline.pipelines = {pipeline({0, 2}, 8).pipelines[0]};
  later.build(no_pipeline);
  later.begin_view(no_pipeline);
  later.steps({Verdict::apply, Verdict::apply});
  later.break_off(1000);
  const Layout after = of_workers(pipeline({0, 2}, 8), {0, 4});
  CHECK(later.go_on(after) == 8 * (kinds - 1));
  check_record(later.decide(), records[2]);
  later.apply(records[2]);
  check_as_alone(later, after, alone);
}

TEST_CASE("a sum counts only with what folding modules said beside it", "[conformance]") {
  const TrainerOptions options = eight_micro_batches(1);
  const Layout one = pipeline({0}, 8);
  RoleStory story(options, 1);
  story.build(one);
  story.begin_view(one);
  story.break_off(1000);
  story.begin_view(one);
  const auto sums_of = [&](int layer) {
    return std::ranges::count(story.stage(0).salvaged(Step{1})->sums, LayerId{layer},
                              &protocol::LayerSum::layer);
  };
  CHECK(sums_of(1) == 1);
  story.stage(0).layer(LayerId{1}).statistics.erase(MicroBatchId{5});
  CHECK(sums_of(1) == 0);
  CHECK(sums_of(0) == 1);
  CHECK_FALSE(story.stage(0).salvaged(Step{2}));
}

TEST_CASE("sums that are still on their way to others are not written", "[conformance]") {
  const TrainerOptions options = eight_micro_batches(1);
  const Layout wide = of_workers(grid({0}, {5, 3}), {0, 1});
  RoleStory story(options, 2);
  story.build(wide);
  story.begin_view(wide);
  story.break_off(8);
  auto& held = story.stage(0).layer(LayerId{0});
  REQUIRE(held.fold);
  runtime::Gradients lent;
  runtime::Gradients as_it_was;
  for (const auto& [node, sum] : held.fold->held()) {
    for (const at::Tensor& gradient : sum) {
      lent.push_back(gradient);
      as_it_was.push_back(gradient.clone());
    }
  }
  REQUIRE_FALSE(lent.empty());
  held.fold_lent = true;
  story.go_on(of_workers(pipeline({0}, 8), {0}));
  CHECK(story.decide().loss > 0);
  for (std::size_t i = 0; i < lent.size(); ++i) CHECK(lent[i].equal(as_it_was[i]));
}

}  // namespace planaria::test
