// Bad input gets one sentence and exit status 2, alone and from every worker of a run.
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include "examples/gpt_command.hpp"

namespace planaria::test {
namespace {

// Asserts status 2 and exactly one line on stderr that holds `what`.
void check_refused(const CommandResult& result, const std::string& what) {
  INFO("stdout: " << result.out << "\nstderr: " << result.err);
  CHECK(result.status == 2);
  const auto lines = lines_of(result.err);
  CHECK(lines.size() == 1);
  CHECK_THAT(result.err, Catch::Contains(what));
}

std::vector<std::string> under_run(const std::vector<std::string>& options,
                                   const std::string& run_dir,
                                   const std::vector<std::string>& command) {
  return std::vector<std::string>{program("planaria"), "run", "--run-dir", run_dir} + options +
         std::vector<std::string>{"--"} + command;
}

}  // namespace

TEST_CASE("a text that is missing, empty or too small is refused", "[unit]") {
  TemporaryFolder folder;
  const std::string empty = folder.file("empty.txt");
  std::ofstream(empty).flush();
  const std::string tiny = write_text(folder, 100);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {folder.file("no-such.txt"), "no-such.txt: cannot be read: No such file"},
      {empty, "empty.txt: is empty"},
      {tiny, "dataset_samples: 6, must be at least 16 (8 micro-batches of 2)"},
  };
  for (const auto& [text, what] : cases) {
    INFO(text);
    check_refused(run_command(small_gpt(text, 2)), what);
    check_refused(
        run_command(under_run({"--workers", "3"}, folder.file("run"), small_gpt(text, 2))), what);
  }
}

TEST_CASE("layouts that cannot be are refused and leave no run behind", "[unit]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 20000);
  const std::string run = folder.file("run");
  check_refused(run_command(under_run({"--workers", "9", "--width", "1", "--depth", "9"}, run,
                                      small_gpt(text, 2))),
                "depth: 9, must be at most 6, the number of layers");
  check_refused(run_command(under_run({"--workers", "9", "--width", "9", "--depth", "1"}, run,
                                      small_gpt(text, 2))),
                "width: 9, must be at most 8, the number of lanes");
  // The same command with what is possible is not stopped by what the refused ones left.
  const auto good = run_command(under_run({"--workers", "1"}, run, small_gpt(text, 1)));
  INFO(good.err);
  CHECK(good.status == 0);
  check_refused(run_command(under_run({"--workers", "1"}, run, small_gpt(text, 1))),
                "holds a run already");
  check_refused(run_command(small_gpt(text, 1) + std::vector<std::string>{"--run-dir", run}),
                "holds a run already");
}

TEST_CASE("a schedule file of shared workers is for the layout's pipelines together", "[unit]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 20000);
  const auto file = [&](const std::string& name, const std::string& content) {
    std::ofstream(folder.file(name)) << content;
    return folder.file(name);
  };
  // Worker 1 is stage 1 of both pipelines: the fourth line is nobody's.
  const std::string layout = file("layout.json", R"({"pipelines":[
    {"micro_batches":4,"stages":[{"first_layer":0,"last_layer":2,"worker":0},
                                 {"first_layer":3,"last_layer":5,"worker":1}]},
    {"micro_batches":4,"stages":[{"first_layer":0,"last_layer":2,"worker":2},
                                 {"first_layer":3,"last_layer":5,"worker":1}]}]})");
  const std::string shared = file("shared.txt",
                                  "0: F0 F1 F2 F3 G0 G1 G2 G3\n"
                                  "1: F0 G0 F4 G4 F1 G1 F5 G5 F2 G2 F6 G6 F3 G3 F7 G7\n"
                                  "2: F4 F5 F6 F7 G4 G5 G6 G7\n3:\n");
  const std::string alone = file("alone.txt", "0: F0 F1 G0 G1\n1: F0 F1 G0 G1\n2:\n3:\n");
  const std::string none = file("none.json", R"({"pipelines":[]})");
  const auto run = [&](const std::string& with, const std::string& schedule) {
    return run_command(under_run({"--layout", with, "--schedule-file", schedule},
                                 folder.file("run"), small_gpt(text, 2)));
  };
  check_refused(run(layout, alone),
                "schedule of pipeline 0: 2 stages in placement single and 2 micro-batches, must be "
                "2 in single and 8, those of 2 pipelines together");
  check_refused(run(none, alone), "pipelines");
  const auto good = run(layout, shared);
  INFO(good.err);
  CHECK(good.status == 0);
}

TEST_CASE("unknown and impossible options are refused", "[unit]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 20000);
  const auto with = [&](const std::vector<std::string>& more) {
    return run_command(small_gpt(text, 2) + more);
  };
  check_refused(with({"--colour", "blue"}), "--colour");
  check_refused(with({"--optimizer", "lbfgs"}), "closure optimizer");
  check_refused(with({"--heads", "5"}), "heads: 5, must divide d-model, 32");
  check_refused(with({"--lane-size", "9"}), "lane_size: 9, must be 1 to 8");
  check_refused(with({"--threads", "0"}), "threads: 0, must be at least 1");
  check_refused(with({"--init", folder.file("none.safetensors")}), "none.safetensors");
  check_refused(
      run_command(std::vector<std::string>{program("planaria"), "run", "--workers", "0", "--"} +
                  small_gpt(text, 2)),
      "workers");
  check_refused(
      run_command(std::vector<std::string>{program("planaria"), "run", "--colour", "blue", "--"} +
                  small_gpt(text, 2)),
      "--colour");
  check_refused(run_command({program("planaria"), "compare", folder.file("a"), folder.file("b")}),
                "a");
}

TEST_CASE("a worker with other threads, options or data is refused, both values named", "[unit]") {
  TemporaryFolder folder;
  const std::string text = write_text(folder, 20000);
  const auto odd_one_out = [&](const std::string& before, const std::string& after,
                               const std::string& odd_program = program("train_gpt")) {
    // The second worker starts the same program a little differently.
    std::string options;
    const auto words = small_gpt(text, 3);
    for (std::size_t i = 1; i < words.size(); ++i) options += " '" + words[i] + "'";
    const std::string script = "if [ \"$PLANARIA_WORKER\" = 1 ]; then " + before + " exec '" +
                               odd_program + "'" + options + " " + after + "; else exec '" +
                               words.front() + "'" + options + "; fi";
    return run_command(
        under_run({"--workers", "2"}, folder.file("run"), {"/bin/sh", "-c", script}));
  };
  const auto threads = odd_one_out("", "--threads 2");
  INFO(threads.err);
  CHECK(threads.status == 2);
  // Whoever joins first binds the run, so either may be "here".
  CHECK_THAT(threads.err, Catch::Contains("threads: 2 here, 1 in this run") ||
                              Catch::Contains("threads: 1 here, 2 in this run"));
  const auto momentum = odd_one_out("", "--beta1 0.8");
  CHECK(momentum.status == 2);
  CHECK_THAT(momentum.err, Catch::Contains("optimizer: ") && Catch::Contains("beta1 0.8"));
  const auto capability = odd_one_out("export ATEN_CPU_CAPABILITY=default;", "");
  CHECK(capability.status == 2);
  CHECK_THAT(capability.err, Catch::Contains("cpu_capability: ") && Catch::Contains("DEFAULT"));
  // A byte behind the program's end changes nothing it does, but it is another build.
  const std::string rebuilt = folder.file("train_gpt");
  std::filesystem::copy_file(program("train_gpt"), rebuilt);
  std::ofstream(rebuilt, std::ios::app) << 'x';
  const auto build = odd_one_out("", "", rebuilt);
  CHECK(build.status == 2);
  CHECK_THAT(build.err, Catch::Contains("refused: build: "));
  std::ofstream(folder.file("other.txt")) << std::string(20000, 'x');
  const auto data = odd_one_out("", "--text " + folder.file("other.txt"));
  CHECK(data.status == 2);
  CHECK_THAT(data.err, Catch::Contains("dataset: bytes 20000"));
}

}  // namespace planaria::test
