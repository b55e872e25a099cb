#include "planner/plan_explanation.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/planner/best_plan.hpp>

namespace planaria {
namespace {

int recomputing(const Plan& plan) {
  int count = 0;
  for (const PlannedPipeline& pipeline : plan.pipelines) {
    for (const PlannedStage& stage : pipeline.stages) count += stage.recompute ? 1 : 0;
  }
  return count;
}

std::string chosen(const Plan& plan) {
  std::string sentence =
      fmt::format("{} by {}, micro-batches of {}: {:.6g} ms a step, {:.6g} samples a second",
                  text_of(layout_of(plan)), plan.schedule, plan.micro_batch_size, plan.step_ms,
                  plan.samples_per_s);
  sentence += text_of_gap(plan);
  if (const int count = recomputing(plan); count > 0) {
    sentence += fmt::format("; {} recompute", counted(count, "stage"));
  }
  if (!plan.idle_workers.empty()) {
    sentence += fmt::format("; {} idle, which would not make it shorter",
                            counted(static_cast<std::int64_t>(plan.idle_workers.size()), "worker"));
  }
  if (!plan.shadows.empty()) {
    sentence += fmt::format("; {} shadow layers, so that each has {} holders",
                            counted(static_cast<std::int64_t>(plan.shadows.size()), "worker"),
                            plan.survives + 1);
  }
  return sentence;
}

std::string other(const Plan& plan, int size, const FamilyResult& family, double step_ms) {
  std::string sentence =
      fmt::format("not {} by {}", counted(family.width, "pipeline"), family.schedule);
  if (family.step_ms) {
    sentence += fmt::format(" on {}", counted(family.workers, "worker"));
  }
  sentence += fmt::format(", micro-batches of {}: {}{:.6g} ms a step", size,
                          family.step_ms ? "" : "estimated at ", step_ms);
  const double longer =
      100 * ((step_ms * plan.micro_batch_size / size / std::max(plan.step_ms, 1e-300)) - 1);
  return sentence + fmt::format(", {:.3g} % longer for the same samples", longer);
}

/// Families of neighbouring widths that do not fit.
struct Misfits {
  std::string schedule;
  int size = 0;
  int first = 0;
  int last = 0;
};

std::vector<Misfits> misfits_of(const std::vector<SizeFamilies>& sizes) {
  std::vector<Misfits> all;
  for (const SizeFamilies& size : sizes) {
    std::vector<const FamilyResult*> none;
    for (const FamilyResult& family : size.families) {
      if (!family.step_ms && !family.untried_ms) none.push_back(&family);
    }
    std::ranges::stable_sort(none, [](const FamilyResult* a, const FamilyResult* b) {
      return std::pair(a->schedule, a->width) < std::pair(b->schedule, b->width);
    });
    for (const FamilyResult* family : none) {
      const bool follows = !all.empty() && all.back().size == size.micro_batch_size &&
                           all.back().schedule == family->schedule &&
                           all.back().last + 1 == family->width;
      if (follows) {
        all.back().last = family->width;
      } else {
        all.push_back({family->schedule, size.micro_batch_size, family->width, family->width});
      }
    }
  }
  return all;
}

}  // namespace

std::string text_of_gap(const Plan& plan) {
  if (plan.optimal) return ", the least possible";
  if (plan.bound_step_ms <= 0) return "";
  return fmt::format(", at most {:.2g} % above the least possible (bound {:.6g} ms)",
                     100 * (plan.step_ms / plan.bound_step_ms - 1), plan.bound_step_ms);
}

std::vector<std::string> explanation_of(const Plan& plan, const std::vector<SizeFamilies>& sizes,
                                        int workers) {
  std::vector<std::string> sentences{chosen(plan)};
  std::vector<std::pair<double, std::string>> others;
  const int width = static_cast<int>(plan.pipelines.size());
  for (const SizeFamilies& size : sizes) {
    for (const FamilyResult& family : size.families) {
      const bool is_chosen = family.schedule == plan.schedule && family.width == width &&
                             size.micro_batch_size == plan.micro_batch_size;
      const auto step_ms = family.step_ms ? family.step_ms : family.untried_ms;
      if (!step_ms || is_chosen) continue;
      const double samples_per_s =
          1000.0 * plan.micro_batches * size.micro_batch_size / std::max(*step_ms, 1e-300);
      others.emplace_back(-samples_per_s, other(plan, size.micro_batch_size, family, *step_ms));
    }
  }
  std::ranges::stable_sort(others, {}, &std::pair<double, std::string>::first);
  for (auto& [rank, sentence] : others) sentences.push_back(std::move(sentence));
  for (const Misfits& none : misfits_of(sizes)) {
    const std::string widths = none.first == none.last
                                   ? counted(none.first, "pipeline")
                                   : fmt::format("{} to {} pipelines", none.first, none.last);
    sentences.push_back(fmt::format(
        "not {} by {}, micro-batches of {}: spread over {} they do not fit the memory there is",
        widths, none.schedule, none.size, counted(workers, "worker")));
  }
  return sentences;
}

}  // namespace planaria
