#include "faults/run_files.hpp"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/observe/events.hpp>

#include "examples/gpt_command.hpp"

namespace planaria::test {
namespace {

// A run takes seconds. Only what would never end gets here, on the slowest machine too.
constexpr const char* hang_s = "240";

std::string as_typed(const std::vector<std::string>& argv) {
  return join(argv, " ");
}

}  // namespace

RunFiles read_run(const std::string& run_dir) {
  RunFiles run;
  if (auto events = read_json_lines(run_dir + "/events.jsonl")) run.events = events.value();
  if (auto ledger = read_json_lines(run_dir + "/ledger.jsonl")) run.ledger = ledger.value();
  if (auto asked = read_json_file(run_dir + "/run.json")) run.asked = asked.value();
  if (auto result = read_json_file(run_dir + "/result.json")) run.result = result.value();
  if (auto model = read_file(run_dir + "/model.safetensors")) run.model = model.value();
  return run;
}

std::vector<Json> events_named(const RunFiles& run, const std::string& name) {
  std::vector<Json> found;
  std::ranges::copy_if(run.events, std::back_inserter(found),
                       [&](const Json& event) { return event.at("event") == name; });
  return found;
}

const Json& first_layout(const RunFiles& run) {
  const auto first = std::ranges::find_if(
      run.events, [](const Json& event) { return event.at("event") == "view"; });
  check(first != run.events.end(), "a run that trained has a view");
  return first->at("layout");
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> found;
  for (std::string word; in >> word;) found.push_back(word);
  return found;
}

Training::Training(const std::string& more)
    : text_(write_text(folder_, 20000)),
      options_{{"--blocks", "6"},          {"--d-model", "32"},      {"--heads", "2"},
               {"--context", "32"},        {"--micro-batches", "8"}, {"--micro-batch-size", "2"},
               {"--steps", "40"},          {"--dropout", "0.1"},     {"--clip-norm", "0.5"},
               {"--learning-rate", "3e-3"}} {
  const std::vector<std::string> given = words(more);
  for (std::size_t i = 0; i < given.size(); ++i) {
    const bool flag = i + 1 == given.size() || given[i + 1].starts_with("--");
    std::string name = given[i];
    std::string value = flag ? "" : given[++i];
    std::erase_if(options_, [&](const auto& option) { return option.first == name; });
    options_.emplace_back(std::move(name), std::move(value));
  }
}

std::vector<std::string> Training::program_words() const {
  std::vector<std::string> argv = {program("train_gpt"), "--text", text_};
  for (const auto& [name, value] : options_) {
    argv.push_back(name);
    if (!value.empty()) argv.push_back(value);
  }
  return argv;
}

const RunFiles& Training::undisturbed() {
  if (undisturbed_) return *undisturbed_;
  const std::string run_dir = folder_.file("alone");
  const std::vector<std::string> argv =
      program_words() + std::vector<std::string>{"--run-dir", run_dir};
  const CommandResult ended = run_command(argv);
  undisturbed_ = read_run(run_dir);
  undisturbed_->command = as_typed(argv);
  undisturbed_->status = ended.status;
  undisturbed_->errors = ended.err;
  return *undisturbed_;
}

RunFiles Training::run(const std::string& options, const std::string& faults) {
  const std::string run_dir = folder_.file(fmt::format("run{}", runs_++));
  std::vector<std::string> argv = {program("planaria"), "run"};
  argv = argv + words(options);
  if (!faults.empty()) argv = argv + std::vector<std::string>{"--faults", faults};
  argv = argv + std::vector<std::string>{"--run-dir", run_dir, "--"} + program_words();
  const CommandResult ended =
      run_command(std::vector<std::string>{"/usr/bin/timeout", "--kill-after=10", hang_s} + argv);
  RunFiles run = read_run(run_dir);
  run.command = as_typed(argv);
  run.faults = faults;
  run.status = ended.status;
  run.errors = ended.err;
  std::error_code ignored;
  std::filesystem::remove_all(run_dir, ignored);
  return run;
}

}  // namespace planaria::test
