// host/run_directory.hpp: the files a run leaves behind (FORMATS.md "Runs"). Floor 7.
// run.json, events.jsonl, ledger.jsonl, model.safetensors, timeline.json, result.json;
// workers/<id>.jsonl hold each worker's `computed` events until merge_worker_events().
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
};

/// Creates `path` and its folders; invalid_input where it holds a run already or is not a folder.
/// Never overwrites.
[[nodiscard]] Result<RunDirectory> create_run_directory(const std::string& path);
/// Opens an existing run; invalid_input names what is missing.
[[nodiscard]] Result<RunDirectory> open_run_directory(const std::string& path);
/// Takes a run's files away, and the folders in `made` that are then empty: bad input leaves
/// nothing behind that would block the same command. Files of others stay.
void remove_run_directory(const RunDirectory& directory);

/// Merges workers/*.jsonl into events.jsonl by time (stable), removes them, writes timeline.json,
/// and counts `redone_micro_batches` into result.json where there is one. Once the run has ended.
[[nodiscard]] Result<void> merge_worker_events(const RunDirectory& directory);

}  // namespace planaria::host
