#include <planaria/runtime/trainer.hpp>

#include <atomic>
#include <cstdio>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/host/run_options.hpp>
#include <planaria/runtime/session.hpp>

#include "runtime/in_process_run.hpp"
#include "runtime/process.hpp"
#include "runtime/profile_order.hpp"
#include "runtime/stage.hpp"
#include "runtime/worker.hpp"

namespace planaria {

class Trainer::Impl {
 public:
  explicit Impl(TrainerOptions options) : options_(std::move(options)) {}

  TrainingOutcome run(std::int64_t steps) {
    check(!ran_, "a trainer runs once");
    ran_ = true;
    prepare_process(options_.threads);
    runtime::keep_freed_memory();
    if (runtime::profile_asked()) return runtime::take_part_in_profile(options_);
    if (!runtime::environment(host::env_in_process).empty()) {
      const auto asked = runtime::in_process_run_asked();
      if (!asked) return runtime::outcome_of(asked.fault());
      return run_threads(asked.value(), steps);
    }
    const auto session = Session::join(options_, steps);
    train(*session);
    return session->finish();
  }

  void stop(const std::string& why) {
    const std::lock_guard lock(stop_mutex_);
    stop_why_ = why;
    stop_asked_ = true;
  }

  std::vector<std::function<void(const StepMetrics&)>> step_listeners;
  std::vector<std::function<void(const EvaluationMetrics&)>> evaluation_listeners;

 private:
  // The loop that Trainer brings, over a session or over a worker among threads.
  template <class Loop>
  void train(Loop& loop) {
    bool told = false;
    while (const auto step = loop.begin_step()) {
      told = tell_of_stop(loop, told);
      loop.forward_backward();
      told = tell_of_stop(loop, told);
      const auto metrics = loop.commit(runtime::rate_of(options_, *step));
      if (!metrics) continue;
      try {
        for (const auto& listener : step_listeners) listener(*metrics);
        if (options_.evaluate_every == 0 || step->value % options_.evaluate_every != 0) continue;
        told = tell_of_stop(loop, told);
        const auto evaluation = loop.evaluate();
        if (!evaluation) continue;
        for (const auto& listener : evaluation_listeners) listener(*evaluation);
      } catch (const std::exception& error) {
        loop.fail(fmt::format("after step {}, a listener failed: {}", step->value,
                              runtime::sentence_of(error)));
      }
    }
  }

  // On every worker, and before its next report, so that the same step is the last whoever is
  // first. True once told.
  template <class Loop>
  bool tell_of_stop(Loop& loop, bool told) {
    if (told || !stop_asked_) return told;
    const std::lock_guard lock(stop_mutex_);
    loop.stop(stop_why_);
    return true;
  }

  // `planaria run --transport in-process`: every worker is a thread of this process.
  TrainingOutcome run_threads(const runtime::InProcessRunAsked& asked, std::int64_t steps) {
    auto spec = runtime::spec_of(options_, steps);
    if (!spec) return runtime::outcome_of(spec.fault());
    runtime::InProcessRun run(asked.options, asked.on_event);
    if (const auto begun = run.begin(); !begun) return runtime::outcome_of(begun.fault());
    runtime::GeneratorLock generator;
    const int workers = asked.options.coordinator.workers + asked.options.coordinator.spares;
    std::vector<std::thread> threads;
    for (int i = 0; i < workers; ++i) {
      runtime::WorkerOptions options;
      options.trainer = &options_;
      options.spec = spec.value();
      options.generator = &generator;
      options.coordinator = run.address();
      options.listen = fmt::format("in-process:worker-{}", i);
      options.wanted = WorkerId{i};
      options.run_dir = asked.options.run_dir;
      threads.emplace_back(
          [this, options = std::move(options), transport = run.endpoint()]() mutable {
            prepare_process(options_.threads);  // the number of threads is a thread's own
            runtime::Worker worker(std::move(options), std::move(transport));
            worker.join();
            // How it ended is the coordinator's to say, for all of them at once.
            train(worker);
          });
    }
    for (std::thread& thread : threads) thread.join();
    const host::RunOutcome outcome = run.end();
    return {outcome.status, outcome.sentence};
  }

  TrainerOptions options_;
  bool ran_ = false;
  std::atomic<bool> stop_asked_{false};
  std::mutex stop_mutex_;
  std::string stop_why_;
};

Trainer::Trainer(TrainerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Trainer::~Trainer() = default;

void Trainer::on_step(std::function<void(const StepMetrics&)> listener) {
  impl_->step_listeners.push_back(std::move(listener));
}

void Trainer::on_evaluation(std::function<void(const EvaluationMetrics&)> listener) {
  impl_->evaluation_listeners.push_back(std::move(listener));
}

void Trainer::stop(const std::string& why) {
  impl_->stop(why);
}

TrainingOutcome Trainer::run(std::int64_t steps) {
  return impl_->run(steps);
}

int exit_status(const std::string& program, const TrainingOutcome& outcome) {
  if (!outcome.sentence.empty()) {
    std::fprintf(stderr, "%s: %s\n", program.c_str(), outcome.sentence.c_str());
  }
  return outcome.status;
}

}  // namespace planaria
