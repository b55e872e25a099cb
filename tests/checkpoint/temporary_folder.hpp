// tests/checkpoint/temporary_folder.hpp: a folder that goes with the test.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include <planaria/base/check.hpp>

namespace planaria::testing {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "planaria_XXXXXX").string();
    check(::mkdtemp(pattern.data()) != nullptr, "no temporary folder");
    path_ = pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

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

}  // namespace planaria::testing
