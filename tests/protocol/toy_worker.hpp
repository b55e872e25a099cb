// tests/protocol/toy_worker.hpp: a worker whose layers are numbers, for stories about the protocol.
// Is: what a real worker would report, as a pure function of the records applied so far; a wrong or
// missing record shows in every later checksum. Is not: training.
#pragma once

#include <map>

#include <planaria/protocol/messages.hpp>

namespace planaria::protocol {

/// Three steps of four micro-batches of two samples over embedding, block0, block1, head.
[[nodiscard]] RunSpec toy_spec();

class ToyWorker {
 public:
  ToyWorker() = default;
  ToyWorker(const RunSpec& spec, const NewView& view, WorkerId worker);

  /// Returns what this worker reports of `step`, from its layers as they stand.
  [[nodiscard]] Report compute(Step step) const;
  void apply(const CommitRecord& record);
  [[nodiscard]] Applied applied() const;
  [[nodiscard]] bool active() const { return !layers_.empty(); }
  [[nodiscard]] Step level() const { return level_; }

 private:
  RunSpec spec_;
  ViewNumber view_;
  Step level_{0};
  int pipeline_ = 0;
  MicroBatchRange micro_batches_{MicroBatchId{0}, MicroBatchId{-1}};
  std::map<LayerId, std::uint64_t> layers_;
};

}  // namespace planaria::protocol
