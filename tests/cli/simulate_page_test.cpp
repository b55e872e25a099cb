// `planaria simulate --html`: the page says what --json says.
#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>
#include <planaria/schedule/markup.hpp>

#include "cli/command_story.hpp"
#include "schedule/xml_reader.hpp"

namespace planaria::test {
namespace {

/// Three workers at most, one, two or three in a row.
Json line_setting() {
  return Json::parse(R"({
    "version": 1, "model": "a <b>&\"line\"", "samples_per_step": 8, "micro_batch_size": 1,
    "interval_s": 60, "max_workers": 3, "layer_parameters": [50, 50, 100],
    "state_bytes_per_parameter": 10, "partition_rule": "in words",
    "allowed_depths": [1, 2, 3], "allowed_widths": [1],
    "throughput": [{"width": 1, "depth": 1, "step_ms": 800, "samples_per_s": 10},
                   {"width": 1, "depth": 2, "step_ms": 444, "samples_per_s": 18},
                   {"width": 1, "depth": 3, "step_ms": 320, "samples_per_s": 25}],
    "transfer": [{"bytes": 1000, "ms": 1000}, {"bytes": 2000, "ms": 2000}],
    "rendezvous_ms": 4000, "growth_extra_ms": 0, "process_ms": 500, "checkpoint_ms": 6000,
    "model_build": [{"depth": 1, "ms": 1000}, {"depth": 2, "ms": 500}, {"depth": 3, "ms": 400}],
    "regroup": [{"width": 1, "depth": 1, "grow_ms": 500, "shrink_ms": 100},
                {"width": 1, "depth": 2, "grow_ms": 2000, "shrink_ms": 1000},
                {"width": 1, "depth": 3, "grow_ms": 3000, "shrink_ms": 2000}]})");
}

const std::vector<std::string> policies{"restart", "reactive", "liveput", "oracle"};

/// A folder with a setting and a record of eight minutes, in one of which nobody is there.
class Story : public CommandStory {
 public:
  Story() {
    begin({"simulate", "--setting", write("setting.json", line_setting().dump()), "--trace",
           write(trace_name,
                 "0,add,a\n60000,add,b\n180000,remove,a\n180000,remove,b\n"
                 "240000,add,c\n300000,add,d\n300000,add,e\n420000,remove,d\n"),
           "--policy", join(policies, ",")});
  }
  // Of what a file may be called, the worst for a page.
  static constexpr const char* trace_name = "re\"cord<script>'&.csv";
};

std::vector<const XmlElement*> of_class(const XmlElement& root, const std::string& element,
                                        const std::string& style_class) {
  std::vector<const XmlElement*> found;
  for (const XmlElement* one : root.all(element)) {
    const auto words = split(one->attribute("class"), ' ');
    if (std::find(words.begin(), words.end(), style_class) != words.end()) found.push_back(one);
  }
  return found;
}

std::vector<std::vector<std::string>> cells_of(const XmlElement& table) {
  std::vector<std::vector<std::string>> rows;
  for (const XmlElement* row : table.all("tr")) {
    auto& cells = rows.emplace_back();
    for (const XmlElement& cell : row->children) cells.push_back(cell.text);
  }
  return rows;
}

/// The page and the answer of one run.
struct Told {
  XmlElement page;
  Json data;    // of the page
  Json answer;  // of --json
  std::string html;
};

Told told_by(const Story& story, const std::vector<std::string>& more = {}) {
  std::vector<std::string> all{"--html", story.file("page.html"), "--json"};
  all.insert(all.end(), more.begin(), more.end());
  const CommandResult ended = story.run(all);
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  Told told;
  told.html = read_file(story.file("page.html")).value();
  told.page = well_formed(told.html);
  for (const XmlElement* script : told.page.all("script")) {
    if (script->attribute("id") == "data") told.data = parse_json(script->text, "data").value();
  }
  told.answer = parse_json(ended.out, "answer").value();
  return told;
}

std::string text_of(const Json& decision) {
  return decision["width"].dump() + " x " + decision["depth"].dump();
}

}  // namespace

TEST_CASE("the page's numbers are those of the answer, every policy in every interval", "[unit]") {
  const Story story;
  const Told told = told_by(story);
  const Json& timeline = told.answer["timeline"];
  REQUIRE(timeline.size() == 8);
  REQUIRE(told.data["policies"].size() == policies.size());
  CHECK(told.data["begin_ms"] == 0.0);
  CHECK(told.data["interval_ms"] == 60'000.0);
  double ideal = 0;
  for (std::size_t t = 0; t < timeline.size(); ++t) {
    for (const char* key : {"machines", "joined", "lost"}) {
      CHECK(told.data[key][t] == timeline[t][key]);
    }
    ideal += told.data["ideal"][t].get<double>();
    for (std::size_t policy = 0; policy < policies.size(); ++policy) {
      const Json& drawn = told.data["policies"][policy];
      const Json& decided = timeline[t]["decisions"][policy];
      CHECK(drawn["policy"] == decided["policy"]);
      INFO(policies[policy] << " in " << t);
      CHECK(drawn["layout"][t] == (decided["depth"] == 0 ? "nobody trains" : text_of(decided)));
      for (const char* key : {"standing_ms", "samples"}) CHECK(drawn[key][t] == decided[key]);
    }
  }
  CHECK(ideal == Approx(told.answer["ideal_samples"].get<double>()));
}

TEST_CASE("the page's table is what the command prints", "[unit]") {
  const Story story;
  story.write("prices.json", R"({"version": 1, "spot_per_hour": 3, "on_demand_per_hour": 9})");
  const Told told = told_by(story, {"--prices", story.file("prices.json")});
  const auto tables = of_class(told.page, "table", "summary");
  REQUIRE(tables.size() == 1);
  const auto rows = cells_of(*tables[0]);
  REQUIRE(rows.size() == 1 + policies.size());
  CHECK(rows[0].back() == "cost per million samples");
  for (std::size_t i = 0; i < policies.size(); ++i) {
    const Json& policy = told.answer["policies"][i];
    const double samples = policy["samples"];
    double standing_ms = 0;
    for (const Json& one : told.answer["timeline"]) {
      standing_ms += one["decisions"][i]["standing_ms"].get<double>();
    }
    const Json& migrations = policy["migrations"];
    const std::vector<std::string> expected{
        policies[i],
        fmt::format("{:.0f}", samples),
        fmt::format("{:.4f}", policy["fraction_of_ideal"].get<double>()),
        fmt::format("{:.0f} s", standing_ms / 1000),
        migrations["intra_stage"].dump(),
        migrations["inter_stage"].dump(),
        migrations["pipeline"].dump(),
        fmt::format("{:.3f} ms", policy["decision_ms_max"].get<double>()),
        fmt::format("{:.2f}", policy["cost"].get<double>() * 1e6 / samples)};
    CHECK(rows[i + 1] == expected);
  }
  CHECK_THAT(told.html,
             Catch::Contains(fmt::format("All machines cost {:.2f}.",
                                         told.answer["policies"][0]["cost"].get<double>())));
}

TEST_CASE("what is drawn is what came of it", "[unit]") {
  const Story story;
  const Told told = told_by(story);
  const auto stood = of_class(told.page, "path", "stood");
  const auto used = of_class(told.page, "path", "used");
  const auto bands = of_class(told.page, "div", "band");
  const auto lines = of_class(told.page, "path", "line");
  REQUIRE(stood.size() == policies.size());
  REQUIRE(used.size() == policies.size());
  REQUIRE(bands.size() == policies.size());
  // Two charts of lines, their two keys, and a sample before the name of each row of two charts.
  REQUIRE(lines.size() == 6 * policies.size());
  const auto boxes_of = [](const XmlElement& path) {
    const std::string d = path.attribute("d");
    return std::count(d.begin(), d.end(), 'Z');
  };
  int joined = 0;
  int lost = 0;
  for (const Json& one : told.answer["timeline"]) {
    joined += one["joined"] > 0 ? 1 : 0;
    lost += one["lost"] > 0 ? 1 : 0;
  }
  CHECK(boxes_of(*of_class(told.page, "path", "joined").at(0)) == joined);
  CHECK(boxes_of(*of_class(told.page, "path", "lost").at(0)) == lost);
  for (std::size_t i = 0; i < policies.size(); ++i) {
    INFO(policies[i]);
    // A bar for each interval in which nobody trained for a time, as high as that is long; a box
    // for each stretch with one layout, as wide as that is long.
    std::string bars;
    std::vector<std::string> boxes;
    Json before;
    std::size_t begin = 0;
    const Json& timeline = told.answer["timeline"];
    for (std::size_t t = 0; t <= timeline.size(); ++t) {
      Json layout;
      if (t < timeline.size()) {
        const Json& decided = timeline[t]["decisions"][i];
        layout = {decided["width"], decided["depth"]};
        const double stood_ms = decided["standing_ms"];
        if (stood_ms > 0) {
          bars += fmt::format("M{} 1000h1v{}h-1Z", t, decimal(-1000 * (stood_ms / 60'000)));
        }
      }
      if (layout == before) continue;
      if (!before.is_null() && before[1] > 0) {
        boxes.push_back(fmt::format("{} left:{}%;width:{}%", before[1].dump(),
                                    decimal(12.5 * static_cast<double>(begin), 3),
                                    decimal(12.5 * static_cast<double>(t - begin), 3)));
      }
      before = layout;
      begin = t;
    }
    CHECK(stood[i]->attribute("d") == bars);
    std::vector<std::string> drawn;
    for (const XmlElement* box : bands[i]->all("span")) {
      drawn.push_back(box->all("b").at(0)->text + " " + box->attribute("style"));
    }
    CHECK(drawn == boxes);
  }
  // Reactive uses one worker in the first minute and two in the second, on a scale to 3.
  CHECK_THAT(used[1]->attribute("d"), Catch::StartsWith("M0 666.67H1V333.33"));
}

TEST_CASE("lines of samples end where the sums are", "[unit]") {
  const Story story;
  const Told told = told_by(story);
  const auto charts = of_class(told.page, "div", "plot");
  const auto named = [&](const std::string& label) -> const XmlElement& {
    for (const XmlElement* chart : charts) {
      if (chart->children.at(0).attribute("aria-label") == label) return *chart;
    }
    FAIL("no chart of " + label);
    throw 0;  // FAIL has thrown
  };
  const auto end_of = [](const XmlElement& path) {
    return std::stod(split(path.attribute("d"), ' ').back());
  };
  const double ideal = told.answer["ideal_samples"];
  const auto best = of_class(named("samples so far"), "path", "best");
  const auto sums = of_class(named("samples so far"), "path", "line");
  const auto gaps = of_class(named("samples missing to the ideal"), "path", "line");
  REQUIRE(best.size() == 1);
  REQUIRE(sums.size() == policies.size());
  REQUIRE(gaps.size() == policies.size());
  const double height = 1000 - end_of(*best[0]);
  const double first_gap = ideal - told.answer["policies"][0]["samples"].get<double>();
  for (std::size_t i = 0; i < policies.size(); ++i) {
    const double samples = told.answer["policies"][i]["samples"];
    CHECK((1000 - end_of(*sums[i])) / height == Approx(samples / ideal).margin(1e-4));
    CHECK((1000 - end_of(*gaps[i])) / (1000 - end_of(*gaps[0])) ==
          Approx((ideal - samples) / first_gap).margin(1e-4));
  }
}

TEST_CASE("every decision that changed something is told with its reason", "[unit]") {
  const Story story;
  const Told told = told_by(story);
  const auto tables = of_class(told.page, "table", "decisions");
  REQUIRE(tables.size() == policies.size());
  for (std::size_t i = 0; i < policies.size(); ++i) {
    INFO(policies[i]);
    const auto rows = cells_of(*tables[i]);
    std::size_t next = 1;
    std::string before = "none";
    for (const Json& one : told.answer["timeline"]) {
      const Json& decided = one["decisions"][i];
      const std::string layout = decided["depth"] == 0 ? "none" : text_of(decided);
      if (layout != before) {
        REQUIRE(next < rows.size());
        const auto minute = static_cast<int>(one["at_s"].get<double>() / 60);
        CHECK(rows[next] ==
              std::vector<std::string>{
                  fmt::format("0:{:02}:00", minute), one["machines"].dump(), one["joined"].dump(),
                  one["lost"].dump(), before, layout,
                  fmt::format("{:.1f} s", decided["standing_ms"].get<double>() / 1000),
                  fmt::format("{:.0f}", decided["samples"].get<double>()), decided["why"]});
        ++next;
      }
      before = layout;
    }
    CHECK(next == rows.size());
  }
}

TEST_CASE("hostile names are shown, not obeyed", "[unit]") {
  const Story story;
  const Told told = told_by(story);
  CHECK(told.page.all("h1").at(0)->text == "a <b>&\"line\"");
  CHECK_THAT(told.page.all("p").at(0)->text, Catch::Contains(Story::trace_name));
  CHECK(told.page.all("script").size() == 2);
  CHECK_THAT(told.html, !Catch::Contains("<script>'") && !Catch::Contains("<b>&"));
  // Nothing is fetched from anywhere.
  CHECK_THAT(told.html, !Catch::Contains("src=") && !Catch::Contains("href=") &&
                            !Catch::Contains("url(") && !Catch::Contains("@import"));
}

TEST_CASE("a segment's page counts time from the record's begin", "[unit]") {
  const Story story;
  const Told told = told_by(story, {"--from-s", "240", "--to-s", "420"});
  CHECK(told.data["begin_ms"] == 240'000.0);
  CHECK(told.data["machines"].size() == 3);
  CHECK(cells_of(*of_class(told.page, "table", "decisions").at(1)).at(1).at(0) == "0:04:00");
  CHECK(of_class(told.page, "div", "axis").at(0)->all("span").at(0)->text == "4");
}

TEST_CASE("a page of a record in which nobody is ever there is a page", "[unit]") {
  const Story story;
  story.write(Story::trace_name, R"({"metadata": {"gap_seconds": 60}, "data": [0, 0, 0]})");
  const Told told = told_by(story);
  CHECK(told.data["machines"] == Json{0, 0, 0});
  CHECK(of_class(told.page, "div", "band").at(0)->children.empty());
}

TEST_CASE("what cannot be written is refused before anything is done, and leaves nothing",
          "[unit]") {
  const Story story;
  const int files = story.files();
  const std::string path = story.file("no/page.html");
  for (const char* option : {"--html", "-o"}) {
    // The record is missing: that would be told first if it were read first.
    const CommandResult ended =
        run_command({program("planaria"), "simulate", "--setting", story.file("setting.json"),
                     "--trace", story.file("missing.csv"), "--policy", "reactive", option, path});
    CHECK(ended.status == 2);
    CHECK(ended.out.empty());
    CHECK(ended.err == "planaria: " + path + ": cannot be written: No such file or directory\n");
  }
  const CommandResult ended = story.run({"--html", story.file("")});
  CHECK(ended.status == 2);
  CHECK_THAT(ended.err, Catch::EndsWith(": cannot be written: Is a directory\n"));
  CHECK(story.files() == files);
  // What is there already stays until the page is whole.
  story.write("page.html", "older");
  story.write("setting.json", "{");
  CHECK(story.run({"--html", story.file("page.html")}).status == 2);
  CHECK(read_file(story.file("page.html")).value() == "older");
  CHECK(story.files() == files + 1);
}

}  // namespace planaria::test
