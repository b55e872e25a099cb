// What is told of states on their way.
#include <algorithm>
#include <map>

#include "protocol/coordinator_transitions.hpp"

namespace planaria::protocol {
namespace {

// By worker, of each of its stages.
std::map<WorkerId, std::vector<LayerRange>> ranges_of(const Layout& layout) {
  std::map<WorkerId, std::vector<LayerRange>> ranges;
  for (const auto& pipeline : layout.pipelines) {
    for (const auto& stage : pipeline.stages) {
      if (!ranges.contains(stage.worker)) ranges[stage.worker] = chunks_of(layout, stage.worker);
    }
  }
  return ranges;
}

std::vector<std::vector<StageAssignment>> stages_of(const Layout& layout) {
  std::vector<std::vector<StageAssignment>> stages;
  for (const auto& pipeline : layout.pipelines) stages.push_back(pipeline.stages);
  std::ranges::sort(stages);
  return stages;
}

}  // namespace

const char* kind_of_change(const Layout& before, const Layout& after) {
  const auto old_ranges = ranges_of(before);
  const auto new_ranges = ranges_of(after);
  for (const auto& [worker, range] : new_ranges) {
    const bool known = std::ranges::any_of(
        old_ranges, [&, wanted = range](const auto& entry) { return entry.second == wanted; });
    if (!known) return "pipeline";
  }
  for (const auto& [worker, range] : new_ranges) {
    const auto old = old_ranges.find(worker);
    if (old == old_ranges.end() || old->second != range) return "inter-stage";
  }
  return stages_of(before) == stages_of(after) ? "none" : "intra-stage";
}

void begin_migration(CoordinatorState& state, const std::vector<Move>& moves,
                     const std::string& kind, Instant now, Decision& decision) {
  if (moves.empty()) return;
  const bool first = !state.migration;
  if (first) state.migration = Migration{.began = now, .kind = kind, .to = {}};
  Migration& migration = *state.migration;
  const auto bytes = layer_bytes(state);
  for (const Move& move : moves) {
    migration.to.insert(move.to);
    migration.bytes += bytes.at(static_cast<std::size_t>(move.layer.value));
    ++migration.layers;
  }
  if (first) emit(state, now, "migration_begin", {{"kind", kind}}, decision);
}

void end_migration(CoordinatorState& state, Instant now, Decision& decision) {
  if (!state.migration) return;
  const Migration migration = *std::exchange(state.migration, std::nullopt);
  Json to = Json::array();
  for (const WorkerId worker : migration.to) to.push_back(worker.value);
  emit(state, now, "migration_end",
       {{"kind", migration.kind},
        {"bytes", migration.bytes},
        {"layers", migration.layers},
        {"to", std::move(to)},
        {"ms", (now - migration.began).value}},
       decision);
}

}  // namespace planaria::protocol
