// When a worker strikes itself.
#include <algorithm>

#include <planaria/base/text.hpp>

#include "host/faults_words.hpp"

namespace planaria::host {
namespace {

// Asks about `worker` in `layout`: does it compute a layer, or anything at all?
bool computes(const Layout& layout, WorkerId worker, std::optional<LayerId> layer = std::nullopt) {
  return std::ranges::any_of(layout.pipelines, [&](const PipelineAssignment& pipeline) {
    return std::ranges::any_of(pipeline.stages, [&](const StageAssignment& stage) {
      return stage.worker == worker && (!layer || stage.layers.contains(*layer));
    });
  });
}

bool throws_at(const FaultOrder& order, const FaultPoint& point) {
  return std::get<Step>(order.when) == point.step &&
         order.phase.value_or(FaultPhase::forward) == point.phase &&
         order.micro_batch == point.micro_batch && order.layer == point.layer;
}

}  // namespace

std::string orders_for_workers(const FaultPlan& plan) {
  std::vector<std::string> items;
  for (const FaultOrder& order : plan.orders) {
    if (is_of_workers(order)) items.push_back(text_of(order));
  }
  return join(items, ",");
}

bool strikes(const FaultOrder& order, const FaultWorker& worker, const FaultPoint& point) {
  if (!is_of_workers(order)) return false;
  if (order.kind == FaultAct::throws) return throws_at(order, point);
  if (order.phase && order.phase != point.phase) return false;

  const auto* number = std::get_if<WorkerId>(&order.who);
  const bool meant =
      (number != nullptr && *number == worker.self) ||
      (std::holds_alternative<LatestJoined>(order.who) && worker.joined == worker.self) ||
      (std::holds_alternative<LatestPromoted>(order.who) && worker.promoted == worker.self);
  if (!meant) return false;

  // Nobody knows beforehand in which step a process is up, or a transfer under way.
  const bool of_no_step = order.phase == FaultPhase::migrate || order.phase == FaultPhase::fill;
  const bool waits = number == nullptr || worker.joined_later || of_no_step;
  const Step step = std::get<Step>(order.when);
  return waits ? point.step >= step : point.step == step;
}

std::optional<WorkerId> promoted_by(const Layout& before, const Layout& after) {
  std::optional<WorkerId> was_shadow;
  for (const ShadowAssignment& shadow : before.shadows) {
    const bool promoted = std::ranges::any_of(shadow.layers, [&](LayerId layer) {
      return computes(after, shadow.worker, layer) && !computes(before, shadow.worker, layer);
    });
    if (promoted && (!was_shadow || *was_shadow < shadow.worker)) was_shadow = shadow.worker;
  }
  if (was_shadow) return was_shadow;
  std::optional<WorkerId> was_idle;
  for (const WorkerId worker : workers_of(after)) {
    if (computes(after, worker) && !computes(before, worker)) was_idle = worker;
  }
  return was_idle;
}

Json fields_of_strike(const FaultOrder& order, WorkerId worker, std::optional<FaultPhase> phase) {
  Json fields = {
      {"worker", worker.value}, {"kind", name_of(order.kind)}, {"order", text_of(order)}};
  if (phase) fields["phase"] = name_of(*phase);
  return fields;
}

}  // namespace planaria::host
