// `planaria liveput`: what each layout is expected to train, once machines have vanished.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <planaria/availability/forecast_file.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>
#include <planaria/liveput/holders.hpp>
#include <planaria/liveput/optimizer.hpp>
#include <planaria/liveput/outlook.hpp>
#include <planaria/liveput/policy.hpp>
#include <planaria/liveput/survival.hpp>

#include "cli/commands.hpp"
#include "cli/grid_layout.hpp"
#include "cli/option_ranges.hpp"
#include "cli/price_options.hpp"

namespace planaria::cli {
namespace {

constexpr int workers_most = 10'000;
constexpr std::size_t rows_printed = 12;

struct LiveputFlags {
  PriceFlags priced;
  int workers = 0;
  std::vector<int> layout;
  std::string forecast, output;
  std::optional<int> lose;
  int look_ahead = 12;
  bool json = false;
};

/// What was asked.
struct LiveputQuestion {
  AskedPrices asked;
  int workers = 0;
  GridLayout layout;
  std::vector<ChangeForecast> intervals;
  double interval_ms = 0;
};

/// A layout, what is expected of it, and how likely it keeps 1, 2, ... replicas of every stage.
struct Row {
  ValuedLayout valued;
  std::vector<double> at_least;
};

Result<GridLayout> layout_of(const LiveputFlags& flags, const PriceModel& prices) {
  if (flags.layout.empty()) return GridLayout{};
  if (flags.layout.size() < 2 || flags.layout.size() > 3) {
    return Fault::invalid_input(fmt::format(
        "--layout: {} numbers, must be two: a width and a depth; or shadows behind them",
        flags.layout.size()));
  }
  const GridLayout layout{flags.layout[0], flags.layout[1],
                          flags.layout.size() > 2 ? flags.layout[2] : 0};
  if (std::ranges::find(prices.layouts(), layout, &MeasuredLayout::layout) ==
      prices.layouts().end()) {
    return Fault::invalid_input(
        fmt::format("--layout: {}, must be a layout that {} has", fmt::join(flags.layout, ","),
                    flags.priced.setting.empty() ? flags.priced.profile : flags.priced.setting));
  }
  if (layout.workers() <= flags.workers) return layout;
  return Fault::invalid_input(fmt::format("--layout: {}, must be of at most {} workers, --workers",
                                          fmt::join(flags.layout, ","), flags.workers));
}

/// Losses in the next interval alone, or what a file says of each.
Result<void> read_outlook(const LiveputFlags& flags, LiveputQuestion& question) {
  question.interval_ms = question.asked.interval_s * 1000;
  if (flags.lose) {
    if (*flags.lose > flags.workers) {
      return Fault::invalid_input(
          fmt::format("--lose: {}, must be at most {}, --workers", *flags.lose, flags.workers));
    }
    question.intervals.resize(static_cast<std::size_t>(flags.look_ahead));
    question.intervals.front().lost = Distribution::certain(*flags.lose);
    return {};
  }
  if (flags.forecast.empty()) {
    return Fault::invalid_input(
        "--forecast: missing, must say what goes and comes: --forecast FILE, or --lose K");
  }
  PLANARIA_TRY(json, read_json_file(flags.forecast));
  PLANARIA_TRY(file, forecast_file_from_json(json, flags.forecast));
  question.intervals = file.intervals;
  question.intervals.resize(
      std::min(file.intervals.size(), static_cast<std::size_t>(flags.look_ahead)));
  question.interval_ms = file.interval_s * 1000.0;
  return {};
}

Result<LiveputQuestion> question_of(const LiveputFlags& flags) {
  PriceFlags priced = flags.priced;
  if (!priced.profile.empty() && !priced.cluster && !priced.workers) priced.workers = flags.workers;
  PLANARIA_TRY(asked, prices_as_told(priced));
  LiveputQuestion question;
  question.asked = std::move(asked);
  question.workers = flags.workers;
  if (const int most = question.asked.prices->workers_max(); flags.workers > most) {
    return Fault::invalid_input(fmt::format("--workers: {}, must be at most {}, {}", flags.workers,
                                            most, question.asked.workers_max_from));
  }
  PLANARIA_TRY(layout, layout_of(flags, *question.asked.prices));
  question.layout = layout;
  PLANARIA_TRY_VOID(read_outlook(flags, question));
  return question;
}

/// More than there are cannot vanish: all do.
Distribution no_more_than(int workers, const Distribution& lost) {
  if (lost.largest() <= workers) return lost;
  std::vector<double> weights(static_cast<std::size_t>(workers) + 1, 0);
  for (int k = 0; k <= lost.largest(); ++k) {
    weights[static_cast<std::size_t>(std::min(k, workers))] += lost.probability(k);
  }
  return Distribution::from_weights(std::move(weights));
}

Result<std::vector<double>> at_least_of(const LiveputQuestion& question, const GridLayout& layout) {
  const Distribution lost = no_more_than(question.workers, question.intervals.front().lost);
  const int most = layout.width + layout.shadows;
  PLANARIA_TRY(survival,
               survival_by_losses(question.asked.prices->holders(layout, question.workers),
                                  {.replicas_max = most, .losses_max = lost.largest()}));
  std::vector<double> at_least;
  for (int replicas = 1; replicas <= most; ++replicas) {
    at_least.push_back(survival.at_least(replicas, lost));
  }
  return at_least;
}

Result<std::vector<Row>> rows_of(const LiveputQuestion& question) {
  const PriceModel& prices = *question.asked.prices;
  // Every layout, and nothing beyond the intervals that are asked for.
  OptimizerOptions options;
  options.look_ahead = static_cast<int>(question.intervals.size());
  options.interval_ms = question.interval_ms;
  options.rate_share = 0;
  options.idle_share = 1;
  options.held_share = 0;
  LiveputOptimizer optimizer(prices, options);
  const std::vector<IntervalCounts> history{{0, 0, question.workers}};
  Situation situation;
  situation.layout = question.layout;
  situation.first = question.layout.empty();
  situation.history = history;
  std::vector<Row> rows;
  for (const ValuedLayout& valued :
       optimizer.choices(situation, outlook_of(question.intervals, prices.workers_max()))) {
    PLANARIA_TRY(at_least, at_least_of(question, valued.layout));
    rows.push_back({valued, std::move(at_least)});
  }
  return rows;
}

std::string json_of(const std::vector<Row>& rows) {
  Json table = Json::array();
  for (const auto& [valued, probabilities] : rows) {
    Json at_least = Json::array();
    for (std::size_t i = 0; i < probabilities.size(); ++i) {
      at_least.push_back({{"replicas", i + 1}, {"probability", probabilities[i]}});
    }
    Json row{{"expected_samples", valued.samples},
             {"change_ms", valued.charge.ms},
             {"at_least", std::move(at_least)}};
    add_grid(valued.layout, row);
    table.push_back(std::move(row));
  }
  const ValuedLayout& best = rows.front().valued;
  Json choice;
  add_grid(best.layout, choice);
  return Json{{"version", 1},
              {"choice", std::move(choice)},
              {"expected_samples", best.samples},
              {"table", std::move(table)}}
      .dump();
}

std::string text_of(const LiveputQuestion& question, const std::vector<Row>& rows) {
  const auto intervals = static_cast<std::int64_t>(question.intervals.size()) + 1;
  std::string text = fmt::format(
      "{}, {}, {} of {:g} s: {} is expected to train most\n{:<16} {:>12} {:>12}  keeps a replica",
      question.asked.model, counted(question.workers, "worker"), counted(intervals, "interval"),
      question.interval_ms / 1000, grid_text(rows.front().valued.layout), "layout", "samples",
      "change");
  for (std::size_t i = 0; i < std::min(rows.size(), rows_printed); ++i) {
    const auto& [valued, at_least] = rows[i];
    text += fmt::format("\n{:<16} {:>12.0f} {:>10.1f} s  {:.4f}", grid_text(valued.layout),
                        valued.samples, valued.charge.ms / 1000, at_least.front());
  }
  if (rows.size() > rows_printed) text += fmt::format("\nand {} more", rows.size() - rows_printed);
  return text;
}

int liveput(const LiveputFlags& flags) {
  const auto question = question_of(flags);
  if (!question.ok()) return failed(question.fault());
  const auto rows = rows_of(question.value());
  if (!rows.ok()) return failed(rows.fault());
  if (rows.value().empty()) {
    return failed(Fault::invalid_input(
        fmt::format("--workers: {}, must be enough for one layout at least", flags.workers)));
  }
  return print_result(flags.json ? json_of(rows.value()) : text_of(question.value(), rows.value()),
                      flags.output);
}

}  // namespace

void add_liveput(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand("liveput", "Say what each layout is expected to train");
  sub->footer(
      "Exact: what is left after each loss, what each change costs, and every layout decided anew "
      "in\neach interval, expected over how many and which machines vanish.\n\n"
      "  planaria liveput --setting gpt2-1.5b.setting.json --workers 32 --layout 4,8 --lose 2\n"
      "  planaria liveput --setting gpt2-1.5b.setting.json --workers 28 --layout 4,7 \\\n"
      "    --forecast forecast.json --json");
  auto flags = std::make_shared<LiveputFlags>();
  add_prices(*sub, flags->priced, "--workers-max");
  sub->add_option("--workers", flags->workers, "How many there are now. 1 to 10000")
      ->check(between(1, workers_most))
      ->required()
      ->type_name("N");
  sub->add_option("--layout", flags->layout,
                  "What runs now, as width,depth, and shadows behind them where there are any; "
                  "default: nothing does")
      ->delimiter(',')
      ->check(between(1, workers_most))
      ->type_name("D,P[,S]");
  auto* forecast =
      sub->add_option("--forecast", flags->forecast,
                      "What goes and comes in the next intervals, as planaria forecast "
                      "-o writes it")
          ->type_name("FILE");
  sub->add_option("--lose", flags->lose,
                  "In place of --forecast: so many are lost in the next interval, and nothing "
                  "happens behind it. 0 to 10000")
      ->check(between(0, workers_most))
      ->excludes(forecast)
      ->type_name("K");
  sub->add_option("--look-ahead", flags->look_ahead,
                  "Intervals behind the one that begins; at most as many as the forecast has. 1 to "
                  "60; default 12")
      ->check(between(1, 60))
      ->type_name("I");
  sub->add_flag("--json", flags->json, "Print one JSON object, with all layouts");
  sub->add_option("-o", flags->output, "Write the answer to FILE in place of stdout")
      ->type_name("FILE");
  sub->callback([flags, &action] { action = [flags] { return liveput(*flags); }; });
}

}  // namespace planaria::cli
