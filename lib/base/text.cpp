#include <planaria/base/text.hpp>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
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

std::size_t character_bytes(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  std::uint32_t code = first & (0xffU >> (length + 1));
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xc0) != 0x80) return 0;
    code = (code << 6) | (byte(at) & 0x3fU);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return overlong || surrogate || code > 0x10ffff ? 0 : length;
}

namespace {

// Of one byte, or of two for the other control characters, which terminals obey too.
bool is_control(std::string_view character) {
  const auto first = static_cast<std::uint8_t>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  return first == 0xc2 && static_cast<std::uint8_t>(character[1]) < 0xa0;
}

}  // namespace

std::string printable(std::string_view text, std::size_t bytes_max) {
  std::string shown;
  while (!text.empty()) {
    if (shown.size() >= bytes_max) return shown + "…";
    const std::size_t length = character_bytes(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    if (length > 0 && !is_control(character)) {
      shown += character;
    } else {
      for (const char c : character) {
        shown += fmt::format("\\x{:02x}", static_cast<std::uint8_t>(c));
      }
    }
    text.remove_prefix(character.size());
  }
  return shown;
}

Result<std::string> read_file(const std::string& path) {
  return read_file(path, std::numeric_limits<std::size_t>::max());
}

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return Fault::unavailable(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  }
  std::string content;
  char block[65536];
  while (content.size() <= bytes_max) {
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
  if (content.size() <= bytes_max) return content;
  return Fault::invalid_input(
      fmt::format("{}: more than {} bytes, must be at most that", path, bytes_max));
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
