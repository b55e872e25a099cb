// Trains a byte-level GPT on a text file: alone, or as a worker under `planaria run`.
//
//   train_gpt --text kjv.txt --steps 100
//   planaria run --workers 4 -- train_gpt --text kjv.txt --steps 100
//
// Same options, same text, same machine: same bits. Next: data_parallel, the smallest program.
#include <cstdio>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <planaria/runtime/trainer.hpp>

#include "gpt.hpp"

namespace {

struct Options {
  std::string text;
  example::GptOptions model;
  std::string optimizer = "adamw";
  double learning_rate = 3e-4;
  double momentum = 0.9;
  double weight_decay = 0.01;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  std::int64_t steps = 100;
  planaria::TrainerOptions trainer{.micro_batches = 8, .micro_batch_size = 4, .clip_norm = 1.0};
};

void describe(CLI::App& app, Options& o) {
  app.option_defaults()->always_capture_default()->multi_option_policy(
      CLI::MultiOptionPolicy::TakeLast);
  app.add_option("--text", o.text, "File to train on, byte by byte")->required();
  app.add_option("--blocks", o.model.blocks, "Transformer blocks")->check(CLI::Range(1, 1000));
  app.add_option("--d-model", o.model.d_model, "Width of the model")->check(CLI::Range(1, 65536));
  app.add_option("--heads", o.model.heads, "Attention heads")->check(CLI::Range(1, 1024));
  app.add_option("--context", o.model.context, "Bytes per sample")->check(CLI::Range(1, 1 << 20));
  app.add_option("--dropout", o.model.dropout, "Probability of dropping")
      ->check(CLI::Range(0.0, 0.999));
  app.add_flag("--tied", o.model.tied, "Tie the head's weight to the embedding");
  app.add_option("--micro-batches", o.trainer.micro_batches, "Micro-batches per step, M");
  app.add_option("--micro-batch-size", o.trainer.micro_batch_size, "Samples per micro-batch, m");
  app.add_option("--lane-size", o.trainer.lane_size, "Consecutive micro-batches added one by one");
  app.add_option("--steps", o.steps, "Optimizer steps");
  app.add_option("--optimizer", o.optimizer, "adamw, adam or sgd");
  app.add_option("--learning-rate", o.learning_rate, "Learning rate, constant")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--clip-norm", o.trainer.clip_norm, "Largest gradient norm; 0: no clipping");
  app.add_option("--momentum", o.momentum, "SGD's momentum")->check(CLI::Range(0.0, 1.0));
  app.add_option("--weight-decay", o.weight_decay, "Weight decay")->check(CLI::NonNegativeNumber);
  app.add_option("--beta1", o.beta1, "Adam's beta1")->check(CLI::Range(0.0, 1.0));
  app.add_option("--beta2", o.beta2, "Adam's beta2")->check(CLI::Range(0.0, 1.0));
  app.add_option("--epsilon", o.epsilon, "Adam's epsilon")->check(CLI::NonNegativeNumber);
  app.add_option("--seed", o.trainer.seed, "Seed of weights, order and dropout")->default_val(1);
  app.add_option("--threads", o.trainer.threads, "Threads per tensor operation; changes the bits");
  app.add_option("--device", o.trainer.device, "cpu, cuda or cuda:N");
  app.add_option("--init", o.trainer.init_file, "Start from these weights (safetensors)");
  app.add_option("--evaluate-every", o.trainer.evaluate_every,
                 "Steps from one evaluation on the held-out last 5 % to the next; 0: none");
  app.add_option("--evaluation-samples", o.trainer.evaluation_samples,
                 "How many of the held-out samples an evaluation takes; -1: all");
  app.add_option("--run-dir", o.trainer.run_dir, "Alone: leave the run's files here");
}

// Builds what was asked for, or says in one sentence why it cannot be.
planaria::Result<planaria::TrainerOptions> assemble(Options o) {
  if (o.model.d_model % o.model.heads != 0) {
    return planaria::Fault::invalid_input(
        fmt::format("heads: {}, must divide d-model, {}", o.model.heads, o.model.d_model));
  }
  const planaria::AdamOptions adam_options{.learning_rate = o.learning_rate,
                                           .beta1 = o.beta1,
                                           .beta2 = o.beta2,
                                           .epsilon = o.epsilon,
                                           .weight_decay = o.weight_decay};
  const planaria::SgdOptions sgd_options{
      .learning_rate = o.learning_rate, .momentum = o.momentum, .weight_decay = o.weight_decay};
  PLANARIA_TRY(optimizer, planaria::optimizer_named(o.optimizer, adam_options, sgd_options));
  PLANARIA_TRY(dataset, planaria::byte_text({.path = o.text, .context = o.model.context}));
  o.trainer.layers = example::gpt(o.model);
  o.trainer.loss = example::next_byte;
  o.trainer.optimizer = std::move(optimizer);
  o.trainer.dataset = std::move(dataset);
  o.trainer.properties = {
      {"d_model", fmt::format("{}", o.model.d_model)},
      {"heads", fmt::format("{}", o.model.heads)},
      {"dropout", fmt::format("{}", o.model.dropout)},
      {"tied", o.model.tied ? "yes" : "no"},
  };
  return std::move(o.trainer);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Trains a byte-level GPT, alone or as a worker of planaria run");
  describe(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return planaria::exit_status("train_gpt", {2, error.what()});
  }
  planaria::prepare_process(options.trainer.threads);
  const std::int64_t steps = options.steps;
  auto assembled = assemble(std::move(options));
  if (!assembled) return planaria::exit_status("train_gpt", {2, assembled.fault().sentence});

  planaria::Trainer trainer(std::move(assembled).value());
  trainer.on_step([steps](const planaria::StepMetrics& metrics) {
    if (metrics.worker.value != 0) return;
    if (metrics.step.value % 10 != 0 && metrics.step.value != 1 && metrics.step.value != steps)
      return;
    std::printf("step %lld  loss %.4f  norm %.3f  %.0f ms\n",
                static_cast<long long>(metrics.step.value), metrics.loss, metrics.norm,
                metrics.step_ms);
    std::fflush(stdout);
  });
  trainer.on_evaluation([](const planaria::EvaluationMetrics& metrics) {
    if (metrics.worker.value != 0) return;
    std::printf("step %lld  held-out loss %.4f over %lld samples\n",
                static_cast<long long>(metrics.step.value), metrics.loss,
                static_cast<long long>(metrics.samples));
    std::fflush(stdout);
  });
  return planaria::exit_status("train_gpt", trainer.run(steps));
}
