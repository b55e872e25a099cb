#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>
#include <planaria/host/faults.hpp>
#include <planaria/host/launcher.hpp>
#include <planaria/host/profile_launch.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/model/profile.hpp>
#include <planaria/planner/recompute.hpp>
#include <planaria/schedule/actions.hpp>
#include <planaria/schedule/automatic.hpp>

#include "cli/commands.hpp"
#include "cli/option_ranges.hpp"
#include "cli/recompute_option.hpp"

namespace planaria::cli {
namespace {

constexpr int workers_max = 4096;
constexpr double wait_max_s = 31536000;  // a year
constexpr double silence_min_ms = 100;   // a worker speaks that often
constexpr double silence_max_ms = 3600000;
constexpr double gibibyte = 1024.0 * 1024 * 1024;
constexpr double memory_gib_max = 900'000;

constexpr const char* measure_first = "measure";

/// The options as they are given; nothing where they are not.
struct RunFlags {
  std::optional<int> workers, width, depth;
  int spares = 0;
  std::string layout_file, schedule = "1f1b", schedule_file, transport = "auto", secret_file;
  std::string profile;
  std::optional<double> memory_gib;
  std::string recompute;
  std::optional<int> commit_domains;
  int min_workers = 1;
  double wait_s = 0, silence_max_ms = 600;
  std::optional<std::string> faults;
  std::string run_dir, listen, output;
  bool json = false;
};

Result<Layout> read_layout(const std::string& path) {
  PLANARIA_TRY(json, read_json_file(path));
  return layout_from_json(json, path);
}

// A layout, or a width and a depth, say how many workers they need; nobody has to say it twice.
int chosen_workers(const RunFlags& flags, const std::optional<Layout>& layout) {
  constexpr int usual = 4;
  if (flags.workers) return *flags.workers;
  if (layout) {
    int highest = 0;
    for (const WorkerId worker : workers_of(*layout)) highest = std::max(highest, worker.value);
    return highest + 1;
  }
  if (flags.width && flags.depth) return *flags.width * *flags.depth;
  return usual;
}

// What must survive, and when training waits.
Result<void> add_survival(const RunFlags& flags, protocol::CoordinatorOptions& options) {
  const int processes = options.workers + options.spares;
  options.commit_domains = flags.commit_domains.value_or(processes > 1 ? 2 : 1);
  options.min_workers = flags.min_workers;
  options.wait_ms = flags.wait_s * 1000;
  options.silence_max_ms = flags.silence_max_ms;
  if (flags.min_workers <= processes) return {};
  return Fault::invalid_input(
      fmt::format("--min-workers: {}, must be at most {}, the number of workers and spares",
                  flags.min_workers, processes));
}

// Pipelines that share workers have one schedule, as wide as they are many. The layout is proven
// when the run begins.
int schedule_width(const std::optional<Layout>& layout) {
  if (!layout || layout->pipelines.empty()) return 1;
  return static_cast<int>(joined_with(*layout, 0).size());
}

Result<protocol::CoordinatorOptions> coordinator_options(const RunFlags& flags) {
  protocol::CoordinatorOptions options;
  if (!flags.layout_file.empty()) {
    PLANARIA_TRY(layout, read_layout(flags.layout_file));
    options.layout = std::move(layout);
  }
  options.workers = chosen_workers(flags, options.layout);
  options.spares = flags.spares;
  options.width = flags.width;
  options.depth = flags.depth;
  options.schedule = flags.schedule;
  if (!flags.schedule_file.empty()) {
    auto text = read_file(flags.schedule_file);
    if (!text.ok()) return Fault::invalid_input(text.fault().sentence);
    PLANARIA_TRY(schedule, schedule_from_text(text.value(), flags.schedule_file,
                                              schedule_width(options.layout)));
    options.schedule_text = text_of(schedule);
  }
  const std::vector<std::string>& kinds = kinds_and_automatic();
  const bool any = flags.schedule == "any";
  if (!any && std::find(kinds.begin(), kinds.end(), flags.schedule) == kinds.end()) {
    return Fault::invalid_input(
        fmt::format("--schedule: {}, must be any or one of {}", flags.schedule, join(kinds, ", ")));
  }
  if (any && flags.profile.empty()) {
    return Fault::invalid_input("--schedule: any, must be chosen by a profile: give --profile");
  }
  PLANARIA_TRY_VOID(add_survival(flags, options));
  return options;
}

/// How many workers compute at once beside one of so many: what they share, all of them feel.
int beside_one_of(int workers) {
  const auto cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  return std::min(workers, cores) - 1;
}

Result<Recompute> chosen_recompute(const RunFlags& flags) {
  if (flags.recompute.empty()) return flags.memory_gib ? Recompute::any : Recompute::never;
  if (flags.recompute == "any" && !flags.memory_gib) {
    return Fault::invalid_input("--recompute: any, must have a limit to fit: give --memory-gib");
  }
  return recompute_named(flags.recompute).value();
}

/// Reads the profile, unless it is to be measured.
Result<void> add_profile(const RunFlags& flags, protocol::CoordinatorOptions& options) {
  if (flags.memory_gib) {
    options.memory_bytes = static_cast<std::int64_t>(*flags.memory_gib * gibibyte);
  }
  PLANARIA_TRY(recompute, chosen_recompute(flags));
  options.recompute = recompute;
  if (flags.profile.empty() || flags.profile == measure_first) return {};
  PLANARIA_TRY(json, read_json_file(flags.profile));
  PLANARIA_TRY(profile, profile_from_json(json, flags.profile));
  options.profile = std::move(profile);
  return {};
}

int run(const RunFlags& flags, const std::vector<std::string>& command) {
  if (command.empty()) {
    return bad_input(
        "no program: write it behind two dashes, as in planaria run --workers 4 -- ./train");
  }
  auto coordinator = coordinator_options(flags);
  if (!coordinator.ok()) return bad_input(coordinator.fault().sentence);
  const auto read = add_profile(flags, coordinator.value());
  if (!read) return bad_input(read.fault().sentence);
  // No faults are asked for by leaving the option out.
  if (flags.faults && flags.faults->empty()) {
    return bad_input(host::faults_from_text("").fault().sentence);
  }
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return bad_input("/proc/self/exe: " + error.message());
  if (flags.profile == measure_first) {
    auto measured = host::measure_program({.command = command,
                                           .beside = beside_one_of(coordinator.value().workers),
                                           .json = flags.json});
    if (!measured.profile) return measured.status;
    coordinator.value().profile = std::move(measured.profile);
  }
  host::LaunchOptions options;
  options.run.coordinator = std::move(coordinator).value();
  options.run.listen = flags.listen;
  options.run.run_dir = flags.run_dir;
  options.run.command = command;
  options.run.faults = flags.faults.value_or("");
  options.transport = flags.transport;
  options.secret_file = flags.secret_file;
  options.program_path = self.string();
  options.json = flags.json;
  options.output = flags.output;
  return host::launch(options);
}

void add_layout_options(CLI::App& app, RunFlags& flags) {
  app.add_option("--workers", flags.workers,
                 "How many workers compute, one process each. 1 to 4096; default 4, or what "
                 "--layout or --width and --depth need")
      ->check(between(1, workers_max))
      ->type_name("N");
  app.add_option("--spares", flags.spares, "How many more join and stay idle. 0 to 4096; default 0")
      ->check(between(0, workers_max))
      ->type_name("N");
  auto* width = app.add_option("--width", flags.width,
                               "How many pipelines side by side; default: the planner chooses")
                    ->check(between(1, workers_max))
                    ->type_name("D");
  auto* depth = app.add_option("--depth", flags.depth,
                               "How many stages each pipeline has; default: the planner chooses")
                    ->check(between(1, workers_max))
                    ->type_name("P");
  app.add_option("--layout", flags.layout_file,
                 "Who computes what: a plan, or an object with its pipelines. Not with --width or "
                 "--depth")
      ->excludes(width)
      ->excludes(depth)
      ->type_name("FILE");
  auto* schedule = app.add_option("--schedule", flags.schedule,
                                  "In what order stages run: " + join(kinds_and_automatic(), ", ") +
                                      ", or any, with --profile: the best of gpipe, 1f1b, zb-h1 "
                                      "and zb-h2; default 1f1b")
                       ->type_name("NAME");
  app.add_option("--schedule-file", flags.schedule_file,
                 "A schedule's text form, used by every pipeline, or by those that share workers "
                 "together. Not with --schedule")
      ->excludes(schedule)
      ->type_name("FILE");
}

void add_profile_options(CLI::App& app, RunFlags& flags) {
  auto* profile =
      app.add_option("--profile", flags.profile,
                     "What the layers take, as planaria profile writes it, or measure: it is "
                     "measured first. Layouts are the best by it. Not with --layout or "
                     "--schedule-file; default: the program's own estimates")
          ->excludes(app.get_option("--layout"))
          ->excludes(app.get_option("--schedule-file"))
          ->type_name("FILE");
  app.add_option("--memory-gib", flags.memory_gib,
                 "What each worker has for the model, which layouts fit. Only with "
                 "--profile. 0 to 900000; default: no limit")
      ->check(between(0.0, memory_gib_max))
      ->needs(profile)
      ->type_name("G");
  app.add_option("--recompute", flags.recompute,
                 "never, always, or any: the stages that do not fit --memory-gib otherwise keep "
                 "their input alone and compute forward again. Not with --schedule-file; default: "
                 "any with --memory-gib, else never")
      ->excludes(app.get_option("--schedule-file"))
      ->check(recompute_names())
      ->type_name("WHICH");
}

void add_survival_options(CLI::App& app, RunFlags& flags) {
  app.add_option("--commit-domains", flags.commit_domains,
                 "In how many processes every layer is held before a step counts, so that one less "
                 "may be lost at once. 1 to 4096; default 2, alone 1")
      ->check(between(1, workers_max))
      ->type_name("K");
  app.add_option("--min-workers", flags.min_workers,
                 "With fewer the training waits for more. 1 to 4096; default 1")
      ->check(between(1, workers_max))
      ->type_name("N");
  app.add_option("--wait-s", flags.wait_s,
                 "How many seconds it waits for them before the run ends. 0 to 31536000; default 0")
      ->check(between(0.0, wait_max_s))
      ->type_name("T");
  app.add_option("--silence-max-ms", flags.silence_max_ms,
                 "A worker that says nothing for so many milliseconds is lost. 100 to 3600000; "
                 "default 600")
      ->check(between(silence_min_ms, silence_max_ms))
      ->type_name("T");
  app.add_option("--faults", flags.faults,
                 "What befalls the workers on purpose, such as kill@step=7:worker=2,join@step=9; "
                 "default: nothing")
      ->type_name("SPEC");
}

void add_process_options(CLI::App& app, RunFlags& flags) {
  app.add_option("--transport", flags.transport,
                 "How workers talk: auto, unix, tcp, or in-process (threads of one process); "
                 "default auto: tcp with --listen, else unix")
      ->type_name("NAME");
  app.add_option("--listen", flags.listen,
                 "Where the coordinator listens for TCP, such as 127.0.0.1:7070 (port 0: any free "
                 "one); default: a place of its own")
      ->type_name("ADDRESS:PORT");
  app.add_option("--secret-file", flags.secret_file,
                 "A file of at least 16 bytes that all processes of the run know and nobody else "
                 "may read; default: a fresh one for this run")
      ->type_name("FILE");
  app.add_option("--run-dir", flags.run_dir,
                 "Where the run's files go; must not hold a run; default runs/<UTC "
                 "time>-<process>")
      ->type_name("DIR");
  app.add_flag("--json", flags.json, "Print result.json's object on stdout and nothing else there");
  app.add_option("-o", flags.output, "Write result.json's object to FILE too")->type_name("FILE");
}

}  // namespace

void add_run(CLI::App& app, const std::vector<std::string>& command, Action& action) {
  auto* sub = app.add_subcommand("run", "Train PROGRAM as pipelines over processes");
  sub->footer(
      "PROGRAM is started once per worker and finds the run through its environment; what it "
      "prints\n"
      "is shown with its worker's number. The first SIGINT or SIGTERM ends the run after the step "
      "in\n"
      "flight, the second at once.\n\n"
      "  planaria run [OPTIONS] -- PROGRAM ARGS...\n"
      "  planaria run --workers 4 -- ./train_gpt --text book.txt --steps 100");
  auto flags = std::make_shared<RunFlags>();
  add_layout_options(*sub, *flags);
  add_profile_options(*sub, *flags);
  add_survival_options(*sub, *flags);
  add_process_options(*sub, *flags);
  sub->callback(
      [flags, &command, &action] { action = [=, &command] { return run(*flags, command); }; });
}

}  // namespace planaria::cli
