// docs/own-loop.md, followed as a stranger follows it: its C++ stands in the examples, its commands
// are run in an empty folder, and what it shows is what they print.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include <planaria/base/text.hpp>

#include "support/command.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::test {
namespace {

struct Block {
  std::string language;  // what follows the fence: "cpp", "sh" or nothing
  std::vector<std::string> lines;
};

std::vector<std::string> all_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string source_file(const std::string& name) {
  const char* source = std::getenv("PLANARIA_SOURCE");
  REQUIRE(source != nullptr);
  return read_file(std::string(source) + "/" + name).value();
}

std::vector<Block> blocks_of(const std::string& markdown) {
  const std::string fence = "```";
  std::vector<Block> blocks;
  bool inside = false;
  for (const std::string& line : all_lines(markdown)) {
    if (line.rfind(fence, 0) == 0) {
      inside = !inside;
      if (inside) blocks.push_back({line.substr(fence.size()), {}});
    } else if (inside) {
      blocks.back().lines.push_back(line);
    }
  }
  REQUIRE_FALSE(inside);
  return blocks;
}

bool stands_in(const std::vector<std::string>& lines, const std::string& file) {
  const auto whole = all_lines(source_file(file));
  return std::search(whole.begin(), whole.end(), lines.begin(), lines.end()) != whole.end();
}

// The line with every number as '#': digits, times and rounding are those of one machine.
std::string shape_of(const std::string& line) {
  std::string shape;
  for (const char c : line) {
    const bool of_number = std::isdigit(static_cast<unsigned char>(c)) != 0;
    if (!of_number) shape += c;
    if (of_number && (shape.empty() || shape.back() != '#')) shape += '#';
  }
  return shape;
}

std::vector<std::string> shapes_of(const std::vector<std::string>& lines) {
  std::vector<std::string> shapes(lines.size());
  std::transform(lines.begin(), lines.end(), shapes.begin(), shape_of);
  return shapes;
}

std::vector<std::string> loss_lines(const std::string& out) {
  std::vector<std::string> found;
  for (const std::string& line : lines_of(out)) {
    if (line.find("held out") != std::string::npos) found.push_back(line);
  }
  return found;
}

}  // namespace

TEST_CASE("the guide's C++ stands in the examples, line by line", "[conformance]") {
  int seen = 0;
  for (const Block& block : blocks_of(source_file("docs/own-loop.md"))) {
    if (block.language != "cpp") continue;
    ++seen;
    INFO("beginning with: " << block.lines.front());
    CHECK((stands_in(block.lines, "examples/own_loop.cpp") ||
           stands_in(block.lines, "examples/own_pieces.cpp")));
  }
  CHECK(seen > 8);
}

TEST_CASE("the guide's commands do what it shows", "[conformance]") {
  const std::string bin = std::filesystem::path(program("planaria")).parent_path().string();
  const TemporaryFolder folder;
  std::map<std::string, std::string> output_of;  // of each line that was run
  std::vector<std::string> shapes;               // of what the commands since the last text printed
  for (const Block& block : blocks_of(source_file("docs/own-loop.md"))) {
    if (block.language == "sh") {
      for (const std::string& line : block.lines) {
        INFO(line);
        const auto ran = run_command(
            {"/bin/bash", "-c", "cd \"$1\" && eval \"$2\"", "bash", folder.path().string(), line},
            {{"PATH", bin + ":/usr/bin:/bin"}});
        INFO(ran.out << ran.err);
        REQUIRE(ran.status == 0);
        output_of[line] = ran.out;
        for (const std::string& shape : shapes_of(lines_of(ran.out + ran.err)))
          shapes.push_back(shape);
      }
    } else if (block.language.empty() && !output_of.empty()) {
      for (const std::string& line : block.lines) {
        INFO("shown: " << line);
        CHECK(std::find(shapes.begin(), shapes.end(), shape_of(line)) != shapes.end());
      }
      shapes.clear();
    }
  }

  // What the words around them say: the same losses, to the last digit, however many workers.
  const auto losses_of = [&](const std::string& command) {
    REQUIRE(output_of.contains(command));
    auto lines = loss_lines(output_of.at(command));
    REQUIRE(lines.size() >= 3);
    return lines;
  };
  const auto one = losses_of("planaria run --workers 1 --run-dir runs/one -- own_loop");
  CHECK(losses_of("planaria run --workers 3 --run-dir runs/three -- own_loop") == one);
  CHECK(losses_of("planaria run --workers 3 --width 1 --depth 3 --run-dir runs/deep -- own_loop") ==
        one);
  for (const auto& against : std::vector<std::string>{"three", "deep"}) {
    INFO(against);
    CHECK(lines_of(output_of.at("planaria compare runs/one runs/" + against)) ==
          std::vector<std::string>{"equal: losses, norms, ledger, weights and state"});
  }
  CHECK(output_of.contains("planaria compare runs/pieces-one runs/pieces-three"));
  // Five runs, and nothing of the one that was refused.
  std::set<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path() / "runs")) {
    left.insert(entry.path().filename().string());
  }
  CHECK(left == std::set<std::string>{"deep", "one", "pieces-one", "pieces-three", "three"});
}

}  // namespace planaria::test
