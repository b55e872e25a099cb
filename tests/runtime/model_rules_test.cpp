// What a model, a data set and an optimizer may be (PROTOCOL 2), and what is said of others.
#include <atomic>
#include <cmath>
#include <filesystem>
#include <limits>

#include <torch/optim/rmsprop.h>
#include <planaria/runtime/torch_optimizer.hpp>

#include "runtime/small_runs.hpp"

#include <torch/cuda.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>
#include <planaria/checkpoint/safetensors.hpp>

namespace planaria::test {
namespace {

// Rows of a fixed matrix; targets are their sums.
class Rows final : public Dataset {
 public:
  explicit Rows(std::int64_t samples = 64) : samples_(samples) {}
  [[nodiscard]] std::int64_t samples() const override { return samples_; }
  [[nodiscard]] std::string fingerprint() const override {
    return fmt::format("rows {}", samples_);
  }
  [[nodiscard]] Tensors inputs(std::span<const std::int64_t> ids) const override {
    torch::Tensor x = torch::empty({static_cast<std::int64_t>(ids.size()), 4});
    for (std::size_t i = 0; i < ids.size(); ++i) {
      for (int j = 0; j < 4; ++j) {
        x[static_cast<std::int64_t>(i)][j] = std::sin(static_cast<double>(ids[i] * 4 + j));
      }
    }
    return {x};
  }
  [[nodiscard]] Tensors targets(std::span<const std::int64_t> ids) const override {
    return {inputs(ids)[0].sum(1)};
  }

 private:
  std::int64_t samples_;
};

TrainerOptions line(std::vector<LayerDefinition> layers) {
  TrainerOptions options;
  options.layers = std::move(layers);
  options.loss = [](const Tensors& outputs, const Tensors& targets) {
    return (outputs[0].squeeze(1) - targets[0]).square().mean();
  };
  options.optimizer = adamw({.learning_rate = 1e-2});
  options.dataset = std::make_shared<Rows>();
  options.micro_batches = 4;
  options.micro_batch_size = 2;
  return options;
}

LayerDefinition linear(const std::string& name, int in, int out) {
  return layer(name, [in, out] { return torch::nn::Linear(in, out); });
}

TrainingOutcome run_alone(TrainerOptions options, std::int64_t steps = 2) {
  return Trainer(std::move(options)).run(steps);
}

}  // namespace

TEST_CASE("BatchNorm is refused by name and leaves no run behind", "[unit]") {
  TemporaryFolder folder;
  auto options = line({linear("in", 4, 8), layer("norm", [] { return torch::nn::BatchNorm1d(8); }),
                       linear("out", 8, 1)});
  options.run_dir = folder.file("run");
  const auto outcome = run_alone(options);
  CHECK(outcome.status == 2);
  CHECK_THAT(outcome.sentence,
             Catch::Contains("layer norm: module itself is LibTorch's BatchNorm"));
  CHECK_FALSE(std::filesystem::exists(options.run_dir));
}

TEST_CASE("a module that writes a buffer in forward is refused by the buffer's name", "[unit]") {
  struct Counting : torch::nn::Module {
    explicit Counting(bool writes) : writes_(writes) {
      calls = register_buffer("calls", torch::zeros({1}));
    }
    torch::Tensor forward(const torch::Tensor& x) {
      if (writes_) calls.add_(1);
      return x * 2 + calls;
    }
    torch::Tensor calls;
    bool writes_;
  };
  const auto run = [](bool writes) {
    return run_alone(
        line({layer("counting", [writes] { return std::make_shared<Counting>(writes); }),
              linear("out", 4, 1)}));
  };
  CHECK(run(false).sentence == "");  // one that it only reads is layer state like another
  CHECK(run(true).status == 2);
  CHECK_THAT(run(true).sentence,
             Catch::Contains("layer counting: buffer calls was written in forward"));
}

TEST_CASE("a device that is not there is refused in one sentence", "[unit]") {
  const auto refused = [](const std::string& device) {
    auto options = line({linear("only", 4, 1)});
    options.device = device;
    const auto outcome = run_alone(options);
    CHECK(outcome.status == 2);
    return outcome.sentence;
  };
  CHECK(refused("gpu") == "device: gpu, must be cpu, cuda or cuda:N");
  CHECK(refused("cuda:x") == "device: cuda:x, must be cpu, cuda or cuda:N");
  if (torch::cuda::is_available()) return;  // then the two below would train
  CHECK_THAT(refused("cuda"), Catch::StartsWith("device: cuda, must be cpu: "));
  CHECK_THAT(refused("cuda:3"), Catch::StartsWith("device: cuda:3, must be cpu: "));
}

TEST_CASE("an optimizer that cannot be built is refused with its layer", "[unit]") {
  auto options = line({linear("only", 4, 1)});
  options.optimizer = rmsprop(torch::optim::RMSpropOptions(-1.0));
  const auto outcome = run_alone(options);
  CHECK(outcome.status == 2);
  CHECK_THAT(outcome.sentence, Catch::Contains("layer only: its optimizer cannot be built: "));
}

TEST_CASE("closure optimizers are refused with the reason", "[unit]") {
  const auto chosen = optimizer_named("lbfgs", {}, {});
  REQUIRE_FALSE(chosen.ok());
  CHECK_THAT(chosen.fault().sentence,
             Catch::Contains("lbfgs, must be adamw, adam or sgd: a closure"));
  CHECK(optimizer_named("lion", {}, {}).fault().sentence ==
        "optimizer: lion, must be adamw, adam or sgd");
}

TEST_CASE("a data set smaller than one step is refused", "[unit]") {
  auto options = line({linear("only", 4, 1)});
  options.dataset = std::make_shared<Rows>(7);
  const auto outcome = run_alone(options);
  CHECK(outcome.status == 2);
  CHECK_THAT(outcome.sentence, Catch::Contains("dataset_samples: 7, must be at least 8"));
}

TEST_CASE("numbers out of range are refused before anything starts", "[unit]") {
  auto options = line({linear("only", 4, 1)});
  options.lane_size = 5;
  CHECK(run_alone(options).sentence == "lane_size: 5, must be 1 to 4, the number of micro-batches");
  options.lane_size = 1;
  options.threads = 0;
  CHECK(run_alone(options).sentence == "threads: 0, must be at least 1");
  options.threads = 1;
  CHECK(run_alone(options, 0).sentence == "steps: 0, must be at least 1");
  options.layers.push_back(linear("only", 1, 1));
  CHECK(run_alone(options).sentence == "layers[1].name: \"only\" is there twice");
}

TEST_CASE("frozen parameters stay, groups have their own decay and rate", "[unit]") {
  TemporaryFolder folder;
  // An aggregate state: weights before and after, as the model file has them.
  const auto weights = [&](double bias_rate, bool freeze, std::int64_t steps) {
    auto options = line({layer("in",
                               [freeze] {
                                 torch::nn::Linear made(4, 8);
                                 if (freeze) made->weight.set_requires_grad(false);
                                 return made;
                               }),
                         linear("out", 8, 1)});
    options.optimizer =
        adamw({.learning_rate = 1e-2, .group = [bias_rate](const std::string& parameter) {
                 return GroupOptions{.rate_scale = parameter == "bias" ? bias_rate : 1.0,
                                     .weight_decay = parameter == "bias" ? 0.0 : -1.0};
               }});
    static int number = 0;
    options.run_dir = folder.file(fmt::format("run{}", number++));
    REQUIRE(run_alone(options, steps).sentence == "");
    auto file = checkpoint::SafetensorsFile::open(options.run_dir + "/model.safetensors").value();
    const auto copy = [&](const char* name) {
      const auto data = file.data(name).value();
      return std::vector<std::byte>(data.begin(), data.end());
    };
    return std::map<std::string, std::vector<std::byte>>{
        {"weight", copy("in.weight")}, {"bias", copy("in.bias")}, {"out", copy("out.weight")}};
  };
  const auto one = weights(0.0, true, 1);
  const auto five = weights(0.0, true, 5);
  CHECK((one.at("weight") == five.at("weight")));  // frozen
  CHECK((one.at("bias") == five.at("bias")));      // rate scaled to nothing, no decay
  CHECK((one.at("out") != five.at("out")));
  CHECK((weights(1.0, false, 1).at("weight") != weights(1.0, false, 5).at("weight")));
}

TEST_CASE("a step whose gradient is not finite is committed and skipped", "[unit]") {
  TemporaryFolder folder;
  auto options = line({linear("in", 4, 8), linear("out", 8, 1)});
  // The loss of the second step's third micro-batch divides by zero.
  auto calls = std::make_shared<std::atomic<int>>(0);
  options.loss = [calls](const Tensors& outputs, const Tensors& targets) {
    const torch::Tensor loss = (outputs[0].squeeze(1) - targets[0]).square().mean();
    return calls->fetch_add(1) == 6 ? loss / torch::zeros({}) : loss;
  };
  options.run_dir = folder.file("run");
  REQUIRE(run_alone(options, 4).sentence == "");
  std::vector<std::string> verdicts;
  std::vector<std::int64_t> skipped;
  for (const Json& event : read_json_lines(options.run_dir + "/events.jsonl").value()) {
    if (event.at("event") == "step_committed") {
      verdicts.push_back(event.at("verdict").get<std::string>());
      CHECK(event.at("norm").is_null() == (verdicts.size() == 2));
    }
    if (event.at("event") == "skipped_step")
      skipped.push_back(event.at("step").get<std::int64_t>());
  }
  CHECK(verdicts == std::vector<std::string>{"apply", "skip", "apply", "apply"});
  CHECK(skipped == std::vector<std::int64_t>{2});
}

TEST_CASE("too many skipped steps in a row end the run", "[unit]") {
  auto options = line({linear("only", 4, 1)});
  options.skips_max = 3;
  options.loss = [](const Tensors& outputs, const Tensors&) {
    return outputs[0].sum() * std::numeric_limits<float>::quiet_NaN();
  };
  int steps = 0;
  Trainer trainer(options);
  trainer.on_step([&](const StepMetrics& metrics) {
    CHECK(metrics.skipped);
    ++steps;
  });
  const auto outcome = trainer.run(100);
  CHECK(outcome.status == 1);
  CHECK(steps == 3);
  CHECK_THAT(outcome.sentence, Catch::Contains("3"));
}

TEST_CASE("a user's exception at one place on two workers ends the run with one sentence",
          "[unit]") {
  // Calls 0 to 3 are step 1; 4 and 5 micro-batches 0 and 1 of step 2 on worker 1; 6 and 7 the same
  // on the worker that tries after it.
  const bool both = GENERATE(false, true);
  struct Breaks : torch::nn::Module {
    Breaks(std::shared_ptr<std::atomic<int>> count, bool again)
        : calls(std::move(count)), twice(again) {}
    torch::Tensor forward(const torch::Tensor& x) {
      const int call = calls->fetch_add(1);
      if (call == 5 || (twice && call == 7))
        throw std::runtime_error("the sensor is on fire\nand more");
      return x;
    }
    std::shared_ptr<std::atomic<int>> calls;
    bool twice;
  };
  auto calls = std::make_shared<std::atomic<int>>(0);
  auto options = line({linear("in", 4, 8),
                       layer("breaks", [=] { return std::make_shared<Breaks>(calls, both); }),
                       linear("out", 8, 1)});
  const auto outcome = train_threads(options, 10, {"1x3", 3, grid(1, 3, 3, 4)}, "");
  CHECK(outcome.status == (both ? 1 : 0));
  const std::string sentence = "step 2, micro-batch 1, layer 1 (breaks): the sensor is on fire";
  CHECK_THAT(outcome.sentence, Catch::EndsWith(both ? ": " + sentence : ""));
  CHECK_THAT(outcome.sentence, !Catch::StartsWith("worker 1"));
}

TEST_CASE("a factory or a data set that throws ends the run with one sentence", "[unit]") {
  auto options = line({linear("in", 4, 8), layer("bad", []() -> torch::nn::Linear {
                         throw std::runtime_error("no weights here");
                       })});
  CHECK_THAT(run_alone(options).sentence,
             Catch::Contains("layer bad: its factory failed: no weights here"));

  struct Broken final : Dataset {
    [[nodiscard]] std::int64_t samples() const override { return 64; }
    [[nodiscard]] std::string fingerprint() const override { return "broken"; }
    [[nodiscard]] Tensors inputs(std::span<const std::int64_t>) const override {
      throw std::runtime_error("disk gone");
    }
    [[nodiscard]] Tensors targets(std::span<const std::int64_t>) const override { return {}; }
  };
  auto broken = line({linear("only", 4, 1)});
  broken.dataset = std::make_shared<Broken>();
  const auto outcome = run_alone(broken);
  CHECK(outcome.status == 1);
  CHECK_THAT(outcome.sentence, Catch::Contains("the data set failed: disk gone"));
}

TEST_CASE("the init file's weights are where training starts", "[unit]") {
  TemporaryFolder folder;
  const std::string text = write_small_text(folder);
  SmallRun run{.steps = 2};
  const std::string first = folder.file("first");
  REQUIRE(train_threads(trainer_options(run, text), 2, {"1x1", 1}, first).sentence == "");

  // From the same file two layouts agree; a seed's own weights would differ.
  run.init_file = first + "/model.safetensors";
  const std::string a = folder.file("a");
  const std::string b = folder.file("b");
  REQUIRE(train_threads(trainer_options(run, text), 2, {"1x1", 1}, a).sentence == "");
  REQUIRE(train_threads(trainer_options(run, text), 2, {"planned", 4}, b).sentence == "");
  CHECK(host::compare_runs(a, b).value().equal);
  CHECK(result_of(a).at("weights_xxh3_128") != result_of(first).at("weights_xxh3_128"));

  // A file of another model is refused by the first tensor that does not fit.
  run.model.d_model = 48;
  const auto outcome = train_threads(trainer_options(run, text), 2, {"1x1", 1}, "");
  CHECK(outcome.status == 2);
  CHECK_THAT(
      outcome.sentence,
      Catch::Contains("tensor embedding.token.weight is F32 [256, 32], must be F32 [256, 48]"));
}

}  // namespace planaria::test
