// A layer is filled while training goes on: state and gradients arrive in any order, the bits are
// those of a holder that was there all along.
#include <memory>
#include <stdexcept>

#include "runtime/role_story.hpp"

namespace planaria::test {
namespace {

using protocol::Verdict;

const LayerId norms{1};
const LayerId head{4};

Layout alone_layout() {
  return pipeline({0}, 6);
}

// Worker 0 computes everything, worker 1 shadows it all.
Layout shadowed_layout() {
  Layout layout = alone_layout();
  layout.shadows.push_back(
      {WorkerId{1}, {LayerId{0}, LayerId{1}, LayerId{2}, LayerId{3}, LayerId{4}}});
  return layout;
}

// Two steps before the fill, then four during which the state may come, one of them skipped.
const std::vector<Verdict> verdicts{Verdict::apply, Verdict::apply, Verdict::apply,
                                    Verdict::skip,  Verdict::apply, Verdict::apply};
constexpr int level_sent = 2;

// A run that stands at level 2, and whose next view has a shadow without state.
std::unique_ptr<RoleStory> story_before_fill(const TrainerOptions& options) {
  auto story = std::make_unique<RoleStory>(options, 2);
  story->build(alone_layout());
  story->begin_view(alone_layout());
  story->steps({verdicts.begin(), verdicts.begin() + level_sent});
  story->begin_view(shadowed_layout());
  return story;
}

std::vector<runtime::DescribedTensors> states_of(RoleStory& story) {
  std::vector<runtime::DescribedTensors> states;
  states.reserve(kinds);
  for (int layer = 0; layer < kinds; ++layer) states.push_back(story.sent_state(0, layer));
  return states;
}

void install_all(RoleStory& story, Step level, const std::vector<runtime::DescribedTensors>& sent) {
  for (int layer = kinds - 1; layer >= 0; --layer) {
    const auto installed =
        story.stage(1).install(LayerId{layer}, level, sent[static_cast<std::size_t>(layer)]);
    REQUIRE((installed ? "" : installed.fault().sentence) == "");
  }
}

std::string sentence_of(const Result<void>& result, FaultKind kind) {
  if (result.ok()) return "done";
  CHECK(result.fault().kind == kind);
  return result.fault().sentence;
}

const std::vector<int> all_layers{0, 1, 2, 3, 4};

}  // namespace

TEST_CASE("a layer filled late has the bits of one that was there all along", "[conformance]") {
  auto options = layers_of_every_kind();
  const std::string optimizer = GENERATE(std::string("adamw"), std::string("sgd"));
  options.optimizer =
      optimizer_named(optimizer, {.learning_rate = 1e-2}, {.learning_rate = 1e-2, .momentum = 0.9})
          .value();
  options.before_apply = [](const std::string&, const NamedTensors& gradients,
                            const protocol::CommitRecord& record) {
    for (const auto& [name, gradient] : gradients) gradient.mul_(1.0 + record.rate);
  };
  const auto alone = states_alone(options, verdicts);
  enum class When { before_compute, before_record, after_record };
  for (std::size_t arrives = level_sent; arrives < verdicts.size(); ++arrives) {
    for (const When when : {When::before_compute, When::before_record, When::after_record}) {
      INFO(optimizer << ", in step " << arrives + 1 << ", moment " << static_cast<int>(when));
      const auto story = story_before_fill(options);
      const auto sent = states_of(*story);
      bool filled = false;
      const auto install_if = [&](std::size_t step, When moment) {
        if (step != arrives || moment != when) return;
        install_all(*story, Step{level_sent}, sent);
        filled = true;
        CHECK(story->stage(1).filling().empty());
      };
      for (std::size_t i = level_sent; i < verdicts.size(); ++i) {
        install_if(i, When::before_compute);
        story->compute();
        // Only who holds the state counts.
        CHECK(story->operator[](1).shadowed->layers.size() == (filled ? kinds : 0));
        if (!filled) CHECK(numbers_of(story->stage(1).filling()) == all_layers);
        const auto record = story->decide(verdicts[i]);
        install_if(i, When::before_record);
        story->apply(record);
        install_if(i, When::after_record);
        for (int layer = 0; filled && layer < kinds; ++layer) {
          CHECK(story->stage(1).level_of(LayerId{layer}) == story->step());
          CHECK(story->state_of(1, layer) == alone[i][static_cast<std::size_t>(layer)]);
        }
      }
    }
  }
}

TEST_CASE("layers are filled one by one, and from states of different levels", "[conformance]") {
  const auto options = layers_of_every_kind();
  const auto alone = states_alone(options, verdicts);
  const auto story = story_before_fill(options);
  const auto early = states_of(*story);
  story->steps({verdicts[2], verdicts[3]});
  const auto late = states_of(*story);  // level 4: two kept gradients are older
  REQUIRE(story->stage(1).install(LayerId{0}, Step{2}, early[0]).ok());
  REQUIRE(story->stage(1).install(LayerId{4}, Step{4}, late[4]).ok());
  CHECK(numbers_of(story->stage(1).filling()) == std::vector<int>{1, 2, 3});
  story->compute();
  CHECK(story->operator[](1).shadowed->layers.size() == 2);
  REQUIRE(story->stage(1).install(LayerId{1}, Step{4}, late[1]).ok());
  story->apply(story->decide(verdicts[4]));
  REQUIRE(story->stage(1).install(LayerId{2}, Step{2}, early[2]).ok());
  // Sent again, after it was there: the newer one takes its place.
  REQUIRE(story->stage(1).install(LayerId{0}, Step{5}, story->sent_state(0, 0)).ok());
  story->steps({verdicts[5]});
  REQUIRE(story->stage(1).install(LayerId{3}, Step{2}, early[3]).ok());
  CHECK(numbers_of(story->stage(1).held()) == all_layers);
  for (int layer = 0; layer < kinds; ++layer) {
    INFO("layer " << layer);
    CHECK(story->stage(1).level_of(LayerId{layer}) == Step{6});
    CHECK(story->state_of(1, layer) == alone[5][static_cast<std::size_t>(layer)]);
  }
}

TEST_CASE("a state from a holder that was ahead is not stepped twice", "[conformance]") {
  const auto options = layers_of_every_kind();
  const auto alone = states_alone(options, verdicts);
  const auto story = story_before_fill(options);
  story->compute();
  const auto record = story->decide(verdicts[2]);
  story->stage(0).apply(record);
  const auto sent = states_of(*story);  // level 3, while worker 1 still waits for record 3
  install_all(*story, Step{3}, sent);
  // Its gradient of step 3 may come later still.
  const auto counts = story->stage(1).shadow(head, Step{3}, {});
  CHECK_FALSE(counts.value());
  story->stage(1).apply(record);
  CHECK(story->stage(1).filling().empty());
  story->steps({verdicts[3], verdicts[4]});
  for (int layer = 0; layer < kinds; ++layer) {
    CHECK(story->state_of(1, layer) == alone[4][static_cast<std::size_t>(layer)]);
  }
}

TEST_CASE("a state too old for what was kept is refused, a newer one fills", "[unit]") {
  const auto story = story_before_fill(layers_of_every_kind());
  const auto old = story->sent_state(0, 4);
  story->steps({verdicts[2]});
  story->stage(1).forget_filling();  // a lost view
  CHECK(story->stage(1).filling().empty());
  story->steps({verdicts[3]});
  CHECK(sentence_of(story->stage(1).install(head, Step{2}, old), FaultKind::stale_view) ==
        "the state of layer 4 came at level 2 and cannot be brought to 4: the gradient of step 3 "
        "is missing");
  CHECK_FALSE(story->stage(1).holds(head));
  CHECK(story->stage(1).filling().contains(head));
  CHECK(story->stage(1).install(head, Step{4}, story->sent_state(0, 4)).ok());
  CHECK(story->state_of(1, 4) == story->state_of(0, 4));
  // What was kept for the others is not mixed up with it.
  story->stage(1).drop(LayerId{0});
  CHECK(numbers_of(story->stage(1).filling()) == std::vector<int>{1, 2, 3});
}

TEST_CASE("a state too old is refused also where nothing was kept since", "[unit]") {
  // A view lost while states were under way left one of them behind. The next view's shadow took it
  // for its own, stood a step behind from then on, and never counted.
  const auto story = story_before_fill(layers_of_every_kind());
  const auto old = story->sent_state(0, 4);
  story->steps({verdicts[2]});
  story->stage(1).forget_filling();
  CHECK(sentence_of(story->stage(1).install(head, Step{2}, old), FaultKind::stale_view) ==
        "the state of layer 4 came at level 2 and cannot be brought to 3: the gradient of step 3 "
        "is missing");
  CHECK_FALSE(story->stage(1).holds(head));
  REQUIRE(story->stage(1).install(head, Step{3}, story->sent_state(0, 4)).ok());
  story->steps({verdicts[4]});
  CHECK(story->operator[](1).shadowed->layers.size() == 1);
  CHECK(story->state_of(1, 4) == story->state_of(0, 4));
  // After a roll-back level 0 is where everybody stands.
  REQUIRE(story->stage(1).build({}).ok());
  CHECK(story->stage(1).install(head, Step{2}, old).ok());
}

TEST_CASE("a state that is not the layer's is refused with a sentence", "[unit]") {
  const auto story = story_before_fill(layers_of_every_kind());
  auto& stage = story->stage(1);
  const auto state = story->sent_state(0, 4);
  const auto refusal = [&](const std::function<void(runtime::DescribedTensors&)>& spoil) {
    auto spoilt = state;
    spoil(spoilt);
    std::string sentence = sentence_of(stage.install(head, Step{2}, spoilt), FaultKind::corrupt);
    CHECK(stage.holds(head) == (sentence == "done"));
    return sentence;
  };
  CHECK(refusal([](auto& s) { s.pop_back(); }) ==
        "the state sent for layer head has 7 tensors, must have 8");
  CHECK(refusal([](auto& s) { s[1].first.name = "head.offset"; }) ==
        "the state sent for layer head: tensor 1 is head.offset F32 [16], must be head.bias F32 "
        "[16]");
  CHECK(refusal([](auto& s) {
          s[0].first.shape = {8, 16};
          s[0].second = s[0].second.reshape({8, 16});
        }) ==
        "the state sent for layer head: tensor 0 is head.weight F32 [8, 16], must be head.weight "
        "F32 [16, 8]");
  CHECK(refusal([](auto& s) { s[0].first.dtype = "F64"; }) ==
        "the state sent for layer head: tensor 0 is head.weight F64 [16, 8], must be head.weight "
        "F32 [16, 8]");
  CHECK(refusal([](auto&) {}) == "done");
}

TEST_CASE("a kept gradient that does not fit is found when the state comes", "[unit]") {
  const auto story = story_before_fill(layers_of_every_kind());
  auto& stage = story->stage(1);
  stage.keep(head, Step{3}, {{torch::zeros({16, 8})}, {}, {}});
  CHECK(sentence_of(stage.install(head, Step{2}, story->sent_state(0, 4)), FaultKind::corrupt) ==
        "1 gradients were sent for layer head, must be 2");
  CHECK_FALSE(stage.holds(head));
}

TEST_CASE("a hook that fails while a layer is brought level is a fault, not an exception",
          "[unit]") {
  auto options = layers_of_every_kind();
  auto fails = std::make_shared<bool>(false);
  options.before_apply = [fails](const std::string&, const NamedTensors&,
                                 const protocol::CommitRecord&) {
    if (*fails) throw std::runtime_error("no such gradient");
  };
  const auto story = story_before_fill(options);
  const auto state = story->sent_state(0, 4);
  story->steps({Verdict::apply});
  *fails = true;
  CHECK(sentence_of(story->stage(1).install(head, Step{2}, state), FaultKind::unavailable) ==
        "layer head: step 3 could not be applied again: no such gradient");
}

TEST_CASE("no tied source is built for a layer that is filled", "[unit]") {
  auto options = layers_of_every_kind();
  auto built = std::make_shared<int>(0);
  const auto make = options.layers[0].make;
  options.layers[0].make = [make, built] {
    ++*built;
    return make();
  };
  const auto story = story_before_fill(options);
  const auto state = story->sent_state(0, 4);
  const int before = *built;
  REQUIRE(story->stage(1).install(head, Step{2}, state).ok());
  CHECK(*built == before);
  CHECK(story->state_of(1, 4) == story->state_of(0, 4));
}

TEST_CASE("a copied state stays as it was while training goes on", "[unit]") {
  const auto story = story_before_fill(layers_of_every_kind());
  const auto copy = story->stage(0).copy_state(norms);
  const std::string before = text_of_state(copy);
  CHECK(before == story->state_of(0, 1));
  story->steps({Verdict::apply});
  CHECK(text_of_state(copy) == before);
  CHECK(story->state_of(0, 1) != before);
}

}  // namespace planaria::test
