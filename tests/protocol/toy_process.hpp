// tests/protocol/toy_process.hpp: one worker's process in a simulated cluster.
// Is: what runtime/worker.hpp does with its agent's commands, over a ToyStore: a compute thread
// that carries them out in order and may wait for frames of its peers, and an I/O side that aborts
// it. Is not: the network, which the cluster is.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <planaria/protocol/agent.hpp>
#include <planaria/protocol/salvage.hpp>

#include "protocol/toy_worker.hpp"

namespace planaria::protocol {

/// What workers send each other. `activation` stands for all that pipelines exchange: the sender's
/// numbers; `evaluation`: the same, forward only;
/// `partial`: its sums of one layer; `shadow`: the whole gradient; `state`: a copy.
struct ToyFrame {
  enum class Kind { activation, evaluation, partial, shadow, state };
  Kind kind = Kind::activation;
  ViewNumber view;
  Step step;
  LayerId layer;
  std::uint64_t value = 0;
  std::map<LayerId, std::uint64_t> states = {};
  std::map<TreeNode, std::uint64_t> sums = {};
  StepNotes notes = {};  // with sums and whole gradients travels what belongs to them
};

class ToyProcess {
 public:
  /// What the process needs of the world.
  struct World {
    std::function<void(WorkerId to, const ToyFrame&)> send;
    std::function<bool(const Member&)> connect;  // false: cannot be reached
    std::function<bool(WorkerId)> may_send;      // connected, or frames of it are under way
    std::function<void(const agent::Input&)> tell_agent;
    /// Whether user code throws there; asked once per computed (step, micro-batch, layer).
    std::function<bool(Step, MicroBatchId, LayerId)> throws;
    std::function<bool(Step)> evaluates;  // whether the training loop evaluates the level
    std::function<void(const std::string&)> breaks;  // something that must not be
    std::function<void(Step, MicroBatchId, LayerId)> computed;
  };

  ToyProcess(RunSpec spec, World world)
      : spec_(std::move(spec)), world_(std::move(world)), store_(spec_) {}

  // ---- I/O side
  void become(WorkerId worker) { self_ = worker; }
  void frame_arrived(WorkerId from, const ToyFrame& frame);
  void abort(ViewNumber view);
  void evaluation_told(const Evaluation& evaluation) { told_.insert(evaluation.step); }
  void queue(const agent::Command& command) { commands_.push_back(command); }

  // ---- compute thread
  /// Does a piece of work; false where there is none, or all of it waits.
  bool work();
  [[nodiscard]] const ToyStore& store() const { return store_; }
  [[nodiscard]] Step level() const { return level_; }

 private:
  using FrameName = std::tuple<ToyFrame::Kind, ViewNumber, Step, LayerId, WorkerId>;
  enum class Part { none, prepare, evaluation, activations, lanes, partials, shadows };

  bool begin_command();
  bool carry_out(const agent::Connect& command);
  bool carry_out(const agent::Prepare& command);
  bool carry_out(const agent::Compute& command);
  bool carry_out(const agent::Apply& command);
  bool carry_out(const agent::HandOver& command);
  bool carry_out(const agent::SendLayerState& command);
  bool carry_out(const agent::SendCopies& command);
  template <class Other>
  bool carry_out(const Other& other);
  bool finish_preparing();
  void begin_evaluation();
  bool exchange_evaluations();
  void tell_evaluated(const std::map<LayerId, std::uint64_t>& states);
  void begin_work(const agent::Compute& command);
  bool exchange_activations();
  bool compute_lane();
  bool compute_in(LayerId layer, LaneId lane);
  void note(MicroBatchId micro_batch);
  void send_partials();
  bool exchange_partials();
  [[nodiscard]] bool add_partials(LayerId layer, std::uint64_t& gradient);
  [[nodiscard]] std::optional<Salvaged> salvaged() const;
  bool take_shadows();
  void send_moves(const std::vector<Move>& moves, Step level);
  [[nodiscard]] const ToyFrame* find(ToyFrame::Kind kind, LayerId layer, WorkerId from) const;
  [[nodiscard]] std::set<LayerId> active_layers() const;
  [[nodiscard]] std::set<LayerId> role_layers() const;
  /// The other workers of its pipelines, of those that have lanes of the step, or of all.
  enum class Pipelines { with_lanes, all };
  [[nodiscard]] std::set<WorkerId> beside(Pipelines which) const;
  void report();

  RunSpec spec_;
  World world_;
  ToyStore store_;
  std::deque<agent::Command> commands_;
  WorkerId self_{-1};
  NewView view_;
  ViewNumber floor_{0};  // frames and commands of views below are refused
  Step level_{0};
  Step step_{0};
  Part part_ = Part::none;
  Step looped_{0};                 // the newest step that the training loop began
  std::optional<Step> evaluates_;  // the level that the loop waits to be evaluated
  bool evaluated_ = false;         // its own part of it, in this view
  Step evaluation_done_{0};        // the newest level whose evaluation the loop has behind it
  std::set<Step> told_;            // levels whose evaluation it has heard
  std::uint64_t model_ = 0;
  std::optional<StepWork> work_;      // of the step that is being computed
  std::size_t lane_ = 0;              // of it, the next of its pipeline's
  std::pair<Step, StepNotes> notes_;  // what it knows of which step
  std::map<FrameName, ToyFrame> frames_;
  std::map<LayerId, std::map<Step, std::uint64_t>> arrived_;  // states
};

}  // namespace planaria::protocol
