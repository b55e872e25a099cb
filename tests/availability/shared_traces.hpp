// The published traces that lie beside the source, where they do.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace planaria::test {

/// Returns the folder of published traces: that of PLANARIA_SHARED, else ../shared of the source;
/// empty where there is none.
inline std::string shared_traces_folder() {
  const char* const shared = std::getenv("PLANARIA_SHARED");
  const char* const source = std::getenv("PLANARIA_SOURCE");
  std::filesystem::path folder;
  if (shared != nullptr) {
    folder = shared;
  } else if (source != nullptr) {
    folder = std::filesystem::path(source).parent_path() / "shared";
  }
  folder /= "traces";
  return std::filesystem::is_directory(folder) ? folder.string() : "";
}

}  // namespace planaria::test
