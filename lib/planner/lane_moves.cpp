#include "planner/lane_moves.hpp"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

namespace planaria {

double own_end_ms(const SearchTools& tools, const PlanDraft& draft, PipelineDraft pipeline) {
  const PipelineTimes* const times = tools.evaluator.times(draft.schedule, draft.lane_size,
                                                           tools.evaluator.no_shadows(), pipeline);
  if (times == nullptr) return std::numeric_limits<double>::infinity();
  const double transfers = reduction_transfers(static_cast<int>(draft.pipelines.size()));
  double end_ms = 0;
  for (std::size_t i = 0; i < pipeline.stages.size(); ++i) {
    const StageDraft& stage = pipeline.stages[i];
    const double speed = tools.terms.worker(stage.worker).speed;
    end_ms =
        std::max(end_ms, times->end_ms[i] +
                             (transfers * tools.sums.transfer_ms(stage.first, stage.last + 1)) +
                             (tools.sums.optimizer_ms(stage.first, stage.last + 1) / speed));
  }
  return end_ms;
}

void level_lanes(const SearchTools& tools, PlanDraft& draft) {
  std::vector<double> ends_ms;
  for (const PipelineDraft& pipeline : draft.pipelines) {
    ends_ms.push_back(own_end_ms(tools, draft, pipeline));
  }
  while (true) {
    const auto last = std::ranges::max_element(ends_ms);
    PipelineDraft& from = draft.pipelines[static_cast<std::size_t>(last - ends_ms.begin())];
    if (*last == std::numeric_limits<double>::infinity()) return;
    if (from.micro_batches <= draft.lane_size) return;
    double least_ms = *last;
    std::size_t to = 0;
    for (std::size_t i = 0; i < draft.pipelines.size(); ++i) {
      PipelineDraft more = draft.pipelines[i];
      more.micro_batches += draft.lane_size;
      const double end_ms = own_end_ms(tools, draft, std::move(more));
      if (end_ms >= least_ms) continue;
      least_ms = end_ms;
      to = i;
    }
    if (least_ms >= *last) return;
    PipelineDraft fewer = from;
    fewer.micro_batches -= draft.lane_size;
    const double end_ms = own_end_ms(tools, draft, fewer);
    if (end_ms == std::numeric_limits<double>::infinity()) return;  // its schedule wants so many
    from = std::move(fewer);
    *last = end_ms;
    draft.pipelines[to].micro_batches += draft.lane_size;
    ends_ms[to] = least_ms;
  }
}

}  // namespace planaria
