#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include <planaria/base/text.hpp>

#include "cli/commands.hpp"

namespace planaria::cli {

int print_result(const std::string& text, const std::string& output) {
  if (output.empty()) {
    fmt::print("{}\n", text);
    return 0;
  }
  const auto written = write_file_atomically(output, text + "\n");
  return written.ok() ? 0 : failed(written.fault());
}

Result<void> check_writable(const std::string& output) {
  const auto refused = [&](int reason) {
    return Fault::invalid_input(
        fmt::format("{}: cannot be written: {}", output, std::strerror(reason)));
  };
  std::error_code error;
  if (output.empty()) return {};
  const auto status = std::filesystem::status(output, error);
  if (std::filesystem::is_directory(status)) return refused(EISDIR);
  if (std::filesystem::is_other(status)) return {};  // a device or pipe is not tried out
  // The file that write_file_atomically() begins with: what refuses that is all known now.
  const std::string partial = fmt::format("{}.{}.partial", output, ::getpid());
  const int descriptor = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return refused(errno);
  ::close(descriptor);
  ::unlink(partial.c_str());
  return {};
}

}  // namespace planaria::cli
