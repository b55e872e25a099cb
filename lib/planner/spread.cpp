#include "planner/spread.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <queue>
#include <tuple>
#include <utility>

#include <planaria/planner/templates.hpp>
#include <planaria/schedule/builders.hpp>

namespace planaria {
namespace {

/// For more layers templates take longer than the rest of the search.
constexpr int template_layers_max = 512;

/// Which rank stands at each stage.
std::vector<int> ranks_by_stage(const std::string& kind, int ranks) {
  if (chunks_of(kind) == 1) {
    std::vector<int> as_they_are(static_cast<std::size_t>(ranks));
    std::iota(as_they_are.begin(), as_they_are.end(), 0);
    return as_they_are;
  }
  Schedule placed;
  placed.placement = placement_of(kind);
  placed.chunks = chunks_of(kind);
  placed.ranks.resize(static_cast<std::size_t>(ranks));
  std::vector<int> by_stage(static_cast<std::size_t>(ranks * placed.chunks));
  for (int rank = 0; rank < ranks; ++rank) {
    for (int chunk = 0; chunk < placed.chunks; ++chunk) {
      by_stage[static_cast<std::size_t>(placed.stage_of(rank, chunk))] = rank;
    }
  }
  return by_stage;
}

/// Lanes of each pipeline that it certainly has when all are shared out, each to the pipeline that
/// is then done first; at least 1. Were lanes divisible, all would end at one time: two fewer than
/// that leave room for rounding.
std::vector<int> certain_shares(const std::vector<double>& ahead_ms,
                                const std::vector<double>& lane_ms, int lanes) {
  double per_ms = 0;
  double ahead = 0;
  for (std::size_t i = 0; i < lane_ms.size(); ++i) {
    per_ms += 1 / lane_ms[i];
    ahead += ahead_ms[i] / lane_ms[i];
  }
  const double together_ms = (lanes + ahead) / per_ms;
  std::vector<int> shares(lane_ms.size(), 1);
  for (std::size_t i = 0; i < lane_ms.size(); ++i) {
    const double share = (together_ms - ahead_ms[i]) / lane_ms[i];
    // One that ends later with its first lane leaves the others fewer than that.
    if (!(share >= 1)) return std::vector<int>(lane_ms.size(), 1);
    shares[i] = std::max(1, static_cast<int>(std::min<double>(share, lanes)) - 2);
  }
  return shares;
}

}  // namespace

std::vector<int> even_depths(int width, int workers) {
  std::vector<int> depths;
  depths.reserve(static_cast<std::size_t>(width));
  for (int i = 0; i < width; ++i) depths.push_back((workers + width - 1 - i) / width);
  return depths;
}

Spreader::Spreader(const SearchTools& tools, const SearchLimits& limits)
    : tools_(tools),
      limits_(limits),
      kinds_(worker_kinds(tools.terms)),
      alike_(static_cast<std::size_t>(tools.terms.workers())),
      bottlenecks_ms_(static_cast<std::size_t>(tools.sums.layers()) + 1, -1) {
  const CostTerms& terms = tools.terms;
  std::iota(alike_.begin(), alike_.end(), 0);
  std::ranges::stable_sort(alike_, {}, [&](int index) {
    const WorkerTerms& worker = terms.worker(index);
    const int zone = terms.has_links() ? worker.zone : 0;
    const int host = terms.has_links() ? worker.host : 0;
    return std::tuple(zone, host, -worker.speed, -worker.memory_bytes);
  });
  std::vector<int> fastest(alike_.size());
  std::iota(fastest.begin(), fastest.end(), 0);
  std::ranges::stable_sort(fastest, std::greater<>(),
                           [&](int index) { return terms.worker(index).speed; });
  ranks_by_speed_.resize(fastest.size());
  for (std::size_t rank = 0; rank < fastest.size(); ++rank) {
    ranks_by_speed_[static_cast<std::size_t>(fastest[rank])] = static_cast<int>(rank);
  }
  orders_.push_back(WorkerOrder::as_numbered);
  const bool all_alike = std::ranges::all_of(kinds_, [&](auto kind) { return kind == kinds_[0]; });
  if (all_alike) return;
  if (!std::ranges::is_sorted(alike_)) orders_.push_back(WorkerOrder::alike);
  orders_.push_back(WorkerOrder::dealt_around);
}

// The slowest stay out where not all are wanted.
std::vector<int> Spreader::workers_in(WorkerOrder order, int count) const {
  std::vector<int> chosen;
  chosen.reserve(alike_.size());
  for (std::size_t i = 0; i < alike_.size(); ++i) {
    const int worker = order == WorkerOrder::as_numbered ? static_cast<int>(i) : alike_[i];
    if (ranks_by_speed_[static_cast<std::size_t>(worker)] < count) chosen.push_back(worker);
  }
  return chosen;
}

std::vector<std::vector<int>> Spreader::dealt(const Shape& shape) const {
  const int count = std::accumulate(shape.depths.begin(), shape.depths.end(), 0);
  const std::vector<int> workers = workers_in(shape.order, count);
  std::vector<std::vector<int>> pipelines(shape.depths.size());
  for (std::size_t i = 0; i < pipelines.size(); ++i) {
    pipelines[i].reserve(static_cast<std::size_t>(shape.depths[i]));
  }
  std::size_t next = 0;
  if (shape.order != WorkerOrder::dealt_around) {
    for (std::size_t i = 0; i < pipelines.size(); ++i) {
      for (int stage = 0; stage < shape.depths[i]; ++stage) pipelines[i].push_back(workers[next++]);
    }
    return pipelines;
  }
  for (int stage = 0; next < workers.size(); ++stage) {
    for (std::size_t i = 0; i < pipelines.size(); ++i) {
      if (stage < shape.depths[i]) pipelines[i].push_back(workers[next++]);
    }
  }
  return pipelines;
}

// A rank's chunks are taken to hold equally many, within equal parts of its memory.
std::vector<HeldMost> Spreader::held_by_stage(const std::string& schedule,
                                              const std::vector<int>& ranks, int micro_batches) {
  const int chunks = chunks_of(schedule);
  const int depth = static_cast<int>(ranks.size()) / chunks;
  std::vector<HeldMost> held;
  const auto* const by_rank = tools_.evaluator.shelf().held(schedule, depth, micro_batches);
  if (by_rank == nullptr) return held;
  for (const int rank : ranks) {
    held.push_back((*by_rank)[static_cast<std::size_t>(rank)]);
    for (HeldCounts& counts : held.back()) {
      counts.activations = (counts.activations + chunks - 1) / chunks;
      counts.weight_gradients = (counts.weight_gradients + chunks - 1) / chunks;
    }
  }
  return held;
}

std::optional<std::vector<StageDraft>> Spreader::cut(PartitionRequest request,
                                                     const std::vector<HeldMost>& held) const {
  if (held.empty()) return std::nullopt;
  request.held = &held;
  std::map<int, int> stages;  // of each worker
  for (const int worker : request.workers) ++stages[worker];
  for (const int worker : request.workers) {
    request.memory_bytes.push_back(tools_.terms.worker(worker).memory_bytes / stages[worker]);
  }
  auto best = balanced_partition(tools_.terms, tools_.sums, request);
  const bool one_speed = std::ranges::all_of(request.workers, [&](int worker) {
    return tools_.terms.worker(worker).speed == tools_.terms.worker(request.workers[0]).speed;
  });
  if (one_speed || !best || !request.rounds.bind) return best;
  // Between speeds the greedy cut may know rounds less well than no rounds at all.
  const RoundRule rounds = request.rounds;
  request.rounds.bind = false;
  auto others = balanced_partition(tools_.terms, tools_.sums, request);
  const auto period_ms = [&](const std::vector<StageDraft>& cut) {
    return longest_round(tools_.terms, tools_.sums, rounds, cut).period_ms;
  };
  return others && period_ms(*others) < period_ms(*best) ? others : best;
}

std::optional<std::vector<StageDraft>> Spreader::partition(const Family& family,
                                                           const std::vector<int>& workers,
                                                           int micro_batches) {
  const auto schedule = std::ranges::find(limits_.schedules, family.schedule);
  PartitionKey key{schedule - limits_.schedules.begin(), family.lane_size,
                   static_cast<std::int64_t>(family.width), micro_batches};
  for (const int worker : workers) key.push_back(kinds_[static_cast<std::size_t>(worker)]);
  const auto by_stage = ranks_by_stage(family.schedule, static_cast<int>(workers.size()));
  auto found = partitions_.find(key);
  if (found == partitions_.end()) {
    PartitionRequest request{.rounds = round_rule(family.schedule),
                             .micro_batches = micro_batches,
                             .lanes = lanes_in(micro_batches, family.lane_size),
                             .reductions = reduction_transfers(static_cast<int>(family.width)),
                             .recompute = limits_.recompute};
    for (const int rank : by_stage) {
      request.workers.push_back(workers[static_cast<std::size_t>(rank)]);
    }
    const auto held = held_by_stage(family.schedule, by_stage, micro_batches);
    found = partitions_.emplace(std::move(key), cut(request, held)).first;
  }
  auto stages = found->second;
  for (std::size_t i = 0; stages && i < stages->size(); ++i) {
    (*stages)[i].worker = workers[static_cast<std::size_t>(by_stage[i])];
  }
  return stages;
}

// Lane after lane to the pipeline that is then done first, by its longest round.
bool Spreader::share_out(PlanDraft& draft) const {
  const int width = static_cast<int>(draft.pipelines.size());
  const double transfers = reduction_transfers(width);
  const RoundRule rule = round_rule(draft.schedule);
  std::vector<double> ahead_ms;
  std::vector<double> lane_ms;
  for (const PipelineDraft& pipeline : draft.pipelines) {
    double all_ms = 0;
    double after_ms = 0;
    for (const StageDraft& stage : pipeline.stages) {
      const int end = stage.last + 1;
      const double speed = tools_.terms.worker(stage.worker).speed;
      double compute_ms = tools_.sums.compute_ms(stage.first, end);
      if (stage.recompute) compute_ms += tools_.sums.forward_ms(stage.first, end);
      all_ms += compute_ms / speed;
      after_ms = std::max(after_ms, (tools_.sums.optimizer_ms(stage.first, end) / speed) +
                                        (transfers * tools_.sums.transfer_ms(stage.first, end)));
    }
    const Round round = longest_round(tools_.terms, tools_.sums, rule, pipeline.stages);
    ahead_ms.push_back(after_ms + all_ms - round.period_ms);
    lane_ms.push_back(round.period_ms * draft.lane_size);
  }
  const int all = lanes(draft.lane_size);
  if (width > all) return false;
  std::vector<int> shares = certain_shares(ahead_ms, lane_ms, all);
  using Next = std::pair<double, std::size_t>;  // time with one more lane, pipeline
  std::priority_queue<Next, std::vector<Next>, std::greater<>> next;
  const auto with_one_more = [&](std::size_t i) {
    return ahead_ms[i] + (lane_ms[i] * (shares[i] + 1));
  };
  for (std::size_t i = 0; i < shares.size(); ++i) next.emplace(with_one_more(i), i);
  for (int left = all - std::reduce(shares.begin(), shares.end()); left > 0; --left) {
    const std::size_t i = next.top().second;
    next.pop();
    ++shares[i];
    next.emplace(with_one_more(i), i);
  }
  for (std::size_t i = 0; i < shares.size(); ++i) {
    draft.pipelines[i].micro_batches = shares[i] * draft.lane_size;
  }
  draft.pipelines.back().micro_batches -= (all * draft.lane_size) - limits_.micro_batches;
  return true;
}

std::optional<std::vector<int>> Spreader::lasts_of(CutRule rule, int stages) {
  std::vector<int> lasts;
  const int layers = tools_.sums.layers();
  if (rule == CutRule::equal_counts) {
    if (layers % stages != 0) return std::nullopt;
    for (int stage = 1; stage <= stages; ++stage) lasts.push_back((stage * layers / stages) - 1);
    return lasts;
  }
  if (layers > template_layers_max) return std::nullopt;
  if (template_lasts_.empty()) find_templates();
  return template_lasts_[static_cast<std::size_t>(stages) - 1];
}

// All sizes at once take little longer than one.
void Spreader::find_templates() {
  const int layers = tools_.sums.layers();
  std::vector<double> layer_ms;
  layer_ms.reserve(static_cast<std::size_t>(layers));
  for (int layer = 0; layer < layers; ++layer) {
    layer_ms.push_back(tools_.terms.layer(layer).compute_ms());
  }
  const int stages_most = std::min(layers, tools_.terms.workers());
  template_lasts_.resize(static_cast<std::size_t>(stages_most));
  const auto found = pipeline_templates(layer_ms, 1, stages_most);
  if (!found) return;
  for (int stages = 1; stages <= stages_most; ++stages) {
    const auto at = static_cast<std::size_t>(stages) - 1;
    auto& lasts = template_lasts_[at].emplace();
    for (const LayerRange& range : found.value()[at].stages) lasts.push_back(range.last.value);
  }
}

bool Spreader::cut_alike(CutRule rule, PipelineDraft& pipeline) {
  const auto lasts = lasts_of(rule, static_cast<int>(pipeline.stages.size()));
  if (!lasts) return false;
  int first = 0;
  for (std::size_t stage = 0; stage < pipeline.stages.size(); ++stage) {
    pipeline.stages[stage] = {first, (*lasts)[stage], pipeline.stages[stage].worker, false};
    first = (*lasts)[stage] + 1;
  }
  return true;
}

std::optional<PlanDraft> Spreader::cut_alike(const Shape& shape) {
  PlanDraft draft{.schedule = shape.schedule, .lane_size = shape.lane_size};
  for (const auto& workers : dealt(shape)) {
    PipelineDraft& pipeline = draft.pipelines.emplace_back();
    for (const int worker : workers) pipeline.stages.push_back({0, 0, worker, false});
    if (!cut_alike(shape.cut, pipeline)) return std::nullopt;
  }
  if (!share_out(draft)) return std::nullopt;
  return draft;
}

std::optional<PlanDraft> Spreader::draft(const Shape& shape) {
  if (shape.cut != CutRule::by_rounds) return cut_alike(shape);
  PlanDraft draft{.schedule = shape.schedule, .lane_size = shape.lane_size};
  const auto dealt = this->dealt(shape);
  double speed = 0;
  for (const auto& workers : dealt) {
    for (const int worker : workers) speed += tools_.terms.worker(worker).speed;
  }
  const int all = lanes(shape.lane_size);
  const Family family{shape.schedule, shape.lane_size, shape.depths.size()};
  std::vector<int> guesses;  // shares for which the layers are cut
  for (const auto& workers : dealt) {
    double own = 0;
    for (const int worker : workers) own += tools_.terms.worker(worker).speed;
    const int share = std::max(1, static_cast<int>(std::ceil(all * own / speed)));
    const int micro_batches = std::min(share * shape.lane_size, limits_.micro_batches);
    auto stages = partition(family, workers, micro_batches);
    if (!stages) return std::nullopt;
    draft.pipelines.push_back({*std::move(stages), micro_batches});
    guesses.push_back(micro_batches);
  }
  if (!share_out(draft)) return std::nullopt;
  for (std::size_t i = 0; i < draft.pipelines.size(); ++i) {
    PipelineDraft& pipeline = draft.pipelines[i];
    // Fewer micro-batches need no more memory.
    if (pipeline.micro_batches <= guesses[i]) continue;
    auto stages = partition(family, dealt[i], pipeline.micro_batches);
    if (!stages) return std::nullopt;
    pipeline.stages = *std::move(stages);
  }
  return draft;
}

bool Spreader::cut_anew(const PlanDraft& draft, PipelineDraft& pipeline) {
  const auto by_stage = ranks_by_stage(
      draft.schedule, static_cast<int>(pipeline.stages.size()) / chunks_of(draft.schedule));
  std::vector<int> workers(pipeline.stages.size() /
                           static_cast<std::size_t>(chunks_of(draft.schedule)));
  for (std::size_t i = 0; i < by_stage.size(); ++i) {
    workers[static_cast<std::size_t>(by_stage[i])] = pipeline.stages[i].worker;
  }
  auto stages = partition({draft.schedule, draft.lane_size, draft.pipelines.size()}, workers,
                          pipeline.micro_batches);
  if (!stages) return false;
  pipeline.stages = *std::move(stages);
  return true;
}

double Spreader::bottleneck_ms(int stages) {
  double& known_ms = bottlenecks_ms_[static_cast<std::size_t>(stages)];
  if (known_ms >= 0) return known_ms;
  const LayerSums& sums = tools_.sums;
  double low = sums.compute_ms(0, sums.layers()) / stages;
  for (int layer = 0; layer < sums.layers(); ++layer) {
    low = std::max(low, sums.compute_ms(layer, layer + 1));
  }
  const auto cover = [&](double limit) {  // returns the largest part, or nothing
    double most = 0;
    int first = 0;
    for (int stage = 0; stage < stages && first < sums.layers(); ++stage) {
      int taken = first + 1;
      int refused = sums.layers() + 1;
      while (refused - taken > 1) {
        const int end = taken + ((refused - taken) / 2);
        (sums.compute_ms(first, end) <= limit ? taken : refused) = end;
      }
      most = std::max(most, sums.compute_ms(first, taken));
      first = taken;
    }
    return first == sums.layers() ? std::optional(most) : std::nullopt;
  };
  double high = sums.compute_ms(0, sums.layers());
  if (const auto most = cover(low)) high = *most;
  while (high - low > 1e-6 * high) {
    const double middle = low + ((high - low) / 2);
    if (middle <= low || middle >= high) break;  // of numbers so small there is none between
    if (const auto most = cover(middle)) {
      high = std::min(middle, *most);
    } else {
      low = middle;
    }
  }
  known_ms = high;
  return known_ms;
}

}  // namespace planaria
