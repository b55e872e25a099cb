#include "planner/replan_judge.hpp"

#include <algorithm>
#include <utility>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

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
  for (const WorkerId worker : workers_of(candidate.layout)) {
    const std::int64_t received = add_needs(candidate.layout, worker, needs);
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
  candidate.changed =
      !request_.before || request_.before->pipelines != candidate.layout.pipelines;
  candidate.score = score_of(ms_of(end_least), candidate.step_ms);
  if (hopeless(candidate.rank())) return std::nullopt;
  TransferQueue queue(holdings_);
  candidate.transfers = queue.put(needs);
  candidate.transfer_ms = ms_of(queue.end());
  candidate.score = score_of(candidate.transfer_ms, candidate.step_ms);
  return candidate;
}

// Returns the bytes of the needs added.
std::int64_t ReplanJudge::add_needs(const Layout& layout, WorkerId id,
                                    std::vector<Need>& needs) const {
  const auto worker = holdings_.number_of(id);
  check(worker.has_value(), "only workers that are there compute");
  std::int64_t bytes = 0;
  for (const LayerId layer : computed_by(layout, id)) {
    if (holdings_.holds(*worker, layer.value)) continue;
    needs.push_back({layer.value, *worker});
    bytes += holdings_.bytes_of(layer.value);
  }
  return bytes;
}

ReplanRank ReplanJudge::least_rank(const Layout& layout) const {
  std::int64_t bytes = 0;
  std::int64_t end = 0;
  int idle = holdings_.workers();
  for (const WorkerId place : workers_of(layout)) {
    std::int64_t least = lacking_bytes(layout, place, 0);
    for (int worker = 1; worker < holdings_.workers() && least > 0; ++worker) {
      least = std::min(least, lacking_bytes(layout, place, worker));
    }
    bytes += least;
    end = std::max(end, least);
    --idle;
  }
  end = std::max(end, bytes / holdings_.workers());
  const double step_ms = price_.least_ms(layout);
  return {score_of(ms_of(end), step_ms), bytes, step_ms, false, idle, layout.pipelines.size()};
}

std::int64_t ReplanJudge::lacking_bytes(const Layout& layout, WorkerId place, int worker) const {
  std::int64_t bytes = 0;
  for (const LayerRange& layers : chunks_of(layout, place)) {
    bytes += holdings_.lacking_bytes(worker, layers);
  }
  return bytes;
}

}  // namespace planaria
