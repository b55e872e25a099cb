// The other side of the format: the public Python package reads our file and we read its.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <planaria/checkpoint/safetensors.hpp>

#include "support/temporary_folder.hpp"

namespace planaria::checkpoint {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// A Python that has the package, or nothing: PLANARIA_PYTHON, else what scripts/setup
// --python-torch makes.
std::string python_with_safetensors() {
  const auto repository = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
  for (const std::string& python :
       {environment("PLANARIA_PYTHON"), (repository / ".deps/python-torch/bin/python").string()}) {
    if (python.empty() || !std::filesystem::exists(python)) continue;
    const std::string trial =
        fmt::format("'{}' -c 'import numpy, safetensors.numpy' 2>/dev/null", python);
    if (std::system(trial.c_str()) == 0) return python;
  }
  return "";
}

}  // namespace

TEST_CASE("the Python package reads our file and we read what it writes", "[unit]") {
  const std::string python = python_with_safetensors();
  if (python.empty()) {
    WARN(
        "SKIPPED: no Python with safetensors and numpy (PLANARIA_PYTHON, or scripts/setup "
        "--python-torch)");
    return;
  }
  const test::TemporaryFolder folder;
  const std::string ours = folder.file("ours");
  const std::string theirs = folder.file("theirs");
  const std::vector<float> weight{1.5F, -2.25F, 0.0F, 3e-39F, 1e38F, -0.0F};
  const std::vector<std::int64_t> counts{-1, std::int64_t{1} << 62};
  auto writer = SafetensorsWriter::create(
                    ours, {{"b.weight", "F32", {2, 3}}, {"a.counts", "I64", {2}, Role::buffer}},
                    {{"seed", "7"}})
                    .value();
  writer.write(std::as_bytes(std::span(weight))).value();
  writer.write(std::as_bytes(std::span(counts))).value();
  writer.close().value();

  const auto script = std::filesystem::path(__FILE__).replace_filename("safetensors_peer.py");
  const std::string command =
      fmt::format("'{}' '{}' '{}' '{}'", python, script.string(), ours, theirs);
  REQUIRE(std::system(command.c_str()) == 0);

  const auto before = SafetensorsFile::open(ours).value();
  const auto after = SafetensorsFile::open(theirs).value();
  CHECK(after.metadata() == before.metadata());
  CHECK(after.tensors().size() == 2);
  for (const TensorInfo& info : before.tensors()) {
    INFO(info.name);
    REQUIRE(after.find(info.name) != nullptr);
    CHECK(*after.find(info.name) == info);
    const auto left = before.data(info.name).value();
    const auto right = after.data(info.name).value();
    CHECK(std::vector(left.begin(), left.end()) == std::vector(right.begin(), right.end()));
  }
}

}  // namespace planaria::checkpoint
