// `planaria init`, then what its README.md says, word for word, by somebody who has nothing else.
#include <catch2/catch.hpp>

#include <filesystem>

#include <planaria/base/text.hpp>

#include "package/installation.hpp"

namespace planaria::test {
namespace {

// The first block of commands of a README.
std::string commands_of(const std::string& path) {
  const auto text = read_file(path);
  REQUIRE(text.ok());
  const auto begin = text.value().find("\n```\n");
  const auto end = text.value().find("\n```\n", begin + 1);
  REQUIRE(end != std::string::npos);
  return text.value().substr(begin + 5, end - begin - 4);
}

}  // namespace

TEST_CASE("the starter's README builds it, trains it alone and over two, and the weights agree") {
  const Stranger stranger;
  const std::string prefix = install_and_move(stranger);
  const std::string project = stranger.file("first steps");  // a path may have spaces
  const CommandResult written = stranger.run({prefix + "/bin/planaria", "init", project});
  INFO(written.out << written.err);
  REQUIRE(written.status == 0);

  const std::string commands = commands_of(project + "/README.md");
  CHECK_THAT(commands, Catch::Contains("export PATH=\"" + prefix + "/bin:$PATH\""));
  for (const std::string& line : lines_of(commands)) {
    CHECK_THAT(written.out, Catch::Contains("\n  " + line + "\n"));  // it says them by itself
  }
  const CommandResult ran = stranger.run({"bash", "-ec", "cd '" + project + "'\n" + commands});
  INFO(ran.out << ran.err);
  REQUIRE(ran.status == 0);
  const std::vector<std::string> lines = lines_of(ran.out);
  REQUIRE(!lines.empty());
  CHECK(lines.back() == "equal: losses, norms, ledger, weights and state");
  CHECK_THAT(ran.out, Catch::Contains("next: the same over two processes, planaria run --workers 2 "
                                      "--run-dir runs/two -- build/train\n"));
  CHECK(std::filesystem::exists(project + "/runs/two/model.safetensors"));
  CHECK(std::filesystem::is_empty(stranger.file("home")));
}

}  // namespace planaria::test
