#include "runtime/in_process_run.hpp"

#include <planaria/base/check.hpp>

namespace planaria::runtime {

namespace {

// Peers of one process need no secret to find each other, but the interface asks for one.
constexpr const char* in_process_secret = "within one process";

}  // namespace

InProcessRun::InProcessRun(host::RunOptions run, std::function<void(const Json&)> on_event)
    : hub_(transport::make_in_process_hub()),
      coordinator_(std::make_unique<host::CoordinatorHost>(std::move(run), endpoint(),
                                                           std::move(on_event))) {}

InProcessRun::~InProcessRun() {
  if (thread_.joinable()) thread_.join();
}

std::unique_ptr<transport::Transport> InProcessRun::endpoint() const {
  transport::TransportOptions options;
  options.secret = in_process_secret;
  return transport::make_in_process_transport(hub_, options).value();
}

Result<void> InProcessRun::begin() {
  PLANARIA_TRY(address, coordinator_->listen("in-process:coordinator"));
  address_ = std::move(address);
  signals_.emplace([this](const std::string& why) { coordinator_->request_stop(why); });
  thread_ = std::thread([this] { outcome_ = coordinator_->wait(); });
  return {};
}

host::RunOutcome InProcessRun::end() {
  if (thread_.joinable()) thread_.join();
  signals_.reset();
  check(outcome_.has_value(), "the end of a run that was not begun");
  return *outcome_;
}

}  // namespace planaria::runtime
