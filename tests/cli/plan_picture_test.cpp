// `planaria plan --svg` writes the plan's picture.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>

#include "schedule/xml_reader.hpp"
#include "support/command.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::test {
namespace {

/// Four layers alike, of one micro-batch size.
Json four_layers() {
  Json layers = Json::array();
  for (const char* name : {"embedding", "block0", "block1", "head"}) {
    layers.push_back({{"name", name},
                      {"parameter_bytes", 1 << 20},
                      {"state_bytes", 2 << 20},
                      {"gradient_bytes", 1 << 20},
                      {"boundary_bytes", {1000}},
                      {"activation_bytes", {8 << 20}},
                      {"weight_gradient_bytes", {1 << 20}},
                      {"forward_ms", {1}},
                      {"backward_input_ms", {2}},
                      {"backward_weight_ms", {3}},
                      {"optimizer_ms", 0.5},
                      {"tied_to", nullptr}});
  }
  return {{"version", 1},
          {"model", "toy"},
          {"device", "cpu x 1 thread"},
          {"micro_batch_sizes", {1}},
          {"layers", std::move(layers)},
          {"transfer", {{{"bytes", 1000}, {"ms", 0.25}}}}};
}

/// A folder with the profile, and the command run on it.
class Story {
 public:
  Story() {
    const auto written = write_file_atomically(folder_.file("profile.json"), four_layers().dump());
    REQUIRE(written.ok());
  }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_.file(name); }
  [[nodiscard]] int files() const { return folder_.size(); }
  [[nodiscard]] CommandResult plan(const std::vector<std::string>& others) const {
    std::vector<std::string> arguments{program("planaria"), "plan",
                                       "--profile",         folder_.file("profile.json"),
                                       "--micro-batches",   "8"};
    arguments.insert(arguments.end(), others.begin(), others.end());
    return run_command(arguments);
  }

 private:
  TemporaryFolder folder_;
};

}  // namespace

TEST_CASE("plan --svg writes a picture beside what it prints") {
  const Story story;
  const std::vector<std::string> shape{"--workers", "4", "--memory-gib", "1",    "--width", "2",
                                       "--depth",   "2", "--schedule",   "1f1b", "--json"};
  std::vector<std::string> drawing = shape;
  drawing.insert(drawing.end(), {"--svg", story.file("plan.svg")});
  const CommandResult ended = story.plan(drawing);
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  Json printed = parse_json(ended.out, "plan").value();
  Json without = parse_json(story.plan(shape).out, "plan").value();
  printed.erase("search");  // it has a time
  without.erase("search");
  CHECK(printed == without);
  const std::string svg = read_file(story.file("plan.svg")).value();
  CHECK(svg.starts_with("<?xml"));
  const XmlElement root = well_formed(svg);
  CHECK(root.attribute("aria-label") == "toy: 2 pipelines x 2 stages by 1f1b");
  CHECK_THAT(svg, Catch::Contains(">2 pipelines x 2 stages, 4 micro-batches each<") &&
                      Catch::Contains(">embedding<") && Catch::Contains(">workers 0, 2<"));
  CHECK(story.files() == 2);  // nothing half-written is left
}

TEST_CASE("a plan that cannot be, or whose picture cannot be written, leaves none") {
  const Story story;
  const CommandResult none =
      story.plan({"--workers", "2", "--memory-gib", "0.001", "--svg", story.file("plan.svg")});
  CHECK(none.status == 1);
  CHECK(none.out.empty());
  const std::string path = story.file("no/plan.svg");
  const CommandResult ended = story.plan({"--workers", "2", "--memory-gib", "1", "--svg", path});
  CHECK(ended.status != 0);
  CHECK(ended.out.empty());
  CHECK(ended.err == "planaria: " + path + ": cannot be written: No such file or directory\n");
  CHECK(story.files() == 1);
}

}  // namespace planaria::test
