// Workers of one process, without coordinator or agents: the test decides on roles, views, records,
// and when a state arrives.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <planaria/model/layout.hpp>
#include <planaria/model/sample_order.hpp>
#include <planaria/protocol/messages.hpp>
#include <planaria/runtime/trainer.hpp>
#include <planaria/transport/transport.hpp>

#include "runtime/executor.hpp"
#include "runtime/spans.hpp"
#include "runtime/stage.hpp"

#include "support/torch_catch.hpp"  // after all that brings LibTorch

namespace planaria::test {

/// Layers of every kind: an embedding that the head is tied to, folded statistics (two modules that
/// hand out some and one that hands out none), a frozen layer, a layer with a frozen parameter.
[[nodiscard]] TrainerOptions layers_of_every_kind();
inline constexpr int kinds = 5;  // layers of it

/// Types, shapes, names and bytes of a layer's state, as text: equal where the state is.
[[nodiscard]] std::string text_of_state(const runtime::DescribedTensors& state);

/// Layers as plain numbers: LibTorch has words of its own for printing sets, not for ids.
[[nodiscard]] inline std::vector<int> numbers_of(const std::set<LayerId>& layers) {
  std::vector<int> numbers;
  numbers.reserve(layers.size());
  for (const LayerId layer : layers) numbers.push_back(layer.value);
  return numbers;
}

struct RoleWorker {
  RoleWorker(WorkerId worker, const TrainerOptions& options, runtime::GeneratorLock& generator,
             const std::shared_ptr<transport::InProcessHub>& hub,
             const std::function<void()>& on_action);

  WorkerId id;
  std::mutex mutex;
  std::condition_variable changed;
  runtime::PeerMap peers;  // guarded by mutex until all are connected
  std::unique_ptr<runtime::Stage> stage;
  std::unique_ptr<runtime::Executor> executor;
  std::optional<protocol::Report> report;
  std::optional<protocol::ShadowReport> shadowed;
  std::optional<Fault> fault;
  std::unique_ptr<transport::Transport> transport;  // last: its thread uses everything above
};

class RoleStory {
 public:
  RoleStory(TrainerOptions options, int workers);

  [[nodiscard]] RoleWorker& operator[](int worker) {
    return *workers_.at(static_cast<std::size_t>(worker));
  }
  [[nodiscard]] runtime::Stage& stage(int worker) { return *(*this)[worker].stage; }
  [[nodiscard]] const TrainerOptions& options() const { return options_; }

  /// Every worker builds the layers of its roles at level 0, but shadows that are to be filled.
  void build(const Layout& layout, const std::set<WorkerId>& empty = {});
  /// Begins the next view with this layout, all layers being where they must be.
  void begin_view(const Layout& layout);
  /// Computes the next step on every worker, then what shadows get, each on a thread of its own.
  /// Whoever fails leaves its fault.
  void compute();
  /// The same, but everybody gives up once so many actions have begun, if there are so many. The
  /// step is the next one again.
  void break_off(int actions);
  /// Begins the next view with this layout, in which the step that was broken off goes on from what
  /// is finished; the same once more where `actions` says so. Returns how many sums of a lane are
  /// not computed again.
  int go_on(const Layout& layout, int actions = 0);
  /// The record of the step computed, from what the workers reported.
  [[nodiscard]] protocol::CommitRecord decide(protocol::Verdict verdict = protocol::Verdict::apply);
  /// Applies it everywhere.
  void apply(const protocol::CommitRecord& record);
  /// All three, once for each verdict.
  void steps(const std::vector<protocol::Verdict>& verdicts);

  /// The step computed last is not committed: it is the next one again.
  void redo() { step_ = step_.next(-1); }

  [[nodiscard]] Step step() const { return step_; }
  [[nodiscard]] std::string state_of(int worker, int layer);
  /// Sends nothing: hands a copy of a layer's state from one worker to another, through a block as
  /// on the wire.
  [[nodiscard]] runtime::DescribedTensors sent_state(int from, int layer);

 private:
  void connect();
  void count_action();

  TrainerOptions options_;
  SampleOrder order_;
  runtime::GeneratorLock generator_;
  runtime::Spans spans_;
  std::atomic<bool> aborted_{false};
  std::atomic<int> actions_left_{0};          // before everybody gives up; 0: nobody does
  std::optional<protocol::Salvage> salvage_;  // of the step that is computed
  std::map<MicroBatchId, double> noted_;      // losses of it that are not computed again
  std::shared_ptr<transport::InProcessHub> hub_ = transport::make_in_process_hub();
  std::vector<std::unique_ptr<RoleWorker>> workers_;
  Layout layout_;
  ViewNumber view_{0};
  Step step_{0};  // the last one computed
};

/// The state of every layer after each step, as a worker alone trains it: [step - 1][layer]; and
/// where asked for the records.
[[nodiscard]] std::vector<std::vector<std::string>> states_alone(
    const TrainerOptions& options, const std::vector<protocol::Verdict>& verdicts,
    std::vector<protocol::CommitRecord>* records = nullptr);

/// One pipeline; stages begin at these layers, one worker each, in order.
[[nodiscard]] Layout pipeline(const std::vector<int>& first_layers, int micro_batches);

}  // namespace planaria::test
