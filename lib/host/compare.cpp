#include <planaria/host/compare.hpp>

#include <bit>
#include <cstdint>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>
#include <planaria/checkpoint/state_hash.hpp>
#include <planaria/host/run_directory.hpp>
#include <planaria/observe/events.hpp>

namespace planaria::host {
namespace {

/// What two runs are compared by.
struct RunRecord {
  std::map<std::int64_t, Json>
      committed;                        // step_committed by step; redone steps are equal to these
  std::map<std::int64_t, Json> ledger;  // by step
  Json result;
};

Result<std::map<std::int64_t, Json>> lines_by_step(const std::string& path,
                                                   const std::string& event) {
  PLANARIA_TRY(lines, read_json_lines(path));
  std::map<std::int64_t, Json> by_step;
  for (Json& line : lines) {
    const bool wanted = line.is_object() && (event.empty() || line.value("event", Json()) == event);
    if (!wanted) continue;
    const auto step = line.find("step");
    if (step == line.end() || !step->is_number_integer()) {
      return Fault::invalid_input(fmt::format("{}: a line has no whole number as its step", path));
    }
    by_step.insert_or_assign(step->get<std::int64_t>(), std::move(line));
  }
  return by_step;
}

Result<Json> result_of(const RunDirectory& run) {
  std::error_code error;
  if (!std::filesystem::exists(run.file("result.json"), error)) {
    return Fault::invalid_input(fmt::format(
        "run directory {}: holds no result.json: its run has not ended, or failed", run.path));
  }
  PLANARIA_TRY(result, read_json_file(run.file("result.json")));
  if (!result.is_object()) {
    return Fault::invalid_input(run.file("result.json") + ": must be an object");
  }
  return result;
}

Result<RunRecord> read_run(const std::string& path) {
  PLANARIA_TRY(run, open_run_directory(path));
  RunRecord record;
  PLANARIA_TRY(result, result_of(run));
  PLANARIA_TRY(committed, lines_by_step(run.file("events.jsonl"), "step_committed"));
  PLANARIA_TRY(ledger, lines_by_step(run.file("ledger.jsonl"), ""));
  record.result = std::move(result);
  record.committed = std::move(committed);
  record.ledger = std::move(ledger);
  return record;
}

// Equal bits, not equal numbers: 0.0 and -0.0 differ. Non-finite numbers are written as null.
bool same_bits(const Json& a, const Json& b) {
  if (!a.is_number() || !b.is_number()) return a == b;
  return std::bit_cast<std::uint64_t>(a.get<double>()) ==
         std::bit_cast<std::uint64_t>(b.get<double>());
}

using Difference = std::optional<std::string>;

Difference differing_step(const RunRecord& a, const RunRecord& b) {
  for (const auto& [step, line] : a.committed) {
    const auto other = b.committed.find(step);
    if (other == b.committed.end()) break;  // told as a number of steps
    for (const char* field : {"loss", "norm"}) {
      const Json left = line.value(field, Json());
      const Json right = other->second.value(field, Json());
      if (!same_bits(left, right)) {
        return fmt::format("step {}: {} {} and {}", step, field, left.dump(), right.dump());
      }
    }
  }
  return std::nullopt;
}

Difference differing_ledger_line(std::int64_t step, const Json& a, const Json& b) {
  const struct {
    const char* field;
    const char* what;
  } lists[] = {{"micro_batches", "read samples"},
               {"read_xxh3", "read bytes of hash"},
               {"labelled_xxh3", "was labelled by bytes of hash"}};
  for (const auto& [field, what] : lists) {
    const Json left = a.value(field, Json::array());
    const Json right = b.value(field, Json::array());
    if (left.size() != right.size()) {
      return fmt::format("ledger, step {}: {} and {} micro-batches", step, left.size(),
                         right.size());
    }
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (left[i] == right[i]) continue;
      return fmt::format("ledger, step {}: micro-batch {} {} {} and {}", step, i, what,
                         left[i].dump(), right[i].dump());
    }
  }
  if (a != b) return fmt::format("ledger, step {}: {} and {}", step, a.dump(), b.dump());
  return std::nullopt;
}

Difference differing_ledger(const RunRecord& a, const RunRecord& b) {
  for (const auto& [step, line] : a.ledger) {
    const auto other = b.ledger.find(step);
    if (other == b.ledger.end()) break;  // told as a number of steps
    if (auto difference = differing_ledger_line(step, line, other->second)) return difference;
  }
  return std::nullopt;
}

Difference differing_result(const RunRecord& a, const RunRecord& b) {
  if (a.committed.size() != b.committed.size()) {
    return fmt::format("steps: {} and {}", a.committed.size(), b.committed.size());
  }
  if (a.ledger.size() != b.ledger.size()) {
    return fmt::format("ledger: {} and {} steps", a.ledger.size(), b.ledger.size());
  }
  for (const char* field : {"steps", "weights_xxh3_128", "state_xxh3_128"}) {
    const Json left = a.result.value(field, Json());
    const Json right = b.result.value(field, Json());
    if (left != right) return fmt::format("{}: {} and {}", field, left.dump(), right.dump());
  }
  return std::nullopt;
}

}  // namespace

Result<Comparison> compare_runs(const std::string& a, const std::string& b) {
  PLANARIA_TRY(left, read_run(a));
  PLANARIA_TRY(right, read_run(b));
  Comparison comparison;
  comparison.first_difference = differing_step(left, right);
  if (!comparison.first_difference) comparison.first_difference = differing_ledger(left, right);
  if (!comparison.first_difference) comparison.first_difference = differing_result(left, right);
  comparison.equal = !comparison.first_difference.has_value();
  return comparison;
}

Result<void> export_weights(const std::string& run, const std::string& output) {
  PLANARIA_TRY(directory, open_run_directory(run));
  PLANARIA_TRY(result, result_of(directory));
  const std::string model = directory.file("model.safetensors");
  PLANARIA_TRY(hash, checkpoint::weights_hash_of_file(model));
  const Json expected = result.value("weights_xxh3_128", Json());
  if (expected != hash) {
    return Fault::corrupt(
        fmt::format("{}: its weights_xxh3_128 is {}, result.json says {}", model, hash,
                    expected.is_string() ? expected.get<std::string>() : expected.dump()));
  }
  // Beside the output first, so that a full disk leaves nothing half-written under its name.
  const std::string partial = output + ".partial";
  std::error_code error;
  std::filesystem::copy_file(model, partial, std::filesystem::copy_options::overwrite_existing,
                             error);
  if (!error) std::filesystem::rename(partial, output, error);
  if (error) {
    std::error_code ignored;
    std::filesystem::remove(partial, ignored);
    return Fault::invalid_input(fmt::format("{}: cannot be written: {}", output, error.message()));
  }
  return {};
}

}  // namespace planaria::host
