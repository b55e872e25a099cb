// `planaria templates`: the best pipeline for each number of nodes.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/clock.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>
#include <planaria/model/profile.hpp>
#include <planaria/planner/templates.hpp>

#include "cli/commands.hpp"
#include "cli/option_ranges.hpp"

namespace planaria::cli {
namespace {

constexpr int nodes_most = 4096;
constexpr int micro_batch_size_max = 1'000'000;
constexpr std::size_t columns = 100;

struct TemplatesFlags {
  std::string profile, output;
  std::optional<int> micro_batch_size;
  int nodes_min = 0;
  int nodes_max = 0;
  bool json = false;
};

/// What was asked, found, and how long the search took.
struct Found {
  std::string model;
  int micro_batch_size = 0;
  int layers = 0;
  std::vector<PipelineTemplate> templates;
  double search_ms = 0;
};

Result<std::size_t> size_in(const Profile& profile, const TemplatesFlags& flags) {
  const auto& sizes = profile.micro_batch_sizes;
  if (!flags.micro_batch_size) {
    if (sizes.size() == 1) return std::size_t{0};
    return Fault::invalid_input(
        fmt::format("--micro-batch-size: missing, must be one of {}, as {} has",
                    fmt::join(sizes, ", "), flags.profile));
  }
  const auto at = profile.at_size(*flags.micro_batch_size);
  if (at) return *at;
  return Fault::invalid_input(fmt::format("--micro-batch-size: {}, must be one of {}, as {} has",
                                          *flags.micro_batch_size, fmt::join(sizes, ", "),
                                          flags.profile));
}

Result<Found> find(const TemplatesFlags& flags) {
  if (flags.nodes_min > flags.nodes_max) {
    return Fault::invalid_input(fmt::format("--nodes-min: {}, must be at most {}, --nodes-max",
                                            flags.nodes_min, flags.nodes_max));
  }
  PLANARIA_TRY(json, read_json_file(flags.profile));
  PLANARIA_TRY(profile, profile_from_json(json, flags.profile));
  PLANARIA_TRY(size, size_in(profile, flags));
  const int layers = static_cast<int>(profile.layers.size());
  if (flags.nodes_max > layers) {
    return Fault::invalid_input(fmt::format("--nodes-max: {}, must be at most {}, the layers of {}",
                                            flags.nodes_max, layers, flags.profile));
  }
  std::vector<double> layer_ms;
  for (const LayerProfile& layer : profile.layers) {
    layer_ms.push_back(layer.forward_ms[size] + layer.backward_input_ms[size] +
                       layer.backward_weight_ms[size]);
  }
  const SystemClock clock;
  const Instant begin = clock.now();
  PLANARIA_TRY(templates, pipeline_templates(layer_ms, flags.nodes_min, flags.nodes_max));
  return Found{profile.model, profile.micro_batch_sizes[size], layers, std::move(templates),
               (clock.now() - begin).value};
}

std::string json_of(const Found& found) {
  Json templates = Json::array();
  for (const PipelineTemplate& made : found.templates) {
    Json stages = Json::array();
    for (const LayerRange& stage : made.stages) {
      stages.push_back({stage.first.value, stage.last.value});
    }
    templates.push_back({{"nodes", made.nodes},
                         {"stages", std::move(stages)},
                         {"t1_ms", made.t1_ms},
                         {"t2_ms", made.t2_ms},
                         {"t3_ms", made.t3_ms},
                         {"total_ms", made.total_ms}});
  }
  return Json{{"version", 1}, {"templates", std::move(templates)}, {"ms", found.search_ms}}.dump();
}

/// "0-3", "4", and the slowest "[5-9]".
std::string text_of_stage(const PipelineTemplate& made, std::size_t stage) {
  const LayerRange& layers = made.stages[stage];
  std::string text = fmt::to_string(layers.first.value);
  if (layers.size() > 1) text += fmt::format("-{}", layers.last.value);
  return static_cast<int>(stage) == made.slowest ? "[" + text + "]" : text;
}

/// Stages behind a row's figures, going on below one another where they are many.
std::string text_of_stages(const PipelineTemplate& made, std::size_t indent) {
  std::string text;
  std::size_t used = indent;
  for (std::size_t stage = 0; stage < made.stages.size(); ++stage) {
    const std::string words = text_of_stage(made, stage);
    if (stage > 0 && used + 1 + words.size() > columns) {
      text += "\n" + std::string(indent, ' ');
      used = indent;
    } else if (stage > 0) {
      text += " ";
      ++used;
    }
    text += words;
    used += words.size();
  }
  return text;
}

std::string text_of(const Found& found) {
  std::vector<std::vector<std::string>> rows{
      {"nodes", "total ms", "fill", "steady", "drain", "slowest"}};
  for (const PipelineTemplate& made : found.templates) {
    std::vector<std::string> row{fmt::to_string(made.nodes)};
    for (const double ms : {made.total_ms, made.t1_ms, made.t2_ms, made.t3_ms, made.slowest_ms}) {
      row.push_back(fmt::format("{:.3f}", ms));
    }
    rows.push_back(std::move(row));
  }
  std::string text =
      fmt::format("{}, {}, micro-batches of {}: found in {:.3f} ms\n", found.model,
                  counted(found.layers, "layer"), found.micro_batch_size, found.search_ms);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    std::string line;
    for (std::size_t column = 0; column < rows[row].size(); ++column) {
      std::size_t width = 0;
      for (const auto& other : rows) width = std::max(width, other[column].size());
      line += fmt::format("{:>{}}  ", rows[row][column], width);
    }
    text += line + (row == 0 ? "layers of each stage, [the slowest]"
                             : text_of_stages(found.templates[row - 1], line.size()));
    text += "\n";
  }
  text.pop_back();  // print_result() ends the last line
  return text;
}

int templates(const TemplatesFlags& flags) {
  const auto found = find(flags);
  if (!found.ok()) return failed(found.fault());
  return print_result(flags.json ? json_of(found.value()) : text_of(found.value()), flags.output);
}

}  // namespace

void add_templates(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand("templates", "Find the best pipeline for each number of nodes");
  sub->footer(
      "One stage a node; exact for Oobleck's objective: fill + steady state + drain, in ms.\n"
      "A layer takes forward, backward for inputs and backward for weights together.\n\n"
      "  planaria templates --profile profile.json --nodes-min 4 --nodes-max 7");
  auto flags = std::make_shared<TemplatesFlags>();
  sub->add_option("--profile", flags->profile, "A measured model")->required()->type_name("FILE");
  sub->add_option(
         "--micro-batch-size", flags->micro_batch_size,
         "Samples of a micro-batch. 1 to 1000000; default: the profile's, where it has one")
      ->check(between(1, micro_batch_size_max))
      ->type_name("M");
  sub->add_option("--nodes-min", flags->nodes_min, "The smallest pipeline. 1 to 4096")
      ->check(between(1, nodes_most))
      ->required()
      ->type_name("N");
  sub->add_option("--nodes-max", flags->nodes_max,
                  "The largest one. 1 to 4096, at most the profile's layers")
      ->check(between(1, nodes_most))
      ->required()
      ->type_name("N");
  sub->add_flag("--json", flags->json, "Print one JSON object");
  sub->add_option("-o", flags->output, "Write the answer to FILE in place of stdout")
      ->type_name("FILE");
  sub->callback([flags, &action] { action = [flags] { return templates(*flags); }; });
}

}  // namespace planaria::cli
