// docs/formats.md's cost model for one pipeline, written a second time to check the planner by: it
// shares no code with lib/planner/ or lib/schedule/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <planaria/model/cluster.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/model/profile.hpp>

namespace planaria::pipeline_rules {

enum class Work { forward, backward_input, backward_weight, backward };  // F, B, W, G

struct Action {
  Work work = Work::forward;
  int micro_batch = 0;
  friend bool operator==(const Action&, const Action&) = default;
};
using Order = std::vector<Action>;  // of one rank

/// The four kinds whose order follows from stages and micro-batches alone.
[[nodiscard]] const std::vector<std::string>& fixed_kinds();

/// What the rules of field/schedules.md order.
struct PipelineSize {
  int stages = 1;
  int micro_batches = 1;
};
/// Returns every rank's order; nothing where the kind does not exist at that size (zb-h2 wants
/// micro_batches >= 2 x stages - 1). Requires one of fixed_kinds().
[[nodiscard]] std::optional<std::vector<Order>> orders_of(const std::string& kind,
                                                          PipelineSize size);
/// Reads "F0 F1 B0 W0 G1"; nothing where a word is no such action.
[[nodiscard]] std::optional<Order> order_from_text(const std::string& text);
/// Writes "F0 F1 B0 W0 G1".
[[nodiscard]] std::string text_of(const Order& order);

/// A stage as asked about: what it computes, where, at which of the profile's micro-batch sizes.
struct StageRequest {
  LayerRange layers;
  std::size_t at_size = 0;
  double speed = 1;
  bool recompute = false;
};
/// Durations of a stage's actions, its worker's speed and recompute in them.
struct StageTimes {
  double forward_ms = 0;
  double backward_input_ms = 0;
  double backward_weight_ms = 0;
  double optimizer_ms = 0;
};
[[nodiscard]] StageTimes times_of(const Profile& profile, const StageRequest& stage);

/// From whom to whom.
struct Way {
  const ClusterWorker* from = nullptr;
  const ClusterWorker* to = nullptr;
};
/// Returns how long `bytes` take: by the cluster's links, else by the profile's table.
[[nodiscard]] double send_ms(const Profile& profile, const Cluster& cluster, Way way,
                             std::int64_t bytes);

/// What it takes to play a pipeline; cut i is between the stages i and i+1.
struct PlayedPipeline {
  const std::vector<Order>* orders = nullptr;
  std::vector<StageTimes> stages;
  std::vector<double> cut_forward_ms;
  std::vector<double> cut_backward_ms;
};
/// Returns when each stage's last action ends, every action starting as soon as its rank is free
/// and what it needs has come; nothing where ranks wait for each other for ever.
[[nodiscard]] std::optional<std::vector<double>> ends_of(const PlayedPipeline& pipeline);

/// Returns the most partial sums alive while `lanes` consecutive lanes are folded one after
/// another, only whole subtrees added up, worst over where they start. By trying every start.
[[nodiscard]] int partial_sums_alive(int lanes);

/// Returns the stage's peak memory, `lanes` of its share, by its rank's order.
[[nodiscard]] std::int64_t peak_memory_of(const Profile& profile, const StageRequest& stage,
                                          const Order& order, int lanes);

}  // namespace planaria::pipeline_rules
