#include <planaria/planner/plan_picture.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/number_ranges.hpp>
#include <planaria/base/text.hpp>
#include <planaria/schedule/markup.hpp>
#include <planaria/schedule/memory.hpp>
#include <planaria/schedule/panel.hpp>
#include <planaria/schedule/simulate.hpp>

#include "planner/checked_plan.hpp"
#include "planner/plan_kinds.hpp"
#include "planner/plan_strip.hpp"

namespace planaria {
namespace {

constexpr std::size_t timelines_most = 6;
constexpr std::size_t cells_most = 5000;  // layers with an element of their own
constexpr std::size_t lines_most = 24;    // ranks whose memory is a line, too thin with more
constexpr double width_least_px = 1000;
constexpr double letter_px = 6.1;  // about what one takes at 11 px
constexpr double line_px = 16;

/// One of the kind's pipelines as schedules are drawn; what stands all the time is held too.
Result<ScheduleDrawing> timeline_of(const Plan& plan, const CheckedPlan& checked,
                                    const PipelineKind& kind, double step_ms) {
  const std::size_t pipeline = kind.pipelines.front();
  ScheduleDrawing drawing;
  PLANARIA_TRY(schedule, schedule_of(plan, pipeline));
  drawing.schedule = std::move(schedule);
  const PipelineProblem problem =
      problem_of(checked.terms, kind.stages, lanes_in(kind.micro_batches, checked.draft.lane_size));
  PLANARIA_TRY(simulated, simulate(drawing.schedule, problem.costs));
  drawing.simulated = std::move(simulated);
  if (kind.ranks.size() <= lines_most) {
    drawing.memory = memory_of(drawing.schedule, problem.memory);
  }
  for (std::size_t rank = 0; rank < drawing.memory.size(); ++rank) {
    RankMemory& memory = drawing.memory[rank];
    const std::int64_t standing_bytes = kind.ranks[rank].held.all_bytes() - memory.peak_bytes;
    memory.peak_bytes += standing_bytes;
    for (auto* held : {&memory.during_bytes, &memory.after_bytes}) {
      for (std::int64_t& bytes : *held) bytes += standing_bytes;
    }
    drawing.limit_bytes.push_back(kind.ranks[rank].held.memory_bytes);
  }
  const std::size_t alike = kind.pipelines.size();
  drawing.title = fmt::format("Pipeline {}{}: computes for {} of the step's {} ms", pipeline,
                              alike > 1 ? fmt::format(", one of {} alike", alike) : "",
                              figure(kind.computes_ms), figure(step_ms));
  return drawing;
}

/// The kinds that compute longest, of equals the first; ascending.
std::vector<std::size_t> drawn_in_time(const std::vector<PipelineKind>& kinds) {
  std::vector<std::size_t> order;
  for (std::size_t kind = 0; kind < kinds.size(); ++kind) order.push_back(kind);
  std::ranges::stable_sort(order, std::ranges::greater(),
                           [&](std::size_t kind) { return kinds[kind].computes_ms; });
  order.resize(std::min(order.size(), timelines_most));
  std::ranges::sort(order);
  return order;
}

/// Words one behind another, going on below where a line is full.
std::vector<std::string> wrapped(const std::vector<std::string>& words, double width_px) {
  const auto room = static_cast<std::size_t>(width_px / letter_px);
  std::vector<std::string> lines(1);
  for (const std::string& word : words) {
    if (lines.back().size() + 1 + word.size() > room) lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
  }
  return lines;
}

std::vector<std::string> worker_ranges(std::vector<WorkerId> workers) {
  std::ranges::sort(workers);
  std::vector<int> numbers;
  for (const WorkerId worker : workers) numbers.push_back(worker.value);
  return range_texts(numbers);
}

/// "layers 0-2", "7".
std::vector<std::string> words_of(const std::vector<LayerId>& layers) {
  std::vector<int> numbers;
  for (const LayerId layer : layers) numbers.push_back(layer.value);
  std::vector<std::string> words = range_texts(numbers);
  if (words.empty()) return {"no layer"};
  words.front().insert(0, layers.size() == 1 ? "layer " : "layers ");
  return words;
}

class PlanWriter {
 public:
  PlanWriter(const Plan& plan, const Profile& profile, const Cluster& cluster,
             const CheckedPlan& checked, const PlanCost& cost, std::vector<PipelineKind> kinds)
      : plan_(plan),
        profile_(profile),
        cluster_(cluster),
        checked_(checked),
        cost_(cost),
        kinds_(std::move(kinds)) {}

  Result<std::string> write() {
    std::vector<ScheduleDrawing> drawings;
    const std::vector<std::size_t> in_time = drawn_in_time(kinds_);
    for (const std::size_t kind : in_time) {
      PLANARIA_TRY(drawing, timeline_of(plan_, checked_, kinds_[kind], cost_.step_ms));
      drawings.push_back(std::move(drawing));
    }
    const std::vector<Panel> panels = panels_of(drawings);
    width_px_ = width_least_px;
    for (const Panel& panel : panels) width_px_ = std::max(width_px_, panel.width_px);
    scale_ = {width_px_ - (2 * margin_px), most_bytes(),
              kinds_.size() * profile_.layers.size() <= cells_most};
    header();
    auto next = panels.begin();
    for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
      add_kind(kinds_[kind]);
      if (std::ranges::binary_search(in_time, kind)) {
        place({next->markup, next->height_px + 14});
        ++next;
      } else {
        line("s",
             fmt::format("computes for {} of the step's {} ms; timelines are those of the "
                         "{} kinds that compute longest",
                         figure(kinds_[kind].computes_ms), figure(cost_.step_ms), timelines_most));
        y_px_ += 14;
      }
    }
    add_shadows();
    add_idle();
    return svg_file(
        width_px_, y_px_ + 8, title(),
        "<style>\n" + panel_style() + strip_style() + "</style>\n" + strip_fills() + content_);
  }

 private:
  void place(const StripPart& part) {
    content_ +=
        fmt::format("<g transform=\"translate(0 {})\">\n{}</g>\n", decimal(y_px_), part.markup);
    y_px_ += part.height_px;
  }

  void line(const char* style_class, const std::string& text) {
    content_ += text_at(margin_px, y_px_ + 12, style_class, text) + "\n";
    y_px_ += line_px;
  }

  [[nodiscard]] std::string title() const {
    return fmt::format("{}: {} by {}", profile_.model, text_of(layout_of(plan_)), plan_.schedule);
  }

  [[nodiscard]] std::string bound() const {
    if (plan_.optimal) return ", the least possible";
    if (plan_.bound_step_ms <= 0) return "";
    const double above = (cost_.step_ms / plan_.bound_step_ms) - 1;
    return fmt::format(", bound {} ms ({} % above)", figure(plan_.bound_step_ms),
                       decimal(100 * above, 1));
  }

  void header() {
    y_px_ = 8;
    line("t", shortened(title(), static_cast<std::size_t>(scale_.width_px / 8)));
    y_px_ += 4;
    const double samples = static_cast<double>(plan_.micro_batches) * plan_.micro_batch_size;
    line("m",
         fmt::format(
             "{} ms a step{}{}; {} of {} in lanes of {}; {}, survives {}", figure(cost_.step_ms),
             bound(),
             cost_.step_ms > 0
                 ? fmt::format(", {} samples a second", figure(samples * 1000 / cost_.step_ms))
                 : "",
             counted(plan_.micro_batches, "micro-batch", "es"), plan_.micro_batch_size,
             plan_.lane_size, counted(static_cast<std::int64_t>(cluster_.workers.size()), "worker"),
             cost_.survives == 0 ? "no loss" : "any " + counted(cost_.survives, "loss", "es")));
    y_px_ += 4;
    const bool recomputes = std::ranges::any_of(kinds_, [](const PipelineKind& kind) {
      return std::ranges::any_of(kind.stages, &StageDraft::recompute);
    });
    place({strip_legend(recomputes, !plan_.shadows.empty()), 24});
  }

  void add_kind(const PipelineKind& kind) {
    const auto count = static_cast<std::int64_t>(kind.pipelines.size());
    const auto stages = static_cast<std::int64_t>(kind.stages.size());
    std::vector<WorkerId> workers;
    for (const KindRank& rank : kind.ranks) {
      workers.insert(workers.end(), rank.workers.begin(), rank.workers.end());
    }
    y_px_ += 6;
    content_ += fmt::format("<path class=\"grid\" d=\"M{} {}h{}\"/>\n", decimal(margin_px),
                            decimal(y_px_), decimal(scale_.width_px));
    y_px_ += 6;
    line("t",
         fmt::format("{} x {}, {}{}", counted(count, "pipeline"), counted(stages, "stage"),
                     counted(kind.micro_batches, "micro-batch", "es"), count > 1 ? " each" : ""));
    std::vector<std::string> words = worker_ranges(std::move(workers));
    words.insert(words.begin(), "workers");
    for (const std::string& text : wrapped(words, scale_.width_px)) line("s", text);
    y_px_ += 4;
    place(strip_of(kind, profile_, *profile_.at_size(plan_.micro_batch_size), scale_));
    place(rows_of(kind, scale_));
    y_px_ += 6;
  }

  /// Those that compute too have what they shadow in their stages' rows: here they are named, those
  /// that shadow the same together.
  void add_shadows() {
    if (plan_.shadows.empty()) return;
    y_px_ += 6;
    line("t", "Shadows");
    y_px_ += 4;
    std::set<WorkerId> computing;
    for (const PipelineKind& kind : kinds_) {
      for (const KindRank& rank : kind.ranks) {
        computing.insert(rank.workers.begin(), rank.workers.end());
      }
    }
    std::map<std::vector<LayerId>, std::vector<WorkerId>> by_layers;
    for (const ShadowAssignment& shadow : plan_.shadows) {
      std::vector<LayerId> layers = shadow.layers;
      std::ranges::sort(layers);
      if (computing.contains(shadow.worker)) {
        by_layers[std::move(layers)].push_back(shadow.worker);
        continue;
      }
      const HeldBytes held{.shadow_bytes = cost_.memory_bytes.at(shadow.worker),
                           .memory_bytes = cluster_.worker(shadow.worker)->memory_bytes};
      place(shadow_row_of(held, shadow.worker, join(words_of(layers), ", "), scale_));
    }
    for (const auto& [layers, workers] : by_layers) {
      std::vector<std::string> words = worker_ranges(workers);
      words.insert(words.begin(), workers.size() == 1 ? "worker" : "workers");
      words.emplace_back(workers.size() == 1 ? "shadows" : "shadow");
      for (std::string& text : words_of(layers)) words.push_back(std::move(text));
      for (const std::string& text : wrapped(words, scale_.width_px)) line("l", text);
    }
  }

  void add_idle() {
    std::vector<WorkerId> idle;
    for (const ClusterWorker& worker : cluster_.workers) {
      if (!cost_.memory_bytes.contains(worker.id)) idle.push_back(worker.id);
    }
    if (idle.empty()) return;
    y_px_ += 6;
    line("t", counted(static_cast<std::int64_t>(idle.size()), "idle worker"));
    for (const std::string& text : wrapped(worker_ranges(std::move(idle)), scale_.width_px)) {
      line("l", text);
    }
  }

  /// A memory far above all that is held would flatten the bars: then it is told in words alone.
  [[nodiscard]] std::int64_t most_bytes() const {
    std::int64_t held = 0;
    for (const auto& [worker, bytes] : cost_.memory_bytes) held = std::max(held, bytes);
    std::int64_t most = held;
    for (const auto& [worker, bytes] : cost_.memory_bytes) {
      const std::int64_t memory = cluster_.worker(worker)->memory_bytes;
      if (memory / 20 <= held) most = std::max(most, memory);
    }
    return most;
  }

  const Plan& plan_;
  const Profile& profile_;
  const Cluster& cluster_;
  const CheckedPlan& checked_;
  const PlanCost& cost_;
  std::vector<PipelineKind> kinds_;
  StripScale scale_;
  double width_px_ = 0;
  double y_px_ = 0;
  std::string content_;
};

}  // namespace

Result<std::string> svg_of_plan(const Plan& plan, const Profile& profile, const Cluster& cluster) {
  PLANARIA_TRY(fit, checked(plan, profile, cluster));
  PLANARIA_TRY(cost, cost_of(plan, profile, cluster));
  PLANARIA_TRY(kinds, kinds_of(plan, fit));
  return PlanWriter(plan, profile, cluster, fit, cost, std::move(kinds)).write();
}

}  // namespace planaria
