// Promise 2 with a loop's own hooks: evaluation, early stop, BatchNorm, other optimizers and a
// clipping of one's own give the same bits in every layout.
#include <torch/nn/modules/linear.h>
#include <torch/optim/adagrad.h>
#include <torch/optim/rmsprop.h>

#include <planaria/checkpoint/safetensors.hpp>
#include <planaria/model/sample_order.hpp>
#include <planaria/observe/events.hpp>
#include <planaria/runtime/batch_norm.hpp>
#include <planaria/runtime/session.hpp>
#include <planaria/runtime/torch_optimizer.hpp>

#include "runtime/small_runs.hpp"

using planaria::test::grid;
using planaria::test::result_of;
using planaria::test::SmallLayout;
using planaria::test::SmallRun;
using planaria::test::TemporaryFolder;
using planaria::test::train_threads;
using planaria::test::trainer_options;
using planaria::test::write_small_text;

namespace planaria {
namespace {

constexpr int gpt_layers = 7;   // embedding, five blocks, head
constexpr int norm_layers = 5;  // of the network with BatchNorm

std::vector<SmallLayout> layouts_of(int layers, int micro_batches) {
  return {{"1x1", 1, grid(1, 1, layers, micro_batches)},
          {"1x3", 3, grid(1, 3, layers, micro_batches)},
          {"3x1", 3, grid(3, 1, layers, micro_batches)},
          {"2x2 gpipe", 4, grid(2, 2, layers, micro_batches), "gpipe"},
          {"planned, 5 workers", 5}};
}

struct Ran {
  TrainingOutcome outcome;
  Json result;
  std::vector<Json> evaluations;  // as events.jsonl has them, without time
};

// Trains in every layout and compares each with the first; returns what the first was.
template <class Options>
Ran same_in_all(const std::vector<SmallLayout>& layouts, std::int64_t steps, Options options) {
  TemporaryFolder folder;
  std::vector<Ran> runs;
  for (const SmallLayout& layout : layouts) {
    INFO("layout " << layout.name);
    const std::string path = folder.file(fmt::format("run{}", runs.size()));
    Ran ran;
    ran.outcome = train_threads(options(), steps, layout, path);
    REQUIRE(ran.outcome.sentence == "");
    ran.result = result_of(path);
    for (Json& event : read_json_lines(path + "/events.jsonl").value()) {
      if (event.at("event") != "evaluated") continue;
      event.erase("t_ms");
      ran.evaluations.push_back(event);
    }
    CHECK(ran.result.at("holders_agree") == true);
    runs.push_back(ran);
    const auto first = folder.file("run0");
    CHECK(host::compare_runs(first, path).value().first_difference.value_or("") == "");
    CHECK(ran.result.at("state_xxh3_128") == runs[0].result.at("state_xxh3_128"));
    CHECK(ran.result.at("steps") == runs[0].result.at("steps"));
    CHECK(ran.evaluations == runs[0].evaluations);
  }
  return runs[0];
}

struct NormedImpl : torch::nn::Module {
  NormedImpl(int in, int out)
      : linear(register_module("linear", torch::nn::Linear(in, out))),
        norm(register_module("norm", BatchNorm(out))) {}
  torch::Tensor forward(const torch::Tensor& x) { return torch::relu(norm(linear(x))); }
  torch::nn::Linear linear;
  BatchNorm norm;
};

TrainerOptions batch_norm_options() {
  TrainerOptions options;
  options.layers = {
      layer("in", [] { return std::make_shared<NormedImpl>(4, 8); }),
      layer("middle", [] { return std::make_shared<NormedImpl>(8, 8); }),
      layer("norm", [] { return BatchNorm(BatchNormOptions{.features = 8, .affine = false}); }),
      layer("last", [] { return std::make_shared<NormedImpl>(8, 6); }),
      layer("out", [] { return torch::nn::Linear(6, 1); })};
  options.loss = loss_of([](const torch::Tensor& output, const torch::Tensor& target) {
    return (output.squeeze(1) - target).square().mean();
  });
  const auto points = [](std::span<const std::int64_t> ids) {
    const auto i = torch::tensor(std::vector<double>(ids.begin(), ids.end()), torch::kDouble);
    return torch::stack({i * 0.37, i * 0.11, i * 0.73, i * 0.59}, 1).frac().to(torch::kFloat);
  };
  options.dataset =
      dataset_of({400, 37, "points", points, [points](auto ids) { return points(ids).sum(1); }});
  options.optimizer = adamw({.learning_rate = 1e-2});
  options.seed = 3;
  options.micro_batches = 9;
  options.micro_batch_size = 4;
  options.clip_norm = 1.0;
  options.evaluate_every = 3;
  return options;
}

}  // namespace

TEST_CASE(
    "an evaluation every third step finds the same loss in every layout and changes nothing") {
  TemporaryFolder folder;
  const std::string text = write_small_text(folder);
  const SmallRun run{};
  const auto with = same_in_all(layouts_of(gpt_layers, run.micro_batches), 6, [&] {
    auto options = trainer_options(run, text);
    options.evaluate_every = 3;
    options.evaluation_samples = 7;  // micro-batches of two: the last has one sample
    return options;
  });
  REQUIRE(with.evaluations.size() == 2);
  CHECK(with.evaluations[0].at("step") == 3);
  CHECK(with.evaluations[1].at("step") == 6);  // the last level too
  CHECK(with.evaluations[0].at("samples") == 7);
  const auto without = same_in_all({{"1x1", 1}}, 6, [&] { return trainer_options(run, text); });
  CHECK(with.result.at("state_xxh3_128") == without.result.at("state_xxh3_128"));
}

TEST_CASE("an evaluation is the mean loss of the whole model without dropout") {
  TemporaryFolder folder;
  const std::string text = write_small_text(folder);
  const SmallRun run{.steps = 1};
  auto options = trainer_options(run, text);
  options.evaluate_every = 1;
  options.evaluation_samples = 6;
  std::vector<EvaluationMetrics> heard;
  Trainer trainer(options);
  trainer.on_evaluation([&](const EvaluationMetrics& metrics) { heard.push_back(metrics); });
  options.run_dir = folder.file("run");
  TrainerOptions kept = options;
  REQUIRE(trainer.run(1).sentence == "");
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].step == Step{1});
  CHECK(heard[0].samples == 6);

  // The same by hand: the weights of that level, loaded into plain modules.
  REQUIRE(Trainer(kept).run(1).sentence == "");
  kept.init_file = kept.run_dir + "/model.safetensors";
  const auto file = checkpoint::SafetensorsFile::open(kept.init_file).value();
  std::vector<std::unique_ptr<Layer>> layers;
  const torch::NoGradGuard no_grad;
  for (const LayerDefinition& definition : kept.layers) {
    auto made = definition.make();
    for (auto& parameter : made->module().named_parameters()) {
      std::string name = definition.name + "." + parameter.key();
      for (const TiedParameter& tie : definition.tied) {
        if (tie.parameter == parameter.key()) name = tie.source_layer + "." + tie.source_parameter;
      }
      const auto data = file.data(name).value();
      std::memcpy(parameter.value().mutable_data_ptr(), data.data(), data.size());
    }
    made->module().eval();
    layers.push_back(std::move(made));
  }
  double sum = 0;
  for (int i = 0; i < 3; ++i) {
    const std::int64_t first = kept.dataset->samples() + 2 * i;
    const std::vector<std::int64_t> ids{first, first + 1};
    Tensors x = kept.dataset->inputs(ids);
    for (const auto& layer : layers) x = layer->forward(x);
    sum += kept.loss(x, kept.dataset->targets(ids)).item<double>() * 2;
  }
  CHECK(heard[0].loss == sum / 6);
}

TEST_CASE("an early stop ends every layout after the same step") {
  TemporaryFolder folder;
  const std::string text = write_small_text(folder);
  const SmallRun run{};
  TemporaryFolder runs;
  std::string first;
  for (const SmallLayout& layout : layouts_of(gpt_layers, run.micro_batches)) {
    INFO("layout " << layout.name);
    const std::string path = runs.file(layout.name);
    const auto outcome =
        train_threads(trainer_options(run, text), 100, layout, path, [](Trainer& trainer) {
          trainer.on_step([&trainer](const StepMetrics& metrics) {
            if (metrics.step == Step{4}) trainer.stop("four steps are enough");
          });
        });
    REQUIRE(outcome.sentence == "");
    CHECK(outcome.status == 0);
    CHECK(result_of(path).at("steps") == 5);  // asked for after record 4, it rides record 5
    if (first.empty()) first = path;
    CHECK(host::compare_runs(first, path).value().first_difference.value_or("") == "");
  }
}

TEST_CASE("BatchNorm trains to the same bits in every layout, running statistics included") {
  const auto ran = same_in_all(layouts_of(norm_layers, 9), 7, batch_norm_options);
  REQUIRE(ran.evaluations.size() == 2);
}

TEST_CASE("running statistics are those of one process that folds micro-batch after micro-batch") {
  TemporaryFolder folder;
  auto options = batch_norm_options();
  options.optimizer =
      sgd({.learning_rate = 0.0});  // so that the model's file has the first weights
  options.evaluate_every = 0;
  const auto outcome =
      train_threads(options, 1, {"3x1", 3, grid(3, 1, norm_layers, 9)}, folder.file("run"));
  REQUIRE(outcome.sentence == "");
  const auto file =
      checkpoint::SafetensorsFile::open(folder.file("run") + "/model.safetensors").value();
  NormedImpl first(4, 8);
  for (auto& parameter : first.named_parameters()) {
    const auto data = file.data("in." + parameter.key()).value();
    std::memcpy(parameter.value().mutable_data_ptr(), data.data(), data.size());
  }
  const auto order = SampleOrder::create({options.seed, options.dataset->samples(), 9, 4}).value();
  const torch::NoGradGuard no_grad;
  for (MicroBatchId id{0}; id.value < 9; id = id.next()) {
    static_cast<void>(first.forward(options.dataset->inputs(order.samples(Step{1}, id))[0]));
    first.norm->fold(first.norm->take_statistics());
  }
  for (const auto& buffer : first.named_buffers()) {
    INFO(buffer.key());
    const auto data = file.data("in." + buffer.key()).value();
    REQUIRE(data.size() == buffer.value().nbytes());
    CHECK(std::memcmp(buffer.value().const_data_ptr(), data.data(), data.size()) == 0);
  }
}

TEST_CASE("optimizers of torch::optim train to the same bits in every layout") {
  TemporaryFolder folder;
  const std::string text = write_small_text(folder);
  const bool with_adagrad = GENERATE(false, true);
  INFO((with_adagrad ? "Adagrad" : "RMSprop"));
  same_in_all(layouts_of(gpt_layers, 16), 4, [&] {
    auto options = trainer_options({}, text);
    options.optimizer =
        with_adagrad ? adagrad(torch::optim::AdagradOptions(1e-2).lr_decay(0.01))
                     : rmsprop(torch::optim::RMSpropOptions(1e-3).momentum(0.5).centered(true));
    return options;
  });
}

TEST_CASE("a clipping of one's own sees each layer's gradient and the record, and binds") {
  TemporaryFolder folder;
  const std::string text = write_small_text(folder);
  const auto clipped = [&](double limit) {
    return same_in_all(layouts_of(gpt_layers, 16), 3, [&] {
      SmallRun run{.clip_norm = 0};
      auto options = trainer_options(run, text);
      options.before_apply = [limit](const std::string& layer, const NamedTensors& gradients,
                                     const protocol::CommitRecord& record) {
        const double own_limit = layer == "head" ? limit / 2 : limit;
        for (const auto& [name, gradient] : gradients) {
          gradient.clamp_(-own_limit / record.norm, own_limit / record.norm);
        }
      };
      return options;
    });
  };
  CHECK(clipped(1e-4).result.at("weights_xxh3_128") != clipped(10).result.at("weights_xxh3_128"));
}

TEST_CASE("a session's loop ends with the bits of a trainer's") {
  TemporaryFolder folder;
  const std::string text = write_small_text(folder);
  const SmallRun run{};
  auto options = trainer_options(run, text);
  options.evaluation_samples = 5;
  options.rate = [](Step step) { return 1e-3 * static_cast<double>(step.value); };
  options.run_dir = folder.file("trainer");
  options.evaluate_every = 3;
  REQUIRE(Trainer(options).run(7).sentence == "");

  options.run_dir = folder.file("session");
  options.evaluate_every = 0;
  options.rate = {};
  const auto session = Session::join(options, 7);
  CHECK(session->worker() == WorkerId{0});
  CHECK(session->layout().pipelines.size() == 1);
  std::vector<std::int64_t> steps;
  double last_held = 0;
  while (const auto step = session->begin_step()) {
    steps.push_back(step->value);
    session->forward_backward();
    const auto done = session->commit(1e-3 * static_cast<double>(step->value));
    REQUIRE(done);
    CHECK(done->step == *step);
    CHECK(done->last == (step->value == 7));
    if (step->value % 3 == 0) last_held = session->evaluate().value().loss;
  }
  CHECK(session->finish().sentence == "");
  CHECK(session->finish().status == 0);  // as often as one likes
  CHECK_FALSE(session->begin_step());
  CHECK_FALSE(session->commit(1.0));
  CHECK(steps == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7});
  CHECK(host::compare_runs(folder.file("trainer"), folder.file("session"))
            .value()
            .first_difference.value_or("") == "");
  for (const Json& event : read_json_lines(folder.file("trainer") + "/events.jsonl").value()) {
    if (event.at("event") == "evaluated" && event.at("step") == 6) {
      CHECK(event.at("loss") == last_held);
    }
  }
}

TEST_CASE("a loop that leaves early, fails, or asks for what cannot be ends with a sentence") {
  TemporaryFolder folder;
  const std::string text = write_small_text(folder);
  SECTION("it breaks out in the middle") {
    const auto session = Session::join(trainer_options({}, text), 5);
    REQUIRE(session->begin_step());
    session->forward_backward();
    CHECK(session->finish().status == 1);
    CHECK_THAT(session->finish().sentence, Catch::Contains("worker 0 was lost: "));
  }
  SECTION("it breaks out after the last step, which loses nothing") {
    auto options = trainer_options({}, text);
    options.run_dir = folder.file("run");
    const auto session = Session::join(options, 1);
    REQUIRE(session->begin_step());
    session->forward_backward();
    REQUIRE(session->commit());
    CHECK(session->finish().sentence == "");
    CHECK(result_of(options.run_dir).at("steps") == 1);
  }
  SECTION("it says that it cannot go on") {
    const auto session = Session::join(trainer_options({}, text), 5);
    REQUIRE(session->begin_step());
    session->fail("the learning rate file is gone");
    CHECK_FALSE(session->begin_step());
    CHECK(session->finish().status == 1);
    CHECK(session->finish().sentence == "worker 0: the learning rate file is gone");
  }
  SECTION("its options are wrong") {
    auto options = trainer_options({}, text);
    options.evaluation_samples = 1 << 30;
    const auto session = Session::join(options, 5);
    CHECK_FALSE(session->begin_step());
    CHECK(session->finish().status == 2);
    CHECK_THAT(session->finish().sentence,
               Catch::Contains("evaluation_samples: 1073741824, must be at most"));
  }
  SECTION("evaluation without samples") {
    auto options = trainer_options({}, text);
    options.evaluate_every = 2;
    options.evaluation_samples = 0;
    CHECK(Trainer(options).run(3).sentence ==
          "evaluate_every: 2, must be 0 without evaluation samples");
  }
}

}  // namespace planaria
