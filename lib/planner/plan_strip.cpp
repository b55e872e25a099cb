#include "planner/plan_strip.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/number_ranges.hpp>
#include <planaria/base/text.hpp>
#include <planaria/schedule/markup.hpp>

namespace planaria {
namespace {

// Columns of a row.
constexpr double swatch_px = 14;
constexpr double stage_x = margin_px + swatch_px + 6;
constexpr double layers_x = 112;
constexpr double bar_x = 250;
constexpr double bar_width_px = 340;
constexpr double figures_x = bar_x + bar_width_px + 10;
constexpr double workers_x = 760;
constexpr double bar_px = 12;
constexpr double text_px = 10.5;  // from a row's top to the foot of its text
constexpr double row_px = 18;     // to the next row

constexpr double letter_px = 6.1;   // about what one takes at 11 px
constexpr double small_px = 5.9;    // at 10 px
constexpr double layers_px = 24;    // height of the strip
constexpr double numbers_px = 14;   // of the line above it
constexpr std::size_t colours = 4;  // neighbours differ, whatever their number

/// "s0" to "s3".
std::string colour_of(std::size_t stage) {
  return fmt::format("s{}", stage % colours);
}

std::string bytes_text(std::int64_t bytes) {
  return text_of_bytes(static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 0)));
}

std::string rect_at(double x, double y, double width, double height, std::string_view attributes) {
  return fmt::format("<rect {} x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>", attributes,
                     decimal(x), decimal(y), decimal(width), decimal(height));
}

std::string title_of(const std::string& words) {
  return fmt::format("<title>{}</title>", escaped(words));
}

/// How many letters have room.
std::size_t room(double width_px) {
  return static_cast<std::size_t>(std::max(width_px, 0.0) / letter_px);
}

/// The first of the texts that fits, or none.
std::string fitting(double width_px, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if ((static_cast<double>(text.size()) * small_px) + 4 <= width_px) return text;
  }
  return "";
}

std::string words_of(const LayerProfile& layer, int index, std::size_t size) {
  return fmt::format("layer {}, {}: F {}, B {}, W {} ms; parameters {}, activations {}", index,
                     layer.name, figure(layer.forward_ms[size]),
                     figure(layer.backward_input_ms[size]), figure(layer.backward_weight_ms[size]),
                     bytes_text(layer.parameter_bytes), bytes_text(layer.activation_bytes[size]));
}

/// Layers [first, last] of a stage as one cell, with what there is room for.
std::string cell(std::size_t stage, double x, double width, const std::string& words,
                 const std::vector<std::string>& texts) {
  std::string text =
      "<g class=\"y\">" + title_of(words) +
      rect_at(x, numbers_px, width, layers_px, fmt::format("class=\"{}\"", colour_of(stage)));
  if (const std::string shown = fitting(width, texts); !shown.empty()) {
    text += text_at(x + (width / 2), numbers_px + (layers_px / 2) + 3.6, "n", shown);
  }
  return text + "</g>";
}

std::string layers_text(const PipelineKind& kind, const KindRank& rank) {
  std::vector<std::string> parts;
  for (const std::size_t stage : rank.stages) {
    const StageDraft& of = kind.stages[stage];
    parts.push_back(range_text(of.first, of.last) + (of.recompute ? " r" : ""));
  }
  const bool one = rank.stages.size() == 1 &&
                   kind.stages[rank.stages[0]].first == kind.stages[rank.stages[0]].last;
  return (one ? "layer " : "layers ") + join(parts, ", ");
}

/// A square in the stages' colours.
std::string swatch(const KindRank& rank, double y) {
  std::string text;
  const double width = swatch_px / static_cast<double>(rank.stages.size());
  for (std::size_t at = 0; at < rank.stages.size(); ++at) {
    text += rect_at(margin_px + (static_cast<double>(at) * width), y, width, bar_px,
                    fmt::format("class=\"{}\"", colour_of(rank.stages[at])));
  }
  return text;
}

std::string workers_text(const KindRank& rank) {
  std::vector<int> workers;
  for (const WorkerId worker : rank.workers) workers.push_back(worker.value);
  return (workers.size() == 1 ? "worker " : "workers ") + join(range_texts(workers), ", ");
}

/// What is held from left to right, and the memory behind it.
std::string bar_of(const HeldBytes& held, double y_px, const StripScale& scale) {
  const auto px = [&](std::int64_t bytes) {
    if (scale.most_bytes == 0) return 0.0;
    const double share = static_cast<double>(bytes) / static_cast<double>(scale.most_bytes);
    return std::min(share, 1.0) * bar_width_px;
  };
  std::string text = rect_at(bar_x, y_px, px(held.memory_bytes), bar_px, "class=\"idle\"");
  const std::array<std::pair<const char*, std::int64_t>, 4> parts{
      {{"class=\"held-state\"", held.state_bytes},
       {"class=\"b0\"", held.gradient_bytes},
       {"class=\"f0\"", held.working_bytes},
       {"class=\"held-shadow\"", held.shadow_bytes}}};
  std::int64_t bytes = 0;
  for (const auto& [attributes, part_bytes] : parts) {
    if (part_bytes <= 0) continue;
    // Ends are placed, not widths: the whole is as long as its sum.
    text +=
        rect_at(bar_x + px(bytes), y_px, px(bytes + part_bytes) - px(bytes), bar_px, attributes);
    bytes += part_bytes;
  }
  if (held.memory_bytes <= scale.most_bytes) {
    text +=
        fmt::format("<path class=\"cap\" d=\"M{} {}v{}\"/>", decimal(bar_x + px(held.memory_bytes)),
                    decimal(y_px - 2), decimal(bar_px + 4));
  }
  return text + text_at(figures_x, y_px + text_px, "l",
                        bytes_text(held.all_bytes()) + " of " + bytes_text(held.memory_bytes));
}

/// What rows begin with: a name, layers, the bar with its figures.
std::string row_of(const std::string& name, const std::string& layers, const HeldBytes& held,
                   double y, const StripScale& scale) {
  return text_at(stage_x, y + text_px, "l", name) +
         text_at(layers_x, y + text_px, "l", shortened(layers, room(bar_x - layers_x - 8))) +
         bar_of(held, y, scale);
}

std::string rank_row(const PipelineKind& kind, std::size_t index, double y,
                     const StripScale& scale) {
  const KindRank& rank = kind.ranks[index];
  const HeldBytes& held = rank.held;
  const std::string name = fmt::format("{} {}", rank.stages.size() == 1 ? "stage" : "rank", index);
  const std::string layers = layers_text(kind, rank);
  const std::string workers = workers_text(rank);
  std::string words =
      fmt::format("{}, {}: parameters and optimizer {}, gradients {}, activations and buffers {}",
                  name, layers, bytes_text(held.state_bytes), bytes_text(held.gradient_bytes),
                  bytes_text(held.working_bytes));
  if (held.shadow_bytes > 0) words += ", shadowed layers " + bytes_text(held.shadow_bytes);
  words += fmt::format("; {} of {}; {}", bytes_text(held.all_bytes()),
                       bytes_text(held.memory_bytes), workers);
  return "<g class=\"k\">" + title_of(words) + swatch(rank, y) +
         row_of(name, layers, held, y, scale) +
         text_at(workers_x, y + text_px, "s",
                 shortened(workers, room(scale.width_px + margin_px - workers_x))) +
         "</g>\n";
}

}  // namespace

StripPart strip_of(const PipelineKind& kind, const Profile& profile, std::size_t size,
                   const StripScale& scale) {
  const double layer_px = scale.width_px / static_cast<double>(profile.layers.size());
  // All names or none: numbers among them would look like names too.
  const bool has_names = std::ranges::all_of(profile.layers, [&](const LayerProfile& layer) {
    return !fitting(layer_px, {layer.name}).empty();
  });
  StripPart part{"", numbers_px + layers_px + 8};
  for (std::size_t stage = 0; stage < kind.stages.size(); ++stage) {
    const StageDraft& of = kind.stages[stage];
    const double x = margin_px + (of.first * layer_px);
    const double width = (of.last - of.first + 1) * layer_px;
    const std::string number = fmt::to_string(stage);
    if (const std::string shown = fitting(width, {"stage " + number, number}); !shown.empty()) {
      part.markup += text_at(x + (width / 2), numbers_px - 4, "tick", shown);
    }
    for (int index = of.first; scale.by_layer && index <= of.last; ++index) {
      const LayerProfile& layer = profile.layers[static_cast<std::size_t>(index)];
      part.markup +=
          cell(stage, margin_px + (index * layer_px), layer_px, words_of(layer, index, size),
               {has_names ? layer.name : fmt::to_string(index)});
    }
    const std::string layers = range_text(of.first, of.last);
    if (!scale.by_layer) {
      part.markup += cell(stage, x, width, fmt::format("stage {}, layers {}", number, layers),
                          {"layers " + layers, layers});
    }
    if (of.recompute) {
      part.markup += rect_at(x, numbers_px, width, layers_px, "class=\"again\"");
    }
    part.markup += fmt::format("<path class=\"cut\" d=\"M{} {}v{}\"/>\n", decimal(x),
                               decimal(numbers_px - 3), decimal(layers_px + 6));
  }
  return part;
}

StripPart rows_of(const PipelineKind& kind, const StripScale& scale) {
  StripPart part;
  for (std::size_t index = 0; index < kind.ranks.size(); ++index) {
    part.markup += rank_row(kind, index, part.height_px, scale);
    part.height_px += row_px;
  }
  return part;
}

StripPart shadow_row_of(const HeldBytes& held, WorkerId worker, const std::string& layers,
                        const StripScale& scale) {
  const std::string name = fmt::format("worker {}", worker.value);
  const std::string words =
      fmt::format("{} shadows {} and computes nothing: {} of {}", name, layers,
                  bytes_text(held.all_bytes()), bytes_text(held.memory_bytes));
  return {"<g class=\"k\">" + title_of(words) + row_of(name, layers, held, 0, scale) + "</g>\n",
          row_px};
}

std::string strip_legend(bool has_recompute, bool has_shadows) {
  double x = margin_px;
  std::string text;
  const auto sample = [&](const std::string& shape, std::string_view words) {
    text += shape + text_at(x + 19, 9.5, "l", std::string(words));
    x += 19 + (static_cast<double>(words.size()) * letter_px) + 16;
  };
  const auto box = [&](std::string_view attributes) { return rect_at(x, 0, 14, 11, attributes); };
  sample(box("class=\"held-state\""), "parameters and optimizer");
  sample(box("class=\"b0\""), "gradients");
  sample(box("class=\"f0\""), "activations and buffers at the peak");
  if (has_shadows) sample(box("class=\"held-shadow\""), "shadowed layers");
  sample(fmt::format("<path class=\"cap\" d=\"M{} -1v13\"/>", decimal(x + 7)), "worker's memory");
  if (has_recompute) {
    sample(box("class=\"s0\"") + box("class=\"again\""), "recomputed (r)");
  }
  return text;
}

std::string strip_style() {
  return ".s0{fill:#eedd88}.s1{fill:#99ddff}.s2{fill:#ffaabb}.s3{fill:#bbcc33}\n"
         ".y rect,.k rect{stroke:none}.y rect{stroke:#fff;stroke-width:.7}\n"
         ".y:hover rect{stroke:#24292f;stroke-width:1.2}\n"
         ".again{fill:url(#recomputed);pointer-events:none}\n"
         ".cut{stroke:#59636e;stroke-width:1}\n"
         ".held-state{fill:#9aa5b1}.held-shadow{fill:#cbb9e0}\n"
         "@media (prefers-color-scheme:dark){\n"
         ".y rect{stroke:#16191d}.y:hover rect{stroke:#fff}.cut{stroke:#a3adb8}\n}\n";
}

std::string strip_fills() {
  return "<defs><pattern id=\"recomputed\" width=\"7\" height=\"7\" "
         "patternTransform=\"rotate(45)\" "
         "patternUnits=\"userSpaceOnUse\"><path d=\"M0 0v7\" stroke=\"#24292f\" "
         "stroke-opacity=\".45\" stroke-width=\"2\"/></pattern></defs>\n";
}

}  // namespace planaria
