// protocol/messages.hpp: what workers and coordinator say to each other. Floor 5, pure.
// Is: the messages as values, and their bytes (CBOR of a JSON object, so that every double
// survives, infinite ones and NaN too). Is not: gradients and activations, which travel between
// workers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <planaria/base/ids.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/model/run_spec.hpp>

namespace planaria::protocol {

// ---- worker to coordinator

/// "I am here": what the worker would train, and where its peers can reach it.
struct Join {
  RunSpec spec;
  std::string address;
  WorkerId wanted{-2};       // the launcher's number for this process; below 0: any
  std::int64_t process = 0;  // operating system's id, for events
};
/// "I am connected to every member that Welcome named, but for those I could not reach."
struct Connected {
  std::vector<WorkerId> unreachable;
};
struct LayerBytes {
  LayerId layer;
  std::int64_t bytes = 0;  // parameters, buffers and optimizer state
};
struct LayerReport {
  LayerId layer;
  double squared_norm = 0;     // of the reduced gradient; a tied parameter's at its first layer
  std::uint64_t checksum = 0;  // XXH3-64 of the reduced gradient
};
struct MicroBatchLoss {
  MicroBatchId micro_batch;
  double loss = 0;  // mean over its samples, not divided by M
};
struct MicroBatchHash {
  MicroBatchId micro_batch;
  std::uint64_t xxh3 = 0;
};
/// A finished sum of gradients: of `layer`, over the lanes under `node` (PROTOCOL 1).
struct LayerSum {
  LayerId layer;
  TreeNode node;
  friend auto operator<=>(const LayerSum&, const LayerSum&) = default;
};
/// What a worker has of `step` from views that are over: pure values, as good in any view (PROTOCOL
/// 5, salvage). Sums of layers that it computes in the new view; of the first and the last layer's
/// also what was read, the losses and the labels, which travel wherever such sums do.
struct Salvaged {
  Step step;
  std::vector<LayerSum> sums;
  std::vector<MicroBatchLoss> losses;
  std::vector<MicroBatchHash> read;
  std::vector<MicroBatchHash> labelled;
};
/// Layers of the view's roles are there, at the level before its first step. Their sizes, which
/// nobody knows before the first are built; and what is there of the step that begins again.
struct Ready {
  ViewNumber view;
  std::vector<LayerBytes> held;
  std::optional<Salvaged> salvaged = {};
};
/// "I hold every reduced gradient of step n for my layers."
struct Report {
  ViewNumber view;
  Step step;
  std::vector<LayerReport> layers;
  std::vector<MicroBatchLoss> losses;    // from holders of the last layer
  std::vector<MicroBatchHash> read;      // from holders of the first layer: bytes really read
  std::vector<MicroBatchHash> labelled;  // from holders of the last layer: bytes really used
  double rate = 0;                       // learning rate of this step, a pure function of it
  std::int64_t resident_bytes = 0;
};
struct LayerChecksum {
  LayerId layer;
  std::uint64_t checksum = 0;  // as LayerReport's
};
/// "I hold the reduced gradient of step n for these layers, which I shadow, and stand at level n-1
/// with them." A layer that is still being filled is missing.
struct ShadowReport {
  ViewNumber view;
  Step step;
  std::vector<LayerChecksum> layers;
};
/// One tensor of a layer's state at the end (checkpoint::TensorInfo as JSON) .
struct LayerState {
  LayerId layer;
  std::uint64_t xxh3 = 0;     // over all its tensors, names and data
  std::vector<Json> tensors;  // checkpoint::TensorInfo, parameters, buffers, optimizer state
};
/// "My layers stand at level `step`": after the last record, or after Halt.
struct Applied {
  ViewNumber view;
  Step step;
  std::vector<LayerState> layers;
  std::int64_t peak_resident_bytes = 0;
};
/// Something failed that the run cannot go on from: a user's exception (where it is known, with its
/// place), or a fault in the worker.
struct Failed {
  std::string sentence;
  FaultKind kind = FaultKind::unavailable;
  Step step{-1};
  MicroBatchId micro_batch{-1};
  LayerId layer{-1};
};
/// Every tensor of `layer` has been sent (as FrameKind::state, before this).
struct StateSent {
  LayerId layer;
  int attempt = 0;  // SendState's
};
/// "My training loop evaluates level `step`."
struct Evaluating {
  ViewNumber view;
  Step step;
};
/// "I computed my part of the evaluation at level `step`": losses by evaluation micro-batch, from
/// holders of the last layer.
struct Evaluated {
  ViewNumber view;
  Step step;
  std::vector<MicroBatchLoss> losses;
};
/// "I run": sent by the worker's I/O thread, so that a long action is not taken for a death.
struct Alive {};
/// "I lost my connection to `worker`", which may or may not be dead.
struct Unreachable {
  WorkerId worker;
  std::string why;
};
/// A stop by signal or by the training loop itself: asks for the run to end after the step in
/// flight.
struct StopAsked {
  std::string why;
};

// ---- coordinator to worker

struct Member {
  WorkerId worker;
  std::string address;
  friend bool operator==(const Member&, const Member&) = default;
};
/// `members`: who was there before, to be connected to.
struct Welcome {
  WorkerId worker;
  std::vector<Member> members;
};
struct Refuse {
  std::string why;
};
/// One layer's state goes from a worker that holds it to one that does not.
struct Move {
  LayerId layer;
  WorkerId from;
  WorkerId to;
  friend auto operator<=>(const Move&, const Move&) = default;
};
/// A numbered membership with its layout; `first_step` is the first it computes. Where that is 1,
/// everybody builds the layers of its roles afresh; else it keeps what it holds, at level
/// first_step - 1, and `moves` bring what it lacks: before the view begins to a worker that
/// computes the layer, in the background to one that shadows it.
struct NewView {
  ViewNumber view;
  Step first_step;
  Layout layout;
  std::vector<std::string> schedules;  // one text form per pipeline
  std::vector<Member> members;
  std::vector<Move> moves;
  Step again_until{0};  // steps up to this one were committed before and are done again
  friend bool operator==(const NewView&, const NewView&) = default;
};
/// A finished sum that is not computed again, and whose it is.
struct OwnedSum {
  LayerId layer;
  TreeNode node;
  WorkerId owner;
  friend auto operator<=>(const OwnedSum&, const OwnedSum&) = default;
};
/// What one pipeline computes of a step that begins again: these lanes, ascending, by a schedule
/// over their micro-batches; none: no lane, no schedule.
struct PipelineWork {
  std::vector<LaneId> lanes;
  std::string schedule;
  friend bool operator==(const PipelineWork&, const PipelineWork&) = default;
};
/// How a step that begins again goes on from what is finished (PROTOCOL 5): of each layer, disjoint
/// sums, and the lanes that are to be computed for what they leave out (salvage.hpp).
struct Salvage {
  std::vector<OwnedSum> sums;      // ascending
  std::vector<PipelineWork> work;  // by pipeline of the view
  friend bool operator==(const Salvage&, const Salvage&) = default;
};
/// Everybody is ready: compute `step`; all of it, or what `salvage` leaves.
struct Begin {
  ViewNumber view;
  Step step;
  std::optional<Salvage> salvage = {};
};
enum class Verdict { apply, skip };
/// Step n is committed (PROTOCOL 3.2). The same for everyone; valid in any view.
struct CommitRecord {
  Step step;
  double loss = 0;  // mean over the step's micro-batches
  double norm = 0;  // of the whole gradient, before clipping
  double rate = 0;
  Verdict verdict = Verdict::apply;
  int skips_in_a_row = 0;
  bool last = false;  // nobody computes another step after this one
  friend bool operator==(const CommitRecord&, const CommitRecord&) = default;
};
/// `next`: the planned view that begins with the step after; `moves`: states that begin to be sent
/// at this level, to shadows.
struct Commit {
  CommitRecord record;
  std::optional<NewView> next;
  std::vector<Move> moves;
};
/// A worker's loop evaluates level `step`: so must everybody's, before it goes on. A loop that does
/// not would wait for tensors of those that do, and they for its.
struct EvaluationBegun {
  Step step;
  WorkerId worker;
};
/// What the evaluation at level `step` found, the same for everyone.
struct Evaluation {
  Step step;
  double loss = 0;  // mean over the evaluation samples
  std::int64_t samples = 0;
  friend bool operator==(const Evaluation&, const Evaluation&) = default;
};
/// Send the state of `layer` now. `attempt` tells what is sent now from what was sent before a
/// holder was lost and storing began anew; frames carry it as their step.
struct SendState {
  LayerId layer;
  int attempt = 0;
};
/// Compute no further; report Applied at the level that stands.
struct Halt {
  std::string why;
};
/// The run goes on without this worker, as it is taken for dead: what it holds no longer counts. It
/// may join again as new.
struct Evicted {
  std::string why;
};
/// The run is over; exit with this status (0 done, 1 failed, 2 bad input) and say this.
struct End {
  int status = 0;
  std::string sentence;
};

using Message =
    std::variant<Join, Connected, Ready, Report, ShadowReport, Applied, Failed, StateSent,
                 Evaluating, Evaluated, Alive, Unreachable, StopAsked, Welcome, Refuse, NewView,
                 Begin, Commit, EvaluationBegun, Evaluation, SendState, Halt, Evicted, End>;

/// Returns the message's name as used on the wire and in explanations, e.g. "report".
[[nodiscard]] const char* name_of(const Message& message);
[[nodiscard]] std::vector<std::byte> encode(const Message& message);
/// corrupt names what cannot be read. Never throws, whatever the bytes.
[[nodiscard]] Result<Message> decode(std::span<const std::byte> bytes);

}  // namespace planaria::protocol
