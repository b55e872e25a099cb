#include "host/output_file.hpp"

#include <filesystem>
#include <system_error>

#include <fmt/format.h>

namespace planaria::host {

Result<void> check_output(const std::string& output) {
  std::error_code error;
  if (output.empty()) return {};
  const std::filesystem::path folder = std::filesystem::path(output).parent_path();
  if (std::filesystem::is_directory(folder.empty() ? "." : folder, error)) return {};
  return Fault::invalid_input(fmt::format("-o: {}, must lie in a folder that exists", output));
}

}  // namespace planaria::host
