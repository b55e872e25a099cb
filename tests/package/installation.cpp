#include "package/installation.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include <planaria/base/check.hpp>

namespace planaria::test {
namespace {

// A compiler's cache makes these builds quick. It lies in the real HOME, and knows files by their
// paths: those below the temporary folder count from there.
std::map<std::string, std::string> cache_environment(const std::string& folder) {
  const std::string ccache = from_ctest("PLANARIA_CCACHE");
  if (ccache.empty()) return {};
  const CommandResult where = run_command({ccache, "--get-config", "cache_dir"});
  if (where.status != 0 || lines_of(where.out).empty()) return {};
  return {{"CMAKE_CXX_COMPILER_LAUNCHER", ccache},
          {"CCACHE_DIR", lines_of(where.out).front()},
          {"CCACHE_BASEDIR", folder}};
}

}  // namespace

std::string from_ctest(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  check(value != nullptr, "the variables that ctest sets are there: run this through ctest");
  return value;
}

std::string outside(const std::string& name) {
  return from_ctest("PLANARIA_SOURCE") + "/tests/package/" + name;
}

std::string unwrapped(const std::string& text) {
  std::istringstream words(text);
  std::string line;
  for (std::string word; words >> word;) line += (line.empty() ? "" : " ") + word;
  return line;
}

Stranger::Stranger() : environment_(cache_environment(folder_.path().string())) {
  std::filesystem::create_directory(file("home"));
  environment_["HOME"] = file("home");
  environment_["CMAKE_GENERATOR"] = "Ninja";
  environment_["CMAKE_BUILD_PARALLEL_LEVEL"] = "2";
}

CommandResult Stranger::run(const std::vector<std::string>& words) const {
  std::vector<std::string> argv = {"/usr/bin/env"};
  argv.insert(argv.end(), words.begin(), words.end());
  return run_command(argv, environment_);
}

CommandResult Stranger::configure(const std::string& source, const std::string& build,
                                  const std::vector<std::string>& options) const {
  std::vector<std::string> words = {"cmake", "-S", source, "-B", build};
  words.insert(words.end(), options.begin(), options.end());
  return run(words);
}

std::string Stranger::build(const std::string& source, const std::string& build,
                            const std::vector<std::string>& options,
                            const std::vector<std::string>& targets) const {
  const CommandResult configured = configure(source, build, options);
  INFO(configured.out << configured.err);
  REQUIRE(configured.status == 0);
  std::vector<std::string> words = {"cmake", "--build", build};
  if (!targets.empty()) words.emplace_back("--target");
  words.insert(words.end(), targets.begin(), targets.end());
  const CommandResult built = run(words);
  INFO(built.out << built.err);
  REQUIRE(built.status == 0);
  return configured.out + configured.err;
}

std::string install_and_move(const Stranger& stranger) {
  const CommandResult installed = stranger.run(
      {"cmake", "--install", from_ctest("PLANARIA_BUILD"), "--prefix", stranger.file("first")});
  INFO(installed.out << installed.err);
  REQUIRE(installed.status == 0);
  std::filesystem::rename(stranger.file("first"), stranger.file("prefix"));
  return stranger.file("prefix");
}

}  // namespace planaria::test
