// Pictures of schedules: SVG and the page.
#include <planaria/schedule/draw.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <planaria/schedule/builders.hpp>

#include "drawn.hpp"
#include "xml_reader.hpp"

namespace planaria {
namespace {

using test::drawn;
using test::well_formed;
using test::XmlElement;

std::string class_of(const XmlElement& element) {
  return element.attribute("class");
}

std::vector<const XmlElement*> bars_of(const XmlElement& root) {
  std::vector<const XmlElement*> bars;
  for (const XmlElement* group : root.all("g")) {
    if (class_of(*group) == "a") bars.push_back(group);
  }
  return bars;
}

/// What kind and chunk a fill stands for: "f0" is a forward of chunk 0.
std::string expected_fill(const Schedule& schedule, const Action& action) {
  const int shade = schedule.chunks == 1 ? 0 : 3 * action.chunk / (schedule.chunks - 1);
  return fmt::format("{}{}", static_cast<char>(static_cast<char>(action.kind) + 32), shade);
}

/// Every action is a bar: its own words, fill and number, and at its own place on one scale.
void check_every_action(const ScheduleDrawing& drawing) {
  const XmlElement root = well_formed(svg_of({drawing}));
  const auto bars = bars_of(root);
  std::map<std::string, const XmlElement*> by_words;
  for (const XmlElement* bar : bars) {
    CHECK(by_words
              .emplace(bar->children.at(0).text.substr(0, bar->children.at(0).text.find(':')), bar)
              .second);
  }
  // The scale, from the first rank's first bar and the last end of all.
  double px_per_ms = 0;
  std::size_t actions = 0;
  for (std::size_t rank = 0; rank < drawing.schedule.ranks.size(); ++rank) {
    const auto& all = drawing.schedule.ranks[rank];
    for (std::size_t at = 0; at < all.size(); at += parts_at(all, at)) {
      ++actions;
      const std::string words =
          fmt::format("rank {}, {}", rank, text_of(drawing.schedule, static_cast<int>(rank), at));
      INFO(words);
      REQUIRE(by_words.contains(words));
      const XmlElement& bar = *by_words.at(words);
      const SimulatedAction& time = drawing.simulated.ranks[rank].actions[at];
      const auto rects = bar.all("rect");
      REQUIRE(rects.size() == parts_at(all, at));
      if (px_per_ms == 0) px_per_ms = rects[0]->number("width") / (time.end_ms - time.start_ms);
      for (std::size_t part = 0; part < rects.size(); ++part) {
        CHECK(class_of(*rects[part]) == expected_fill(drawing.schedule, all[at + part]));
        CHECK(rects[part]->number("x") == Approx(time.start_ms * px_per_ms).margin(0.5));
        CHECK(rects[part]->number("x") + rects[part]->number("width") ==
              Approx(time.end_ms * px_per_ms).margin(0.5));
        CHECK((rects[part]->attribute("fill").empty()) ==
              (all[at + part].kind != ActionKind::backward));
      }
      // The halves of a pair lie one below the other and fill a row of 26.
      CHECK(rects.back()->number("y") == rects.front()->number("y") + (rects.size() == 2 ? 13 : 0));
      CHECK(rects.front()->number("height") * static_cast<double>(rects.size()) == 26);
      std::vector<std::string> numbers;
      for (const XmlElement* text : bar.all("text")) numbers.push_back(text->text);
      std::vector<std::string> expected;
      for (std::size_t part = 0; part < rects.size(); ++part) {
        expected.push_back(fmt::format("{}", all[at + part].micro_batch));
      }
      CHECK(numbers == expected);
    }
  }
  CHECK(bars.size() == actions);
}

}  // namespace

TEST_CASE("every action of a small schedule is one bar at its time", "[unit]") {
  const StageCosts costs{1.25, 1.5, 1, 0.125};
  for (const char* kind :
       {"gpipe", "1f1b", "interleaved", "zb-h1", "zb-v", "dualpipe-v", "varuna"}) {
    INFO(kind);
    check_every_action(drawn(kind, {3, 6}, costs));
  }
}

TEST_CASE("bars of a rank lie below those of the rank before, and nowhere on each other",
          "[unit]") {
  const ScheduleDrawing drawing = drawn("zb-h1", {4, 6}, {1, 1, 1, 0.25});
  const XmlElement root = well_formed(svg_of({drawing}));
  std::map<double, std::vector<std::pair<double, double>>> rows;  // by y: from and to
  for (const XmlElement* bar : bars_of(root)) {
    const XmlElement& rect = *bar->all("rect").at(0);
    rows[rect.number("y")].emplace_back(rect.number("x"), rect.number("x") + rect.number("width"));
  }
  CHECK(rows.size() == 4);
  for (auto& [y, bars] : rows) {
    CHECK(bars.size() == 18);
    std::sort(bars.begin(), bars.end());
    for (std::size_t i = 1; i < bars.size(); ++i) {
      CHECK(bars[i].first >= bars[i - 1].second - 0.011);
    }
  }
}

TEST_CASE("what ranks hold is a line with its peak, and the cap a dashed one", "[unit]") {
  ScheduleDrawing drawing = drawn("1f1b", {2, 4}, {1, 1, 1, 0}, {.activation_bytes = 1024});
  drawing.limit_bytes = {3072, no_limit_bytes};
  const XmlElement root = well_formed(svg_of({drawing}));
  std::vector<std::string> lines, caps, peaks;
  for (const XmlElement* path : root.all("path")) {
    if (class_of(*path) == "held") lines.push_back(path->attribute("d"));
    if (class_of(*path) == "cap") caps.push_back(path->attribute("d"));
  }
  for (const XmlElement* text : root.all("text")) {
    for (const XmlElement& child : text->children) {
      if (child.name == "title") peaks.push_back(child.text + ": " + text->text);
    }
  }
  // Rank 0: one from 0, two from its second forward, one after its third backward, then none. Its
  // line goes from the row's foot (50) up by a third and two thirds of 22 px, the cap's height.
  const double ms = 520.0 / 15;
  CHECK(lines.size() == 2);
  CHECK(lines.at(0) == fmt::format("M0 50H0V42.7H{:.1f}V35.3H{}V42.7H520V50H520V50z",
                                   std::round(ms * 2) / 2, 416));
  REQUIRE(caps.size() == 2);  // one in the legend
  CHECK(caps.at(1) == "M0 28h520");
  CHECK(peaks == std::vector<std::string>{"rank 0 holds at most 2.0 KiB, limit 3.0 KiB: 2.0 KiB",
                                          "rank 1 holds at most 1.0 KiB: 1.0 KiB"});
}

TEST_CASE("a peak that is over within a pixel is drawn all the same", "[unit]") {
  std::string text = "0:";
  for (int i = 0; i < 3000; i += 2) {
    // Every hundredth has two in flight.
    text += i % 100 == 0 ? fmt::format(" F{0} F{1} G{0} G{1}", i, i + 1)
                         : fmt::format(" F{0} G{0} F{1} G{1}", i, i + 1);
  }
  ScheduleDrawing drawing;
  drawing.schedule = schedule_from_text(text, "test").value();
  drawing.simulated = simulate(drawing.schedule, {{1, 1, 1, 0}}).value();
  drawing.memory = memory_of(drawing.schedule, {{.activation_bytes = 512}});
  const XmlElement root = well_formed(svg_of({drawing}));
  int tops = 0;
  for (const XmlElement* path : root.all("path")) {
    if (class_of(*path) != "held") continue;
    const std::string data = path->attribute("d");
    for (std::size_t at = data.find("V28"); at != std::string::npos;
         at = data.find("V28", at + 1)) {
      ++tops;
    }
  }
  CHECK(tops == 30);
}

TEST_CASE("two schedules stand on one scale of time and memory", "[unit]") {
  const ScheduleDrawing slow = drawn("1f1b", {2, 3}, {2, 2, 2, 0}, {.activation_bytes = 64});
  const ScheduleDrawing fast = drawn("1f1b", {2, 3}, {1, 1, 1, 0}, {.activation_bytes = 32});
  const XmlElement svg = well_formed(svg_of({slow, fast}));
  const auto bars = bars_of(svg);
  REQUIRE(bars.size() == 24);
  const XmlElement& first = *bars[0]->all("rect").at(0);
  const XmlElement& second = *bars[12]->all("rect").at(0);
  CHECK(first.number("width") == Approx(2 * second.number("width")).margin(0.02));
  // Whichever comes first, the longer one takes the whole width and no more.
  for (const auto& pair : {std::vector{slow, fast}, std::vector{fast, slow}}) {
    double end_px = 0;
    const XmlElement drawn_pair = well_formed(svg_of(pair));
    for (const XmlElement* bar : bars_of(drawn_pair)) {
      const XmlElement& rect = *bar->all("rect").at(0);
      end_px = std::max(end_px, rect.number("x") + rect.number("width"));
    }
    CHECK(end_px == Approx(520).margin(0.02));
  }
  const std::string page = html_of({slow, fast});
  CHECK(bars_of(well_formed(page)).size() == 24);
  CHECK(well_formed(page).all("svg").size() == 2);
  // Nothing is fetched from anywhere: the only address is the name of SVG's and HTML's own words.
  for (std::size_t at = page.find("//"); at != std::string::npos; at = page.find("//", at + 1)) {
    CHECK(page.substr(at, 13) == "//www.w3.org/");
  }
  CHECK(page.find("prefers-color-scheme:dark") != std::string::npos);
}

TEST_CASE("the page has a table of ranks with what the picture shows", "[unit]") {
  ScheduleDrawing drawing = drawn("1f1b", {2, 4}, {1, 1, 1, 0}, {.activation_bytes = 1024});
  drawing.bound_ms = 12;
  const XmlElement root = well_formed(html_of({drawing}));
  std::vector<std::vector<std::string>> rows;
  for (const XmlElement* row : root.all("tr")) {
    rows.emplace_back();
    for (const XmlElement& cell : row->children) rows.back().push_back(cell.text);
  }
  using Row = std::vector<std::string>;
  REQUIRE(rows.size() == 5);
  CHECK(rows[1] == Row{drawing.title, "15", "15", "20 %", "2.0 KiB, rank 0", "12", "25 % above"});
  CHECK(rows[3] == Row{"0", "12", "15", "20 %", "2", "2.0 KiB", "2048"});
  CHECK(rows[4] == Row{"1", "12", "12", "20 %", "1", "1.0 KiB", "1024"});
}

TEST_CASE("a title may hold anything and stays a text", "[unit]") {
  const std::vector<std::pair<std::string, std::string>> titles = {
      {"</text><script>alert(\"x\")</script>", "</text><script>alert(\"x\")</script>"},
      {"a & b &lt; 'c'", "a & b &lt; 'c'"},
      {std::string("bell \a, half \xc3, \xed\xa0\x80 end \xf0\x9f\x8c\xb1"),
       "bell \xef\xbf\xbd, half \xef\xbf\xbd, \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd end "
       "\xf0\x9f\x8c\xb1"}};
  for (const auto& [title, expected] : titles) {
    const std::string& shown = expected;
    ScheduleDrawing drawing = drawn("gpipe", {1, 1}, {1, 1, 1, 0});
    drawing.title = title;
    const XmlElement svg = well_formed(svg_of({drawing}));
    CHECK(svg.attribute("aria-label") == shown);
    CHECK(svg.all("script").empty());
    const auto texts = svg.all("text");
    CHECK(std::any_of(texts.begin(), texts.end(),
                      [&](const XmlElement* text) { return text->text == shown; }));
    const XmlElement page = well_formed(html_of({drawing}));
    CHECK(page.all("script").empty());
    CHECK(page.all("title").at(0)->text == shown);
  }
}

TEST_CASE("a lost rank is said to be lost, and one without times does no harm", "[unit]") {
  ScheduleDrawing drawing;
  drawing.title = "degraded";
  drawing.schedule = schedule_from_text("0: F0 G0 F1 G1\n1:\n", "test", 2).value();
  drawing.simulated = simulate(drawing.schedule, {{1, 1, 1, 0}}).value();
  const std::string svg = svg_of({drawing});
  CHECK(bars_of(well_formed(svg)).size() == 4);
  CHECK(svg.find(">lost</text>") != std::string::npos);
  CHECK(svg.find("pipeline 1, stage 0") != std::string::npos);
  drawing.simulated = simulate(drawing.schedule, {{0, 0, 0, 0}}).value();
  for (const std::string& text : {svg_of({drawing}), html_of({drawing})}) {
    well_formed(text);
    CHECK(text.find("nan") == std::string::npos);
    CHECK(text.find("inf") == std::string::npos);
  }
}

TEST_CASE("a picture of many actions stays small and keeps what they fill", "[unit]") {
  const StageMemory memory{3 << 20, 1 << 20, 0};
  for (const char* kind : {"zb-h1", "1f1b", "v-half", "varuna"}) {
    INFO(kind);
    const ScheduleDrawing drawing = drawn(kind, {64, 512}, {18.522, 18.086, 9.337, 0.601}, memory);
    const std::string svg = svg_of({drawing});
    CHECK(svg.size() < 5'000'000);
    CHECK(svg == svg_of({drawing}));
    const XmlElement root = well_formed(svg);
    CHECK(bars_of(root).empty());
    CHECK(root.all("text").size() < 64 * 4);
  }
}

TEST_CASE("dense bars cover just the time that a rank is busy", "[unit]") {
  // Some thousand actions: wide enough for bars, and too narrow for them.
  for (const int micro_batches : {400, 1500}) {
    for (const char* kind : {"zb-h1", "1f1b", "dualpipe-v"}) {
      INFO(kind << ", " << micro_batches << " micro-batches");
      const ScheduleDrawing drawing = drawn(kind, {8, micro_batches}, {1.1, 1.7, 0.9, 0.3});
      const XmlElement root = well_formed(svg_of({drawing}));
      double area = 0;
      for (const XmlElement* path : root.all("path")) {
        if (!class_of(*path).starts_with("d ")) continue;
        std::string data = path->attribute("d");
        double x = 0, y = 0, width = 0, height = 0;
        for (std::size_t at = data.find('M'); at != std::string::npos;
             at = data.find('M', at + 1)) {
          REQUIRE(std::sscanf(data.c_str() + at, "M%lf %lfh%lfv%lfh-", &x, &y, &width, &height) ==
                  4);
          area += width * height;
        }
      }
      double busy_ms = 0;
      for (const SimulatedRank& rank : drawing.simulated.ranks) busy_ms += rank.busy_ms;
      const double expected = busy_ms / drawing.simulated.makespan_ms * 1240 * 26;
      CHECK(area == Approx(expected).epsilon(0.02));
    }
  }
}

}  // namespace planaria
