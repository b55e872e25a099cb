#include <planaria/host/launcher.hpp>

#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/host/fault_striker.hpp>
#include <planaria/host/run_directory.hpp>

#include "host/child_environment.hpp"
#include "host/child_process.hpp"
#include "host/fault_driver.hpp"
#include "host/output_file.hpp"
#include "host/private_folder.hpp"
#include "host/run_watch.hpp"
#include "host/screen.hpp"

namespace planaria::host {
namespace {

/// What must be there before the first process starts.
struct Prepared {
  RunOptions run;
  std::optional<FaultPlan> faults;
  PrivateFolder folder;
  std::string secret_file;
  RunDirectory directory;
};

Result<std::string> chosen_transport(const LaunchOptions& options) {
  const std::string& asked = options.transport;
  const bool listens = !options.run.listen.empty();
  if (asked == "auto") return std::string(listens ? "tcp" : "unix");
  if (asked != "unix" && asked != "tcp" && asked != "in-process") {
    return Fault::invalid_input(
        fmt::format("--transport: {}, must be auto, unix, tcp or in-process", asked));
  }
  if (listens && asked != "tcp") {
    return Fault::invalid_input(
        fmt::format("--transport: {}, must be tcp or auto together with --listen", asked));
  }
  if (asked == "in-process" && !options.secret_file.empty()) {
    return Fault::invalid_input(
        "--secret-file: must be left out with --transport in-process: nobody connects");
  }
  return asked;
}

std::string fresh_run_directory() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[32] = "";
  std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc);
  return fmt::format("runs/{}-{}", text, ::getpid());
}

Result<std::string> chosen_secret(const LaunchOptions& options, const PrivateFolder& folder) {
  if (!options.secret_file.empty()) {
    PLANARIA_TRY_VOID(read_secret(options.secret_file));
    return std::filesystem::absolute(options.secret_file).string();
  }
  const std::string path = folder.file("secret");
  PLANARIA_TRY_VOID(write_fresh_secret(path));
  return path;
}

FaultBounds bounds_of(const RunOptions& run) {
  return {.workers = run.coordinator.workers,
          .spares = run.coordinator.spares,
          .steps = {},
          .micro_batches = {},
          .layers = {}};
}

// What can be said before the program has said how many steps and layers there are; the coordinator
// says the rest.
Result<std::optional<FaultPlan>> chosen_faults(const RunOptions& run,
                                               const std::string& transport) {
  if (run.faults.empty()) return std::optional<FaultPlan>();
  PLANARIA_TRY(plan, faults_from_text(run.faults));
  PLANARIA_TRY_VOID(check_faults(plan, bounds_of(run)));
  if (transport != "in-process") return std::optional<FaultPlan>(std::move(plan));
  for (const FaultOrder& order : plan.orders) {
    if (order.kind == FaultAct::throws) continue;
    return Fault::invalid_input(
        fmt::format("--faults: {}: {} needs workers that are processes, must be throw with "
                    "--transport in-process",
                    order.written, name_of(order.kind)));
  }
  if (plan.random) {
    return Fault::invalid_input(
        fmt::format("--faults: {}: random faults need workers that are processes, must be left out "
                    "with --transport in-process",
                    plan.random->written));
  }
  return std::optional<FaultPlan>(std::move(plan));
}

Result<Prepared> prepare(const LaunchOptions& options) {
  PLANARIA_TRY(transport, chosen_transport(options));
  PLANARIA_TRY(faults, chosen_faults(options.run, transport));
  const std::string& program = options.run.command.front();
  if (!find_program(program)) {
    return Fault::invalid_input(
        fmt::format("program {}: no such executable file{}", program,
                    program.find('/') == std::string::npos ? " in PATH" : ""));
  }
  PLANARIA_TRY_VOID(check_output(options.output));
  PLANARIA_TRY(folder, PrivateFolder::create());
  PLANARIA_TRY(secret_file, chosen_secret(options, folder));
  RunOptions run = options.run;
  run.transport = transport;
  if (!run.listen.empty()) {
    run.listen = "tcp:" + run.listen;
  } else if (transport == "tcp") {
    run.listen = "tcp:127.0.0.1:0";
  } else if (transport == "unix") {
    run.listen = "unix:" + folder.file("coordinator.sock");
  }
  // Last, so that nothing above leaves one behind.
  PLANARIA_TRY(directory,
               create_run_directory(run.run_dir.empty() ? fresh_run_directory() : run.run_dir));
  run.run_dir = std::filesystem::absolute(directory.path).lexically_normal().string();
  return Prepared{std::move(run), std::move(faults), std::move(folder), std::move(secret_file),
                  std::move(directory)};
}

// Who listens on every address is reached on this machine by its own.
std::string local_address(const std::string& listening) {
  for (const std::string every : {"tcp:0.0.0.0:", "tcp:[::]:"}) {
    if (listening.starts_with(every)) return "tcp:127.0.0.1:" + listening.substr(every.size());
  }
  return listening;
}

/// Starts the processes of one run and hands them to their watch.
class Starter {
 public:
  Starter(const LaunchOptions& options, const Prepared& prepared, double began_ms,
          const FaultDriver* faults)
      : options_(options), prepared_(prepared), faults_(faults) {
    environment_.set(env_run_began_ms, fmt::format("{:.3f}", began_ms));
  }

  /// Starts everything, as far as the run gets. invalid_input where a program cannot be executed.
  Result<void> start(RunWatch& watch) {
    if (prepared_.run.transport == "in-process") return start_program(watch);
    PLANARIA_TRY_VOID(start_coordinator(watch));
    const auto address = watch.until_listening();
    if (!address) return {};  // the watch knows why
    address_ = local_address(*address);
    const int workers = prepared_.run.coordinator.workers + prepared_.run.coordinator.spares;
    for (int worker = 0; worker < workers; ++worker) {
      PLANARIA_TRY(child, start_worker(worker));
      watch.watch_worker(std::move(child));
    }
    return {};
  }

  /// Starts one more worker, which asks for this number. Once the coordinator listens.
  Result<ChildProcess> start_worker(int worker) {
    ChildEnvironment environment = environment_;
    environment.set(env_coordinator, address_)
        .set(env_secret_file, prepared_.secret_file)
        .set(env_worker, std::to_string(worker))
        .set(env_run_dir, prepared_.run.run_dir)
        .prefer_large_pages();
    set_faults(environment);
    ChildOptions child_options = program();
    child_options.environment = environment.changes();
    return ChildProcess::start(child_options);
  }

 private:
  [[nodiscard]] ChildOptions program() const {
    const std::vector<std::string>& command = prepared_.run.command;
    return {.program = command.front(), .arguments = {command.begin() + 1, command.end()}};
  }

  Result<void> start_coordinator(RunWatch& watch) {
    PLANARIA_TRY(progress, make_pipe());
    PLANARIA_TRY(stop, make_pipe());
    ChildEnvironment environment = environment_;
    environment.set(env_run_options, to_json(prepared_.run).dump())
        .set(env_secret_file, prepared_.secret_file)
        .set(env_progress_fd, std::to_string(progress.write.get()));
    PLANARIA_TRY(child, ChildProcess::start({.program = options_.program_path,
                                             .arguments = {"coordinator"},
                                             .environment = environment.changes(),
                                             .inherited = progress.write.get(),
                                             .input = stop.read.get()}));
    watch.watch_coordinator(std::move(child), std::move(stop.write));
    watch.watch_progress(std::move(progress.read));
    return {};
  }

  void set_faults(ChildEnvironment& environment) const {
    if (faults_ == nullptr) return;
    environment.set(env_faults, faults_->orders_for_worker())
        .set(env_fault_bounds, faults_->bounds_for_worker());
  }

  Result<void> start_program(RunWatch& watch) {
    PLANARIA_TRY(progress, make_pipe());
    ChildEnvironment environment = environment_;
    environment.set(env_in_process, "1")
        .set(env_run_options, to_json(prepared_.run).dump())
        .set(env_run_dir, prepared_.run.run_dir)
        .set(env_progress_fd, std::to_string(progress.write.get()));
    set_faults(environment);
    ChildOptions child_options = program();
    child_options.environment = environment.changes();
    child_options.inherited = progress.write.get();
    PLANARIA_TRY(child, ChildProcess::start(child_options));
    watch.watch_worker(std::move(child));
    watch.watch_progress(std::move(progress.read));
    return {};
  }

  const LaunchOptions& options_;
  const Prepared& prepared_;
  const FaultDriver* faults_;
  ChildEnvironment environment_;
  std::string address_;  // the coordinator's
};

void say(Screen& screen, const std::string& sentence) {
  if (!sentence.empty()) screen.line(Stream::err, "planaria: " + sentence);
}

/// Shows a run that went well: a summary, or the JSON object alone.
Result<void> tell_result(const LaunchOptions& options, const Prepared& prepared,
                         const RunProgress& progress, Screen& screen) {
  PLANARIA_TRY(result, read_json_file(prepared.directory.file("result.json")));
  if (!options.output.empty()) {
    PLANARIA_TRY_VOID(write_file_atomically(options.output, result.dump() + "\n"));
  }
  if (options.json) {
    fmt::print("{}\n", result.dump());
    return {};
  }
  for (const auto& line : summary_lines(progress, result, prepared.directory.path)) {
    screen.line(Stream::out, line);
  }
  return {};
}

/// Brings the run directory into its last form and says how the run ended.
int close_run(const LaunchOptions& options, const Prepared& prepared, RunEnding ending,
              const RunProgress& progress, Screen& screen) {
  if (ending.status == 2) {
    remove_run_directory(prepared.directory);
    say(screen, ending.sentence);
    return 2;
  }
  const Result<void> merged = merge_worker_events(prepared.directory);
  if (!merged.ok() && ending.status == 0)
    ending = {1, merged.fault().sentence, std::move(ending.unstruck)};
  std::error_code error;
  if (std::filesystem::exists(prepared.directory.file("result.json"), error)) {
    const Result<void> told = tell_result(options, prepared, progress, screen);
    if (!told.ok() && ending.status == 0)
      ending = {1, told.fault().sentence, std::move(ending.unstruck)};
  }
  say(screen, ending.sentence);
  // Not struck by a run that did not get so far is not struck all the same.
  for (const std::string& order : ending.unstruck) {
    say(screen, fmt::format("fault {} never struck", order));
  }
  if (ending.status == 0 && !ending.unstruck.empty()) return 1;
  return ending.status;
}

}  // namespace

int launch(const LaunchOptions& options) {
  Screen screen({.live = options.progress, .out_is_taken = options.json});
  auto prepared = prepare(options);
  if (!prepared.ok()) {
    say(screen, prepared.fault().sentence);
    return 2;
  }
  const RunOptions& run = prepared.value().run;
  const bool in_process = run.transport == "in-process";
  const double began_ms = monotonic_now_ms();
  std::optional<FaultDriver> faults;
  if (prepared.value().faults) {
    faults.emplace(FaultDriverOptions{.plan = *prepared.value().faults,
                                      .bounds = bounds_of(run),
                                      .directory = {.path = run.run_dir, .made = {}}});
  }
  Starter starter(options, prepared.value(), began_ms, faults ? &*faults : nullptr);
  RunWatch watch({.program = run.command.front(),
                  .workers = in_process ? 1 : run.coordinator.workers + run.coordinator.spares,
                  .in_process = in_process,
                  .plain_progress = options.progress,
                  .began_ms = began_ms,
                  .start_worker = [&](int number) { return starter.start_worker(number); }},
                 screen);
  if (faults) watch.watch_faults(*faults);
  const Result<void> started = starter.start(watch);
  if (!started.ok()) watch.end_now({2, started.fault().sentence});
  const RunEnding ending = watch.until_over();
  return close_run(options, prepared.value(), ending, watch.progress(), screen);
}

}  // namespace planaria::host
