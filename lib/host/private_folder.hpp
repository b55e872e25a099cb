// host/private_folder.hpp (private): where a run keeps its sockets and its secret while it lives.
#pragma once

#include <string>

#include <planaria/base/result.hpp>

namespace planaria::host {

/// A folder that only this user may enter, removed with all that is in it.
class PrivateFolder {
 public:
  /// Makes one below TMPDIR, or below /tmp where a socket's path (at most 107 bytes) would not fit.
  [[nodiscard]] static Result<PrivateFolder> create();
  PrivateFolder(PrivateFolder&& other) noexcept;
  PrivateFolder& operator=(PrivateFolder&& other) noexcept;
  ~PrivateFolder();
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  explicit PrivateFolder(std::string path) : path_(std::move(path)) {}
  void remove();
  std::string path_;
};

/// Writes 32 fresh random bytes into a new file that only this user may read.
[[nodiscard]] Result<void> write_fresh_secret(const std::string& path);

}  // namespace planaria::host
