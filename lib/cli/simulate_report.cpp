#include "cli/simulate_report.hpp"
#include "cli/grid_layout.hpp"

#include <filesystem>

#include <fmt/format.h>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>
#include <planaria/schedule/markup.hpp>

#include "cli/simulate_charts.hpp"
#include "cli/simulate_looks.hpp"

namespace planaria::cli {
namespace {

std::string cell(const std::string& text, const char* element = "td") {
  return fmt::format("<{0}>{1}</{0}>", element, escaped(text));
}

std::string row(const std::vector<std::string>& texts, const char* element = "td") {
  std::string cells;
  for (const std::string& text : texts) cells += cell(text, element);
  return "<tr>" + cells + "</tr>\n";
}

/// What the command prints without --json, with the ideal above.
std::string summary(const Question& question, const std::vector<Answer>& answers, double ideal) {
  std::vector<std::string> heads{"policy",      "samples",     "of ideal", "stood still",
                                 "intra-stage", "inter-stage", "pipeline", "slowest decision"};
  if (question.money) heads.emplace_back("cost per million samples");
  std::string rows = row(heads, "th");
  for (const Answer& answer : answers) {
    std::vector<std::string> cells{
        answer.policy,
        fmt::format("{:.0f}", answer.simulation.samples),
        fmt::format("{:.4f}", ideal > 0 ? answer.simulation.samples / ideal : 0),
        fmt::format("{:.0f} s", standing_ms_of(answer) / 1000),
        fmt::format("{}", answer.intra_stage),
        fmt::format("{}", answer.inter_stage),
        fmt::format("{}", answer.pipeline),
        fmt::format("{:.3f} ms", answer.decision_ms_max)};
    if (question.money) {
      const auto cost = cost_per_million(question, answer);
      cells.push_back(cost ? fmt::format("{:.2f}", *cost) : "");
    }
    rows += row(cells);
  }
  return "<div class=\"scroll\"><table class=\"summary\">\n" + rows + "</table></div>\n";
}

std::string layout_text(const GridLayout& layout) {
  return layout.empty() ? "none" : grid_text(layout);
}

/// Another layout, or time or samples that the decision costs.
bool changes(const GridLayout& before, const Choice& choice) {
  return choice.layout != before || choice.charge.ms > 0 || choice.lost_samples > 0;
}

std::string decisions_of(const Question& question, const Answer& answer) {
  std::string rows;
  std::int64_t count = 0;
  GridLayout before;
  for (std::size_t i = 0; i < answer.simulation.intervals.size(); ++i) {
    const SimulatedInterval& one = answer.simulation.intervals[i];
    if (changes(before, one.choice)) {
      const double at_ms =
          static_cast<double>(question.request.first + i) * question.request.interval_ms;
      rows += "<tr>";
      for (const std::string& text :
           {clock_text(at_ms), fmt::format("{}", one.event.count),
            fmt::format("{}", one.event.joined), fmt::format("{}", one.event.lost),
            layout_text(before), layout_text(one.choice.layout),
            fmt::format("{:.1f} s", one.standing_ms / 1000), fmt::format("{:.0f}", one.samples)}) {
        rows += cell(text);
      }
      rows += "<td class=\"why\">" + escaped(one.choice.explanation) + "</td></tr>\n";
      ++count;
    }
    before = one.choice.layout;
  }
  return fmt::format(
      "<details><summary>{}: {} that changed something</summary>\n<div class=\"scroll\"><table "
      "class=\"decisions\">\n<tr><th>at</th><th>machines</th><th>joined</th><th>lost</th>"
      "<th>from</th><th>to</th><th>stood still</th><th>samples</th><th class=\"why\">why</th></tr>"
      "\n{}</table></div></details>\n",
      escaped(answer.policy), counted(count, "decision"), rows);
}

/// What charts show, for the script. No < and no & in it, as the texts of a script are taken as
/// they are.
std::string data_of(const Question& question, const std::vector<Answer>& answers,
                    const std::vector<double>& ideal) {
  Json machines = Json::array();
  Json joined = Json::array();
  Json lost = Json::array();
  for (std::size_t t = question.request.first; t < question.request.end; ++t) {
    machines.push_back(question.intervals[t].count);
    joined.push_back(question.intervals[t].joined);
    lost.push_back(question.intervals[t].lost);
  }
  Json policies = Json::array();
  for (const Answer& answer : answers) {
    Json policy{{"policy", answer.policy}};
    for (const SimulatedInterval& one : answer.simulation.intervals) {
      const GridLayout& layout = one.choice.layout;
      policy["layout"].push_back(layout.empty() ? "nobody trains" : grid_text(layout));
      policy["standing_ms"].push_back(one.standing_ms);
      policy["samples"].push_back(one.samples);
    }
    policies.push_back(std::move(policy));
  }
  std::string text;
  const double begin_ms =
      static_cast<double>(question.request.first) * question.request.interval_ms;
  for (const char c : Json{{"begin_ms", begin_ms},
                           {"interval_ms", question.request.interval_ms},
                           {"machines", std::move(machines)},
                           {"joined", std::move(joined)},
                           {"lost", std::move(lost)},
                           {"ideal", ideal},
                           {"policies", std::move(policies)}}
                          .dump()) {
    if (c == '<' || c == '&' || c == '>') {
      text += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      text += c;
    }
  }
  return text;
}

/// The last part of a path, as far as there is room.
std::string name_of(const std::string& path) {
  const std::string name = std::filesystem::path(path).filename().string();
  return escaped(shortened(name.empty() ? path : name, 100));
}

/// Of each interval by itself.
std::vector<double> ideal_of_intervals(const SimulationRequest& request) {
  std::vector<double> ideal;
  SimulationRequest one = request;
  for (one.first = request.first; one.first < request.end; ++one.first) {
    one.end = one.first + 1;
    ideal.push_back(ideal_samples(one));
  }
  return ideal;
}

}  // namespace

std::string simulate_page(const Question& question, const std::vector<Answer>& answers,
                          const ReportSources& sources) {
  const std::vector<double> ideal = ideal_of_intervals(question.request);
  const double ideal_in_all = ideal_samples(question.request);
  std::string decisions;
  for (const Answer& answer : answers) decisions += decisions_of(question, answer);
  const std::string title = escaped(shortened(question.model, 100));
  std::vector<std::string> traces;
  for (const std::string& trace : sources.traces) traces.push_back(name_of(trace));
  std::string lead = fmt::format("{} of {:g} s of {}, prices of {}: at most {:.0f} samples.",
                                 counted(static_cast<std::int64_t>(ideal.size()), "interval"),
                                 question.request.interval_ms / 1000, join(traces, ", "),
                                 name_of(sources.prices), ideal_in_all);
  if (question.money) {
    lead += fmt::format(" All machines cost {:.2f}.", cost_of_machines(question));
  }
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n"
      "<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<title>{0}: policies</title>\n<style>\n{1}</style>\n</head>\n<body>\n<main>\n<h1>{0}</h1>\n"
      "<p>{2}</p>\n{3}{4}<section>\n<h2>Decisions</h2>\n{5}</section>\n</main>\n"
      "<div id=\"now\"></div>\n<script type=\"application/json\" id=\"data\">{6}</script>\n"
      "<script>\n{7}</script>\n</body>\n</html>\n",
      title, simulate_page_style(), lead, summary(question, answers, ideal_in_all),
      simulate_charts(question, answers, ideal), decisions, data_of(question, answers, ideal),
      simulate_page_script());
}

}  // namespace planaria::cli
