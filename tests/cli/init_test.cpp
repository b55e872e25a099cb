// What `planaria init` writes, and where it writes nothing. That the project builds and trains is
// tests/package's story.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include <planaria/base/text.hpp>

#include "host/processes.hpp"

namespace planaria::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

const std::vector<std::string> all = {".gitignore", "CMakeLists.txt", "README.md", "main.cpp"};

}  // namespace

TEST_CASE("init writes the files of examples/starter, into a new folder or an empty one") {
  const TemporaryFolder folder;
  fs::create_directory(folder.file("empty"));
  for (const std::string name : {"empty", "new", "deep/below/", "./odd/../plain"}) {
    INFO(name);
    const Ended ended = planaria_ends({"init", folder.file(name)});
    CHECK(ended.status == 0);
    CHECK(ended.err.empty());
    CHECK(names_in(fs::path(folder.file(name)).lexically_normal()) == all);
  }
  CHECK(!fs::exists(folder.file("odd")));
  const std::string source = std::string(std::getenv("PLANARIA_SOURCE")) + "/examples/starter/";
  for (const std::string& name : all) {  // byte for byte: this planaria is not installed
    CHECK(read_file(folder.file("new/" + name)).value() == read_file(source + name).value());
  }
}

TEST_CASE("init says the commands that come next") {
  const TemporaryFolder folder;
  const Ended ended = planaria_ends({"init", folder.file("new")});
  CHECK_THAT(ended.out,
             Catch::StartsWith(folder.file("new") +
                               ": wrote CMakeLists.txt, main.cpp, README.md, .gitignore\n"
                               "next, as its README.md explains:\n\n  cd "));
  CHECK_THAT(ended.out, Catch::Contains("\n  cmake --build build\n  build/train runs/alone\n"));
  CHECK_THAT(ended.out, Catch::Contains("This planaria is not installed; for PREFIX see"));
}

TEST_CASE("init refuses a folder that holds something, and leaves it alone") {
  const TemporaryFolder folder;
  std::ofstream(folder.file("mine.txt")) << "mine";
  const Ended ended = planaria_ends({"init", folder.path().string()});
  CHECK(ended.status == 2);
  CHECK(ended.out.empty());
  CHECK(ended.err == "planaria: " + folder.path().string() +
                         ": is not empty, must be a new or an empty folder\n");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"mine.txt"});

  const Ended file = planaria_ends({"init", folder.file("mine.txt")});
  CHECK(file.status == 2);
  CHECK(file.err ==
        "planaria: " + folder.file("mine.txt") + ": is no folder, must be a new or an empty one\n");
  const Ended below = planaria_ends({"init", folder.file("mine.txt/below")});
  CHECK(below.status == 2);
  CHECK(names_in(folder.path()) == std::vector<std::string>{"mine.txt"});
}

TEST_CASE("init that cannot write all files leaves none, nor the folders it made") {
  // Names as long as a name may be: the folder can be made, a longer path in it cannot be written.
  const TemporaryFolder folder;
  std::string deep = folder.file("made");
  while (deep.size() + 201 < 4090) deep += "/" + std::string(200, 'd');
  deep += "/" + std::string(4090 - deep.size() - 1, 'e');
  const Ended ended = planaria_ends({"init", deep});
  CHECK(ended.status == 2);
  CHECK_THAT(ended.err, Catch::Contains("File name too long"));
  CHECK(names_in(folder.path()).empty());
}

}  // namespace planaria::test
