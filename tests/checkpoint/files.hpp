// Whole files, on disk and in memory, for the tests of this module.
#pragma once

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include <sys/mman.h>
#include <unistd.h>

#include <planaria/base/check.hpp>

namespace planaria::test {

/// A file in memory under a name, for tests that write thousands of them: no disk to wait for.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("planaria", MFD_CLOEXEC)) {
    check(descriptor_ >= 0, "no file in memory");
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(descriptor_); }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }
  /// Makes `content` the whole of it.
  void write(std::string_view content) {
    check(::ftruncate(descriptor_, 0) == 0, "a file in memory cannot be emptied");
    const auto count = ::pwrite(descriptor_, content.data(), content.size(), 0);
    check_equal(count, static_cast<ssize_t>(content.size()), "bytes written");
  }

 private:
  int descriptor_;
};

inline std::string content_of(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline void write_content(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

}  // namespace planaria::test
