// `planaria forecast`: what forecasts of machines were worth over a record, or one from its end.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <planaria/availability/backtest.hpp>
#include <planaria/availability/forecast.hpp>
#include <planaria/availability/forecast_file.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>

#include "cli/commands.hpp"
#include "cli/option_ranges.hpp"
#include "cli/trace_reading_options.hpp"

namespace planaria::cli {
namespace {

// More would take hours: a year of minutes is half a million.
constexpr std::int64_t intervals_max = 2'000'000;
constexpr double shown_min = 0.005;  // less likely numbers of machines are not printed

struct ForecastFlags {
  std::string trace, history, output;
  std::string method = "best";
  TraceReadingFlags reading;
  int look_ahead = 12;
  int interval_s = 60;
  bool json = false;
  [[nodiscard]] const std::string& file() const { return trace.empty() ? history : trace; }
};

Result<ForecastMethod> method_of(const ForecastFlags& flags) {
  const auto method = forecast_method_named(flags.method);
  if (method) return *method;
  return Fault::invalid_input(fmt::format(
      "--method: {}, must be persistence, hazard, arima or best", printable(flags.method)));
}

/// The record as intervals; the machines that it begins with are no event.
Result<std::vector<IntervalCounts>> record_of(const ForecastFlags& flags) {
  PLANARIA_TRY(trace, read_trace_as_told(flags.file(), flags.reading));
  const std::int64_t interval_ms = std::int64_t{1000} * flags.interval_s;
  const std::int64_t intervals = (trace.end_ms - trace.first_ms) / interval_ms + 1;
  if (intervals > intervals_max) {
    return Fault::invalid_input(
        fmt::format("--interval-s: {}, makes {} intervals of {}, must be {} at most",
                    flags.interval_s, intervals, flags.file(), intervals_max));
  }
  return intervals_on_grid(trace, interval_ms);
}

std::string json_of(const Backtest& result) {
  Json calibration = Json::array();
  for (const CalibrationPoint& point : result.calibration) {
    calibration.push_back({point.stated, point.observed});
  }
  return Json{{"version", 1},
              {"normalized_l1", result.normalized_l1},
              {"crps", result.crps},
              {"log_loss", result.log_loss ? Json(*result.log_loss) : Json(nullptr)},
              {"intervals", result.intervals},
              {"calibration", std::move(calibration)}}
      .dump();
}

std::string text_of(const Backtest& result, const ForecastFlags& flags) {
  std::string text =
      fmt::format("{} over {}: {}, each forecasting {} of {} s without looking ahead\n",
                  flags.method, flags.file(), counted(result.intervals, "origin"),
                  counted(flags.look_ahead, "interval"), flags.interval_s);
  text += fmt::format("normalized L1 of the median  {:.4f}\n", result.normalized_l1);
  text += fmt::format("CRPS                         {:.4f} machines\n", result.crps);
  text += result.log_loss
              ? fmt::format("log-loss of the count        {:.4f}\n", *result.log_loss)
              : "log-loss of the count        none: something came that had no probability\n";
  text += "came below what was foretold below with";
  for (const CalibrationPoint& point : result.calibration) {
    text += fmt::format("{} {:.0f} %: {:.1f} %", point.stated < 0.15 ? "" : ",", 100 * point.stated,
                        100 * point.observed);
  }
  return text;
}

/// "0: 93 %, 1: 5 %".
std::string text_of(const Distribution& distribution) {
  std::vector<std::string> parts;
  for (int value = 0; value <= distribution.largest(); ++value) {
    const double probability = distribution.probability(value);
    if (probability >= shown_min) {
      parts.push_back(fmt::format("{}: {:.0f} %", value, 100 * probability));
    }
  }
  return join(parts, ", ");
}

std::string text_of(const Forecast& forecast, const ForecastFlags& flags) {
  std::string text = fmt::format("{} after {}, by intervals of {} s", flags.method, flags.file(),
                                 flags.interval_s);
  for (std::size_t h = 0; h < forecast.size(); ++h) {
    text +=
        fmt::format("\n+{:<3} {} machines; lost {}; joined {}", h + 1, forecast[h].count.median(),
                    text_of(forecast[h].lost), text_of(forecast[h].joined));
  }
  return text;
}

int forecast(const ForecastFlags& flags) {
  if (flags.trace.empty() == flags.history.empty()) {
    return bad_input("--trace or --from-history: one of them must be there, and not both");
  }
  const auto method = method_of(flags);
  if (!method.ok()) return failed(method.fault());
  const auto record = record_of(flags);
  if (!record.ok()) return failed(record.fault());
  const auto forecaster = make_forecaster(method.value(), {.look_ahead = flags.look_ahead});
  if (!flags.history.empty()) {
    for (const IntervalCounts& interval : record.value()) forecaster->observe(interval);
    const Forecast made = forecaster->forecast(flags.look_ahead);
    const bool readable = !flags.json && flags.output.empty();
    return print_result(
        readable ? text_of(made, flags) : json_of(forecast_file_of(made, flags.interval_s)).dump(),
        flags.output);
  }
  const auto intervals = static_cast<std::int64_t>(record.value().size());
  if (intervals <= flags.look_ahead) {
    return bad_input(fmt::format("--look-ahead: {}, must be below {}, the intervals of {}",
                                 flags.look_ahead, intervals, flags.trace));
  }
  const Backtest result = backtest(record.value(), *forecaster, flags.look_ahead);
  return print_result(flags.json ? json_of(result) : text_of(result, flags), flags.output);
}

}  // namespace

void add_forecast(CLI::App& app, Action& action) {
  auto* sub =
      app.add_subcommand("forecast", "Forecast machines, and say what forecasts were worth");
  sub->footer(
      "With --trace every interval of a record is forecast from those before it, and scored. With\n"
      "--from-history the intervals after a record are forecast, in words or into a file.\n\n"
      "  planaria forecast --trace p3-trace.csv --look-ahead 12\n"
      "  planaria forecast --from-history p3-trace.csv -o forecast.json");
  auto flags = std::make_shared<ForecastFlags>();
  sub->add_option("--trace", flags->trace, "A record of machines to forecast again and score")
      ->type_name("FILE");
  sub->add_option("--from-history", flags->history,
                  "A record of machines that ends now; not with --trace")
      ->type_name("FILE");
  sub->add_option("--method", flags->method,
                  "persistence, hazard, arima (Parcae's), or best; default best")
      ->type_name("NAME");
  sub->add_option("--look-ahead", flags->look_ahead,
                  "How many intervals are forecast. 1 to 60; default 12")
      ->check(between(1, forecast_look_ahead_max))
      ->type_name("I");
  sub->add_option("--interval-s", flags->interval_s,
                  "How long an interval is. 1 to 86400; default 60")
      ->check(between(1, ForecastFileLimits::interval_s_max))
      ->type_name("T");
  add_trace_reading(*sub, flags->reading);
  sub->add_flag("--json", flags->json, "Print one JSON object");
  sub->add_option("-o", flags->output,
                  "Write the answer to FILE in place of stdout; a forecast as JSON in any case")
      ->type_name("FILE");
  sub->callback([flags, &action] { action = [flags] { return forecast(*flags); }; });
}

}  // namespace planaria::cli
