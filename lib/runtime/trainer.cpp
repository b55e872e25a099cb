#include <planaria/runtime/trainer.hpp>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include <unistd.h>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/host/coordinator_host.hpp>
#include <planaria/host/launcher.hpp>
#include <planaria/host/run_directory.hpp>
#include <planaria/transport/transport.hpp>

#include "runtime/process.hpp"
#include "runtime/worker.hpp"

namespace planaria {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string{} : std::string{value};
}

// Peers of one process need no secret to find each other, but the interface asks for one.
constexpr const char* in_process_secret = "within one process";

TrainingOutcome outcome_of(const Fault& fault) {
  return {fault.kind == FaultKind::invalid_input ? 2 : 1, fault.sentence};
}

// Where this worker listens, of the same family as the coordinator's address: beside its socket, or
// on the interface that reaches it.
std::string listen_beside(const std::string& coordinator) {
  std::string given = environment("PLANARIA_LISTEN");
  if (!given.empty()) return given;
  constexpr std::string_view unix_prefix = "unix:";
  if (coordinator.rfind(unix_prefix, 0) == 0) {
    const std::string path = coordinator.substr(unix_prefix.size());
    return fmt::format("unix:{}/worker-{}.sock", path.substr(0, path.rfind('/')), ::getpid());
  }
  return "tcp:" + runtime::local_host_towards(coordinator) + ":0";
}

}  // namespace

class Trainer::Impl {
 public:
  explicit Impl(TrainerOptions options) : options_(std::move(options)) {}

  TrainingOutcome run(std::int64_t steps) {
    check(!ran_, "a trainer runs once");
    ran_ = true;
    prepare_process(options_.threads);
    auto spec = runtime::spec_of(options_, steps);
    if (!spec) return outcome_of(spec.fault());
    spec_ = std::move(spec).value();
    if (!environment(host::env_in_process).empty()) return run_threads_as_asked();
    const std::string coordinator = environment(host::env_coordinator);
    if (!coordinator.empty()) return run_as_worker(coordinator);
    return run_alone();
  }

  void listen(std::function<void(const StepMetrics&)> listener) {
    listeners_.push_back(std::move(listener));
  }

 private:
  runtime::WorkerOptions worker_options() {
    runtime::WorkerOptions options;
    options.trainer = &options_;
    options.spec = spec_;
    options.generator = &generator_;
    options.listeners = listeners_;
    return options;
  }

  TrainingOutcome run_as_worker(const std::string& coordinator) {
    const std::string secret_file = environment(host::env_secret_file);
    if (secret_file.empty()) {
      return {2, fmt::format("{}: not set, must name the file that holds the run's secret",
                             host::env_secret_file)};
    }
    auto secret = host::read_secret(secret_file);
    if (!secret) return outcome_of(secret.fault());
    transport::TransportOptions transport_options;
    transport_options.secret = std::move(secret).value();
    auto transport = transport::make_socket_transport(transport_options);
    if (!transport) return outcome_of(transport.fault());
    runtime::WorkerOptions options = worker_options();
    options.coordinator = coordinator;
    options.listen = listen_beside(coordinator);
    const std::string wanted = environment(host::env_worker);
    if (!wanted.empty()) options.wanted = WorkerId{std::atoi(wanted.c_str())};
    options.run_dir = environment(host::env_run_dir);
    runtime::Worker worker(std::move(options), std::move(transport).value());
    return worker.run();
  }

  TrainingOutcome run_alone() {
    host::RunOptions run;
    run.transport = "in-process";
    run.run_dir = options_.run_dir;
    if (run.run_dir.empty()) return run_threads(run, {});
    auto directory = host::create_run_directory(run.run_dir);
    if (!directory) return outcome_of(directory.fault());
    TrainingOutcome outcome = run_threads(run, {});
    if (outcome.status == 2) {
      // Bad input leaves nothing behind that would stop the same command, mended.
      host::remove_run_directory(directory.value());
      return outcome;
    }
    const auto merged = host::merge_worker_events(directory.value());
    if (!merged && outcome.status == 0) return outcome_of(merged.fault());
    return outcome;
  }

  // `planaria run --transport in-process`: the launcher watches the events on a descriptor.
  TrainingOutcome run_threads_as_asked() {
    auto json = parse_json(environment(host::env_run_options), host::env_run_options);
    if (!json) return outcome_of(json.fault());
    auto run = host::run_options_from_json(json.value(), host::env_run_options);
    if (!run) return outcome_of(run.fault());
    const std::string descriptor = environment(host::env_progress_fd);
    std::function<void(const Json&)> on_event;
    if (!descriptor.empty()) {
      on_event = [fd = std::atoi(descriptor.c_str())](const Json& event) {
        const std::string line = event.dump() + "\n";
        if (::write(fd, line.data(), line.size()) < 0)
          return;  // the launcher is gone: so are we soon
      };
      on_event(Json{{"listening", "in-process:coordinator"}});
    }
    return run_threads(run.value(), on_event);
  }

  // The coordinator and every worker in this process, each worker on a thread of its own.
  TrainingOutcome run_threads(const host::RunOptions& run,
                              const std::function<void(const Json&)>& on_event) {
    const auto hub = transport::make_in_process_hub();
    transport::TransportOptions transport_options;
    transport_options.secret = in_process_secret;
    const auto endpoint = [&] {
      return transport::make_in_process_transport(hub, transport_options).value();
    };
    host::CoordinatorHost coordinator(run, endpoint(), on_event);
    auto address = coordinator.listen("in-process:coordinator");
    if (!address) return outcome_of(address.fault());

    const int workers = run.coordinator.workers;
    std::vector<std::thread> threads;
    for (int i = 0; i < workers; ++i) {
      runtime::WorkerOptions options = worker_options();
      options.coordinator = address.value();
      options.listen = fmt::format("in-process:worker-{}", i);
      options.wanted = WorkerId{i};
      options.run_dir = run.run_dir;
      threads.emplace_back([this, options = std::move(options), transport = endpoint()]() mutable {
        prepare_process(options_.threads);  // the number of threads is a thread's own
        runtime::Worker worker(std::move(options), std::move(transport));
        // How it ended is the coordinator's to say, for all of them at once.
        static_cast<void>(worker.run());
      });
    }
    const host::RunOutcome outcome = coordinator.wait();  // this thread carries its commands out
    for (std::thread& thread : threads) thread.join();
    return {outcome.status, outcome.sentence};
  }

  TrainerOptions options_;
  RunSpec spec_;
  runtime::GeneratorLock generator_;
  bool ran_ = false;
  std::vector<std::function<void(const StepMetrics&)>> listeners_;
};

Trainer::Trainer(TrainerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Trainer::~Trainer() = default;

void Trainer::on_step(std::function<void(const StepMetrics&)> listener) {
  impl_->listen(std::move(listener));
}

TrainingOutcome Trainer::run(std::int64_t steps) {
  return impl_->run(steps);
}

int exit_status(const std::string& program, const TrainingOutcome& outcome) {
  if (!outcome.sentence.empty()) {
    std::fprintf(stderr, "%s: %s\n", program.c_str(), outcome.sentence.c_str());
  }
  return outcome.status;
}

}  // namespace planaria
