// planner/layout_price.hpp: what a step of a layout takes when its micro-batches are shared out
// best. Private to planner. Is: the evaluator's exact price, for layouts that come from elsewhere.
// Is not: a search of pipelines (broad_search.hpp).
#pragma once

#include <optional>
#include <vector>

#include <planaria/model/layout.hpp>

#include "planner/broad_search.hpp"
#include "planner/spread.hpp"

namespace planaria {

class LayoutPrice {
 public:
  /// `terms` must outlive it. A step is taken to be done by that of `limits.schedules` by which it
  /// takes least; all have as many chunks.
  LayoutPrice(const CostTerms& terms, SearchLimits limits);
  LayoutPrice(const LayoutPrice&) = delete;
  LayoutPrice& operator=(const LayoutPrice&) = delete;

  /// Stages of each worker.
  [[nodiscard]] int chunks() const { return chunks_; }
  /// Whether no price tells any two of the workers apart.
  [[nodiscard]] bool workers_alike() const { return spreader_.orders().size() == 1; }

  /// No sharing of the micro-batches lets a step take less. O(layers x pipelines).
  [[nodiscard]] double least_ms(const Layout& layout) const;
  /// Shares the micro-batches out anew, but where the layout's own shares are as good, and returns
  /// what a step takes. Nothing where it does not fit. Requires workers of the cluster.
  [[nodiscard]] std::optional<double> share_out(Layout& layout);
  /// Of every width, or that of the limits, the workers spread evenly, as many as have layers.
  [[nodiscard]] std::vector<Layout> even_layouts();

  /// False once so much has been simulated that whoever tries for the best should stop.
  [[nodiscard]] bool effort_left() const;

 private:
  [[nodiscard]] PlanDraft draft_of(const Layout& layout) const;
  [[nodiscard]] Layout layout_of(const PlanDraft& draft) const;
  /// Sets the draft's shares and returns its price.
  [[nodiscard]] std::optional<double> price(PlanDraft& draft);
  [[nodiscard]] bool has_schedule(const PlanDraft& draft);

  const CostTerms& terms_;
  SearchLimits limits_;
  LayerSums sums_;
  PlanEvaluator evaluator_;
  SearchTools tools_;
  Spreader spreader_;
  int chunks_;
};

}  // namespace planaria
