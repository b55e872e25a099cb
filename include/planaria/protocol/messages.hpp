// protocol/messages.hpp: what workers and coordinator say to each other. Floor 5, pure.
// Is: the messages as values, and their bytes (CBOR of a JSON object, so that every double
// survives, infinite ones and NaN too). Is not: gradients and activations, which travel between
// workers.
#pragma once

#include <cstddef>
#include <cstdint>
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
/// Layers are built, peers connected.
struct Ready {
  ViewNumber view;
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
/// One tensor of a layer's state at the end (checkpoint::TensorInfo as JSON) .
struct LayerState {
  LayerId layer;
  std::uint64_t xxh3 = 0;     // over all its tensors, names and data
  std::vector<Json> tensors;  // checkpoint::TensorInfo, parameters, buffers, optimizer state
};
/// "My layers stand at level `step`": after the last record only.
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
/// A stop by signal or by the training loop itself: asks for the run to end after the step in
/// flight.
struct StopAsked {
  std::string why;
};

// ---- coordinator to worker

struct Welcome {
  WorkerId worker;
};
struct Refuse {
  std::string why;
};
struct Member {
  WorkerId worker;
  std::string address;
  friend bool operator==(const Member&, const Member&) = default;
};
/// A numbered membership with its layout; `first_step` is the first it computes.
struct NewView {
  ViewNumber view;
  Step first_step;
  Layout layout;
  std::vector<std::string> schedules;  // one text form per pipeline
  std::vector<Member> members;
  friend bool operator==(const NewView&, const NewView&) = default;
};
/// Everybody is ready: compute `step`.
struct Begin {
  ViewNumber view;
  Step step;
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
struct Commit {
  CommitRecord record;
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
/// Send the state of `layer` now.
struct SendState {
  LayerId layer;
};
/// The run is over; exit with this status (0 done, 1 failed, 2 bad input) and say this.
struct End {
  int status = 0;
  std::string sentence;
};

using Message = std::variant<Join, Ready, Report, Applied, Failed, StateSent, Evaluating, Evaluated,
                             StopAsked, Welcome, Refuse, NewView, Begin, Commit, EvaluationBegun,
                             Evaluation, SendState, End>;

/// Returns the message's name as used on the wire and in explanations, e.g. "report".
[[nodiscard]] const char* name_of(const Message& message);
[[nodiscard]] std::vector<std::byte> encode(const Message& message);
/// corrupt names what cannot be read. Never throws, whatever the bytes.
[[nodiscard]] Result<Message> decode(std::span<const std::byte> bytes);

}  // namespace planaria::protocol
