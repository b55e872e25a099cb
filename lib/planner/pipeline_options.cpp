#include "planner/pipeline_options.hpp"

#include <algorithm>
#include <utility>

namespace planaria {
namespace {

/// Partial pipelines that are looked at, of all that there would be without bounds, at most.
constexpr double without_bounds_max = 5e6;

/// Returns how many pipelines there are: cuts times choices of workers, by depth.
double count_all(int layers, const KindCounts& workers) {
  // [stages]: sequences of so many workers; each kind is woven in by its number.
  std::vector<double> sequences{1};
  for (const int count : workers) {
    std::vector<double> woven(sequences.size() + static_cast<std::size_t>(count), 0);
    for (std::size_t before = 0; before < sequences.size(); ++before) {
      double ways = sequences[before];
      for (int more = 0; more <= count; ++more) {
        woven[before + static_cast<std::size_t>(more)] += ways;
        ways *= static_cast<double>(before + static_cast<std::size_t>(more) + 1) / (more + 1);
      }
    }
    sequences = std::move(woven);
  }
  double all = 0;
  double cuts = 1;  // ways to cut the layers into `stages`
  for (int stages = 1; stages <= layers && stages < static_cast<int>(sequences.size()); ++stages) {
    all += cuts * sequences[static_cast<std::size_t>(stages)];
    cuts *= static_cast<double>(layers - stages) / stages;
  }
  return all;
}

/// Extends pipelines stage by stage.
class Lister {
 public:
  Lister(const SearchTools& tools, const SearchLimits& limits, const ExactRequest& request,
         const WorkerKinds& kinds, std::size_t most, std::int64_t& effort)
      : effort_(effort),
        tools_(tools),
        limits_(limits),
        request_(request),
        kinds_(kinds),
        most_(most),
        fused_(request.schedule == "gpipe" || request.schedule == "1f1b"),
        // The last lane may be the only one and shorter.
        share_least_(1 + ((limits.micro_batches - 1) % request.lane_size)),
        left_(kinds.all()) {}

  [[nodiscard]] std::optional<std::vector<PipelineOption>> all() {
    too_many_ = count_all(tools_.terms.layers(), left_) > without_bounds_max;
    if (!too_many_) extend(0);
    if (too_many_) return std::nullopt;
    return std::move(options_);
  }

 private:
  [[nodiscard]] int depth() const { return static_cast<int>(stages_.size()); }

  void extend(int first) {
    if (first == tools_.terms.layers()) {
      if (limits_.depth && depth() != *limits_.depth) return;
      finish();
      return;
    }
    if (limits_.depth && depth() == *limits_.depth) return;
    for (int kind = 0; kind < kinds_.count() && !too_many_; ++kind) {
      int& left = left_[static_cast<std::size_t>(kind)];
      if (left == 0) continue;
      --left;
      for (int last = first; last < tools_.terms.layers() && !too_many_; ++last) {
        if (++effort_ > request_.effort_max) too_many_ = true;
        if (!push(kind, first, last)) break;
        extend(last + 1);
        stages_.pop_back();
      }
      ++left;
    }
  }

  /// A stage's part of the bounds.
  struct Stage {
    int kind = 0;
    int last = 0;
    double fill_ms = 0;   // till the first micro-batch is there
    double drain_ms = 0;  // from its last backward till the first stage has ended
    double forward_ms = 0;
    double backward_ms = 0;  // B, and in fused schedules W
    double micro_batch_ms = 0;
    double optimizer_ms = 0;
    double transfer_ms = 0;
  };

  /// False where the stage alone takes too long or too much: so would one with more layers.
  [[nodiscard]] bool push(int kind, int first, int last) {
    const WorkerTerms& worker = tools_.terms.worker(kinds_.members(kind).front());
    const LayerSums& sums = tools_.sums;
    const int end = last + 1;
    // One micro-batch's activations at least, whether the stage recomputes or not.
    const std::int64_t bytes_least = sums.state_bytes(first, end) +
                                     sums.gradient_bytes(first, end) +
                                     sums.activation_bytes(first, end);
    if (bytes_least > worker.memory_bytes) return false;
    const double speed = worker.speed;
    const double forward_ms = sums.forward_ms(first, end);
    const double again_ms = limits_.recompute == Recompute::always ? forward_ms : 0;
    const double weight_ms = sums.backward_weight_ms(first, end);
    const double compute_ms = sums.compute_ms(first, end);
    Stage stage{.kind = kind, .last = last};
    stage.forward_ms = forward_ms / speed;
    stage.micro_batch_ms = (compute_ms + again_ms) / speed;
    stage.backward_ms = (compute_ms - forward_ms + again_ms - (fused_ ? 0 : weight_ms)) / speed;
    stage.optimizer_ms = sums.optimizer_ms(first, end) / speed;
    stage.transfer_ms = sums.transfer_ms(first, end);
    if (!stages_.empty()) {
      const Stage& before = stages_.back();
      const double send_ms = sums.least_send_ms(first);
      stage.fill_ms = before.fill_ms + before.forward_ms + send_ms;
      stage.drain_ms = before.drain_ms + before.backward_ms + send_ms;
    }
    const double alone_ms =
        stage.fill_ms + (share_least_ * stage.micro_batch_ms) + stage.optimizer_ms;
    if (alone_ms >= request_.below_ms) return false;
    stages_.push_back(stage);
    return true;
  }

  void finish() {
    PipelineOption option;
    option.uses.assign(left_.size(), 0);
    for (const Stage& stage : stages_) {
      option.kinds.push_back(stage.kind);
      option.lasts.push_back(stage.last);
      ++option.uses[static_cast<std::size_t>(stage.kind)];
      option.bounds.push_back(
          {stage.fill_ms + stage.optimizer_ms, stage.micro_batch_ms, stage.transfer_ms});
      // Of a fused backward nothing is left to do when it has gone up to the first stage.
      if (fused_) {
        option.bounds.push_back({stage.fill_ms + stage.drain_ms + stages_.front().optimizer_ms,
                                 stage.micro_batch_ms, stages_.front().transfer_ms});
      }
    }
    if (option.bound_ms(share_least_, 0) >= request_.below_ms) return;
    options_.push_back(std::move(option));
    too_many_ = options_.size() > most_;
  }

  std::int64_t& effort_;
  const SearchTools& tools_;
  const SearchLimits& limits_;
  const ExactRequest& request_;
  const WorkerKinds& kinds_;
  std::size_t most_;
  bool fused_;
  int share_least_;
  KindCounts left_;
  std::vector<Stage> stages_;
  std::vector<PipelineOption> options_;
  bool too_many_ = false;
};

}  // namespace

double PipelineOption::bound_ms(int micro_batches, double transfers) const {
  double most_ms = 0;
  for (const Bound& bound : bounds) {
    most_ms = std::max(most_ms, bound.fixed_ms + (micro_batches * bound.micro_batch_ms) +
                                    (transfers * bound.transfer_ms));
  }
  return most_ms;
}

WorkerKinds::WorkerKinds(const CostTerms& terms) {
  const std::vector<std::int64_t> kinds = worker_kinds(terms);
  for (std::size_t worker = 0; worker < kinds.size(); ++worker) {
    members_.resize(std::max(members_.size(), static_cast<std::size_t>(kinds[worker]) + 1));
    members_[static_cast<std::size_t>(kinds[worker])].push_back(static_cast<int>(worker));
  }
}

KindCounts WorkerKinds::all() const {
  KindCounts counts;
  for (const auto& members : members_) counts.push_back(static_cast<int>(members.size()));
  return counts;
}

std::optional<std::vector<PipelineOption>> pipeline_options(
    const SearchTools& tools, const SearchLimits& limits, const ExactRequest& request,
    const WorkerKinds& kinds, std::size_t most, std::int64_t& effort) {
  return Lister(tools, limits, request, kinds, most, effort).all();
}

}  // namespace planaria
