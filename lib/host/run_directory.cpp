#include <planaria/host/run_directory.hpp>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

namespace planaria::host {
namespace fs = std::filesystem;
namespace {

// Whatever of these a folder holds belongs to a run.
constexpr const char* run_files[] = {"run.json",    "events.jsonl",      "ledger.jsonl",
                                     "result.json", "model.safetensors", "timeline.json"};

Fault cannot_create(const std::string& path, const std::string& why) {
  return Fault::invalid_input(fmt::format("run directory {}: cannot be created: {}", path, why));
}

}  // namespace

std::string RunDirectory::worker_events(int worker) const {
  return fmt::format("{}/workers/{}.jsonl", path, worker);
}
std::string RunDirectory::worker_phase(int worker) const {
  return fmt::format("{}/workers/{}.phase", path, worker);
}
std::string RunDirectory::struck_order(const std::string& order) const {
  return fmt::format("{}/workers/{}.struck", path, order);
}
std::string RunDirectory::launcher_events() const {
  return path + "/workers/launcher.jsonl";
}

Result<RunDirectory> create_run_directory(const std::string& path) {
  if (path.empty()) return Fault::invalid_input("run directory: empty, must name a folder");
  std::error_code error;
  const auto status = fs::status(path, error);
  if (fs::exists(status)) {
    if (!fs::is_directory(status)) {
      return Fault::invalid_input(fmt::format("run directory {}: is not a folder", path));
    }
    for (const char* name : run_files) {
      if (fs::exists(fs::path(path) / name, error)) {
        return Fault::invalid_input(
            fmt::format("run directory {} holds a run already ({}); name another", path, name));
      }
    }
  }
  RunDirectory directory{.path = path, .made = {}};
  fs::path so_far;
  for (const fs::path& part : fs::path(path) / "workers") {
    so_far /= part;
    if (part.empty() || fs::is_directory(so_far, error)) continue;
    if (!fs::create_directory(so_far, error) || error) {
      remove_run_directory(directory);
      return cannot_create(path, error ? error.message() : so_far.string() + " is in the way");
    }
    directory.made.push_back(so_far.string());
  }
  return directory;
}

Result<RunDirectory> open_run_directory(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    return Fault::invalid_input(fmt::format("run directory {}: no such folder", path));
  }
  RunDirectory directory{.path = path, .made = {}};
  for (const char* name : {"run.json", "events.jsonl"}) {
    if (!fs::exists(directory.file(name), error)) {
      return Fault::invalid_input(fmt::format("run directory {}: holds no {}", path, name));
    }
  }
  return directory;
}

void remove_run_directory(const RunDirectory& directory) {
  std::error_code error;
  for (const char* name : run_files) {
    fs::remove(directory.file(name), error);
    fs::remove(directory.file(std::string(name) + ".partial"), error);
  }
  fs::remove_all(directory.file("workers"), error);
  for (auto made = directory.made.rbegin(); made != directory.made.rend(); ++made) {
    fs::remove(*made, error);  // fails where somebody else's files are, and so it should
  }
}

}  // namespace planaria::host
