#include <planaria/runtime/session.hpp>

#include <cstdlib>
#include <optional>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/host/launcher.hpp>
#include <planaria/host/run_directory.hpp>
#include <planaria/transport/transport.hpp>

#include "runtime/in_process_run.hpp"
#include "runtime/process.hpp"
#include "runtime/profile_order.hpp"
#include "runtime/worker.hpp"

namespace planaria {
namespace {

using runtime::environment;

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

class Session::Impl {
 public:
  explicit Impl(TrainerOptions options) : options_(std::move(options)) {}
  ~Impl() { static_cast<void>(finish()); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Result<void> join(std::int64_t steps) {
    prepare_process(options_.threads);
    runtime::keep_freed_memory();
    if (runtime::profile_asked()) {
      ended_ = runtime::take_part_in_profile(options_);
      return {};
    }
    PLANARIA_TRY(spec, runtime::spec_of(options_, steps));
    spec_ = std::move(spec);
    const std::string coordinator = environment(host::env_coordinator);
    if (!environment(host::env_in_process).empty()) {
      PLANARIA_TRY_VOID(join_as_asked());
    } else if (!coordinator.empty()) {
      PLANARIA_TRY_VOID(join_remote(coordinator));
    } else {
      PLANARIA_TRY_VOID(join_alone());
    }
    worker_->join();
    return {};
  }

  void refuse(const Fault& fault) {
    ended_ = runtime::outcome_of(fault);
    remove_directory_of_bad_input();
  }

  runtime::Worker* worker() { return ended_ || worker_ == nullptr ? nullptr : worker_.get(); }
  [[nodiscard]] const TrainerOptions& options() const { return options_; }
  [[nodiscard]] std::int64_t evaluation_samples() const { return spec_.evaluation_samples; }

  std::optional<Step> current_step;  // what begin_step() returned last

  TrainingOutcome finish() {
    if (ended_) return *ended_;
    if (worker_ != nullptr && !worker_->outcome() && worker_->last_applied()) {
      static_cast<void>(worker_->begin_step());  // hands over the state
    }
    TrainingOutcome outcome{1, "the training loop left before the run was over"};
    if (worker_->outcome()) outcome = *worker_->outcome();
    worker_.reset();  // a run that is not over sees it go
    if (local_) {
      const host::RunOutcome all = local_->end();
      outcome = {all.status, all.sentence};
      local_.reset();
    }
    ended_ = outcome;
    close_directory();
    return *ended_;
  }

 private:
  runtime::WorkerOptions worker_options() {
    runtime::WorkerOptions options;
    options.trainer = &options_;
    options.spec = spec_;
    options.generator = &generator_;
    return options;
  }

  Result<void> join_remote(const std::string& coordinator) {
    const std::string secret_file = environment(host::env_secret_file);
    if (secret_file.empty()) {
      return Fault::invalid_input(fmt::format(
          "{}: not set, must name the file that holds the run's secret", host::env_secret_file));
    }
    transport::TransportOptions transport_options;
    PLANARIA_TRY(secret, host::read_secret(secret_file));
    transport_options.secret = std::move(secret);
    PLANARIA_TRY(transport, transport::make_socket_transport(transport_options));
    runtime::WorkerOptions options = worker_options();
    options.coordinator = coordinator;
    options.listen = listen_beside(coordinator);
    const std::string wanted = environment(host::env_worker);
    if (!wanted.empty()) options.wanted = WorkerId{std::atoi(wanted.c_str())};
    options.run_dir = environment(host::env_run_dir);
    worker_ = std::make_unique<runtime::Worker>(std::move(options), std::move(transport));
    return {};
  }

  Result<void> join_alone() {
    host::RunOptions run;
    run.transport = "in-process";
    run.run_dir = options_.run_dir;
    if (!run.run_dir.empty()) {
      PLANARIA_TRY(directory, host::create_run_directory(run.run_dir));
      directory_ = std::move(directory);
    }
    return begin_local(run, {});
  }

  // `planaria run --transport in-process`: the launcher keeps the directory and watches the events.
  Result<void> join_as_asked() {
    PLANARIA_TRY(asked, runtime::in_process_run_asked());
    const int workers = asked.options.coordinator.workers + asked.options.coordinator.spares;
    if (workers != 1) {
      return Fault::invalid_input(
          fmt::format("transport: in-process with {} workers, must be 1: a training loop of one's "
                      "own runs one worker a process; use unix or tcp",
                      workers));
    }
    return begin_local(asked.options, asked.on_event);
  }

  Result<void> begin_local(const host::RunOptions& run, std::function<void(const Json&)> on_event) {
    local_.emplace(run, std::move(on_event));
    PLANARIA_TRY_VOID(local_->begin());
    runtime::WorkerOptions options = worker_options();
    options.coordinator = local_->address();
    options.listen = "in-process:worker-0";
    options.wanted = WorkerId{0};
    options.run_dir = run.run_dir;
    worker_ = std::make_unique<runtime::Worker>(std::move(options), local_->endpoint());
    return {};
  }

  void close_directory() {
    if (!directory_) return;
    if (ended_->status == 2) return remove_directory_of_bad_input();
    const auto merged = host::merge_worker_events(*directory_);
    if (!merged && ended_->status == 0) ended_ = {1, merged.fault().sentence};
  }

  // Bad input leaves nothing behind that would stop the same command, mended.
  void remove_directory_of_bad_input() {
    if (directory_ && ended_->status == 2) host::remove_run_directory(*directory_);
  }

  TrainerOptions options_;
  RunSpec spec_;
  runtime::GeneratorLock generator_;
  std::optional<host::RunDirectory> directory_;
  std::optional<runtime::InProcessRun> local_;
  std::unique_ptr<runtime::Worker> worker_;
  std::optional<TrainingOutcome> ended_;
};

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::~Session() = default;

std::unique_ptr<Session> Session::join(TrainerOptions options, std::int64_t steps) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (const auto joined = impl->join(steps); !joined) impl->refuse(joined.fault());
  return std::unique_ptr<Session>(new Session(std::move(impl)));
}

std::optional<Step> Session::begin_step() {
  impl_->current_step = impl_->worker() == nullptr ? std::nullopt : impl_->worker()->begin_step();
  return impl_->current_step;
}

void Session::forward_backward() {
  if (impl_->worker() != nullptr) impl_->worker()->forward_backward();
}

std::optional<StepMetrics> Session::commit(double rate) {
  return impl_->worker() == nullptr ? std::nullopt : impl_->worker()->commit(rate);
}

std::optional<StepMetrics> Session::commit() {
  if (impl_->worker() == nullptr) return std::nullopt;
  check(impl_->current_step.has_value(), "commit() without begin_step()");
  return commit(runtime::rate_of(impl_->options(), *impl_->current_step));
}

std::optional<EvaluationMetrics> Session::evaluate() {
  if (impl_->worker() == nullptr || impl_->evaluation_samples() == 0) return std::nullopt;
  return impl_->worker()->evaluate();
}

void Session::stop(const std::string& why) {
  if (impl_->worker() != nullptr) impl_->worker()->stop(why);
}

void Session::fail(const std::string& why) {
  if (impl_->worker() != nullptr) impl_->worker()->fail(why);
}

WorkerId Session::worker() const {
  return impl_->worker() == nullptr ? WorkerId{-2} : impl_->worker()->id();
}

const Layout& Session::layout() const {
  static const Layout none;
  return impl_->worker() == nullptr ? none : impl_->worker()->layout();
}

TrainingOutcome Session::finish() {
  return impl_->finish();
}

}  // namespace planaria
