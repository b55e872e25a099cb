// host/progress.hpp (private): a run's events as a person follows them. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <planaria/base/clock.hpp>
#include <planaria/base/json.hpp>

namespace planaria::host {

/// What is known of a run from its events. An event that lacks a field changes less, never fails.
class RunProgress {
 public:
  void take(const Json& event);

  [[nodiscard]] bool started() const { return steps_ > 0; }
  [[nodiscard]] std::int64_t step() const { return step_; }
  [[nodiscard]] std::int64_t steps() const { return steps_; }
  [[nodiscard]] std::optional<double> first_loss() const { return first_loss_; }
  [[nodiscard]] std::optional<double> last_loss() const { return last_loss_; }
  /// Samples per second over the last steps, or nothing before two commits.
  [[nodiscard]] std::optional<double> samples_per_s() const;
  [[nodiscard]] std::optional<double> left_ms() const;
  /// From the first view to the last commit.
  [[nodiscard]] double trained_ms() const;
  /// Returns e.g. "2 pipelines x 2 stages, 4 workers".
  [[nodiscard]] std::string who() const;
  [[nodiscard]] std::int64_t micro_batches() const { return micro_batches_; }
  [[nodiscard]] std::int64_t micro_batch_size() const { return micro_batch_size_; }

 private:
  struct Commit {
    double t_ms = 0;
    std::int64_t step = 0;
  };
  void take_commit(const Json& event);
  void take_view(const Json& event);
  [[nodiscard]] std::optional<double> step_ms() const;

  std::int64_t steps_ = 0, step_ = 0, micro_batches_ = 0, micro_batch_size_ = 0, workers_ = 0;
  std::string layout_;
  std::optional<double> first_loss_, last_loss_;
  double began_ms_ = 0;
  std::deque<Commit> recent_;  // the last few commits, so that the rate follows what happens
};

/// Returns "step 41/100 · loss 3.21 · 155 samples/s · 2 pipelines x 2 stages, 4 workers · 1 min 20
/// s left", cut to `columns` characters (0: any).
[[nodiscard]] std::string progress_line(const RunProgress& progress, int columns);

/// Returns the lines that close a run that went well: layout and steps, loss, throughput, what each
/// lost worker cost, hashes, and where the run directory is.
[[nodiscard]] std::vector<std::string> summary_lines(const RunProgress& progress,
                                                     const Json& result,
                                                     const std::string& run_dir);

/// Decides when a plain line is due: the first step, every tenth of the steps, or 2 s after the
/// last line, and the last step.
class PlainPace {
 public:
  [[nodiscard]] bool due(const RunProgress& progress, Instant now);

 private:
  std::int64_t last_step_ = 0;
  std::int64_t last_tenth_ = 0;
  Instant last_time_;
};

}  // namespace planaria::host
