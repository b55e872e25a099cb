// Whole runs of a small GPT within this process: coordinator, workers as threads, run directories.
#pragma once

#include <cstdlib>
#include <fstream>
#include <string>

#include "support/torch_catch.hpp"

#include <fmt/format.h>
#include <planaria/base/json.hpp>
#include <planaria/base/random.hpp>
#include <planaria/host/compare.hpp>
#include <planaria/host/run_directory.hpp>
#include <planaria/host/run_options.hpp>
#include <planaria/model/layout.hpp>

#include "gpt.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::test {

/// What is trained; how it is laid out is SmallLayout's.
struct SmallRun {
  example::GptOptions model{
      .blocks = 5, .d_model = 32, .heads = 2, .context = 16, .dropout = 0.1, .tied = true};
  std::string optimizer = "adamw";
  int micro_batches = 16;
  int micro_batch_size = 2;
  int lane_size = 1;
  double clip_norm = 0.5;
  std::int64_t steps = 3;
  std::uint64_t seed = 11;
  std::string init_file = {};
};

struct SmallLayout {
  std::string name;
  int workers = 1;
  std::optional<Layout> layout = {};
  std::string schedule = "1f1b";
  std::optional<std::string> schedule_text = {};  // in place of a kind
};

/// Text that repeats nothing for a while: words made from a counter. 40 KiB.
inline std::string small_text() {
  std::string text;
  Random random(5);
  while (text.size() < 40000) {
    const auto length = random.between(2, 9);
    for (std::int64_t i = 0; i < length; ++i) {
      text += static_cast<char>('a' + static_cast<int>(random.below(26)));
    }
    text += random.below(7) == 0 ? ".\n" : " ";
  }
  return text;
}

inline std::string write_small_text(const TemporaryFolder& folder) {
  std::string path = folder.file("text.txt");
  std::ofstream(path) << small_text();
  return path;
}

inline TrainerOptions trainer_options(const SmallRun& run, const std::string& text) {
  TrainerOptions options;
  options.layers = example::gpt(run.model);
  options.loss = example::next_byte;
  options.optimizer =
      optimizer_named(run.optimizer, {.learning_rate = 3e-3, .weight_decay = 0.01},
                      {.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 0.01})
          .value();
  options.dataset = byte_text({.path = text, .context = run.model.context}).value();
  options.seed = run.seed;
  options.micro_batches = run.micro_batches;
  options.micro_batch_size = run.micro_batch_size;
  options.lane_size = run.lane_size;
  options.clip_norm = run.clip_norm;
  options.init_file = run.init_file;
  return options;
}

/// Equal pipelines of equal depth over layers as equal as they come, workers in order.
inline Layout grid(int width, int depth, int layers, int micro_batches, int lane_size = 1) {
  std::vector<int> depths(static_cast<std::size_t>(width), depth);
  Layout layout;
  const int lanes = (micro_batches + lane_size - 1) / lane_size;
  int worker = 0;
  int lane = 0;
  for (int p = 0; p < width; ++p) {
    const int lanes_here = lanes / width + (p < lanes % width ? 1 : 0);
    const int first = lane * lane_size;
    lane += lanes_here;
    PipelineAssignment pipeline{std::min(lane * lane_size, micro_batches) - first, {}};
    for (int s = 0; s < depth; ++s) {
      pipeline.stages.push_back(
          {{LayerId{s * layers / depth}, LayerId{(s + 1) * layers / depth - 1}},
           WorkerId{worker++}});
    }
    layout.pipelines.push_back(std::move(pipeline));
  }
  return layout;
}

/// Runs with every worker as a thread of this process, leaving its files in `run_dir`.
inline TrainingOutcome train_threads(TrainerOptions options, std::int64_t steps,
                                     const SmallLayout& layout, const std::string& run_dir,
                                     const std::function<void(Trainer&)>& prepare = {}) {
  host::RunOptions run;
  run.coordinator.workers = layout.workers;
  run.coordinator.layout = layout.layout;
  run.coordinator.schedule = layout.schedule;
  run.coordinator.schedule_text = layout.schedule_text;
  run.run_dir = run_dir;
  run.transport = "in-process";
  if (!run_dir.empty()) static_cast<void>(host::create_run_directory(run_dir).value());
  ::setenv(host::env_in_process, "1", 1);
  ::setenv(host::env_run_options, host::to_json(run).dump().c_str(), 1);
  Trainer trainer(std::move(options));
  if (prepare) prepare(trainer);
  const TrainingOutcome outcome = trainer.run(steps);
  ::unsetenv(host::env_in_process);
  ::unsetenv(host::env_run_options);
  return outcome;
}

inline Json result_of(const std::string& run_dir) {
  return read_json_file(run_dir + "/result.json").value();
}

}  // namespace planaria::test
