// host/launcher.hpp: `planaria run` on one machine: a coordinator and workers as child processes.
// Floor 7, no LibTorch.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <planaria/base/json.hpp>
#include <planaria/host/coordinator_host.hpp>
#include <planaria/host/run_options.hpp>

namespace planaria::host {

struct LaunchOptions {
  RunOptions run;
  std::string transport = "auto";  // auto, unix, tcp, in-process
  std::string secret_file;   // empty: a fresh random secret, kept in a private temporary folder
  std::string program_path;  // this executable, for the coordinator child
  bool progress = true;      // draw progress on stderr
  bool json = false;         // result.json's object on stdout and nothing else there
  std::string output;        // a file that gets result.json's object too; empty: none
};

/// Starts coordinator and workers, shows progress (one live line on a terminal, plain lines
/// elsewhere), waits, merges the workers' events, says the outcome in one sentence. Children die
/// with the calling thread. Takes SIGINT, SIGTERM, SIGHUP and SIGCHLD while it runs: the first stop
/// ends the run after the step in flight, the second at once. Without a run directory it chooses
/// runs/<UTC time>-<process>. Returns the exit status of `planaria run`.
[[nodiscard]] int launch(const LaunchOptions& options);

/// The coordinator child's main: reads PLANARIA_RUN_OPTIONS, PLANARIA_SECRET_FILE and
/// PLANARIA_PROGRESS_FD; first line on that descriptor: {"listening":"unix:…"}, then every event,
/// or only `run_ended`. SIGTERM and SIGINT ask for a stop, and so does a line on stdin, which says
/// why.
[[nodiscard]] int coordinator_main();

/// Returns what writes each event as a line to PLANARIA_PROGRESS_FD, for a program that hosts the
/// coordinator itself (in-process); empty where that is not set.
[[nodiscard]] std::function<void(const Json&)> progress_from_environment();

/// Reads and trims nothing: the file's bytes are the secret. invalid_input below 16 bytes;
/// unavailable names the file. Refuses a file that others may read.
[[nodiscard]] Result<std::string> read_secret(const std::string& path);

}  // namespace planaria::host
