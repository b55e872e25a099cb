// tests/protocol/toy_worker.hpp: layers that are numbers, for stories about the protocol.
// Is: what a real worker's store does, on one 64-bit number a layer: levels, gradients that depend
// on the whole model's weights, sums over micro-batches, shadows, fills. A sum counted twice or
// missed, a record left out or a wrong level shows in every later number. Is not: training.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include <planaria/model/lanes.hpp>
#include <planaria/protocol/messages.hpp>

namespace planaria::protocol {

/// Three steps of four micro-batches of two samples over embedding, block0, block1, head.
[[nodiscard]] RunSpec toy_spec();

/// What one undisturbed worker would compute: the truth that every run is compared with.
class ToyTruth {
 public:
  explicit ToyTruth(RunSpec spec);
  /// The layer's number at `level`.
  [[nodiscard]] std::uint64_t state(LayerId layer, Step level);
  /// The whole step's gradient.
  [[nodiscard]] std::uint64_t gradient(LayerId layer, Step step);
  [[nodiscard]] const CommitRecord& record(Step step);
  [[nodiscard]] Evaluation evaluation(Step level);

 private:
  void compute_up_to(Step step);
  RunSpec spec_;
  std::vector<std::vector<std::uint64_t>> states_;     // by level, layer
  std::vector<std::vector<std::uint64_t>> gradients_;  // by step - 1, layer
  std::vector<CommitRecord> records_;
};

/// The numbers one worker holds.
class ToyStore {
 public:
  ToyStore() = default;
  explicit ToyStore(const RunSpec& spec) : spec_(spec) {}

  struct Held {
    Step level;
    std::uint64_t state = 0;
    std::optional<std::uint64_t> gradient;  // the whole step's
  };
  [[nodiscard]] const std::map<LayerId, Held>& held() const { return held_; }
  [[nodiscard]] bool holds(LayerId layer) const { return held_.contains(layer); }

  void build(const std::set<LayerId>& layers);
  void install(LayerId layer, Step level, std::uint64_t state);
  /// Begins a step: of the sums that are there only `finished` stay, and only if they are of the
  /// same step; false where one of them is not there.
  [[nodiscard]] bool begin_step(Step step,
                                const std::map<LayerId, std::vector<TreeNode>>& finished);
  /// One micro-batch's part of the layer's gradient; `model` is the mix of all layers' numbers.
  [[nodiscard]] std::uint64_t part(LayerId layer, Step step, MicroBatchId micro_batch,
                                   std::uint64_t model) const;
  /// Adds a lane's part, and up the tree as far as possible.
  void add(LayerId layer, LaneId lane, std::uint64_t part);
  /// The sums that are there of the step that was begun last.
  [[nodiscard]] const std::map<TreeNode, std::uint64_t>& sums(LayerId layer) const;
  [[nodiscard]] Step sums_step() const { return sums_step_; }
  void set_gradient(LayerId layer, std::uint64_t gradient);
  /// Of a layer that is being filled.
  void keep(LayerId layer, Step step, std::uint64_t gradient) { kept_[layer][step] = gradient; }
  /// Installs what arrived and applies what was kept since; false where a gradient is missing.
  bool fill(LayerId layer, Step level, std::uint64_t state, Step until);
  void forget_fills();
  void apply(const CommitRecord& record);
  void drop_all_but(const std::set<LayerId>& layers);

 private:
  RunSpec spec_;
  std::map<LayerId, Held> held_;
  std::map<LayerId, std::map<Step, std::uint64_t>> kept_;
  std::map<LayerId, TreeFold<std::uint64_t>> sums_;
  Step sums_step_{0};
  std::map<Step, CommitRecord> records_;
};

[[nodiscard]] std::uint64_t toy_initial(const RunSpec& spec, LayerId layer);
/// Mixes all layers' numbers, in layer order.
[[nodiscard]] std::uint64_t toy_model(const std::map<LayerId, std::uint64_t>& states);
[[nodiscard]] double toy_loss(const RunSpec& spec, Step step, MicroBatchId micro_batch,
                              std::uint64_t model);
[[nodiscard]] std::uint64_t toy_sample(const RunSpec& spec, Step step, MicroBatchId micro_batch);
[[nodiscard]] double toy_evaluation_loss(const RunSpec& spec, Step level, MicroBatchId micro_batch,
                                         std::uint64_t model);
/// Adds along the tree: in another order, or twice, it comes out otherwise.
void toy_add(std::uint64_t& left, std::uint64_t&& right);
[[nodiscard]] LaneTree toy_tree(const RunSpec& spec);
[[nodiscard]] double toy_norm(std::uint64_t gradient);
[[nodiscard]] double toy_rate(Step step);

}  // namespace planaria::protocol
