// host/run_directory.hpp: the files a run leaves behind (FORMATS.md "Runs"). Floor 7.
// run.json, events.jsonl, ledger.jsonl, model.safetensors, timeline.json, result.json;
// workers/<id>.jsonl hold each worker's own events, and workers/launcher.jsonl the launcher's,
// until merge_worker_events().
#pragma once

#include <string>
#include <vector>

#include <planaria/base/result.hpp>

namespace planaria::host {

struct RunDirectory {
  std::string path;
  /// The folders that create_run_directory() made, outermost first: what remove_run_directory() may
  /// take away again.
  std::vector<std::string> made;
  [[nodiscard]] std::string file(const std::string& name) const { return path + "/" + name; }
  [[nodiscard]] std::string worker_events(int worker) const;
  /// Where a worker stands, one page (FaultStriker), in runs with faults on purpose.
  [[nodiscard]] std::string worker_phase(int worker) const;
  /// Is there once a worker has carried out that order of `--faults`, of those that name nobody.
  [[nodiscard]] std::string struck_order(const std::string& order) const;
  /// What the launcher itself did to the run's workers.
  [[nodiscard]] std::string launcher_events() const;
};

/// Creates `path` and its folders; invalid_input where it holds a run already or is not a folder.
/// Never overwrites.
[[nodiscard]] Result<RunDirectory> create_run_directory(const std::string& path);
/// Opens an existing run; invalid_input names what is missing.
[[nodiscard]] Result<RunDirectory> open_run_directory(const std::string& path);
/// Takes a run's files away, and the folders in `made` that are then empty: bad input leaves
/// nothing behind that would block the same command. Files of others stay.
void remove_run_directory(const RunDirectory& directory);

/// Merges workers/*.jsonl into events.jsonl by time (stable), removes the folder, writes
/// timeline.json, and writes into result.json, where there is one, what the merged events add up
/// to: `redone_micro_batches`, `workers_lost`, `recoveries`, `joins`, `lost_step_ms`. Once the run
/// has ended.
[[nodiscard]] Result<void> merge_worker_events(const RunDirectory& directory);

}  // namespace planaria::host
