// Projects of strangers find what is installed, build against it and run.
#include <catch2/catch.hpp>

#include <cstdio>
#include <filesystem>

#include "package/installation.hpp"

namespace planaria::test {
namespace {

constexpr const char* planned =
    "2 pipelines x 2 stages\n"
    "0: F0 F1 G0 F2 G1 F3 G2 G3\n"
    "1: F0 G0 F1 G1 F2 G2 F3 G3\n";

// What the program's own dynamic links and theirs come to.
std::string linked_libraries(const Stranger& stranger, const std::string& program) {
  const CommandResult listed = stranger.run({"ldd", program});
  REQUIRE(listed.status == 0);
  REQUIRE(listed.out.find("libstdc++") != std::string::npos);
  return listed.out;
}

}  // namespace

TEST_CASE("an outside project plans with planaria::core, and nothing of LibTorch is near") {
  const Stranger stranger;
  const std::string prefix = install_and_move(stranger);
  stranger.build(outside("core"), stranger.file("build"),
                 {"-DCMAKE_PREFIX_PATH=" + prefix, "-DPLANARIA_TORCH_ROOT=/nowhere"});
  const CommandResult ran = stranger.run({stranger.file("build/outside")});
  CHECK(ran.status == 0);
  CHECK(ran.out == planned);
  const std::string libraries = linked_libraries(stranger, stranger.file("build/outside"));
  CHECK(libraries.find("torch") == std::string::npos);
  CHECK(libraries.find("c10") == std::string::npos);
  CHECK(std::filesystem::is_empty(stranger.file("home")));
}

TEST_CASE("the command is installed, needs no LibTorch, and brings the licence") {
  const Stranger stranger;
  const std::string prefix = install_and_move(stranger);
  CHECK(stranger.run({prefix + "/bin/planaria", "--version"}).out == "planaria " PLANARIA_VERSION
                                                                     "\n");
  CHECK(linked_libraries(stranger, prefix + "/bin/planaria").find("torch") == std::string::npos);
  CHECK(std::filesystem::exists(prefix + "/share/doc/planaria/LICENSE"));
  for (const auto& entry : std::filesystem::directory_iterator(prefix + "/bin")) {
    CHECK(entry.path().filename() == "planaria");  // examples stay at home
  }
}

TEST_CASE("an outside project trains with planaria::torch") {
  const Stranger stranger;
  const std::string prefix = install_and_move(stranger);
  stranger.build(outside("torch"), stranger.file("build"), {"-DCMAKE_PREFIX_PATH=" + prefix});
  const CommandResult ran = stranger.run({stranger.file("build/outside")});
  INFO(ran.out << ran.err);
  REQUIRE(ran.status == 0);
  double first = 0;
  double last = 0;
  REQUIRE(std::sscanf(ran.out.c_str(), "loss %lf %lf", &first, &last) == 2);
  CHECK(last < first / 10);
  CHECK(std::filesystem::is_empty(stranger.file("home")));
}

TEST_CASE("what cannot be found is said in one sentence") {
  const Stranger stranger;
  const std::string prefix = install_and_move(stranger);
  std::filesystem::create_directories(stranger.file("old/include/torch/headeronly"));
  const auto reason = [&](const std::vector<std::string>& options) {
    std::vector<std::string> all = {"-DCMAKE_PREFIX_PATH=" + prefix};
    all.insert(all.end(), options.begin(), options.end());
    const CommandResult configured =
        stranger.configure(outside("missing"), stranger.file("build"), all);
    CHECK(configured.status != 0);
    return unwrapped(configured.err);
  };
  CHECK_THAT(reason({"-DWANTED=gpu"}),
             Catch::Contains("component gpu: unknown, must be core or torch"));
  CHECK_THAT(reason({"-DWANTED=torch", "-DPLANARIA_TORCH_ROOT=/nowhere"}),
             Catch::Contains("PLANARIA_TORCH_ROOT=/nowhere holds no LibTorch: expected "
                             "include/torch/csrc/api/include/torch/torch.h, lib/libtorch_cpu.so "
                             "and lib/libc10.so"));
  CHECK_THAT(reason({"-DWANTED=core", "-DPLANARIA_TORCH_ROOT=/nowhere", "-Dfmt_DIR=/nowhere",
                     "-DCMAKE_DISABLE_FIND_PACKAGE_fmt=ON"}),
             Catch::Contains("fmt: not found, install libfmt-dev or add its prefix to "
                             "CMAKE_PREFIX_PATH"));
}

TEST_CASE("a component that is asked for but not needed may be missing") {
  const Stranger stranger;
  const std::string prefix = install_and_move(stranger);
  const CommandResult configured =
      stranger.configure(outside("missing"), stranger.file("build"),
                         {"-DCMAKE_PREFIX_PATH=" + prefix, "-DPLANARIA_TORCH_ROOT=/nowhere",
                          "-DWANTED=core", "-DWELCOME=torch"});
  INFO(configured.err);
  CHECK(configured.status == 0);
  CHECK_THAT(configured.out, Catch::Contains("core: ON, torch: OFF"));
}

TEST_CASE("a project that holds planaria inside itself builds, and its own settings stay") {
  const Stranger stranger;
  stranger.build(outside("subproject"), stranger.file("build"),
                 {"-DPLANARIA_SOURCE=" + from_ctest("PLANARIA_SOURCE"), "-DPLANARIA_TORCH=OFF"},
                 {"outside"});
  const CommandResult ran = stranger.run({stranger.file("build/outside")});
  CHECK(ran.status == 0);
  CHECK(ran.out == planned);
  // One rounding per operation holds for planaria's sources alone.
  const CommandResult fused = stranger.run(
      {"grep", "-c", "-e", "-ffp-contract=off", stranger.file("build/compile_commands.json")});
  const CommandResult compiled = stranger.run(
      {"grep", "-c", "-e", "\"command\"", stranger.file("build/compile_commands.json")});
  CHECK(std::stoi(fused.out) == std::stoi(compiled.out) - 1);
}

}  // namespace planaria::test
