#include "planner/replan_judge.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

std::map<WorkerId, std::vector<LayerRange>> ranges_by_worker(const Layout& layout) {
  std::map<WorkerId, std::vector<LayerRange>> ranges;
  for (const PipelineAssignment& pipeline : layout.pipelines) {
    for (const StageAssignment& stage : pipeline.stages) {
      ranges[stage.worker].push_back(stage.layers);
    }
  }
  return ranges;
}

bool better(const ReplanCandidate& a, const ReplanCandidate& b) {
  if (a.rank() != b.rank()) return a.rank() < b.rank();
  return std::lexicographical_compare(
      a.layout.pipelines.begin(), a.layout.pipelines.end(), b.layout.pipelines.begin(),
      b.layout.pipelines.end(), [](const PipelineAssignment& one, const PipelineAssignment& other) {
        return std::tie(one.stages, one.micro_batches) <
               std::tie(other.stages, other.micro_batches);
      });
}

}  // namespace

bool ReplanJudge::consider(Layout layout, const char* origin) {
  ++considered_;
  auto candidate = evaluate(std::move(layout), origin);
  if (!candidate || (best_ && !better(*candidate, *best_))) return false;
  best_ = std::move(candidate);
  return true;
}

// Returns the candidate that `layout` makes, or nothing where it is worse than the best or does
// not fit.
std::optional<ReplanCandidate> ReplanJudge::evaluate(Layout layout, const char* origin) {
  ReplanCandidate candidate{.layout = std::move(layout), .origin = origin};
  std::vector<Need> needs;
  std::int64_t end_least = 0;
  candidate.idle = holdings_.workers();
  for (const auto& [id, ranges] : ranges_by_worker(candidate.layout)) {
    const auto worker = holdings_.number_of(id);
    check(worker.has_value(), "only workers that are there compute");
    const std::int64_t received = lacking_bytes(*worker, ranges);
    add_needs(*worker, ranges, needs);
    --candidate.idle;
    candidate.bytes += received;
    end_least = std::max(end_least, received);
  }
  candidate.step_ms = price_.least_ms(candidate.layout);
  candidate.score = score_of(ms_of(end_least), candidate.step_ms);
  if (hopeless(candidate.rank())) return std::nullopt;
  const auto step_ms = price_.share_out(candidate.layout);
  if (!step_ms) return std::nullopt;
  candidate.step_ms = *step_ms;
  candidate.changed = !request_.before || request_.before->pipelines != candidate.layout.pipelines;
  candidate.score = score_of(ms_of(end_least), candidate.step_ms);
  if (hopeless(candidate.rank())) return std::nullopt;
  TransferQueue queue(holdings_);
  candidate.transfers = queue.put(needs);
  candidate.transfer_ms = ms_of(queue.end());
  candidate.score = score_of(candidate.transfer_ms, candidate.step_ms);
  return candidate;
}

void ReplanJudge::add_needs(int worker, const Ranges& ranges, std::vector<Need>& needs) const {
  for (const LayerRange& layers : ranges) {
    for (int layer = layers.first.value; layer <= layers.last.value; ++layer) {
      if (!holdings_.holds(worker, layer)) needs.push_back({layer, worker});
    }
  }
}

ReplanRank ReplanJudge::least_rank(const Layout& layout, double step_ms) const {
  std::int64_t bytes = 0;
  std::int64_t end = 0;
  int idle = holdings_.workers();
  std::map<Ranges, std::int64_t> least_of;  // places of several pipelines are alike
  for (const auto& [place, ranges] : ranges_by_worker(layout)) {
    const auto [known, fresh] = least_of.try_emplace(ranges, 0);
    if (fresh) {
      known->second = lacking_bytes(0, ranges);
      for (int worker = 1; worker < holdings_.workers() && known->second > 0; ++worker) {
        known->second = std::min(known->second, lacking_bytes(worker, ranges));
      }
    }
    bytes += known->second;
    end = std::max(end, known->second);
    --idle;
  }
  end = std::max(end, bytes / holdings_.workers());
  return {score_of(ms_of(end), step_ms), bytes, step_ms, false, idle, layout.pipelines.size()};
}

std::int64_t ReplanJudge::lacking_bytes(int worker, const Ranges& ranges) const {
  std::int64_t bytes = 0;
  for (const LayerRange& layers : ranges) bytes += holdings_.lacking_bytes(worker, layers);
  return bytes;
}

}  // namespace planaria
