// Promise 2: weights, optimizer state, losses and ledger do not depend on who computed what, nor on
// the order in which it was computed.
#include <planaria/planner/chunks.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/degraded.hpp>

#include "runtime/small_runs.hpp"

namespace planaria::test {
namespace {

constexpr int layers = 7;  // embedding, five blocks, head

Layout uneven_layout() {
  // Three pipelines of depths 1, 2 and 4 with shares 5, 3 and 8: nothing divides anything.
  const auto stage = [](int first, int last, int worker) {
    return StageAssignment{{LayerId{first}, LayerId{last}}, WorkerId{worker}};
  };
  return {{{5, {stage(0, 6, 3)}},
           {3, {stage(0, 4, 6), stage(5, 6, 0)}},
           {8, {stage(0, 0, 5), stage(1, 2, 4), stage(3, 5, 1), stage(6, 6, 2)}}},
          {}};
}

// The layouts of the promise; a lane size above 1 takes only those whose shares are whole lanes.
std::vector<SmallLayout> layouts(int lane_size) {
  std::vector<SmallLayout> all;
  const auto add = [&](const std::string& name, int width, int depth, const std::string& schedule) {
    all.push_back({name + " " + schedule, width * depth, grid(width, depth, layers, 16, lane_size),
                   schedule});
  };
  for (const char* schedule : {"1f1b", "gpipe"}) {
    add("1x2", 1, 2, schedule);
    add("1x4", 1, 4, schedule);
    add("2x2", 2, 2, schedule);
    add("4x1", 4, 1, schedule);
    if (lane_size == 1) {
      all.push_back(
          {std::string("three uneven pipelines ") + schedule, 7, uneven_layout(), schedule});
    }
    all.push_back({std::string("5 workers, planned ") + schedule, 5, {}, schedule});
    all.push_back({std::string("7 workers, planned ") + schedule, 7, {}, schedule});
  }
  return all;
}

/// A worker alone, and others that must end with its bits.
class Reference {
 public:
  explicit Reference(const SmallRun& run) : run_(run), text_(write_small_text(folder_)) {
    REQUIRE(train({"1x1", 1}, "reference").sentence == "");
  }
  void check_same(const SmallLayout& layout) {
    INFO(layout.name << ", " << layout.schedule << ", lane size " << run_.lane_size << ", seed "
                     << run_.seed);
    const std::string other = fmt::format("run{}", runs_++);
    REQUIRE(train(layout, other).sentence == "");
    const auto comparison = host::compare_runs(folder_.file("reference"), folder_.file(other));
    CHECK(comparison.value().first_difference.value_or("") == "");
  }
  [[nodiscard]] int runs() const { return runs_; }

 private:
  TrainingOutcome train(const SmallLayout& layout, const std::string& name) {
    return train_threads(trainer_options(run_, text_), run_.steps, layout, folder_.file(name));
  }

  SmallRun run_;
  TemporaryFolder folder_;
  std::string text_;
  int runs_ = 0;
};

}  // namespace

TEST_CASE("every layout and schedule ends with the same bits", "[conformance]") {
  TemporaryFolder folder;
  const std::string text = write_small_text(folder);
  const std::string optimizer =
      GENERATE(std::string("adamw"), std::string("adam"), std::string("sgd"));
  const int lane_size = GENERATE(1, 2, 4);
  SmallRun run{.optimizer = optimizer, .lane_size = lane_size};
  INFO("optimizer " << optimizer << ", lane size " << lane_size << ", seed " << run.seed);

  const std::string reference = folder.file("reference");
  const auto alone = train_threads(trainer_options(run, text), run.steps,
                                   {"1x1", 1, grid(1, 1, layers, 16, lane_size)}, reference);
  REQUIRE(alone.sentence == "");
  REQUIRE(result_of(reference).at("holders_agree") == true);

  int number = 0;
  for (const SmallLayout& layout : layouts(lane_size)) {
    INFO("layout " << layout.name);
    const std::string other = folder.file(fmt::format("run{}", number++));
    const auto outcome = train_threads(trainer_options(run, text), run.steps, layout, other);
    REQUIRE(outcome.sentence == "");
    const auto comparison = host::compare_runs(reference, other).value();
    CHECK(comparison.first_difference.value_or("") == "");
    CHECK(result_of(other).at("weights_xxh3_128") == result_of(reference).at("weights_xxh3_128"));
    CHECK(result_of(other).at("state_xxh3_128") == result_of(reference).at("state_xxh3_128"));
    CHECK(result_of(other).at("holders_agree") == true);
  }
}

TEST_CASE("every kind of schedule ends with the same bits", "[conformance]") {
  const int lane_size = GENERATE(1, 2);
  const SmallRun run{.lane_size = lane_size};
  Reference reference(run);
  const std::vector<double> costs(layers, 1.0);
  for (const std::string& kind : schedule_kinds()) {
    for (const auto& [width, depth] : {std::pair(1, 2), std::pair(2, 2), std::pair(1, 3)}) {
      const int share = run.micro_batches / width;
      if (!build_schedule(kind, {depth, share}).ok()) continue;  // not for that shape
      const Layout layout = in_chunks(grid(width, depth, layers, run.micro_batches, lane_size),
                                      costs, {placement_of(kind), chunks_of(kind)});
      reference.check_same({fmt::format("{}x{}", width, depth), width * depth, layout, kind});
    }
  }
  CHECK(reference.runs() >= 3 * 9);
}

TEST_CASE("schedules from elsewhere end with the same bits", "[conformance]") {
  Reference reference({.micro_batches = 8});
  std::vector<std::pair<std::string, Schedule>> schedules{
      {"recompute", with_recompute(zero_bubble_h1({3, 8}))},
      {"recompute of one rank", with_recompute(gpipe({3, 8}), {1})},
      {"recompute in chunks", with_recompute(zero_bubble_v({3, 8}))},
      {"all weight gradients last, backwards in any order", gpipe({3, 8})}};
  for (auto& actions : schedules.back().second.ranks) {
    std::vector<Action> split(actions.begin(), actions.begin() + 8);
    for (const int i : {3, 0, 7, 1, 2, 6, 5, 4}) split.push_back({ActionKind::backward_input, i});
    for (const int i : {5, 4, 0, 1, 7, 2, 3, 6}) split.push_back({ActionKind::backward_weight, i});
    actions = std::move(split);
  }
  for (const auto& [name, schedule] : schedules) {
    const Layout layout = in_chunks(grid(1, 3, layers, 8, 1), std::vector<double>(layers, 1.0),
                                    {schedule.placement, schedule.chunks});
    SmallLayout small{name, 3, layout};
    small.schedule_text = text_of(schedule);
    reference.check_same(small);
  }
}

namespace {

/// `width` pipelines of `depth` stages, one worker of the last one's `lost` stage gone: its
/// micro-batches go to the others' workers of that stage, a pipeline for each.
SmallLayout with_one_lost(int width, int depth, int lost, const SmallRun& run) {
  Layout layout = grid(width, depth, layers, run.micro_batches, run.lane_size);
  const PipelineAssignment broken = layout.pipelines.back();
  layout.pipelines.pop_back();
  const int lanes = broken.micro_batches / run.lane_size;
  const auto stage = static_cast<std::size_t>(lost);
  const WorkerId gone = broken.stages[stage].worker;
  for (int peer = 0; peer + 1 < width; ++peer) {
    PipelineAssignment around = broken;
    around.stages[stage].worker =
        layout.pipelines[static_cast<std::size_t>(peer)].stages[stage].worker;
    around.micro_batches =
        ((lanes / (width - 1)) + (peer < lanes % (width - 1) ? 1 : 0)) * run.lane_size;
    layout.pipelines.push_back(around);
  }
  for (PipelineAssignment& pipeline : layout.pipelines) {
    for (StageAssignment& place : pipeline.stages) {
      if (place.worker > gone) place.worker = WorkerId{place.worker.value - 1};
    }
  }
  return {fmt::format("{}x{} without a worker of stage {}", width, depth, lost),
          (width * depth) - 1, layout};
}

/// A wide schedule as what can be run: a pipeline for each way that a micro-batch takes through the
/// ranks, and the micro-batches numbered way after way.
SmallLayout ways_through(Schedule schedule) {
  const auto depth = static_cast<std::size_t>(schedule.depth());
  std::map<int, std::vector<int>> way_of;  // micro-batch: rank by stage
  for (std::size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    for (const Action& action : schedule.ranks[rank]) {
      auto& way = way_of[action.micro_batch];
      way.resize(depth);
      way[rank % depth] = static_cast<int>(rank);
    }
  }
  std::map<std::vector<int>, std::vector<int>> ways;
  for (const auto& [micro_batch, way] : way_of) ways[way].push_back(micro_batch);
  SmallLayout small{"a degraded schedule", 0, Layout{}};
  std::map<int, int> workers, numbers, lines;  // by rank, by micro-batch, by rank
  for (const auto& [way, micro_batches] : ways) {
    PipelineAssignment& pipeline = small.layout->pipelines.emplace_back();
    for (const int micro_batch : micro_batches) {
      numbers.emplace(micro_batch, static_cast<int>(numbers.size()));
    }
    pipeline.micro_batches = static_cast<int>(micro_batches.size());
    for (std::size_t stage = 0; stage < depth; ++stage) {
      const int rank = way[stage];
      workers.emplace(rank, static_cast<int>(workers.size()));
      const auto line = ((small.layout->pipelines.size() - 1) * depth) + stage;
      lines.emplace(rank, static_cast<int>(line));
      const int first = static_cast<int>(stage) * layers / static_cast<int>(depth);
      const int next = static_cast<int>(stage + 1) * layers / static_cast<int>(depth);
      pipeline.stages.push_back({{LayerId{first}, LayerId{next - 1}}, WorkerId{workers.at(rank)}});
    }
  }
  small.workers = static_cast<int>(workers.size());
  Schedule renumbered{
      .micro_batches = schedule.micro_batches, .ranks = {}, .width = static_cast<int>(ways.size())};
  renumbered.ranks.resize(ways.size() * depth);
  for (const auto& [rank, line] : lines) {
    auto& actions = renumbered.ranks[static_cast<std::size_t>(line)];
    actions = schedule.ranks[static_cast<std::size_t>(rank)];
    for (Action& action : actions) action.micro_batch = numbers.at(action.micro_batch);
  }
  small.schedule_text = text_of(renumbered);
  return small;
}

}  // namespace

TEST_CASE("micro-batches re-routed around a lost worker give the same bits", "[conformance]") {
  const SmallRun run{.lane_size = GENERATE(1, 2)};
  Reference reference(run);
  const std::vector<double> costs(layers, 1.0);
  for (const char* kind : {"1f1b", "zb-h2", "zb-v", "auto"}) {
    for (const auto& [width, depth, lost] :
         {std::tuple(2, 2, 0), std::tuple(2, 3, 2), std::tuple(3, 2, 1)}) {
      SmallLayout small = with_one_lost(width, depth, lost, run);
      small.layout = in_chunks(*small.layout, costs, {placement_of(kind), chunks_of(kind)});
      small.schedule = kind;
      reference.check_same(small);
    }
  }
}

TEST_CASE("a degraded schedule runs as it was found and gives the same bits", "[conformance]") {
  Reference reference({.micro_batches = 12});
  for (const auto& lost : {std::vector{0, 1}, std::vector{2, 0}, std::vector{2, 1}}) {
    const std::vector<StageCosts> costs(2, {1, 1, 1, 0});
    auto found = degraded({.width = 3, .shape = {2, 4}, .lost = lost, .costs = costs});
    REQUIRE(found.ok());
    const SmallLayout small = ways_through(std::move(found).value().schedule);
    INFO(fmt::format("lost {}\n{}", fmt::join(lost, ", "), *small.schedule_text));
    reference.check_same(small);
  }
}

TEST_CASE("another seed gives other bits", "[conformance]") {
  TemporaryFolder folder;
  const std::string text = write_small_text(folder);
  const auto hash = [&](std::uint64_t seed) {
    SmallRun run{.steps = 2, .seed = seed};
    const std::string path = folder.file(fmt::format("seed{}", seed));
    REQUIRE(train_threads(trainer_options(run, text), run.steps, {"1x1", 1}, path).sentence == "");
    return result_of(path).at("weights_xxh3_128").get<std::string>();
  };
  CHECK(hash(1) != hash(2));
}

TEST_CASE("the last lane may be shorter than the others", "[conformance]") {
  TemporaryFolder folder;
  const std::string text = write_small_text(folder);
  SmallRun run{.micro_batches = 11, .lane_size = 3};
  const std::string reference = folder.file("reference");
  REQUIRE(train_threads(trainer_options(run, text), 2, {"1x1", 1}, reference).sentence == "");
  for (const int workers : {2, 3, 4, 6}) {
    INFO(workers << " workers");
    const std::string other = folder.file(fmt::format("workers{}", workers));
    REQUIRE(train_threads(trainer_options(run, text), 2, {"planned", workers}, other).sentence ==
            "");
    CHECK(host::compare_runs(reference, other).value().first_difference.value_or("") == "");
  }
}

}  // namespace planaria::test
