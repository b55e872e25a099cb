// host/run_record.hpp (private): what a run writes about itself, as JSON (docs/formats.md). Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include <planaria/base/json.hpp>
#include <planaria/host/run_options.hpp>
#include <planaria/model/run_spec.hpp>
#include <planaria/model/sample_order.hpp>
#include <planaria/protocol/coordinator.hpp>

namespace planaria::host {

/// run.json: what was asked, and the first worker's spec, which binds.
[[nodiscard]] Json run_json(const RunOptions& options, const RunSpec& spec);

/// The fields of the event run_started.
[[nodiscard]] Json started_json(const protocol::CoordinatorState& state);
/// A line of ledger.jsonl. The sample ids are derived again from the spec, not taken from a worker.
[[nodiscard]] Json ledger_json(const SampleOrder& order, const protocol::LedgerLine& line);

/// What result.json is made of besides the coordinator's state.
struct RunFigures {
  std::string weights_hex;
  std::string state_hex;
  bool holders_agree = true;
  std::map<WorkerId, std::int64_t> peak_resident_bytes;  // idle workers' too
  double training_ms = 0;  // from the first step's beginning to the last commit
};
[[nodiscard]] Json result_json(const protocol::CoordinatorState& state, const RunFigures& figures);

}  // namespace planaria::host
