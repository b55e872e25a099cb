// runtime/trainer.hpp: layers, loss, optimizer, data set; it trains as pipelines. Floor 8,
// LibTorch. Is: the whole of planaria for a program that brings no loop of its own. The same
// program is a worker under `planaria run` (or with PLANARIA_COORDINATOR set) and trains alone
// otherwise; same options, same data, same machine: same bits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>
#include <planaria/model/run_spec.hpp>
#include <planaria/protocol/messages.hpp>
#include <planaria/runtime/dataset.hpp>
#include <planaria/runtime/layers.hpp>
#include <planaria/runtime/optimizer.hpp>

namespace planaria {

struct TrainerOptions {
  // ---- what is trained
  std::vector<LayerDefinition> layers;
  LossFunction loss;
  OptimizerFactory optimizer;
  std::shared_ptr<Dataset> dataset;
  std::uint64_t seed = 0;
  /// M: micro-batches per step, constant whatever the layout. At least 1.
  int micro_batches = 8;
  /// m: samples per micro-batch, fixed for the run. At least 1.
  int micro_batch_size = 1;
  /// Consecutive micro-batches whose gradients are added one after another (PROTOCOL 1); larger
  /// lanes need less gradient memory and give coarser shares. 1 to M.
  int lane_size = 1;
  /// Largest norm of the whole gradient; 0: no clipping.
  double clip_norm = 0;
  /// Learning rate of a step (from 1), a pure function of it; empty: the optimizer's own, constant.
  std::function<double(Step)> rate = {};
  /// Sees and may change a layer's gradient (its trainable parameters in order, summed over the
  /// step's micro-batches, after clip_norm) just before the optimizer: clipping or noise of your
  /// own. Must be a pure function of its arguments, since every holder of the layer runs it.
  std::function<void(const std::string& layer, const NamedTensors& gradients,
                     const protocol::CommitRecord& record)>
      before_apply = {};
  /// So many steps in a row with a non-finite gradient end the run.
  int skips_max = 10;
  /// Weights to start from (safetensors, `<layer>.<path>`); empty: keyed by (seed, layer).
  std::string init_file = {};
  /// An evaluation follows every so many steps; 0: none. Session's user asks for each instead.
  std::int64_t evaluate_every = 0;
  /// How many of the data set's evaluation samples an evaluation computes, from the first; below 0:
  /// all.
  std::int64_t evaluation_samples = -1;
  /// Further values that must be equal on all workers: the program's own options.
  std::vector<Property> properties = {};

  // ---- how
  /// Where workers compute: "cpu", "cuda" (each its own GPU, by number, shared where there are
  /// fewer) or "cuda:N". Refused where there is none. Changes bits, so one kind for the run.
  std::string device = "cpu";
  /// Threads of a tensor operation. Changes bits, so it is fixed for the run. At least 1.
  int threads = 1;
  /// Where a program that trains alone leaves its run; empty: nowhere.
  std::string run_dir = {};
  /// Steps from the first that timeline.json shows in every part.
  std::int64_t timeline_steps = 25;
};

/// What a committed step was, the same on every worker but for step_ms.
struct StepMetrics {
  Step step;
  double loss = 0;
  double norm = 0;  // before clipping
  double rate = 0;
  bool skipped = false;  // the gradient was not finite: nothing was applied
  bool last = false;     // no step follows
  double step_ms = 0;    // from one record to the next, on this worker
  std::int64_t samples = 0;
  WorkerId worker;
};

/// What an evaluation found, the same on every worker.
struct EvaluationMetrics {
  Step step;        // the level that was evaluated
  double loss = 0;  // mean over the evaluation samples, summed in their order
  std::int64_t samples = 0;
  WorkerId worker;
};

/// How a run ended: 0 done, 1 failed, 2 bad input; the sentence says why.
struct TrainingOutcome {
  int status = 0;
  std::string sentence;
};

class Trainer {
 public:
  explicit Trainer(TrainerOptions options);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// Hears of every committed step, on the worker's compute thread. One listener per call, any
  /// number.
  void on_step(std::function<void(const StepMetrics&)> listener);
  /// Hears of every evaluation, as on_step of steps, after the step it follows.
  void on_evaluation(std::function<void(const EvaluationMetrics&)> listener);
  /// Asks for the run to end: the step in flight is the last, on every worker (early stop). From a
  /// listener it is the step after the one heard of. Any thread; harmless before and after the run.
  void stop(const std::string& why);
  /// Trains `steps` steps and returns when the run is over for this worker. Once per trainer.
  [[nodiscard]] TrainingOutcome run(std::int64_t steps);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Prints the outcome's sentence, prefixed by the program's name, to stderr where there is one;
/// returns the status: `return exit_status("train_gpt", trainer.run(100));`
[[nodiscard]] int exit_status(const std::string& program, const TrainingOutcome& outcome);

/// Makes float results repeatable in this process: MKL's strict mode and `threads` threads per
/// operation. Before the first tensor operation, in main; Trainer does it again for its own
/// threads.
void prepare_process(int threads);

}  // namespace planaria
