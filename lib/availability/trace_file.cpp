// Reads the files and folders that hold traces.
#include <algorithm>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include <planaria/availability/trace_text.hpp>
#include <planaria/base/text.hpp>

namespace planaria {
namespace {

/// The folder's JSON files, by name.
Result<std::vector<std::string>> round_paths(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code failed;
  for (std::filesystem::directory_iterator entry(folder, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    if (entry->path().extension() == ".json") paths.push_back(entry->path().string());
    if (paths.size() > TraceLimits::rounds_max) {
      return Fault::invalid_input(fmt::format("{}: more than {} files, must be at most that",
                                              folder, TraceLimits::rounds_max));
    }
  }
  if (failed) {
    return Fault::unavailable(fmt::format("{}: cannot be read: {}", folder, failed.message()));
  }
  if (paths.empty()) {
    return Fault::invalid_input(
        fmt::format("{}: no file that ends in .json, must be one a round at least", folder));
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

Result<Trace> read_folder(const std::string& folder, const TraceReading& reading) {
  if (reading.form && *reading.form != TraceForm::probes) {
    return Fault::invalid_input(
        fmt::format("{}: a folder, must be a file for {}", folder, name_of(*reading.form)));
  }
  PLANARIA_TRY(paths, round_paths(folder));
  std::vector<RoundFile> files;
  std::size_t bytes = 0;
  for (const std::string& path : paths) {
    PLANARIA_TRY(text, read_file(path, TraceLimits::bytes_max - bytes));
    bytes += text.size();
    files.push_back({path, std::move(text)});
  }
  return trace_from_rounds(files, folder, reading);
}

}  // namespace

Result<Trace> read_trace(const std::string& path, const TraceReading& reading) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return read_folder(path, reading);
  PLANARIA_TRY(text, read_file(path, TraceLimits::bytes_max));
  return trace_from_text(text, path, reading);
}

}  // namespace planaria
