// `planaria simulate`: what policies earn over a trace.
#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/clock.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>
#include <planaria/liveput/policies.hpp>
#include <planaria/liveput/prices.hpp>
#include <planaria/liveput/simulation.hpp>

#include "cli/commands.hpp"
#include "cli/grid_layout.hpp"
#include "cli/option_ranges.hpp"
#include "cli/price_options.hpp"
#include "cli/simulate_answers.hpp"
#include "cli/simulate_report.hpp"
#include "cli/trace_reading_options.hpp"

namespace planaria::cli {
namespace {

constexpr double seconds_max = 86'400'000;

struct SimulateFlags {
  PriceFlags priced;
  std::string prices, html, output;
  std::vector<std::string> traces, policies;
  TraceReadingFlags reading;
  int look_ahead = 12;
  std::optional<double> interval_s, to_s;
  double from_s = 0;
  double notice_s = 0;
  std::string seed;
  bool json = false;
};

/// Times what another policy decides.
class Timed final : public Policy {
 public:
  explicit Timed(std::unique_ptr<Policy> policy) : policy_(std::move(policy)) {}
  Choice choose(const Situation& situation) override {
    const Instant begin = clock_.now();
    Choice choice = policy_->choose(situation);
    ms_max_ = std::max(ms_max_, (clock_.now() - begin).value);
    return choice;
  }
  [[nodiscard]] double ms_max() const { return ms_max_; }

 private:
  SystemClock clock_;
  std::unique_ptr<Policy> policy_;
  double ms_max_ = 0;
};

using MakePolicy = std::function<std::unique_ptr<Policy>(const Question&, int look_ahead)>;

const std::vector<std::pair<std::string, MakePolicy>>& makers() {
  static const std::vector<std::pair<std::string, MakePolicy>> all{
      {"restart", [](const Question& q, int) { return restart_policy(*q.prices); }},
      {"reactive", [](const Question& q, int) { return reactive_policy(*q.prices); }},
      {"liveput",
       [](const Question& q, int look_ahead) {
         return liveput_policy(*q.prices, {look_ahead, q.request.interval_ms});
       }},
      {"parcae",
       [](const Question& q, int look_ahead) {
         return parcae_policy(*q.prices, {look_ahead, q.request.interval_ms});
       }},
      {"varuna",
       [](const Question& q, int) {
         return varuna_policy(*q.prices, {.interval_ms = q.request.interval_ms});
       }},
      {"bamboo",
       [](const Question& q, int) {
         return bamboo_policy(*q.prices, {.interval_ms = q.request.interval_ms});
       }},
      {"oobleck",
       [](const Question& q, int) {
         return oobleck_policy(*q.prices, {.interval_ms = q.request.interval_ms});
       }},
      {"hysteresis", [](const Question& q, int) { return hysteresis_policy(*q.prices); }},
      {"spot-hedge", [](const Question& q, int) { return spot_hedge_policy(*q.prices); }},
      {"oracle", [](const Question& q, int) { return oracle_policy(q.request); }}};
  return all;
}

/// The intervals asked for, by their seconds.
Result<void> choose_segment(const SimulateFlags& flags, SimulationRequest& request) {
  const double interval_s = request.interval_ms / 1000;
  const auto all = static_cast<double>(request.intervals.size());
  const double first = std::floor(flags.from_s / interval_s);
  const double end = flags.to_s ? std::min(all, std::ceil(*flags.to_s / interval_s)) : all;
  if (first >= end) {
    return Fault::invalid_input(fmt::format("--from-s: {}, must be below {}, where the {} ends",
                                            flags.from_s, end * interval_s,
                                            flags.to_s && end < all ? "segment" : "record"));
  }
  request.first = static_cast<std::size_t>(first);
  request.end = static_cast<std::size_t>(end);
  return {};
}

Result<Question> question_of(const SimulateFlags& flags) {
  PLANARIA_TRY(asked, prices_as_told(flags.priced));
  Question question;
  question.model = asked.model;
  question.request.interval_ms = flags.interval_s.value_or(asked.interval_s) * 1000;
  question.request.notice_intervals =
      static_cast<int>(flags.notice_s * 1000 / question.request.interval_ms);
  for (const std::string& path : flags.traces) {
    PLANARIA_TRY(trace, read_trace_as_told(path, flags.reading));
    question.zones.push_back(
        intervals_of(trace, static_cast<std::int64_t>(std::llround(question.request.interval_ms))));
  }
  question.intervals = sum_of_zones(question.zones);
  question.request.zones = question.zones;
  for (std::size_t t = 0; t < question.intervals.size(); ++t) {
    const int most = asked.prices->workers_max();
    if (question.intervals[t].count <= most) continue;
    return Fault::invalid_input(fmt::format(
        "{}: {} machines in interval {}, must be at most {}, {}", join(flags.traces, ", "),
        question.intervals[t].count, t, most, asked.workers_max_from));
  }
  question.request.intervals = question.intervals;
  PLANARIA_TRY_VOID(choose_segment(flags, question.request));
  if (!flags.prices.empty()) {
    PLANARIA_TRY(file, read_json_file(flags.prices));
    PLANARIA_TRY(money, machine_prices_from_json(file, flags.prices));
    question.money = money;
  }
  question.prices = std::move(asked.prices);
  question.request.prices = question.prices.get();
  return question;
}

std::vector<std::string> policy_names() {
  std::vector<std::string> all;
  for (const auto& [name, make] : makers()) all.push_back(name);
  return all;
}

Result<void> check_names(const std::vector<std::string>& names) {
  const std::vector<std::string> all = policy_names();
  for (const std::string& name : names) {
    if (std::ranges::find(all, name) != all.end()) continue;
    return Fault::invalid_input(
        fmt::format("--policy: {}, must be one of {}", printable(name), join(all, ", ")));
  }
  return {};
}

/// Counts each change by the kind that it is expected to be: another depth; else whether workers
/// come in that did not compute.
void count_migrations(Answer& answer) {
  GridLayout before;
  for (const SimulatedInterval& interval : answer.simulation.intervals) {
    const GridLayout& now = interval.choice.layout;
    const bool changed =
        interval.choice.charge.ms > 0 && !interval.continues && !before.empty() && !now.empty();
    if (changed && before.depth != now.depth) {
      ++answer.pipeline;
    } else if (changed && grows({before, now, 0, interval.event.lost})) {
      ++answer.inter_stage;
    } else if (changed) {
      ++answer.intra_stage;
    }
    before = now;
    answer.lost_samples += interval.missed_samples;
  }
}

Answer answer_of(const Question& question, const std::string& name, int look_ahead) {
  const auto maker = std::ranges::find(makers(), name, [](const auto& one) { return one.first; });
  Timed policy(maker->second(question, look_ahead));
  Answer answer{name, simulate(question.request, policy), policy.ms_max()};
  count_migrations(answer);
  return answer;
}

Json timeline_of(const Question& question, const std::vector<Answer>& answers) {
  Json timeline = Json::array();
  for (std::size_t t = question.request.first; t < question.request.end; ++t) {
    const IntervalCounts& event = question.intervals[t];
    Json decisions = Json::array();
    for (const Answer& answer : answers) {
      const SimulatedInterval& one = answer.simulation.intervals[t - question.request.first];
      Json decision{{"policy", answer.policy},
                    {"standing_ms", one.standing_ms},
                    {"samples", one.samples},
                    {"why", one.choice.explanation}};
      add_grid(one.choice.layout, decision);
      decisions.push_back(std::move(decision));
    }
    timeline.push_back({{"at_s", static_cast<double>(t) * question.request.interval_ms / 1000},
                        {"machines", event.count},
                        {"joined", event.joined},
                        {"lost", event.lost},
                        {"decisions", std::move(decisions)}});
  }
  return timeline;
}

std::string json_of(const Question& question, const std::vector<Answer>& answers, double ideal) {
  Json policies = Json::array();
  for (const Answer& answer : answers) {
    Json policy{{"policy", answer.policy},
                {"samples", answer.simulation.samples},
                {"fraction_of_ideal", ideal > 0 ? Json(answer.simulation.samples / ideal) : Json()},
                {"migrations",
                 {{"intra_stage", answer.intra_stage},
                  {"inter_stage", answer.inter_stage},
                  {"pipeline", answer.pipeline}}},
                {"lost_samples", answer.lost_samples},
                {"decision_ms_max", answer.decision_ms_max}};
    if (question.money) policy["cost"] = cost_of_machines(question);
    policies.push_back(std::move(policy));
  }
  return Json{{"version", 1},
              {"ideal_samples", ideal},
              {"policies", std::move(policies)},
              {"timeline", timeline_of(question, answers)}}
      .dump();
}

std::string text_of(const Question& question, const std::vector<Answer>& answers, double ideal) {
  const auto intervals = static_cast<std::int64_t>(question.request.end - question.request.first);
  std::string text =
      fmt::format("{}, {} of {:g} s: at most {:.0f} samples\n", question.model,
                  counted(intervals, "interval"), question.request.interval_ms / 1000, ideal);
  text += fmt::format("{:<10} {:>14} {:>9} {:>12} {:>7} {:>7} {:>9}  {}", "policy", "samples",
                      "of ideal", "stood still", "intra", "inter", "pipeline", "slowest decision");
  if (question.money) text += "  cost per million samples";
  for (const Answer& answer : answers) {
    text += fmt::format("\n{:<10} {:>14.0f} {:>9.4f} {:>10.0f} s {:>7} {:>7} {:>9}  {:>13.3f} ms",
                        answer.policy, answer.simulation.samples,
                        ideal > 0 ? answer.simulation.samples / ideal : 0,
                        standing_ms_of(answer) / 1000, answer.intra_stage, answer.inter_stage,
                        answer.pipeline, answer.decision_ms_max);
    if (const auto cost = cost_per_million(question, answer)) {
      text += fmt::format("  {:>24.2f}", *cost);
    }
  }
  return text;
}

int simulate_policies(const SimulateFlags& flags) {
  if (const auto names = check_names(flags.policies); !names.ok()) return failed(names.fault());
  for (const std::string& file : {flags.html, flags.output}) {
    if (const auto writable = check_writable(file); !writable.ok()) return failed(writable.fault());
  }
  const auto asked = question_of(flags);
  if (!asked.ok()) return failed(asked.fault());
  const Question& question = asked.value();
  std::vector<Answer> answers;
  for (const std::string& name : flags.policies) {
    answers.push_back(answer_of(question, name, flags.look_ahead));
  }
  const double ideal = ideal_samples(question.request);
  if (!flags.html.empty()) {
    const auto written = write_file_atomically(
        flags.html,
        simulate_page(question, answers,
                      {flags.priced.setting.empty() ? flags.priced.profile : flags.priced.setting,
                       flags.traces}));
    if (!written.ok()) return failed(written.fault());
  }
  return print_result(
      flags.json ? json_of(question, answers, ideal) : text_of(question, answers, ideal),
      flags.output);
}

}  // namespace

void add_simulate(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand("simulate", "Say what policies earn over a record of machines");
  sub->footer(
      "Intervals follow each other; each policy learns what came and went, and chooses a "
      "layout.\n\n"
      "  planaria simulate --setting gpt2-1.5b.setting.json --trace p3-trace.csv \\\n"
      "    --policy reactive,liveput,oracle\n"
      "  planaria simulate --profile profile.json --workers 32 --micro-batches 128 \\\n"
      "    --trace p3-trace.csv --policy reactive,oracle");
  auto flags = std::make_shared<SimulateFlags>();
  add_prices(*sub, flags->priced);
  sub->add_option("--trace", flags->traces,
                  "A record of machines; a folder of probes' rounds. Several times: zones, which "
                  "only spot-hedge tells apart; their sum ends with the first record that does")
      ->required()
      ->allow_extra_args(false)
      ->type_name("FILE");
  sub->add_option("--policy", flags->policies,
                  "Who decides: " + join(policy_names(), ", ") + ", with commas between")
      ->required()
      ->delimiter(',')
      ->type_name("NAME,...");
  sub->add_option("--look-ahead", flags->look_ahead,
                  "How many intervals liveput and parcae look ahead. 1 to 60; default 12")
      ->check(between(1, 60))
      ->type_name("I");
  sub->add_option("--interval-s", flags->interval_s,
                  "How long an interval is. 1 to 86400; default: as the setting has, or 60")
      ->check(between(1.0, 86'400.0))
      ->type_name("T");
  sub->add_option("--from-s", flags->from_s,
                  "Where in the record it begins, with nothing running. 0 to 86400000; default 0")
      ->check(between(0.0, seconds_max))
      ->type_name("T");
  sub->add_option("--to-s", flags->to_s, "Where it ends. 0 to 86400000; default: with the record")
      ->check(between(0.0, seconds_max))
      ->type_name("T");
  sub->add_option("--notice-s", flags->notice_s,
                  "How long ahead losses are known. 0 to 86400; default 0")
      ->check(between(0.0, 86'400.0))
      ->type_name("T");
  sub->add_option("--prices", flags->prices, "What machines cost, per hour")->type_name("FILE");
  sub->add_option("--html", flags->html,
                  "Write a page with charts over time, and with why each decision was made, too")
      ->type_name("FILE");
  sub->add_option("--seed", flags->seed,
                  "Taken and not used: nothing is drawn. 0 to 18446744073709551615")
      ->check(natural())
      ->type_name("N");
  add_trace_reading(*sub, flags->reading);
  sub->add_flag("--json", flags->json, "Print one JSON object");
  sub->add_option("-o", flags->output, "Write the answer to FILE in place of stdout")
      ->type_name("FILE");
  sub->callback([flags, &action] { action = [flags] { return simulate_policies(*flags); }; });
}

}  // namespace planaria::cli
