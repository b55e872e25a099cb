// host/worker_output.hpp (private): what of the workers' output is shown, and when. Pure.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include <planaria/base/clock.hpp>

namespace planaria::host {

enum class Stream { out, err };

/// Cuts bytes into lines as they come.
class LineBuffer {
 public:
  /// Returns the lines that `bytes` completes, without their ends.
  [[nodiscard]] std::vector<std::string> add(std::string_view bytes);
  /// Returns what stands there without an end, if anything.
  [[nodiscard]] std::vector<std::string> finish();

 private:
  std::string rest_;
};

struct ShownLine {
  Stream stream = Stream::out;
  std::string text;
  friend bool operator==(const ShownLine&, const ShownLine&) = default;
};

struct WorkerOutputOptions {
  int workers = 1;
  bool prefixed = true;  // "worker 2: " before each line
};

/// Holds a worker's lines back until it has joined, so that N workers with the same bad option do
/// not say so N times; after that shows each line, but for the one that repeats what the run ended
/// with. Lines on stderr wait a moment, since a worker's last words and the coordinator's reason
/// race.
class WorkerOutput {
 public:
  explicit WorkerOutput(const WorkerOutputOptions& options);
  void line(int worker, Stream stream, const std::string& text, Instant now);
  /// There is one more worker, whose number is the next.
  void add_worker() { workers_.emplace_back(); }
  /// Lets `worker`'s lines through from now on.
  void joined(int worker, Instant now);
  [[nodiscard]] bool has_joined(int worker) const;
  /// Says how the run ended: lines that say the same are dropped.
  void run_ended(const std::string& sentence);

  /// Returns the lines to show by now, in the order they came.
  [[nodiscard]] std::vector<ShownLine> due(Instant now);
  /// Returns whether a line waits for its time.
  [[nodiscard]] bool waiting() const { return !queue_.empty(); }
  /// Returns all lines that wait for their time, however long that is.
  [[nodiscard]] std::vector<ShownLine> rest();
  /// Returns the last lines held back on `stream`, at most `lines_max`, without prefix.
  [[nodiscard]] std::vector<std::string> held(int worker, Stream stream,
                                              std::size_t lines_max) const;

 private:
  struct Held {
    Stream stream = Stream::out;
    std::string text;
  };
  struct Waiting {
    Instant due;
    int worker = 0;
    Held line;
  };
  struct Worker {
    bool joined = false;
    std::deque<Held> held;
  };
  [[nodiscard]] bool repeats_end(const std::string& text) const;
  void enqueue(int worker, Held line, Instant now);
  void show(const Waiting& waiting, std::vector<ShownLine>& shown) const;

  bool prefixed_ = true;
  std::vector<Worker> workers_;
  std::deque<Waiting> queue_;
  std::string end_;
};

}  // namespace planaria::host
