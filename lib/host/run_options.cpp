#include <planaria/host/run_options.hpp>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <utility>

#include <planaria/host/faults.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/planner/best_plan.hpp>
#include <planaria/planner/recompute.hpp>

namespace planaria::host {
namespace {

constexpr std::int64_t workers_max = 65536;
constexpr double silence_min_ms = 100;

Json to_json(const protocol::CoordinatorOptions& options) {
  Json json = {{"workers", options.workers},
               {"spares", options.spares},
               {"schedule", options.schedule},
               {"commit_domains", options.commit_domains},
               {"min_workers", options.min_workers},
               {"wait_ms", options.wait_ms},
               {"silence_max_ms", options.silence_max_ms}};
  if (options.width) json["width"] = *options.width;
  if (options.depth) json["depth"] = *options.depth;
  if (options.layout) json["layout"] = planaria::to_json(*options.layout);
  if (options.schedule_text) json["schedule_text"] = *options.schedule_text;
  if (options.profile) json["profile"] = planaria::to_json(*options.profile);
  if (options.memory_bytes) json["memory_bytes"] = *options.memory_bytes;
  json["recompute"] = name_of(options.recompute);
  return json;
}

std::optional<int> as_int(std::optional<std::int64_t> number) {
  if (!number) return std::nullopt;
  return static_cast<int>(*number);
}

Result<protocol::CoordinatorOptions> coordinator_options_from_json(const Json& json,
                                                                   const std::string& source) {
  ObjectReader reader(json, source, "coordinator");
  protocol::CoordinatorOptions options;
  options.workers = static_cast<int>(reader.integer("workers", 1, workers_max));
  options.spares = static_cast<int>(reader.integer("spares", 0, workers_max));
  options.width = as_int(reader.optional_integer("width", 1, workers_max));
  options.depth = as_int(reader.optional_integer("depth", 1, workers_max));
  constexpr double any = std::numeric_limits<double>::max();
  options.commit_domains = static_cast<int>(reader.integer("commit_domains", 1, workers_max));
  options.min_workers = static_cast<int>(reader.integer("min_workers", 1, workers_max));
  options.wait_ms = reader.number("wait_ms", 0, any);
  options.silence_max_ms = reader.number("silence_max_ms", silence_min_ms, any);
  options.schedule = reader.text("schedule");
  options.schedule_text = reader.optional_text("schedule_text");
  options.memory_bytes = reader.optional_integer("memory_bytes", 0, memory_without_limit);
  const std::string recompute = reader.text("recompute");
  const Json* layout = reader.optional_object("layout");
  const Json* profile = reader.optional_object("profile");
  PLANARIA_TRY_VOID(reader.finish());
  const auto known = recompute_named(recompute);
  if (!known) {
    return Fault::invalid_input(fmt::format(
        "{}: coordinator.recompute: {}, must be never, always or any", source, recompute));
  }
  options.recompute = *known;
  if (profile != nullptr) {
    PLANARIA_TRY(read, profile_from_json(*profile, source + ": coordinator.profile"));
    options.profile = std::move(read);
  }
  if (layout != nullptr) {
    PLANARIA_TRY(read, layout_from_json(*layout, source + ": coordinator.layout"));
    options.layout = std::move(read);
  }
  return options;
}

}  // namespace

Json to_json(const RunOptions& options) {
  return {{"version", 1},
          {"coordinator", to_json(options.coordinator)},
          {"listen", options.listen},
          {"run_dir", options.run_dir},
          {"command", options.command},
          {"transport", options.transport},
          {"faults", options.faults}};
}

Result<RunOptions> run_options_from_json(const Json& json, const std::string& source) {
  ObjectReader reader(json, source, "");
  reader.integer("version", 1, 1);
  RunOptions options;
  const Json* coordinator = reader.optional_object("coordinator");
  if (coordinator == nullptr) reader.refuse("coordinator", "missing, must be an object");
  options.listen = reader.text("listen");
  options.run_dir = reader.text("run_dir");
  options.command = reader.texts("command");
  options.transport = reader.text("transport");
  options.faults = reader.text("faults");
  PLANARIA_TRY_VOID(reader.finish());
  PLANARIA_TRY(read, coordinator_options_from_json(*coordinator, source));
  options.coordinator = std::move(read);
  return options;
}

Result<void> check_faults(const RunOptions& options, const RunSpec& spec) {
  if (options.faults.empty()) return {};
  PLANARIA_TRY(plan, faults_from_text(options.faults));
  return check_faults(plan, {.workers = options.coordinator.workers,
                             .spares = options.coordinator.spares,
                             .steps = spec.steps,
                             .micro_batches = spec.micro_batches,
                             .layers = static_cast<int>(spec.layers.size())});
}

double monotonic_now_ms() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

RunClock::RunClock() : zero_ms_(monotonic_now_ms()) {
  const char* began = std::getenv(env_run_began_ms);
  if (began == nullptr) return;
  const std::string_view text(began);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  // A later zero than now can only be another boot's: then this process counts for itself.
  if (error == std::errc() && end == text.data() + text.size() && value <= zero_ms_) {
    zero_ms_ = value;
  }
}

Instant RunClock::now() const {
  return {monotonic_now_ms() - zero_ms_};
}

}  // namespace planaria::host
