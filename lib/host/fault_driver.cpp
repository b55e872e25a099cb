#include "host/fault_driver.hpp"

#include <algorithm>
#include <fstream>
#include <utility>

#include <fmt/format.h>

#include "host/faults_words.hpp"
#include "host/phase_page.hpp"

namespace planaria::host {
namespace {

std::optional<std::int64_t> whole(const Json& event, const char* key) {
  const auto found = event.find(key);
  if (found == event.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

FaultPlan without_random(const FaultPlan& plan) {
  return {.orders = plan.orders, .random = {}};
}

void append(std::vector<FaultCommand>& commands, FaultDecision decision) {
  for (FaultCommand& command : decision.commands) commands.push_back(std::move(command));
}

}  // namespace

FaultDriver::FaultDriver(FaultDriverOptions options)
    : options_(std::move(options)),
      clock_(fault_clock(without_random(options_.plan))),
      expanded_(!options_.plan.random) {}

std::vector<FaultCommand> FaultDriver::take(const Json& event, Instant now) {
  std::vector<FaultCommand> commands;
  if (!event.is_object()) return commands;
  if (const auto view = whole(event, "view")) view_ = ViewNumber(*view);
  const std::string name = event.value("event", "");
  if (name == "run_started" && !expanded_) {
    FaultBounds bounds = options_.bounds;
    bounds.steps = std::max<std::int64_t>(1, whole(event, "steps").value_or(1));
    // The coordinator has proven it for these bounds, or the run would not have started.
    auto drawn = expand(*options_.plan.random, bounds, options_.plan.orders);
    if (drawn.ok()) {
      for (FaultOrder& order : drawn.value()) clock_.orders.push_back({std::move(order)});
    }
    expanded_ = true;
  }
  if (name == "worker_joined") {
    if (const auto worker = whole(event, "worker")) {
      tails_.try_emplace(WorkerId(static_cast<WorkerId::Representation>(*worker)));
    }
  }
  append(commands, step(clock_, event, now));
  return commands;
}

std::vector<FaultCommand> FaultDriver::look(Instant now) {
  std::vector<FaultCommand> commands;
  for (auto& [worker, tail] : tails_) read_strikes(worker, tail, now, commands);
  append(commands, step(clock_, Json(), now));
  return commands;
}

// The page says whether there is anything to read: a worker's file is large. Its last line may
// still be on its way, and is read the next time.
void FaultDriver::read_strikes(WorkerId worker, Tail& tail, Instant now,
                               std::vector<FaultCommand>& commands) {
  const auto seen = read_phase_page(options_.directory.worker_phase(worker.value));
  if (!seen || seen->strikes == tail.strikes) return;
  std::ifstream file(options_.directory.worker_events(worker.value));
  file.seekg(tail.offset);
  std::string line;
  while (tail.strikes < seen->strikes && std::getline(file, line) && !file.eof()) {
    tail.offset += static_cast<std::int64_t>(line.size()) + 1;
    if (line.find("\"fault_injected\"") == std::string::npos) continue;
    ++tail.strikes;
    const Json event = Json::parse(line, nullptr, false);
    if (event.is_object() && event.value("kind", "") != name_of(FaultAct::throws)) {
      struck_.insert(worker);
    }
    append(commands, step(clock_, event, now));
  }
}

std::optional<Instant> FaultDriver::next_due(Instant now) const {
  return host::next_due(clock_, now);
}

void FaultDriver::tell(const FaultOrder& order, WorkerId worker, Instant at) {
  const bool joins = order.kind == FaultAct::join;
  if (!joins) struck_.insert(worker);
  std::optional<PhaseSeen> seen;
  if (!joins) seen = read_phase_page(options_.directory.worker_phase(worker.value));
  const bool known = seen && seen->phase;
  if (!events_) {
    auto opened = JsonLines::open(options_.directory.launcher_events());
    if (!opened.ok()) return;  // the run goes on; what it lacks shows in its events
    events_.emplace(std::move(opened).value());
  }
  static_cast<void>(events_->write(to_json(
      Event{.at = at,
            .view = view_,
            .step = known ? seen->step : clock_.step,
            .name = "fault_injected",
            .fields = fields_of_strike(order, worker, known ? seen->phase : std::nullopt)})));
}

void FaultDriver::missed(const FaultOrder& order) {
  missed_.push_back(item_of(order));
}

std::vector<std::string> FaultDriver::unstruck() const {
  std::vector<std::string> texts = host::unstruck(clock_);
  texts.insert(texts.end(), missed_.begin(), missed_.end());
  if (!expanded_) texts.push_back(item_of(*options_.plan.random));
  return texts;
}

std::string FaultDriver::orders_for_worker() const {
  // Before the run began nobody knows the random ones: the worker expands them like everybody.
  return expanded_ ? orders_for_newcomers(clock_) : text_of(options_.plan);
}

std::string FaultDriver::bounds_for_worker() const {
  return fmt::format("{},{}", options_.bounds.workers, options_.bounds.spares);
}

}  // namespace planaria::host
