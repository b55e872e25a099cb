// Pictures of plans.
#include <planaria/planner/plan_picture.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/schedule/builders.hpp>
#include <planaria/schedule/simulate.hpp>

#include "plan_cases.hpp"
#include "schedule/xml_reader.hpp"

namespace planaria {
namespace {

using plan_cases::alike_layers;
using plan_cases::filled;
using plan_cases::plan_of;
using plan_cases::stage;
using test::well_formed;
using test::XmlElement;

std::vector<const XmlElement*> of_class(const XmlElement& root, const char* element,
                                        const std::string& wanted) {
  std::vector<const XmlElement*> found;
  for (const XmlElement* one : root.all(element)) {
    if (one->attribute("class") == wanted) found.push_back(one);
  }
  return found;
}

/// The first child's text of each: what the pointer is told.
std::vector<std::string> titles_of(const std::vector<const XmlElement*>& groups) {
  std::vector<std::string> titles;
  for (const XmlElement* group : groups) {
    REQUIRE(group->children.at(0).name == "title");
    titles.push_back(group->children[0].text);
  }
  return titles;
}

std::vector<std::string> texts_of(const XmlElement& root) {
  std::vector<std::string> texts;
  for (const XmlElement* text : root.all("text")) texts.push_back(text->text);
  return texts;
}

/// How often each worker is named by the rows: "..; workers 0-2, 7".
std::map<int, int> workers_of_rows(const std::vector<std::string>& titles) {
  std::map<int, int> seen;
  for (const std::string& title : titles) {
    const std::size_t at = title.rfind("; worker");
    REQUIRE(at != std::string::npos);
    const std::string ids = title.substr(title.find(' ', at + 2) + 1);
    for (const std::string& range : split(ids, ',')) {
      const std::size_t dash = range.find('-');
      const int first = std::stoi(range);
      const int last = dash == std::string::npos ? first : std::stoi(range.substr(dash + 1));
      for (int id = first; id <= last; ++id) ++seen[id];
    }
  }
  return seen;
}

std::string drawn(const Plan& plan, const Profile& profile, const Cluster& cluster) {
  const auto svg = svg_of_plan(plan, profile, cluster);
  if (!svg.ok()) FAIL(svg.fault().sentence);
  return svg.value();
}

/// Two pipelines alike of two stages and one of three; worker 7 only shadows, 4 does so too, 8
/// idles.
Plan three_pipelines() {
  Plan plan = plan_of("1f1b", {{3, {stage(0, 3, 0), stage(4, 5, 1)}},
                               {3, {stage(0, 3, 2), stage(4, 5, 3)}},
                               {2, {stage(0, 1, 4), stage(2, 3, 5), stage(4, 5, 6)}}});
  plan.pipelines[2].stages[1].recompute = true;
  plan.shadows = {{WorkerId{4}, {LayerId{2}, LayerId{3}}}, {WorkerId{7}, {LayerId{0}, LayerId{5}}}};
  return plan;
}

Plan many_kinds(int pipelines, int layers, Cluster& cluster) {
  std::vector<PlannedPipeline> all;
  cluster = identical_workers(2 * pipelines, 1'000'000);
  for (int i = 0; i < pipelines; ++i) {
    all.push_back(
        {2, {stage(0, (layers / 2) - 1, 2 * i), stage(layers / 2, layers - 1, 2 * i + 1)}});
    // The later ones are faster.
    cluster.workers[static_cast<std::size_t>(2 * i)].speed = 1 + (0.125 * i);
  }
  return plan_of("1f1b", all);
}

}  // namespace

TEST_CASE("a plan's picture has every stage, layer and worker once, pipelines alike together",
          "[unit]") {
  const Profile profile = alike_layers(6);
  const Cluster cluster = identical_workers(9, 4096);
  const Plan plan = filled(three_pipelines(), profile, cluster);
  const XmlElement root = well_formed(drawn(plan, profile, cluster));
  const auto texts = texts_of(root);
  const auto shows = [&](const std::string& text) { return std::ranges::count(texts, text); };
  CHECK(shows(": pipelines of 2, 2, 3 stages by 1f1b") == 1);
  CHECK(shows("2 pipelines x 2 stages, 3 micro-batches each") == 1);
  CHECK(shows("1 pipeline x 3 stages, 2 micro-batches") == 1);

  auto rows = titles_of(of_class(root, "g", "k"));
  REQUIRE(rows.size() == 6);
  CHECK(rows[0].starts_with("stage 0, layers 0-3: "));
  CHECK(rows[0].ends_with("; workers 0, 2"));
  CHECK(rows[1].starts_with("stage 1, layers 4-5: "));
  CHECK(rows[1].ends_with("; workers 1, 3"));
  CHECK(rows[2].find(", shadowed layers 80 B; ") != std::string::npos);
  CHECK(rows[3].starts_with("stage 1, layers 2-3 r: "));
  CHECK(rows[5] == "worker 7 shadows layers 0, 5 and computes nothing: 80 B of 4.0 KiB");
  rows.pop_back();
  std::map<int, int> once;
  for (int id = 0; id < 7; ++id) once[id] = 1;
  CHECK(workers_of_rows(rows) == once);
  CHECK(shows("worker 4 shadows layers 2-3") == 1);
  CHECK(shows("1 idle worker") == 1);
  CHECK(shows("8") == 1);

  const auto cells = titles_of(of_class(root, "g", "y"));
  REQUIRE(cells.size() == 12);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    CHECK(cells[i].starts_with(fmt::format("layer {0}, layer{0}: F 1, B 2, W 3 ms", i % 6)));
  }
  // What is recomputed is hatched: the third and fourth of six layers. One more is the legend's.
  const auto hatched = of_class(root, "rect", "again");
  REQUIRE(hatched.size() == 2);
  const double layer_px = of_class(root, "g", "y")[0]->all("rect")[0]->number("width");
  CHECK(hatched[1]->number("x") == Approx(12 + (2 * layer_px)).margin(0.02));
  CHECK(hatched[1]->number("width") == Approx(2 * layer_px).margin(0.02));
}

TEST_CASE("pipelines that differ in anything drawn stand apart", "[unit]") {
  const Profile profile = alike_layers(4);
  const Plan alike = plan_of("1f1b", {{2, {stage(0, 1, 0), stage(2, 3, 1)}},
                                      {2, {stage(0, 1, 2), stage(2, 3, 3)}},
                                      {2, {stage(0, 1, 4), stage(2, 3, 5)}}});
  const Cluster cluster = identical_workers(6, 4096);
  // What the rows end with: "0, 2, 4" where all are alike.
  const auto workers = [&](const Plan& plan, const Cluster& of) {
    std::vector<std::string> ends;
    for (const std::string& title :
         titles_of(of_class(well_formed(drawn(plan, profile, of)), "g", "k"))) {
      ends.push_back(title.substr(title.rfind("; worker")));
    }
    return ends;
  };
  using Ends = std::vector<std::string>;
  CHECK(workers(alike, cluster) == Ends{"; workers 0, 2, 4", "; workers 1, 3, 5"});
  const Ends middle{"; workers 0, 4", "; workers 1, 5", "; worker 2", "; worker 3"};
  Cluster other = cluster;
  other.workers[3].memory_bytes = 5000;
  CHECK(workers(alike, other) == middle);
  other = cluster;
  other.workers[2].speed = 2;
  CHECK(workers(alike, other) == middle);
  Plan plan = alike;
  plan.pipelines[1].stages[0].recompute = true;
  CHECK(workers(plan, cluster) == middle);
  plan = alike;
  plan.shadows = {{WorkerId{2}, {LayerId{3}}}};
  CHECK(workers(plan, cluster) == middle);
  plan = alike;
  plan.micro_batches = 5;
  plan.pipelines[1].micro_batches = 1;
  CHECK(workers(plan, cluster) == middle);
}

TEST_CASE("neighbouring stages differ in colour, and a stage's row has its strip's", "[unit]") {
  const Profile profile = alike_layers(9);
  Plan plan = plan_of("gpipe", {{2, {}}});
  for (int i = 0; i < 9; ++i) plan.pipelines[0].stages.push_back(stage(i, i, i));
  const XmlElement root = well_formed(drawn(plan, profile, identical_workers(9, 4096)));
  const auto cells = of_class(root, "g", "y");
  const auto rows = of_class(root, "g", "k");
  REQUIRE(cells.size() == 9);
  REQUIRE(rows.size() == 9);
  for (std::size_t i = 0; i < 9; ++i) {
    const std::string colour = cells[i]->all("rect").at(0)->attribute("class");
    CHECK(rows[i]->all("rect").at(0)->attribute("class") == colour);
    if (i > 0) CHECK(cells[i - 1]->all("rect").at(0)->attribute("class") != colour);
  }
}

TEST_CASE("a worker's bar is as long as what the verifier says it holds", "[unit]") {
  const Profile profile = alike_layers(6);
  Cluster cluster = identical_workers(9, 4096);
  cluster.workers[1].memory_bytes = cluster.workers[3].memory_bytes = 2048;
  const Plan plan = three_pipelines();
  const VerifiedCost cost = verified_cost(plan, profile, cluster);
  const XmlElement root = well_formed(drawn(plan, profile, cluster));
  const auto rows = of_class(root, "g", "k");
  const std::vector<int> workers{0, 1, 4, 5, 6, 7};
  REQUIRE(rows.size() == workers.size());
  const double byte_px = 340.0 / 4096;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    INFO("worker " << workers[i]);
    std::map<std::string, double> widths;
    double held_px = 0;
    for (const XmlElement* rect : rows[i]->all("rect")) {
      const std::string name = rect->attribute("class");
      if (!name.starts_with("s")) widths[name] += rect->number("width");
      if (name.starts_with("held-") || name == "b0" || name == "f0") {
        CHECK(rect->number("x") == Approx(250 + held_px).margin(0.02));
        held_px += rect->number("width");
      }
    }
    const std::int64_t held = cost.memory_bytes.at(WorkerId{workers[i]});
    CHECK(held_px == Approx(static_cast<double>(held) * byte_px).margin(0.03));
    const std::int64_t memory = workers[i] == 1 ? 2048 : 4096;
    CHECK(widths["idle"] == Approx(static_cast<double>(memory) * byte_px).margin(0.01));
    const XmlElement& cap = *rows[i]->all("path").at(0);
    CHECK(cap.attribute("d").starts_with(fmt::format("M{} ", workers[i] == 1 ? 420 : 590)));
    const auto texts = texts_of(*rows[i]);
    const std::string figures =
        fmt::format("{} of {}", text_of_bytes(static_cast<std::uint64_t>(held)),
                    text_of_bytes(static_cast<std::uint64_t>(memory)));
    CHECK(std::ranges::count(texts, figures) == 1);
    if (i != 0) continue;
    // Four layers of 30 bytes; three lanes have up to three sums of 10 bytes a layer.
    CHECK(widths["held-state"] == Approx(120 * byte_px).margin(0.02));
    CHECK(widths["b0"] == Approx(120 * byte_px).margin(0.02));
  }
}

TEST_CASE("a memory far above what is held leaves bars that can be seen", "[unit]") {
  const Profile profile = alike_layers(4);
  const Plan plan = plan_of("1f1b", {{2, {stage(0, 1, 0), stage(2, 3, 1)}}});
  const XmlElement root = well_formed(drawn(plan, profile, identical_workers(2, 1'000'000)));
  double longest = 0;
  for (const XmlElement* row : of_class(root, "g", "k")) {
    CHECK(row->all("path").empty());
    double held_px = 0;
    for (const XmlElement* rect : row->all("rect")) {
      const std::string name = rect->attribute("class");
      if (!name.starts_with("s") && name != "idle") held_px += rect->number("width");
    }
    longest = std::max(longest, held_px);
  }
  CHECK(longest == Approx(340).margin(0.03));
}

TEST_CASE("each kind of pipelines has the timeline that its schedule takes", "[unit]") {
  const Profile profile = alike_layers(6);
  const Cluster cluster = identical_workers(9, 4096);
  const Plan plan = three_pipelines();
  const VerifiedCost cost = verified_cost(plan, profile, cluster);
  const XmlElement root = well_formed(drawn(plan, profile, cluster));
  // 1F1B: F and fused G of each micro-batch on each rank.
  CHECK(of_class(root, "g", "a").size() == 2 * ((2 * 3) + (3 * 2)));
  // Stages of 4 and 2 layers, sends of 1 ms: 3 x 24 on the first rank and the last one's 12, twice
  // sent.
  const Schedule schedule = build_schedule("1f1b", {.stages = 2, .micro_batches = 3}).value();
  const double makespan_ms = simulate(schedule, {{4, 8, 12, 1}, {2, 4, 6, 1}}).value().makespan_ms;
  CHECK(std::ranges::count(texts_of(root),
                           fmt::format("Pipeline 0, one of 2 alike: computes for {:g} of the "
                                       "step's {:g} ms",
                                       makespan_ms, std::round(cost.step_ms * 1000) / 1000)) == 1);
  // What stands all the time is in the timeline's memory too: its peak is the longest bar's.
  const std::int64_t peak = std::max(cost.peak_memory_bytes[0][0], cost.peak_memory_bytes[0][1]);
  CHECK(std::ranges::count_if(texts_of(root), [&](const std::string& text) {
          return text.starts_with("makespan ") &&
                 text.ends_with("peak memory " + text_of_bytes(static_cast<std::uint64_t>(peak)) +
                                " on rank 0");
        }) == 1);
}

TEST_CASE("the step's figures say how far the plan may be from the least possible", "[unit]") {
  const Profile profile = alike_layers(4);
  const Cluster cluster = identical_workers(2, 4096);
  Plan plan = plan_of("1f1b", {{2, {stage(0, 1, 0), stage(2, 3, 1)}}});
  // Two micro-batches of 12 ms on either stage and one more to fill, two sends; half a millisecond
  // for each layer's optimizer.
  const std::string behind =
      ", 51.282 samples a second; 2 micro-batches of 1 in lanes of 1; 2 workers, survives no loss";
  const auto figures = [&] {
    const auto texts = texts_of(well_formed(drawn(plan, profile, cluster)));
    const auto found = std::ranges::find_if(texts, [](const std::string& text) {
      return text.find(" ms a step") != std::string::npos;
    });
    REQUIRE(found != texts.end());
    return *found;
  };
  CHECK(figures() == "39 ms a step" + behind);
  plan.bound_step_ms = 31.2;
  CHECK(figures() == "39 ms a step, bound 31.2 ms (25 % above)" + behind);
  plan.optimal = true;
  CHECK(figures() == "39 ms a step, the least possible" + behind);
}

TEST_CASE("a worker's stages in chunks are one row of several colours", "[unit]") {
  const Profile profile = alike_layers(4);
  const Plan plan =
      plan_of("zb-v", {{4, {stage(0, 0, 0), stage(1, 1, 1), stage(2, 2, 1), stage(3, 3, 0)}}});
  const XmlElement root = well_formed(drawn(plan, profile, identical_workers(2, 4096)));
  const auto rows = of_class(root, "g", "k");
  REQUIRE(rows.size() == 2);
  const auto titles = titles_of(rows);
  CHECK(titles[0].starts_with("rank 0, layers 0, 3: "));
  CHECK(titles[1].starts_with("rank 1, layers 1, 2: "));
  CHECK(rows[0]->all("rect")[0]->attribute("class") == "s0");
  CHECK(rows[0]->all("rect")[1]->attribute("class") == "s3");
}

TEST_CASE("a picture of many different pipelines stays small and leaves no worker out", "[unit]") {
  const Profile profile = alike_layers(72);
  Cluster cluster;
  const Plan plan = many_kinds(100, 72, cluster);
  const std::string svg = drawn(plan, profile, cluster);
  CHECK(svg.size() < 300'000);
  CHECK(svg == drawn(plan, profile, cluster));
  const XmlElement root = well_formed(svg);
  const auto seen = workers_of_rows(titles_of(of_class(root, "g", "k")));
  CHECK(seen.size() == 200);
  CHECK(std::ranges::all_of(seen, [](const auto& one) { return one.second == 1; }));
  // More than 5,000 layers in all: a stage is a cell.
  const auto cells = titles_of(of_class(root, "g", "y"));
  REQUIRE(cells.size() == 200);
  CHECK(cells[1] == "stage 1, layers 36-71");
  // The first six compute longest.
  const auto texts = texts_of(root);
  for (int i = 0; i < 100; ++i) {
    CHECK(std::ranges::count_if(texts, [&](const std::string& text) {
            return text.starts_with(fmt::format("Pipeline {}: computes for ", i));
          }) == (i < 6 ? 1 : 0));
  }
  CHECK(std::ranges::count_if(texts, [](const std::string& text) {
          return text.ends_with("timelines are those of the 6 kinds that compute longest");
        }) == 94);
}

TEST_CASE("hundreds of workers and 72 layers are a picture of a few hundred kilobytes", "[unit]") {
  const Profile profile = alike_layers(72);
  std::vector<PlannedPipeline> pipelines(12);
  for (int i = 0; i < 12; ++i) {
    pipelines[static_cast<std::size_t>(i)].micro_batches = i < 4 ? 22 : 21;
    for (int j = 0; j < 24; ++j) {
      pipelines[static_cast<std::size_t>(i)].stages.push_back(
          stage(3 * j, (3 * j) + 2, (24 * i) + j));
    }
  }
  const std::string svg =
      drawn(plan_of("zb-h1", pipelines), profile, identical_workers(288, 100'000));
  CHECK(svg.size() < 900'000);
  const XmlElement root = well_formed(svg);
  CHECK(of_class(root, "g", "k").size() == 48);
  CHECK(workers_of_rows(titles_of(of_class(root, "g", "k"))).size() == 288);
  const std::string names = join(texts_of(root), "\n");
  CHECK(names.find("\n71\n") != std::string::npos);  // too narrow for its name
  CHECK(names.find("layer71") == std::string::npos);
}

TEST_CASE("what a model or a layer is called stays a text", "[unit]") {
  Profile profile = alike_layers(2);
  profile.model = "<script>alert(1)</script> & more";
  profile.layers[0].name = "\"a\" & <b>";
  const Plan plan = plan_of("1f1b", {{2, {stage(0, 0, 0), stage(1, 1, 1)}}});
  const XmlElement root = well_formed(drawn(plan, profile, identical_workers(2, 4096)));
  CHECK(root.all("script").empty());
  CHECK(root.attribute("aria-label") ==
        "<script>alert(1)</script> & more: 1 pipeline x 2 stages by 1f1b");
  CHECK(titles_of(of_class(root, "g", "y")).at(0).starts_with("layer 0, \"a\" & <b>: "));
}

TEST_CASE("a plan that does not fit its profile or cluster is refused as its cost is", "[unit]") {
  const Profile profile = alike_layers(4);
  Plan plan = plan_of("1f1b", {{2, {stage(0, 1, 0), stage(2, 3, 1)}}});
  const auto refused = [&](const Cluster& cluster) {
    const auto svg = svg_of_plan(plan, profile, cluster);
    REQUIRE(!svg.ok());
    CHECK(svg.fault().sentence == cost_of(plan, profile, cluster).fault().sentence);
    return svg.fault().sentence;
  };
  CHECK(refused(identical_workers(1, 4096)) == "pipelines[0].stages[1].worker: 1, must be 0 to 0");
  plan.micro_batch_size = 3;
  CHECK(refused(identical_workers(2, 4096)) == "micro_batch_size: 3, must be one of 1");
  plan.micro_batch_size = 1;
  plan.schedule = "no-such";
  refused(identical_workers(2, 4096));
}

}  // namespace planaria
