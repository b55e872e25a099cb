#include <planaria/base/text.hpp>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace planaria {

std::string text_of_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  static constexpr const char* units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024.0;
  int unit = 0;
  while (value >= 1024.0 && unit < 5) {
    value /= 1024.0;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, units[unit]);
}

std::string text_of_duration_ms(double milliseconds) {
  if (milliseconds < 1000) return fmt::format("{:.0f} ms", milliseconds);
  const auto seconds = static_cast<std::int64_t>(std::llround(milliseconds / 1000.0));
  if (milliseconds < 10000) return fmt::format("{:.1f} s", milliseconds / 1000.0);
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
}

std::string counted(std::int64_t count, const std::string& thing, const char* plural) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : plural);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  if (text.empty()) return parts;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = text.find(separator, begin);
    parts.emplace_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

Result<std::string> read_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return Fault::unavailable(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  }
  std::string content;
  char block[65536];
  while (true) {
    const ssize_t count = ::read(descriptor, block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      const int reason = errno;
      ::close(descriptor);
      return Fault::unavailable(fmt::format("{}: cannot be read: {}", path, std::strerror(reason)));
    }
    if (count == 0) break;
    content.append(block, static_cast<std::size_t>(count));
  }
  ::close(descriptor);
  return content;
}

namespace {

// Writes all of it; returns the system's reason, or 0.
int write_all(int descriptor, std::string_view content) {
  while (!content.empty()) {
    const ssize_t count = ::write(descriptor, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    content.remove_prefix(static_cast<std::size_t>(count));
  }
  return 0;
}

Result<void> not_written(const std::string& path, int reason) {
  return Fault::unavailable(fmt::format("{}: cannot be written: {}", path, std::strerror(reason)));
}

// A device, a pipe, or what stands for an open file, as /dev/stdout does: a rename would put a file
// in its place, as root for the whole machine.
bool is_written_into(const std::string& path) {
  if (path.starts_with("/dev/") || path.starts_with("/proc/")) return true;
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
}

Result<void> write_through(const std::string& path, std::string_view content) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor < 0) return not_written(path, errno);
  const int reason = write_all(descriptor, content);
  ::close(descriptor);
  if (reason != 0) return not_written(path, reason);
  return {};
}

}  // namespace

Result<void> write_file_atomically(const std::string& path, std::string_view content) {
  if (is_written_into(path)) return write_through(path, content);
  const std::string partial = fmt::format("{}.{}.partial", path, ::getpid());
  const auto failed = [&](int reason) -> Result<void> {
    ::unlink(partial.c_str());
    return not_written(path, reason);
  };
  const int descriptor = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) return failed(errno);
  if (const int reason = write_all(descriptor, content); reason != 0) {
    ::close(descriptor);
    return failed(reason);
  }
  if (::fsync(descriptor) != 0 || ::close(descriptor) != 0) return failed(errno);
  if (::rename(partial.c_str(), path.c_str()) != 0) return failed(errno);
  return {};
}

}  // namespace planaria
