// With one lane, an untied head and no dropout, planaria's bits are those of plain gradient
// accumulation in Python PyTorch with its fused AdamW: the tool everybody trusts.
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <catch2/catch.hpp>

#include <planaria/checkpoint/safetensors.hpp>
#include <planaria/observe/events.hpp>

#include "examples/gpt_command.hpp"

namespace planaria::test {
namespace {

// The Python that can import torch: PLANARIA_PYTHON, or scripts/setup --python-torch's.
std::string python_with_torch() {
  if (const char* given = std::getenv("PLANARIA_PYTHON")) return given;
  return std::string(std::getenv("PLANARIA_SOURCE")) + "/.deps/python-torch/bin/python3";
}

}  // namespace

TEST_CASE("the bits of Python PyTorch", "[conformance]") {
  const std::string python = python_with_torch();
  if (!std::filesystem::exists(python) ||
      run_command({python, "-c", "import torch, numpy, safetensors"}).status != 0) {
    WARN("SKIPPED: no Python with torch (" << python
                                           << "): scripts/setup --python-torch brings it");
    return;
  }
  TemporaryFolder folder;
  const std::string text = write_text(folder, 30000);
  const std::vector<std::string> sizes = {"--blocks",        "3",    "--d-model",          "64",
                                          "--heads",         "4",    "--context",          "32",
                                          "--micro-batches", "8",    "--micro-batch-size", "2",
                                          "--steps",         "10",   "--learning-rate",    "3e-3",
                                          "--weight-decay",  "0.01", "--clip-norm",        "0.5"};
  const std::vector<std::string> ours =
      std::vector<std::string>{program("train_gpt"), "--text", text, "--lane-size", "8"} + sizes;
  // A first run only makes the file that both sides start from.
  REQUIRE(run_command(ours + std::vector<std::string>{"--steps", "1", "--seed", "9", "--run-dir",
                                                      folder.file("first")})
              .status == 0);
  const std::string init = folder.file("first") + "/model.safetensors";
  const auto trained =
      run_command(std::vector<std::string>{program("planaria"), "run", "--workers", "3",
                                           "--run-dir", folder.file("run"), "--"} +
                  ours + std::vector<std::string>{"--init", init});
  INFO(trained.err);
  REQUIRE(trained.status == 0);

  const std::string script =
      std::string(std::getenv("PLANARIA_SOURCE")) + "/tests/examples/python_reference.py";
  const auto reference =
      run_command(std::vector<std::string>{python, script, "--text", text, "--init", init,
                                           "--ledger", folder.file("run") + "/ledger.jsonl",
                                           "--losses", folder.file("losses.json"), "--weights",
                                           folder.file("weights.safetensors")} +
                  sizes);
  INFO(reference.err);
  REQUIRE(reference.status == 0);

  std::vector<double> losses;
  std::vector<double> norms;
  for (const Json& event : read_json_lines(folder.file("run") + "/events.jsonl").value()) {
    if (event.at("event") != "step_committed") continue;
    losses.push_back(event.at("loss").get<double>());
    norms.push_back(event.at("norm").get<double>());
  }
  const Json expected = read_json_file(folder.file("losses.json")).value();
  CHECK(losses == expected.at("losses").get<std::vector<double>>());
  CHECK(norms == expected.at("norms").get<std::vector<double>>());
  CHECK(losses.size() == 10);

  const auto a =
      checkpoint::SafetensorsFile::open(folder.file("run") + "/model.safetensors").value();
  const auto b = checkpoint::SafetensorsFile::open(folder.file("weights.safetensors")).value();
  CHECK(a.tensors().size() == b.tensors().size());
  for (const auto& tensor : a.tensors()) {
    INFO(tensor.name);
    const auto left = a.data(tensor.name).value();
    const auto right = b.data(tensor.name).value();
    REQUIRE(left.size() == right.size());
    CHECK(std::memcmp(left.data(), right.data(), left.size()) == 0);
  }
}

}  // namespace planaria::test
