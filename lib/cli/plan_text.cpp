#include "cli/plan_text.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/number_ranges.hpp>
#include <planaria/base/text.hpp>

namespace planaria::cli {
namespace {

constexpr std::size_t columns = 100;

/// Words one behind another, going on below where a line is full.
std::string wrapped(const std::string& head, const std::vector<std::string>& words) {
  std::string text = head;
  std::size_t used = head.size();
  for (const std::string& word : words) {
    if (used + 1 + word.size() > columns && used > head.size()) {
      text += "\n" + std::string(head.size(), ' ');
      used = head.size();
    }
    text += " " + word;
    used += 1 + word.size();
  }
  return text + "\n";
}

bool alike(const PlannedPipeline& a, const PlannedPipeline& b) {
  return a.micro_batches == b.micro_batches &&
         std::ranges::equal(a.stages, b.stages, [](const auto& one, const auto& other) {
           return one.layers == other.layers && one.recompute == other.recompute &&
                  one.peak_memory_bytes == other.peak_memory_bytes;
         });
}

std::string headline(const PlanFound& found) {
  const Plan& plan = found.best.plan;
  std::string text = fmt::format("{} by {}", text_of(layout_of(plan)), plan.schedule);
  if (const auto idle = static_cast<std::int64_t>(plan.idle_workers.size()); idle > 0) {
    text += fmt::format(", {} idle", counted(idle, "worker"));
  }
  text += fmt::format(": {:.6g} ms a step, ", plan.step_ms);
  if (plan.optimal) {
    text += "the least possible\n";
  } else {
    text += fmt::format("bound {:.6g}\n", plan.bound_step_ms);
  }
  return text + fmt::format(
                    "{:.6g} samples a second: {} of {} in lanes of {}; survives {}; found "
                    "in {:.3g} ms, {} simulated\n",
                    plan.samples_per_s, counted(plan.micro_batches, "micro-batch", "es"),
                    plan.micro_batch_size, plan.lane_size,
                    plan.survives == 0 ? "no loss" : "any " + counted(plan.survives, "loss", "es"),
                    found.search_ms, counted(plan.candidates, "pipeline"));
}

std::string group_of(const Plan& plan, const std::vector<std::size_t>& group) {
  const PlannedPipeline& first = plan.pipelines[group.front()];
  std::vector<std::string> layers;
  std::int64_t most_bytes = 0;
  for (const PlannedStage& stage : first.stages) {
    layers.push_back(range_text(stage.layers.first.value, stage.layers.last.value) +
                     (stage.recompute ? "r" : ""));
    most_bytes = std::max(most_bytes, stage.peak_memory_bytes);
  }
  std::vector<int> workers;
  for (const std::size_t index : group) {
    for (const PlannedStage& stage : plan.pipelines[index].stages) {
      workers.push_back(stage.worker.value);
    }
  }
  const auto count = static_cast<std::int64_t>(group.size());
  std::string text =
      fmt::format("\n{} of {}, {}, at most {} a worker\n", counted(count, "pipeline"),
                  counted(static_cast<std::int64_t>(first.stages.size()), "stage"),
                  counted(first.micro_batches, "micro-batch", "es") + (count > 1 ? " each" : ""),
                  text_of_bytes(static_cast<std::uint64_t>(most_bytes)));
  text += wrapped("  layers ", layers);
  return text + wrapped("  workers", range_texts(workers));
}

}  // namespace

std::string text_of(const PlanFound& found, bool explain) {
  const Plan& plan = found.best.plan;
  std::string text = headline(found);
  std::vector<std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < plan.pipelines.size(); ++i) {
    const auto group = std::ranges::find_if(groups, [&](const auto& one) {
      return alike(plan.pipelines[one.front()], plan.pipelines[i]);
    });
    if (group == groups.end()) {
      groups.push_back({i});
    } else {
      group->push_back(i);
    }
  }
  for (const auto& group : groups) text += group_of(plan, group);
  for (const ShadowAssignment& shadow : plan.shadows) {
    std::vector<int> layers;
    for (const LayerId layer : shadow.layers) layers.push_back(layer.value);
    text += wrapped(fmt::format("\nworker {} shadows", shadow.worker.value), range_texts(layers));
  }
  if (!plan.idle_workers.empty()) {
    std::vector<int> idle;
    for (const WorkerId worker : plan.idle_workers) idle.push_back(worker.value);
    text += wrapped("\nidle   ", range_texts(idle));
  }
  if (explain) {
    text += "\n";
    for (const std::string& sentence : found.best.explanation) text += sentence + "\n";
  }
  text.pop_back();  // print_result() ends the last line
  return text;
}

}  // namespace planaria::cli
