// What a profile says of models whose bytes one can count by hand, and what it refuses.
#include <cmath>
#include <memory>
#include <stdexcept>

#include "support/torch_catch.hpp"

#include <ATen/ATen.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/linear.h>
#include <planaria/runtime/batch_norm.hpp>
#include <planaria/runtime/modules.hpp>
#include <planaria/runtime/profiling.hpp>

#include "runtime/allocation_watch.hpp"
#include "runtime/profiling_parts.hpp"

namespace planaria {
namespace {

using runtime::AllocationWatch;

constexpr int in = 8;
constexpr int wide = 16;
constexpr int out = 4;
constexpr std::int64_t float_bytes = 4;
constexpr std::int64_t step_bytes = 4;  // AdamW counts its steps for every parameter

// Keeps its own output for its backward, as the next layer does, and has no parameters.
struct Relu : torch::nn::Module {
  torch::Tensor forward(const torch::Tensor& x) { return at::relu(x); }
};

struct Shared : torch::nn::Module {
  Shared() { weight = register_parameter("weight", at::randn({out, wide})); }
  torch::Tensor forward(const torch::Tensor& x) { return at::mm(x, weight.t()); }
  torch::Tensor weight;
};

// What it hands on are two tensors, one of them numbers without a gradient.
struct Forked : torch::nn::Module {
  Tensors forward(const Tensors& inputs) {
    return {inputs[0] * 2, at::ones({inputs[0].size(0), 3}, at::kLong)};
  }
};
struct Joined : torch::nn::Module {
  Tensors forward(const Tensors& inputs) { return {inputs[0] + inputs[1].sum()}; }
};

torch::Tensor rows(std::span<const std::int64_t> ids, int columns) {
  torch::Tensor found = at::empty({static_cast<std::int64_t>(ids.size()), columns});
  for (std::size_t i = 0; i < ids.size(); ++i) {
    found[static_cast<std::int64_t>(i)].fill_(0.1 * static_cast<double>(ids[i] % 7));
  }
  return found;
}

TrainerOptions trainer_of(std::vector<LayerDefinition> layers) {
  TrainerOptions options;
  options.layers = std::move(layers);
  options.loss = [](const Tensors& outputs, const Tensors& targets) {
    return torch::nn::functional::mse_loss(outputs[0], targets[0]);
  };
  options.optimizer = adamw({.learning_rate = 1e-2});
  options.dataset =
      dataset_of({.samples = 64,
                  .fingerprint = "rows",
                  .inputs = [](std::span<const std::int64_t> ids) { return rows(ids, in); },
                  .targets = [](std::span<const std::int64_t> ids) { return rows(ids, out); }});
  options.seed = 5;
  options.micro_batches = 4;
  options.micro_batch_size = 2;
  options.clip_norm = 1;
  return options;
}

LayerDefinition first() {
  return layer("first", [] { return Linear(in, wide); });
}
LayerDefinition last() {
  return layer("last", [] { return Linear(wide, out, /*with_bias=*/false); });
}
LayerDefinition relu() {
  return layer("relu", [] { return std::make_shared<Relu>(); });
}

Profile profile_of(const TrainerOptions& trainer, std::vector<int> sizes = {1, 2, 4}) {
  auto measured = measure_profile(trainer, {.micro_batch_sizes = std::move(sizes), .repeats = 3});
  INFO((measured.ok() ? std::string() : measured.fault().sentence));
  REQUIRE(measured.ok());
  return std::move(measured.value().profile);
}

std::string refusal(const TrainerOptions& trainer, const ProfilingOptions& options) {
  const auto measured = measure_profile(trainer, options);
  return measured.ok() ? "measured" : measured.fault().sentence;
}

using Bytes = std::vector<std::int64_t>;

Bytes times(const Bytes& sizes, std::int64_t bytes) {
  Bytes all;
  for (const std::int64_t size : sizes) all.push_back(size * bytes);
  return all;
}

const Bytes sizes{1, 2, 4};

}  // namespace

TEST_CASE("a layer's bytes are those one counts by hand", "[unit]") {
  const Profile profile = profile_of(trainer_of({first(), relu(), last()}));
  CHECK(profile.model == "model");
  CHECK(profile.device == "cpu x 1 thread");
  CHECK(profile.micro_batch_sizes == std::vector<int>{1, 2, 4});
  REQUIRE(profile.layers.size() == 3);

  const LayerProfile& linear = profile.layers[0];
  CHECK(linear.name == "first");
  CHECK(linear.parameter_bytes == (in * wide + wide) * float_bytes);
  CHECK(linear.gradient_bytes == linear.parameter_bytes);
  CHECK(linear.state_bytes == (2 * linear.parameter_bytes) + (2 * step_bytes));
  CHECK(linear.boundary_bytes == times(sizes, wide * float_bytes));
  CHECK(linear.activation_bytes == times(sizes, in * float_bytes));
  // W multiplies what came in by the gradient of what went out.
  CHECK(linear.weight_gradient_bytes == times(sizes, (in + wide) * float_bytes));
  CHECK_FALSE(linear.tied_to.has_value());
}

TEST_CASE("what a layer hands on is counted by the next one alone", "[unit]") {
  const Profile profile = profile_of(trainer_of({first(), relu(), last()}));
  const LayerProfile& middle = profile.layers[1];
  CHECK(middle.parameter_bytes == 0);
  CHECK(middle.state_bytes == 0);
  CHECK(middle.gradient_bytes == 0);
  CHECK(middle.boundary_bytes == times(sizes, wide * float_bytes));
  CHECK(middle.activation_bytes == times(sizes, wide * float_bytes));
  CHECK(middle.weight_gradient_bytes == Bytes{0, 0, 0});
}

TEST_CASE("the last layer holds what the loss needs and sends nothing", "[unit]") {
  const Profile profile = profile_of(trainer_of({first(), relu(), last()}));
  const LayerProfile& head = profile.layers[2];
  CHECK(head.boundary_bytes == Bytes{0, 0, 0});
  // Its input; its output and the targets, for the loss; and a few single numbers.
  const std::int64_t by_sample = (wide + out + out) * float_bytes;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    INFO("size " << sizes[i]);
    const std::int64_t numbers = head.activation_bytes[i] - (sizes[i] * by_sample);
    CHECK(numbers >= float_bytes);  // the loss
    CHECK(numbers <= 4 * float_bytes);
  }
  CHECK(head.weight_gradient_bytes == times(sizes, (wide + out) * float_bytes));
}

TEST_CASE("weight gradients that cannot wait are held from B to W", "[unit]") {
  const Profile profile = profile_of(
      trainer_of({layer("plain", [] { return torch::nn::Linear(in, wide); }), relu(), last()}));
  const LayerProfile& plain = profile.layers[0];
  CHECK(plain.activation_bytes == times(sizes, in * float_bytes));
  CHECK(plain.weight_gradient_bytes == Bytes(3, plain.gradient_bytes));
}

TEST_CASE("frozen parameters have neither gradient nor state", "[unit]") {
  auto frozen = layer("frozen", [] {
    Linear linear(in, wide);
    linear->weight.set_requires_grad(false);
    return linear;
  });
  const Profile profile = profile_of(trainer_of({frozen, relu(), last()}));
  CHECK(profile.layers[0].parameter_bytes == (in * wide + wide) * float_bytes);
  CHECK(profile.layers[0].gradient_bytes == wide * float_bytes);
  CHECK(profile.layers[0].state_bytes == (2 * wide * float_bytes) + step_bytes);
}

TEST_CASE("a tied layer names the layer whose parameter it shares", "[unit]") {
  auto source = layer("source", [] { return std::make_shared<Shared>(); });
  auto use = layer("use", [] { return std::make_shared<Shared>(); }, 1.0,
                   {{"weight", "source", "weight"}});
  auto back = layer("back", [] { return Linear(out, wide); });
  const Profile profile = profile_of(trainer_of({first(), source, back, use}), {2});
  CHECK_FALSE(profile.layers[1].tied_to.has_value());
  CHECK(profile.layers[3].tied_to == "source");
  CHECK(profile.layers[3].parameter_bytes == profile.layers[1].parameter_bytes);
}

TEST_CASE("buffers count with the parameters, statistics are folded on the way", "[unit]") {
  auto norm = layer("norm", [] { return BatchNorm(wide); });
  const Profile profile = profile_of(trainer_of({first(), norm, last()}), {2, 4});
  const LayerProfile& normed = profile.layers[1];
  CHECK(normed.gradient_bytes == 2 * wide * float_bytes);
  CHECK(normed.parameter_bytes == 4 * wide * float_bytes);  // running mean and variance too
}

TEST_CASE("a boundary of several tensors is their sum", "[unit]") {
  auto forked = layer("forked", [] { return std::make_shared<Forked>(); });
  auto joined = layer("joined", [] { return std::make_shared<Joined>(); });
  const Profile profile = profile_of(trainer_of({first(), forked, joined, last()}));
  CHECK(profile.layers[1].boundary_bytes == times(sizes, (wide * float_bytes) + (3 * 8)));
  CHECK(profile.layers[2].activation_bytes == times(sizes, (wide * float_bytes) + (3 * 8)));
}

TEST_CASE("every time is there, and is a time", "[unit]") {
  const Profile profile = profile_of(trainer_of({first(), relu(), last()}));
  for (const LayerProfile& layer : profile.layers) {
    INFO(layer.name);
    for (const auto* list :
         {&layer.forward_ms, &layer.backward_input_ms, &layer.backward_weight_ms}) {
      REQUIRE(list->size() == 3);
      for (const double ms : *list) CHECK((std::isfinite(ms) && ms > 0));
    }
    CHECK((std::isfinite(layer.optimizer_ms) && layer.optimizer_ms > 0));
  }
}

TEST_CASE("transfers go from a few bytes to more than any gradient or boundary", "[unit]") {
  CHECK(runtime::transfer_sizes(0) == Bytes{4, 4096});
  CHECK(runtime::transfer_sizes(4096) == Bytes{4, 4096, 16384});
  CHECK(runtime::transfer_sizes(70000) == Bytes{4, 4096, 16384, 65536, 262144});
  auto large = layer("large", [] { return Linear(in, 1024); });
  auto small = layer("small", [] { return Linear(1024, out); });
  const Profile profile = profile_of(trainer_of({large, small}), {2});
  REQUIRE(profile.transfer.size() == 4);
  CHECK(profile.transfer.back().bytes == 65536);
  CHECK(profile.layers[0].gradient_bytes > 16384);
  for (const TransferPoint& point : profile.transfer) {
    CHECK((std::isfinite(point.ms) && point.ms > 0));
  }
}

TEST_CASE("a profile comes back from its text as it was", "[unit]") {
  const Profile profile = profile_of(trainer_of({first(), relu(), last()}));
  const Json text = parse_json(to_json(profile).dump(), "text").value();
  CHECK(profile_from_json(text, "text").value() == profile);
}

TEST_CASE("without sizes the trainer's own is measured", "[unit]") {
  CHECK(profile_of(trainer_of({first(), last()}), {}).micro_batch_sizes == std::vector<int>{2});
}

TEST_CASE("layers are built one at a time", "[unit]") {
  const auto alive = std::make_shared<int>(0);
  const auto most = std::make_shared<int>(0);
  struct Counted : torch::nn::Module {
    explicit Counted(std::shared_ptr<int> alive) : alive_(std::move(alive)) { ++*alive_; }
    ~Counted() override { --*alive_; }
    torch::Tensor forward(const torch::Tensor& x) { return x * 2; }
    std::shared_ptr<int> alive_;
  };
  std::vector<LayerDefinition> layers{first()};
  for (int i = 0; i < 4; ++i) {
    layers.push_back(layer("counted" + std::to_string(i), [alive, most] {
      auto made = std::make_shared<Counted>(alive);
      *most = std::max(*most, *alive);
      return made;
    }));
  }
  layers.push_back(last());
  static_cast<void>(profile_of(trainer_of(layers), {1}));
  CHECK(*most <= 2);  // beside the one that the thread of the transfers may hold
  CHECK(*alive == 0);
}

TEST_CASE("what cannot be measured is refused by name", "[unit]") {
  const TrainerOptions trainer = trainer_of({first(), last()});
  CHECK(refusal(trainer, {.repeats = 2}) == "repeats: 2, must be an odd number from 1 to 999");
  CHECK(refusal(trainer, {.repeats = 0}) == "repeats: 0, must be an odd number from 1 to 999");
  CHECK(refusal(trainer, {.micro_batch_sizes = {2, 2}}) ==
        "micro_batch_sizes: 2, must be at least 3");
  CHECK(refusal(trainer, {.micro_batch_sizes = {0}}) == "micro_batch_sizes: 0, must be at least 1");
  CHECK(refusal(trainer, {.micro_batch_sizes = {33}}) ==
        "micro_batch_sizes: 33, must be at most 32, half of the data set");
  CHECK(refusal(trainer, {.model = ""}) == "model: empty, must be a name");
  TrainerOptions no_loss = trainer;
  no_loss.loss = {};
  CHECK(refusal(no_loss, {}) == "loss: none, a function is needed");
}

TEST_CASE("what fails in the user's code is told with its layer", "[unit]") {
  const auto throws = []() -> std::shared_ptr<Relu> { throw std::runtime_error("no memory"); };
  CHECK_THAT(refusal(trainer_of({first(), layer("bad", throws), last()}), {}),
             Catch::Contains("layer bad: its factory failed: no memory"));
  struct Throws : torch::nn::Module {
    torch::Tensor forward(const torch::Tensor&) { throw std::runtime_error("wrong shape"); }
  };
  auto wrong = layer("wrong", [] { return std::make_shared<Throws>(); });
  CHECK(refusal(trainer_of({first(), wrong, last()}), {}) == "layer wrong: wrong shape");
  TrainerOptions lost = trainer_of({first(), last()});
  lost.dataset =
      dataset_of({.samples = 64,
                  .fingerprint = "none",
                  .inputs = [](std::span<const std::int64_t>) -> torch::Tensor {
                    throw std::runtime_error("disk gone");
                  },
                  .targets = [](std::span<const std::int64_t> ids) { return rows(ids, out); }});
  CHECK(refusal(lost, {}) == "the data set failed: disk gone");
}

TEST_CASE("a watch counts what is allocated under it, each storage once", "[unit]") {
  at::Tensor before = at::zeros({100});
  const AllocationWatch watch;
  CHECK(watch.live_bytes() == 0);
  const at::Tensor kept = at::zeros({25});
  CHECK(watch.live_bytes() == 100);
  { const at::Tensor gone = at::zeros({50}); }
  CHECK(watch.live_bytes() == 100);
  CHECK(watch.peak_bytes() == 300);
  CHECK(watch.bytes_of({kept, kept.view({5, 5}), before}) == 100);
}

TEST_CASE("a spread is the middle half of the repeats by their median", "[unit]") {
  CHECK(runtime::median_of({3, 1, 2}) == 2);
  CHECK(runtime::median_of({4, 1, 2, 3}) == 2.5);
  const Spread spread = runtime::spread_of(
      {{"steady", {10, 10, 10, 10, 10}}, {"wild", {8, 9, 10, 11, 100}}, {"some", {99, 100, 101}}});
  CHECK(spread.largest == Approx(.2));  // from 9 to 11, whatever the outlier
  CHECK(spread.largest_of == "wild");
  CHECK(spread.median == Approx(.01));
}

}  // namespace planaria
