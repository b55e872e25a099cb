// A shadow is a live copy: the same arithmetic on the same gradient, at every level.
#include <torch/optim/rmsprop.h>
#include <planaria/runtime/torch_optimizer.hpp>

#include "runtime/shadow_exchange.hpp"

#include "runtime/role_story.hpp"

namespace planaria::test {
namespace {

using protocol::Verdict;

ShadowAssignment shadow(int worker, const std::vector<int>& layers) {
  ShadowAssignment assignment{WorkerId{worker}, {}};
  for (const int layer : layers) assignment.layers.emplace_back(layer);
  return assignment;
}

// Two stages, each shadowing the other's layers.
Layout mirrored() {
  Layout layout = pipeline({0, 3}, 6);
  layout.shadows = {shadow(0, {3, 4}), shadow(1, {2, 0, 1})};
  return layout;
}

// Two pipelines whose first has the higher ids, and a worker that only shadows.
Layout wide() {
  Layout layout = pipeline({0, 2}, 2);
  layout.pipelines.push_back(pipeline({0, 3}, 4).pipelines[0]);
  layout.pipelines[0].stages[0].worker = WorkerId{3};
  layout.pipelines[0].stages[1].worker = WorkerId{2};
  layout.shadows = {shadow(4, {0, 1, 2, 3, 4}), shadow(1, {0})};
  return layout;
}

const std::vector<Verdict> verdicts{Verdict::apply, Verdict::apply, Verdict::skip,
                                    Verdict::apply, Verdict::apply, Verdict::apply};

void check_levels(RoleStory& story, int worker) {
  for (const auto& held : story.stage(worker).layers()) CHECK(held.level == story.step());
}

OptimizerFactory optimizer_called(const std::string& name) {
  if (name == "rmsprop") return rmsprop(torch::optim::RMSpropOptions(1e-2).momentum(0.9));
  return optimizer_named(name, {.learning_rate = 1e-2, .weight_decay = 0.01},
                         {.learning_rate = 1e-2, .momentum = 0.9, .weight_decay = 0.01})
      .value();
}

}  // namespace

TEST_CASE("two workers that shadow each other hold the same bits of every layer", "[conformance]") {
  auto options = layers_of_every_kind();
  const std::string optimizer =
      GENERATE(std::string("adamw"), std::string("sgd"), std::string("rmsprop"));
  options.optimizer = optimizer_called(optimizer);
  options.clip_norm = GENERATE(0.2, 0.0, 1e6);
  INFO("optimizer " << optimizer << ", clip " << options.clip_norm);
  const auto alone = states_alone(options, verdicts);

  RoleStory story(options, 2);
  story.build(mirrored());
  story.begin_view(mirrored());
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    story.compute();
    REQUIRE(story[0].shadowed.has_value());
    CHECK(story[0].shadowed->layers.size() == 2);
    REQUIRE(story[1].shadowed.has_value());
    CHECK(story[1].shadowed->layers.size() == 3);
    CHECK(story[1].shadowed->layers[0].layer == LayerId{2});  // descending
    story.apply(story.decide(verdicts[i]));
    for (int layer = 0; layer < kinds; ++layer) {
      INFO("step " << i + 1 << ", layer " << layer);
      CHECK(story.state_of(0, layer) == alone[i][static_cast<std::size_t>(layer)]);
      CHECK(story.state_of(1, layer) == alone[i][static_cast<std::size_t>(layer)]);
    }
    check_levels(story, 0);
    check_levels(story, 1);
  }
  CHECK(alone[1] == alone[2]);  // a skipped step changes nothing
  CHECK(alone[2] != alone[3]);
}

TEST_CASE("a worker that only shadows follows two pipelines", "[conformance]") {
  const auto options = layers_of_every_kind();
  const auto alone = states_alone(options, verdicts);
  RoleStory story(options, 6);  // the last has no role
  story.build(wide());
  story.begin_view(wide());
  CHECK(story[4].executor->shadows());
  CHECK_FALSE(story[4].executor->computes());
  CHECK_FALSE(story[5].executor->shadows());
  for (const Verdict verdict : verdicts) {
    story.compute();
    CHECK(story[4].shadowed->layers.size() == 5);
    CHECK_FALSE(story[4].report.has_value());
    CHECK_FALSE(story[5].report.has_value());
    // Of the holders of layer 0, workers 0 and 3, one speaks.
    CHECK(story.stage(0).layer(LayerId{0}).lent);
    CHECK_FALSE(story.stage(3).layer(LayerId{0}).lent);
    story.apply(story.decide(verdict));
  }
  for (int layer = 0; layer < kinds; ++layer) {
    INFO("layer " << layer);
    CHECK(story.state_of(4, layer) == alone.back()[static_cast<std::size_t>(layer)]);
  }
  CHECK(story.state_of(1, 0) == alone.back()[0]);
  CHECK(story.stage(5).held().empty());
  CHECK(story[5].executor->evaluate(story.step()).value().losses.empty());
}

TEST_CASE("shadows take over at a step boundary, and nothing moves", "[conformance]") {
  const auto options = layers_of_every_kind();
  const auto alone = states_alone(options, verdicts);
  RoleStory story(options, 2);
  story.build(mirrored());
  story.begin_view(mirrored());
  story.steps({verdicts.begin(), verdicts.begin() + 3});
  Layout swapped = mirrored();
  std::swap(swapped.pipelines[0].stages[0].worker, swapped.pipelines[0].stages[1].worker);
  std::swap(swapped.shadows[0].worker, swapped.shadows[1].worker);
  story.begin_view(swapped);
  story.steps({verdicts[3]});
  // And one of them alone, after the other is lost.
  const Layout rest = pipeline({0}, 6);
  story.begin_view(rest);
  story.steps({verdicts[4], verdicts[5]});
  for (int layer = 0; layer < kinds; ++layer) {
    INFO("layer " << layer);
    CHECK(story.state_of(0, layer) == alone[5][static_cast<std::size_t>(layer)]);
    // Without a role a layer stays at its level.
    CHECK(story.stage(1).level_of(LayerId{layer}) == Step{4});
    CHECK(story.state_of(1, layer) == alone[3][static_cast<std::size_t>(layer)]);
  }
}

TEST_CASE("a step done again in a new view gives shadows the same bits", "[conformance]") {
  const auto options = layers_of_every_kind();
  const auto alone = states_alone(options, verdicts);
  RoleStory story(options, 2);
  story.build(mirrored());
  story.begin_view(mirrored());
  story.steps({verdicts[0]});
  story.compute();  // computed and received everywhere, but never committed
  const Step lost = story.step();
  for (const int worker : {0, 1}) {
    story[worker].transport->advance_view(ViewNumber{2});
  }
  story.redo();
  story.begin_view(mirrored());
  story.steps({verdicts[1]});
  CHECK(story.step() == lost);
  for (int layer = 0; layer < kinds; ++layer) {
    CHECK(story.state_of(0, layer) == alone[1][static_cast<std::size_t>(layer)]);
    CHECK(story.state_of(1, layer) == alone[1][static_cast<std::size_t>(layer)]);
  }
}

TEST_CASE("a gradient lent to a shadow is not written by clipping or by the hook", "[unit]") {
  auto options = layers_of_every_kind();
  options.clip_norm = GENERATE(0.2, 0.0);
  const bool hooked = GENERATE(false, true);
  if (hooked) {
    options.before_apply = [](const std::string&, const NamedTensors& gradients,
                              const protocol::CommitRecord&) {
      for (const auto& [name, gradient] : gradients) gradient.mul_(0.5);
    };
  }
  INFO("clip " << options.clip_norm << ", hook " << hooked);
  const auto alone = states_alone(options, {Verdict::apply, Verdict::apply});
  RoleStory story(options, 2);
  story.build(mirrored());
  story.begin_view(mirrored());
  story.steps({Verdict::apply});
  story.compute();
  // What the transport would still read after the record came.
  std::vector<std::pair<torch::Tensor, torch::Tensor>> lent;
  for (const runtime::HeldLayer& held : story.stage(0).active_layers()) {
    CHECK(held.lent);
    for (const auto& gradient : held.reduced) lent.emplace_back(gradient, gradient.clone());
  }
  CHECK(lent.size() == 5);  // embedding 1, norms 4, frozen 0
  story.apply(story.decide());
  for (const auto& [gradient, before] : lent) CHECK(torch::equal(gradient, before));
  for (int layer = 0; layer < kinds; ++layer) {
    CHECK(story.state_of(0, layer) == alone[1][static_cast<std::size_t>(layer)]);
    CHECK(story.state_of(1, layer) == alone[1][static_cast<std::size_t>(layer)]);
  }
}

TEST_CASE("a layer without a shadow is clipped where it lies", "[unit]") {
  RoleStory story(layers_of_every_kind(), 2);
  Layout layout = pipeline({0, 3}, 6);
  layout.shadows = {shadow(1, {1})};
  story.build(layout);
  story.begin_view(layout);
  story.compute();
  CHECK_FALSE(story.stage(0).layer(LayerId{0}).lent);
  CHECK(story.stage(0).layer(LayerId{1}).lent);
  const torch::Tensor gradient = story.stage(0).layer(LayerId{0}).reduced[0];
  const torch::Tensor before = gradient.clone();
  story.apply(story.decide());
  CHECK_FALSE(torch::equal(gradient, before));
}

TEST_CASE("a worker that is not connected is a lost peer, not a broken promise", "[unit]") {
  RoleStory story(layers_of_every_kind(), 2);
  Layout layout = pipeline({0}, 6);
  layout.shadows = {shadow(1, {0, 1, 2, 3, 4})};
  story.build(layout);
  for (const int worker : {0, 1}) story[worker].peers.clear();
  story.begin_view(layout);
  story.compute();
  CHECK_FALSE(story[0].fault.has_value());  // what it sends is dropped
  REQUIRE(story[1].fault.has_value());
  CHECK(story[1].fault->kind == FaultKind::peer_lost);
  CHECK(story[1].fault->sentence == "worker 0 is not connected");
}

TEST_CASE("gradients that do not fit a shadowed layer are refused", "[unit]") {
  RoleStory story(layers_of_every_kind(), 1);
  auto& stage = story.stage(0);
  REQUIRE(stage.build({LayerId{1}, LayerId{2}, LayerId{4}}).ok());
  const auto refusal = [&](int layer, runtime::StepGradients gradients) {
    const auto taken = stage.shadow(LayerId{layer}, Step{1}, std::move(gradients));
    if (taken.ok()) return std::string("taken");
    CHECK(taken.fault().kind == FaultKind::corrupt);
    return taken.fault().sentence;
  };
  const torch::Tensor weight = torch::zeros({16, 8});
  const torch::Tensor bias = torch::zeros({16});
  CHECK(refusal(4, {{weight}, {}, {}}) == "1 gradients were sent for layer head, must be 2");
  CHECK(refusal(4, {{weight, torch::zeros({15})}, {}, {}}) ==
        "the gradient sent for layer head is bias F32 [15], must be bias F32 [16]");
  CHECK(refusal(4, {{weight.to(torch::kDouble), bias}, {}, {}}) ==
        "the gradient sent for layer head is weight F64 [16, 8], must be weight F32 [16, 8]");
  CHECK(refusal(4, {{weight, bias}, {{MicroBatchId{0}, {bias}}}, {1}}) ==
        "statistics of 1 micro-batches and 1 modules were sent for layer head, must be 0 and 0");
  CHECK(refusal(4, {{weight, bias}, {}, {}}) == "taken");
  CHECK(refusal(2, {{}, {}, {}}) == "taken");
  const torch::Tensor row = torch::zeros({8});
  CHECK(refusal(1, {{row, row, row, row}, {{MicroBatchId{0}, {row, row}}}, {2}}) ==
        "statistics of 1 micro-batches and 1 modules were sent for layer norms, must be 6 and 3");
}

TEST_CASE("a frame for a shadow that is no list of gradients and statistics is refused", "[unit]") {
  RoleStory story(layers_of_every_kind(), 2);
  Layout layout = pipeline({0}, 6);
  layout.shadows = {shadow(1, {1})};
  runtime::ReductionContext context{WorkerId{1}, ViewNumber{1}, Step{0}, &layout, &story.options()};
  runtime::Exchange from(*story[0].transport, story[0].peers);
  runtime::Exchange to(*story[1].transport, story[1].peers);
  const auto refusal = [&](const std::vector<std::string>& names) {
    context.step = context.step.next();
    runtime::DescribedTensors frame;
    for (const std::string& name : names) {
      checkpoint::TensorInfo info{name, "F32", {2}};
      if (!name.empty()) info.role = checkpoint::Role::buffer;
      frame.emplace_back(std::move(info), torch::zeros({2}));
    }
    from.send_described(WorkerId{1},
                        {transport::FrameKind::reduced, ViewNumber{1}, context.step, LayerId{1},
                         MicroBatchId{-4}, 0},
                        frame);
    const auto received = runtime::receive_lent(context, LayerId{1}, story.stage(1), to);
    if (received.ok()) return std::string("received");
    CHECK(received.fault().kind == FaultKind::corrupt);
    return received.fault().sentence;
  };
  const auto six_times = [](const std::vector<std::string>& names) {
    std::vector<std::string> all{""};  // a gradient first
    for (int i = 0; i < 6; ++i) all.insert(all.end(), names.begin(), names.end());
    return all;
  };
  CHECK(refusal(six_times({"0", "0", "2"})) == "received");
  CHECK(refusal({}) == "received");
  CHECK(refusal({"0", ""}) ==
        "worker 0 sent a gradient of layer 1 behind statistics, must be before them");
  CHECK(refusal({"", "0", "0"}) ==
        "2 statistics were sent, must be a multiple of 6, the micro-batches");
  for (const char* name : {"x", "-1", "1x", "65536", "99999999999999999999999"}) {
    CHECK(refusal(six_times({name})) ==
          fmt::format("a statistic that was sent is of module \"{}\", must be numbers that ascend",
                      name));
  }
  CHECK(refusal(six_times({"1", "0"})) ==
        "a statistic that was sent is of module \"0\", must be numbers that ascend");
  CHECK(refusal({"0", "0", "0", "0", "0", "1"}) ==
        "statistics that were sent differ in form between micro-batches");
}

TEST_CASE("a stage holds what it is told to, and drops it", "[unit]") {
  RoleStory story(layers_of_every_kind(), 1);
  auto& stage = story.stage(0);
  CHECK(stage.held().empty());
  CHECK_FALSE(stage.computes());
  CHECK_FALSE(stage.holds_first());
  REQUIRE(stage.build({LayerId{4}, LayerId{0}, LayerId{2}, LayerId{3}}).ok());
  CHECK(numbers_of(stage.held()) == std::vector<int>{0, 2, 3, 4});
  CHECK(stage.active_layers().empty());
  stage.compute_on({LayerRange{LayerId{2}, LayerId{4}}});
  CHECK(stage.active_layers().size() == 3);
  CHECK(stage.active_layers().front().get().id == LayerId{2});
  CHECK(stage.holds_last());
  CHECK_FALSE(stage.holds_first());
  stage.drop(LayerId{0});
  stage.drop(LayerId{1});  // never held
  CHECK_FALSE(stage.holds(LayerId{0}));
  CHECK(stage.active_layers().front().get().id == LayerId{2});
  CHECK(stage.level_of(LayerId{3}) == Step{0});
  REQUIRE(stage.build({LayerId{1}}).ok());
  CHECK(numbers_of(stage.held()) == std::vector<int>{1});
  CHECK_FALSE(stage.computes());
}

}  // namespace planaria::test
