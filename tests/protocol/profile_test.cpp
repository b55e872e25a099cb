// Layouts by what the model's layers were measured to take.
#include <set>
#include <string>

#include <catch2/catch.hpp>

#include "protocol/coordinator_story.hpp"

namespace planaria::protocol {

using Phase = CoordinatorState::Phase;

namespace {

/// Of the toy run's model: its first layer takes as long as all others together; states of
/// `state_bytes` each.
Profile lopsided(const RunSpec& spec, std::int64_t state_bytes = 0) {
  Profile profile{.model = "toy", .device = "none"};
  profile.micro_batch_sizes = {spec.micro_batch_size};
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const double ms = i == 0 ? static_cast<double>(spec.layers.size()) - 1 : 1;
    LayerProfile& layer = profile.layers.emplace_back();
    layer.name = spec.layers[i].name;
    layer.state_bytes = state_bytes;
    layer.boundary_bytes = {0};
    layer.activation_bytes = {0};
    layer.weight_gradient_bytes = {0};
    layer.forward_ms = {ms};
    layer.backward_input_ms = {ms};
    layer.backward_weight_ms = {ms};
  }
  profile.transfer = {{1, 0}};
  return profile;
}

CoordinatorOptions two_stages(const Profile& profile) {
  return {.workers = 2, .width = 1, .depth = 2, .profile = profile};
}

std::string end_of_two(CoordinatorOptions options) {
  options.workers = 2;
  CoordinatorStory story(options, toy_spec());
  const Decision decision = story.gather();
  CHECK(story.state.phase == Phase::finished);
  return end_of(decision, 2, 2);
}

}  // namespace

TEST_CASE("the first layout is the best by the profile, not by the model's own estimates",
          "[unit]") {
  const RunSpec spec = toy_spec();
  CoordinatorStory by_estimates({.workers = 2, .width = 1, .depth = 2});
  by_estimates.gather();
  CoordinatorStory by_profile(two_stages(lopsided(spec)));
  const Decision decision = by_profile.gather();
  const auto& estimated = by_estimates.state.view.layout.pipelines.at(0).stages;
  const auto& measured = by_profile.state.view.layout.pipelines.at(0).stages;
  CHECK(estimated.at(0).layers.last.value > 0);
  CHECK(measured.at(0).layers.last == LayerId{0});
  const auto views = events(decision, "view");
  REQUIRE(views.size() == 1);
  const auto explanation = views[0].fields.at("explanation").get<std::string>();
  INFO(explanation);
  CHECK(explanation.find("predicted by the profile") != std::string::npos);
}

TEST_CASE("what is planned anew after a loss is balanced by the profile too", "[unit]") {
  const RunSpec spec = toy_spec();
  const auto cut_after_loss = [&](const std::optional<Profile>& profile) {
    CoordinatorStory story({.workers = 3, .width = 1, .depth = 3, .profile = profile}, spec);
    story.start();
    story.lose(1);
    const auto& stages = story.state.view.layout.pipelines.at(0).stages;
    REQUIRE(stages.size() == 2);
    return stages.at(0).layers.last;
  };
  CHECK(cut_after_loss(lopsided(spec)) == LayerId{0});
  CHECK(cut_after_loss(std::nullopt) > LayerId{0});
}

TEST_CASE("the first layout and its shadows fit the memory that is told", "[unit]") {
  const RunSpec spec = toy_spec();
  constexpr std::int64_t state_bytes = 1000;
  const auto layers = static_cast<std::int64_t>(spec.layers.size());
  CoordinatorOptions options{.workers = 2, .profile = lopsided(spec, state_bytes)};
  options.memory_bytes = layers * state_bytes;
  CoordinatorStory alone(options, spec);
  alone.gather();
  CHECK(alone.state.phase == Phase::preparing);
  // Both hold every layer: no more room is left for a byte.
  options.commit_domains = 2;
  CoordinatorStory both(options, spec);
  both.gather();
  CHECK(both.state.phase == Phase::preparing);
  *options.memory_bytes -= 1;
  const std::string sentence = end_of_two(options);
  CHECK(sentence.find("nothing fits") != std::string::npos);
}

TEST_CASE("stages that do not fit otherwise recompute, before a loss and after it", "[unit]") {
  const RunSpec spec = toy_spec();
  Profile profile = lopsided(spec);
  for (LayerProfile& layer : profile.layers) layer.activation_bytes = {1000};
  // Three stages of three forwards ahead at most, of layers as many as fit: then two.
  CoordinatorOptions options{.workers = 3, .width = 1, .depth = 3, .profile = profile};
  options.commit_domains = 1;
  options.memory_bytes = static_cast<std::int64_t>(spec.layers.size()) * 1000;
  const auto recomputes = [](const CoordinatorStory& story) {
    return story.state.view.schedules.at(0).find(" R") != std::string::npos;
  };
  CoordinatorStory never(options, spec);
  never.start();
  CHECK_FALSE(recomputes(never));
  options.recompute = Recompute::always;
  CoordinatorStory always(options, spec);
  always.start();
  CHECK(recomputes(always));
  always.lose(1);
  CHECK(recomputes(always));
  // A third of what the first stage would keep.
  options.recompute = Recompute::any;
  options.memory_bytes = 2000;
  CoordinatorStory any(options, spec);
  const Decision decision = any.gather();
  REQUIRE(any.state.phase == Phase::preparing);
  CHECK(recomputes(any));
  const auto explanation =
      events(decision, "view").at(0).fields.at("explanation").get<std::string>();
  CHECK(explanation.find(" recompute") != std::string::npos);
}

TEST_CASE("the first plan may choose the schedule of a run", "[unit]") {
  const RunSpec spec = toy_spec();
  CoordinatorOptions options = two_stages(lopsided(spec));
  options.schedule = "any";
  CoordinatorStory story(options, spec);
  const Decision decision = story.start();
  CHECK(decision.explanation == "step 1 begins: all workers are ready");
  const std::string& chosen = story.state.options.schedule;
  INFO(chosen);
  CHECK((chosen == "gpipe" || chosen == "1f1b" || chosen == "zb-h1" || chosen == "zb-h2"));
  story.lose(1);
  CHECK(story.state.options.schedule == chosen);
  CHECK(story.state.view.layout.pipelines.size() == 1);
}

TEST_CASE("what fits no more on who is left ends the run, in a sentence that says so", "[unit]") {
  const RunSpec spec = toy_spec();
  constexpr std::int64_t state_bytes = 1000;
  CoordinatorOptions options{.workers = 2, .profile = lopsided(spec, state_bytes)};
  options.memory_bytes = (static_cast<std::int64_t>(spec.layers.size()) - 1) * state_bytes;
  CoordinatorStory story(options, spec);
  story.start();
  CHECK(story.state.view.layout.pipelines.size() == 1);  // one worker has no room for all layers
  const Decision decision = story.lose(1);
  CHECK(end_of(decision, 1, 1).find("nothing fits the memory of the 1 worker there are") !=
        std::string::npos);
}

TEST_CASE("while it trains the coordinator plans for one worker fewer and one more", "[unit]") {
  const RunSpec spec = toy_spec();
  const CoordinatorOptions options{.workers = 3, .profile = lopsided(spec)};
  CoordinatorStory surprised(options, spec);
  surprised.start();
  CoordinatorStory prepared(options, spec);
  prepared.start();
  CHECK(prepared.state.planned.empty());
  const Decision tick = prepared.pass({50});
  CHECK(tick.explanation.find("planned ahead for 2 workers") != std::string::npos);
  prepared.pass({200});
  for (const int count : {2, 3, 4}) {
    INFO(count << " workers");
    REQUIRE(prepared.state.planned.contains(count));
    REQUIRE(prepared.state.planned.at(count).has_value());
    std::set<WorkerId> workers;
    for (const WorkerId worker : workers_of(layout_of(*prepared.state.planned.at(count)))) {
      CHECK(worker.value < count);
      workers.insert(worker);
    }
    CHECK_FALSE(workers.empty());
  }
  CHECK(prepared.state.planned.size() == 3);
  // It makes no difference but for the time that it takes.
  surprised.lose(1);
  prepared.lose(1);
  CHECK(surprised.state.planned.empty());
  CHECK(surprised.state.view.layout == prepared.state.view.layout);
}

TEST_CASE("a model that states costs that are none is refused by name", "[unit]") {
  RunSpec spec = toy_spec();
  spec.layers[1].cost = -1;
  CoordinatorStory story({.workers = 2}, spec);
  CHECK(end_of(story.gather(), 2, 2) == "layers[1].cost: -1, must be a finite number from 0");
}

TEST_CASE("a profile of another model or another size is refused by name", "[unit]") {
  const RunSpec spec = toy_spec();
  Profile other = lopsided(spec);
  other.layers[1].name = "elsewhere";
  CHECK(end_of_two({.profile = other})
            .find("profile: layers[1].name: elsewhere, must be " + spec.layers[1].name) !=
        std::string::npos);
  other = lopsided(spec);
  other.layers.pop_back();
  CHECK(end_of_two({.profile = other}).find("profile: layers: ") != std::string::npos);
  other = lopsided(spec);
  other.micro_batch_sizes = {spec.micro_batch_size + 1};
  CHECK(end_of_two({.profile = other}).find("profile: micro_batch_sizes: ") != std::string::npos);
}

}  // namespace planaria::protocol
