// The published records and settings that lie beside the source, where they do.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace planaria::test {

/// Returns the path of a folder of published data: in PLANARIA_SHARED, else in ../shared of the
/// source (of this folder, where PLANARIA_SOURCE does not say which). Nothing where it is not: that
/// is told in the word by which a program counts as skipped.
inline std::optional<std::string> shared_folder(const std::string& name) {
  const char* const shared = std::getenv("PLANARIA_SHARED");
  const char* const source = std::getenv("PLANARIA_SOURCE");
  const std::filesystem::path beside =
      source == nullptr ? std::filesystem::path("..") : std::filesystem::path(source).parent_path();
  const auto folder =
      (shared == nullptr ? beside / "shared" : std::filesystem::path(shared)) / name;
  if (std::filesystem::is_directory(folder)) return folder.string();
  std::printf("SKIPPED: %s is not there; PLANARIA_SHARED names the folder it is in\n",
              folder.c_str());
  return std::nullopt;
}

}  // namespace planaria::test
