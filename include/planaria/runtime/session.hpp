// runtime/session.hpp: hooks for a training loop that somebody already has. Floor 8, LibTorch.
// Is: one worker's part of a run, step by step, driven by your own loop, which is the same on every
// worker: learning-rate schedule, logging, evaluation and early stop stay yours. Is not: a data
// loader or an optimizer (they come in TrainerOptions, since other workers may need them in your
// worker's place).
//
//   auto session = planaria::Session::join(options, steps);
//   while (const auto step = session->begin_step()) {
//     session->forward_backward();                          // zero_grad, M times forward, backward
//     const auto metrics = session->commit(schedule(*step)); // clipping, optimizer.step()
//     if (metrics && step->value % 100 == 0) std::printf("%f\n", metrics->loss);
//   }
//   return planaria::exit_status("my_program", session->finish());
//
// The same program is a worker under `planaria run` (or with PLANARIA_COORDINATOR set) and trains
// alone otherwise. A loop runs one worker a process: `--transport in-process` with more than one is
// refused. Every call is the loop's thread's, but for stop().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <planaria/base/ids.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/runtime/trainer.hpp>

namespace planaria {

class Session {
 public:
  /// Joins the run and builds the layers of this worker's place. What goes wrong here or later is
  /// finish()'s to tell: then begin_step() returns nothing at once.
  [[nodiscard]] static std::unique_ptr<Session> join(TrainerOptions options, std::int64_t steps);
  /// Leaves the run, as finish() does.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Returns the number of the step to train now, from 1; nothing when the run is over for this
  /// worker, for whatever reason.
  [[nodiscard]] std::optional<Step> begin_step();
  /// Computes this worker's part of the step's micro-batches and adds the gradients of all workers.
  /// A spare worker computes nothing, and goes through the loop like the others.
  void forward_backward();
  /// Waits until the step is committed everywhere it must be, clips, and steps the optimizers of
  /// this worker's layers at `rate`: a pure function of the step, equal on all workers. Nothing
  /// when the run ended instead.
  [[nodiscard]] std::optional<StepMetrics> commit(double rate);
  /// The same at TrainerOptions::rate of the step, or the optimizer's own.
  [[nodiscard]] std::optional<StepMetrics> commit();
  /// Computes the mean loss over the evaluation samples at the level reached, all workers together:
  /// each must call it after the same steps. Nothing when the run ended instead, or when the data
  /// set has no such samples.
  [[nodiscard]] std::optional<EvaluationMetrics> evaluate();
  /// Asks for the run to end: the step in flight is the last; between two steps, that is the one
  /// that follows. Any thread.
  void stop(const std::string& why);

  /// Ends the run for everyone with this sentence: the loop cannot go on.
  void fail(const std::string& why);

  /// This worker's number, and who computes what; before the first step already.
  [[nodiscard]] WorkerId worker() const;
  [[nodiscard]] const Layout& layout() const;

  /// Ends this worker's part: hands over the state after the last step, writes the run's files
  /// where it trains alone, and says how the run ended. A run that is not over goes on, or ends,
  /// without this worker.
  [[nodiscard]] TrainingOutcome finish();

 private:
  class Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace planaria
