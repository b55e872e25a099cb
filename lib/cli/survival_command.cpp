// `planaria survival`: how likely every layer keeps enough live holders after losses.
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>
#include <planaria/liveput/holders.hpp>
#include <planaria/liveput/survival.hpp>
#include <planaria/model/cluster.hpp>
#include <planaria/model/layout.hpp>

#include "cli/commands.hpp"
#include "cli/option_ranges.hpp"

namespace planaria::cli {
namespace {

constexpr int workers_most = Cluster::workers_max;

struct SurvivalFlags {
  std::optional<int> workers, width, depth;
  std::string layout, zones, zone_loss, output;
  int lose = 0;
  std::optional<int> replicas_max;
  bool json = false;
};

/// Who holds what, in words too, and for how many live holders an answer is asked.
struct Asked {
  Holders holders;
  int replicas_max = 0;
  std::string what;
};

/// What was asked and found.
struct Found {
  Asked asked;
  std::vector<double> at_least;  // 1 live holder, 2, …
};

Result<Asked> asked_of_layout(const SurvivalFlags& flags) {
  PLANARIA_TRY(json, read_json_file(flags.layout));
  PLANARIA_TRY(layout, layout_from_json(json, flags.layout));
  const auto ids = workers_of(layout);
  const int least = ids.empty() ? 1 : ids.back().value + 1;
  const int workers = flags.workers.value_or(least);
  if (workers < least) {
    return Fault::invalid_input(fmt::format("--workers: {}, must be at least {}: {} has worker {}",
                                            workers, least, flags.layout, least - 1));
  }
  if (workers > workers_most) {
    return Fault::invalid_input(fmt::format("{}: worker {}, must be at most {}", flags.layout,
                                            least - 1, workers_most - 1));
  }
  const auto holders = holders_of(layout, workers);
  if (!holders) return Fault{holders.fault().kind, flags.layout + ": " + holders.fault().sentence};
  const int pipelines = static_cast<int>(layout.pipelines.size());
  std::string what = text_of(layout);
  if (!layout.shadows.empty()) {
    what += ", " + counted(static_cast<std::int64_t>(layout.shadows.size()), "shadow");
  }
  return Asked{holders.value(), std::max(pipelines, fewest_holders(holders.value())), what};
}

Result<Asked> asked_of_grid(const SurvivalFlags& flags) {
  if (!flags.workers || !flags.width || !flags.depth) {
    return Fault::invalid_input(
        "--workers, --width, --depth: must be there all three, or --layout in place of the last "
        "two");
  }
  const std::int64_t needed = std::int64_t{*flags.width} * *flags.depth;
  if (needed > *flags.workers) {
    return Fault::invalid_input(fmt::format("--workers: {}, must be at least {}, --width x --depth",
                                            *flags.workers, needed));
  }
  return Asked{
      grid_holders({*flags.workers, *flags.width, *flags.depth}), *flags.width,
      fmt::format("{} x {}", counted(*flags.width, "pipeline"), counted(*flags.depth, "stage"))};
}

/// "a:8,b:24": what stands behind each name, in order.
Result<std::vector<std::pair<std::string, std::string>>> named_values(const std::string& option,
                                                                      const std::string& text) {
  std::vector<std::pair<std::string, std::string>> values;
  for (const std::string& item : split(text, ',')) {
    const std::size_t colon = item.rfind(':');
    if (colon == std::string::npos || colon == 0) {
      return Fault::invalid_input(
          fmt::format("{}: {}, must be NAME:VALUE", option, printable(item)));
    }
    const std::string name = item.substr(0, colon);
    const auto is_same = [&](const auto& value) { return value.first == name; };
    if (std::any_of(values.begin(), values.end(), is_same)) {
      return Fault::invalid_input(
          fmt::format("{}: {}, must not be there twice", option, printable(name)));
    }
    values.emplace_back(name, item.substr(colon + 1));
  }
  return values;
}

Result<std::vector<LossZone>> zones_of(const SurvivalFlags& flags, int workers) {
  std::vector<LossZone> zones;
  PLANARIA_TRY(sizes, named_values("--zones", flags.zones));
  int sum = 0;
  for (const auto& [name, text] : sizes) {
    int size = 0;
    if (!CLI::detail::lexical_cast(text, size) || size < 1 || size > workers - sum) {
      return Fault::invalid_input(
          fmt::format("--zones: {}: {}, must be 1 to {}, the workers that no zone before it has",
                      printable(name), printable(text), workers - sum));
    }
    zones.push_back({name, size, 0});
    sum += size;
  }
  if (!zones.empty() && sum != workers) {
    return Fault::invalid_input(
        fmt::format("--zones: {} workers, must be {}, all there are", sum, workers));
  }
  PLANARIA_TRY(losses, named_values("--zone-loss", flags.zone_loss));
  for (const auto& [name, text] : losses) {
    const auto is_named = [&name = name](const LossZone& zone) { return zone.name == name; };
    const auto zone = std::find_if(zones.begin(), zones.end(), is_named);
    if (zone == zones.end()) {
      return Fault::invalid_input(
          fmt::format("--zone-loss: {}, must be a zone of --zones", printable(name)));
    }
    double loss = 0;
    if (!CLI::detail::lexical_cast(text, loss) || !(loss >= 0 && loss <= 1)) {
      return Fault::invalid_input(
          fmt::format("--zone-loss: {}: {}, must be 0 to 1", printable(name), printable(text)));
    }
    zone->loss = loss;
  }
  return zones;
}

Result<Found> find(const SurvivalFlags& flags) {
  PLANARIA_TRY(asked, flags.layout.empty() ? asked_of_grid(flags) : asked_of_layout(flags));
  const int workers = asked.holders.workers;
  if (flags.lose > workers) {
    return Fault::invalid_input(
        fmt::format("--lose: {}, must be 0 to {}, the workers", flags.lose, workers));
  }
  SurvivalOptions options;
  PLANARIA_TRY(zones, zones_of(flags, workers));
  options.zones = std::move(zones);
  options.losses_max = flags.lose;
  options.replicas_max =
      std::min(asked.replicas_max, flags.replicas_max.value_or(asked.replicas_max));
  PLANARIA_TRY(survival, survival_by_losses(asked.holders, options));
  Found found{std::move(asked), {}};
  for (int replicas = 1; replicas <= survival.replicas_max(); ++replicas) {
    found.at_least.push_back(survival.at_least(replicas, flags.lose));
  }
  return found;
}

std::string json_of(const Found& found) {
  Json at_least = Json::array();
  for (std::size_t i = 0; i < found.at_least.size(); ++i) {
    at_least.push_back({{"replicas", i + 1}, {"probability", found.at_least[i]}});
  }
  return Json{{"version", 1}, {"at_least", std::move(at_least)}}.dump();
}

/// Rounded only as far as a probability below 1 is not told as 1.
std::string text_of_probability(double probability) {
  std::string text = fmt::format("{:.6f}", probability);
  if (probability > 0 && probability < 1 && (text == "1.000000" || text == "0.000000")) {
    text = fmt::format("{:.15g}", probability);
  }
  return text;
}

std::string text_of(const Found& found, const SurvivalFlags& flags) {
  std::string text = fmt::format(
      "{} of {} lost{}, {}\n", flags.lose, counted(found.asked.holders.workers, "worker"),
      flags.zone_loss.empty() ? "" : ", and zones beside", found.asked.what);
  text += "every layer keeps at least   probability";
  for (std::size_t i = 0; i < found.at_least.size(); ++i) {
    text += fmt::format("\n{:>26}   {}", counted(static_cast<std::int64_t>(i) + 1, "live holder"),
                        text_of_probability(found.at_least[i]));
  }
  return text;
}

int survival(const SurvivalFlags& flags) {
  const auto found = find(flags);
  if (!found.ok()) return failed(found.fault());
  return print_result(flags.json ? json_of(found.value()) : text_of(found.value(), flags),
                      flags.output);
}

void add_layout_options(CLI::App& sub, SurvivalFlags& flags) {
  sub.add_option("--workers", flags.workers,
                 "All there are, idle ones too: ids 0 to N-1. 1 to 10000; default with --layout: "
                 "those that it names")
      ->check(between(1, workers_most))
      ->type_name("N");
  auto* width =
      sub.add_option("--width", flags.width, "Pipelines side by side, all alike. 1 to 10000")
          ->check(between(1, workers_most))
          ->type_name("D");
  auto* depth = sub.add_option("--depth", flags.depth, "Stages of each. 1 to 10000")
                    ->check(between(1, workers_most))
                    ->type_name("P");
  sub.add_option("--layout", flags.layout,
                 "Who holds what, shadows too: a plan, or an object with its pipelines. Not with "
                 "--width or --depth")
      ->excludes(width)
      ->excludes(depth)
      ->type_name("FILE");
}

}  // namespace

void add_survival(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand("survival", "Say how likely every layer outlives losses");
  sub->footer(
      "Exact: every set of so many lost workers is as likely as any other, and nothing is drawn.\n"
      "Zones take their workers in order and vanish each by itself, whoever else is lost.\n\n"
      "  planaria survival --workers 32 --width 4 --depth 8 --lose 2\n"
      "  planaria survival --layout plan.json --lose 1 --zones a:8,b:24 --zone-loss a:0.01,b:0.02");
  auto flags = std::make_shared<SurvivalFlags>();
  add_layout_options(*sub, *flags);
  sub->add_option("--lose", flags->lose, "How many workers are lost at once. 0 to the workers")
      ->check(between(0, workers_most))
      ->required()
      ->type_name("K");
  auto* zones = sub->add_option("--zones", flags->zones,
                                "Zones and how many workers each has, in the workers' order: "
                                "a:8,b:24")
                    ->type_name("ZONES");
  sub->add_option("--zone-loss", flags->zone_loss,
                  "How likely each zone vanishes wholly, beside the workers of --lose: "
                  "a:0.01,b:0.02. Only with --zones; default: 0")
      ->needs(zones)
      ->type_name("LOSSES");
  sub->add_option("--replicas-max", flags->replicas_max,
                  "Ask for at most so many live holders: less to compute. 1 to 10000; default: as "
                  "many as there are pipelines, or holders of each layer")
      ->check(between(1, workers_most))
      ->type_name("D");
  sub->add_flag("--json", flags->json, "Print one JSON object");
  sub->add_option("-o", flags->output, "Write the answer to FILE in place of stdout")
      ->type_name("FILE");
  sub->callback([flags, &action] { action = [flags] { return survival(*flags); }; });
}

}  // namespace planaria::cli
