// `planaria survival` says what the library finds, and what is wrong with a question.
#include <catch2/catch.hpp>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>

#include "support/command.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::test {
namespace {

using Words = std::vector<std::string>;

CommandResult survival(const Words& arguments) {
  Words all{program("planaria"), "survival"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return run_command(all);
}

/// The probabilities of 1, 2, … live holders.
std::vector<double> probabilities(Words arguments) {
  arguments.emplace_back("--json");
  const CommandResult ended = survival(arguments);
  INFO(ended.err);
  REQUIRE(ended.status == 0);
  CHECK(ended.err.empty());
  REQUIRE(lines_of(ended.out).size() == 1);
  const Json json = parse_json(ended.out, "survival").value();
  CHECK(json.size() == 2);
  CHECK(json["version"] == 1);
  std::vector<double> found;
  for (const Json& at_least : json["at_least"]) {
    CHECK(at_least.size() == 2);
    CHECK(at_least["replicas"] == found.size() + 1);
    found.push_back(at_least["probability"]);
  }
  return found;
}

void check_close(const std::vector<double>& found, const std::vector<double>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(found[i] == Approx(expected[i]).epsilon(1e-12));
  }
}

std::string refused(const Words& arguments, int status = 2) {
  const CommandResult ended = survival(arguments);
  CHECK(ended.status == status);
  CHECK(ended.out.empty());
  return ended.err;
}

Words grid(const char* workers, const char* width, const char* depth, const Words& others) {
  Words arguments{"--workers", workers, "--width", width, "--depth", depth};
  arguments.insert(arguments.end(), others.begin(), others.end());
  return arguments;
}

/// Stages as first layer, last layer, worker.
Json pipeline(const std::vector<std::vector<int>>& stages) {
  Json made = Json::array();
  for (const auto& stage : stages) {
    made.push_back({{"first_layer", stage[0]}, {"last_layer", stage[1]}, {"worker", stage[2]}});
  }
  return {{"micro_batches", 4}, {"stages", made}};
}

/// Two stages beside three; worker 5 shadows layer 3.
Json uneven() {
  return {{"pipelines",
           {pipeline({{0, 1, 0}, {2, 3, 1}}), pipeline({{0, 0, 2}, {1, 2, 3}, {3, 3, 4}})}},
          {"shadows", {{{"worker", 5}, {"layers", {3}}}}}};
}

std::string written(const TemporaryFolder& folder, const Json& layout) {
  std::ofstream(folder.file("layout.json")) << layout.dump();
  return folder.file("layout.json");
}

}  // namespace

TEST_CASE("two of 32 workers lost: 4 x 8 stages keep three holders with .9032") {
  check_close(probabilities(grid("32", "4", "8", {"--lose", "2"})), {1, 1, 28.0 / 31, 0});
}

TEST_CASE("idle workers take losses along") {
  // Any of 12 may be lost, and 3 are idle: all of 9 stay live with 3 / 12.
  check_close(probabilities(grid("12", "3", "3", {"--lose", "1"})), {1, 1, 0.25});
}

TEST_CASE("a layout is asked with its own cuts, shadows and idle workers") {
  const TemporaryFolder folder;
  const std::string file = written(folder, uneven());
  // Layers are held by {0, 2}, {0, 3}, {1, 3} and {1, 4, 5}; of these the first three end it, each
  // by one pair of the 15 of 6 workers. Two are left of each only if 0 to 3 all live, and 4 or 5.
  check_close(probabilities({"--layout", file, "--lose", "2"}), {12.0 / 15, 0});
  check_close(probabilities({"--layout", file, "--lose", "2", "--workers", "8"}),
              {25.0 / 28, 5.0 / 28});
  check_close(probabilities({"--layout", file, "--lose", "2", "--replicas-max", "1"}), {12.0 / 15});
}

TEST_CASE("zones vanish whole, beside the workers that are lost") {
  const Words zones{"--zones", "a:4,b:8", "--zone-loss", "b:0.25,a:0.5"};
  Words asked{"--lose", "0"};
  asked.insert(asked.end(), zones.begin(), zones.end());
  // Of three pipelines of four a has the first, b the others.
  check_close(probabilities(grid("12", "3", "4", asked)), {1 - (0.5 * 0.25), 0.75, 0.375});
  asked[1] = std::string("1");
  const double both = 0.5 * 0.75;
  check_close(probabilities(grid("12", "3", "4", asked)),
              {0.75 + (0.25 * 0.5 * 8 / 12), both + (0.5 * 0.75 * 4 / 12), 0});
  check_close(probabilities(grid("12", "3", "4", {"--lose", "0", "--zones", "a:4,b:8"})),
              {1, 1, 1});
}

TEST_CASE("without --json survival is a table") {
  const CommandResult ended = survival(grid("32", "4", "8", {"--lose", "2"}));
  CHECK(ended.status == 0);
  CHECK(ended.err.empty());
  CHECK(ended.out ==
        "2 of 32 workers lost, 4 pipelines x 8 stages\n"
        "every layer keeps at least   probability\n"
        "             1 live holder   1.000000\n"
        "            2 live holders   1.000000\n"
        "            3 live holders   0.903226\n"
        "            4 live holders   0.000000\n");
}

TEST_CASE("a probability just below 1 is not rounded to 1") {
  const CommandResult ended = survival(grid("1000", "4", "250", {"--lose", "4"}));
  CHECK(ended.out.find("1 live holder   0.999999993") != std::string::npos);
}

TEST_CASE("-o writes the answer into a file") {
  const TemporaryFolder folder;
  const std::string file = folder.file("answer.json");
  const CommandResult ended = survival(grid("4", "2", "2", {"--lose", "1", "--json", "-o", file}));
  CHECK(ended.status == 0);
  CHECK(ended.out.empty());
  CHECK(parse_json(read_file(file).value(), "answer").value()["at_least"].size() == 2);
}

TEST_CASE("what is no question about survival is bad input, told in one sentence") {
  const std::string see = "; see planaria survival --help\n";
  const std::vector<std::pair<Words, std::string>> cases = {
      {{"--workers", "4", "--width", "2", "--depth", "2"}, "--lose is required" + see},
      {{"--workers", "4", "--width", "2", "--lose", "1"},
       "--workers, --width, --depth: must be there all three, or --layout in place of the last "
       "two\n"},
      {grid("3", "2", "2", {"--lose", "1"}),
       "--workers: 3, must be at least 4, --width x --depth\n"},
      {grid("4", "2", "2", {"--lose", "5"}), "--lose: 5, must be 0 to 4, the workers\n"},
      {grid("4", "2", "2", {"--lose", "-1"}), "--lose: Value -1 not in range 0 to 10000" + see},
      {grid("10001", "2", "2", {"--lose", "1"}),
       "--workers: Value 10001 not in range 1 to 10000" + see},
      {grid("4", "2", "2", {"--lose", "1", "--zones", "a"}), "--zones: a, must be NAME:VALUE\n"},
      {grid("4", "2", "2", {"--lose", "1", "--zones", "a:2,a:2"}),
       "--zones: a, must not be there twice\n"},
      {grid("4", "2", "2", {"--lose", "1", "--zones", "a:2,b:3"}),
       "--zones: b: 3, must be 1 to 2, the workers that no zone before it has\n"},
      {grid("4", "2", "2", {"--lose", "1", "--zones", "a:2,b:x"}),
       "--zones: b: x, must be 1 to 2, the workers that no zone before it has\n"},
      {grid("4", "2", "2", {"--lose", "1", "--zones", "a:2,b:1"}),
       "--zones: 3 workers, must be 4, all there are\n"},
      {grid("4", "2", "2", {"--lose", "1", "--zones", "a:4", "--zone-loss", "b:0.1"}),
       "--zone-loss: b, must be a zone of --zones\n"},
      {grid("4", "2", "2", {"--lose", "1", "--zones", "a:4", "--zone-loss", "a:1.1"}),
       "--zone-loss: a: 1.1, must be 0 to 1\n"},
      {grid("4", "2", "2", {"--lose", "1", "--zones", "a:4", "--zone-loss", "a:nan"}),
       "--zone-loss: a: nan, must be 0 to 1\n"},
      {grid("4", "2", "2", {"--lose", "1", "--zone-loss", "a:1"}),
       "--zone-loss requires --zones" + see},
      {{"--layout", "a.json", "--width", "2", "--lose", "1"}, "--width excludes --layout" + see},
  };
  for (const auto& [arguments, sentence] : cases) {
    INFO(join(arguments, " "));
    CHECK(refused(arguments) == "planaria: " + sentence);
  }
}

TEST_CASE("a layout that is none, or names more workers than there are, is bad input") {
  const TemporaryFolder folder;
  const std::string file = written(folder, uneven());
  CHECK(refused({"--layout", file, "--lose", "1", "--workers", "5"}) ==
        "planaria: --workers: 5, must be at least 6: " + file + " has worker 5\n");
  Json gap = uneven();
  gap["pipelines"][1]["stages"][1]["first_layer"] = 2;
  written(folder, gap);
  CHECK(refused({"--layout", file, "--lose", "1"}) ==
        "planaria: " + file +
            ": pipelines[1].stages[1].first_layer: 2, must be 1, the layer that follows\n");
  gap = uneven();
  gap["pipelines"][1]["stages"][1]["worker"] = 10'000;
  written(folder, gap);
  CHECK(refused({"--layout", file, "--lose", "1"}) ==
        "planaria: " + file + ": worker 10000, must be at most 9999\n");
  CHECK(refused({"--layout", folder.file("none.json"), "--lose", "1"}).find("none.json") !=
        std::string::npos);
}

TEST_CASE("a layout too wide for an exact answer ends with status 1 and a sentence") {
  const TemporaryFolder folder;
  Json pipelines = Json::array();
  int worker = 0;
  for (int i = 0; i < 60; ++i) {  // cut in a way of its own, each of them
    const int first = 10 + ((i * 37) % 61);
    const int second = 80 + ((i * 17) % 61);
    pipelines.push_back(pipeline(
        {{0, first, worker}, {first + 1, second, worker + 1}, {second + 1, 200, worker + 2}}));
    worker += 3;
  }
  const std::string file = written(folder, {{"pipelines", pipelines}});
  const std::string sentence = refused({"--layout", file, "--lose", "30"}, 1);
  CHECK(sentence.starts_with("planaria: survival: "));
  CHECK(sentence.find(" needs more than ") != std::string::npos);
  CHECK(probabilities({"--layout", file, "--lose", "30", "--replicas-max", "1"}).size() == 1);
}

}  // namespace planaria::test
