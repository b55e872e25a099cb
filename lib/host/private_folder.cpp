#include "host/private_folder.hpp"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/host/launcher.hpp>

#include "host/descriptor.hpp"

namespace planaria::host {
namespace {

constexpr std::size_t secret_bytes = 32;
constexpr std::size_t secret_bytes_min = 16;
// sun_path holds 108 bytes with its end; names below the folder take up to 40.
constexpr std::size_t folder_path_max = 107 - 40;

}  // namespace

Result<PrivateFolder> PrivateFolder::create() {
  const char* chosen = std::getenv("TMPDIR");
  std::string parent = chosen == nullptr || *chosen == '\0' ? "/tmp" : chosen;
  std::string pattern = parent + "/planaria-XXXXXX";
  if (pattern.size() > folder_path_max) pattern = "/tmp/planaria-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) {
    return Fault::invalid_input(
        fmt::format("temporary folder {}: {}", pattern, std::strerror(errno)));
  }
  return PrivateFolder(pattern);
}

PrivateFolder::PrivateFolder(PrivateFolder&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

PrivateFolder& PrivateFolder::operator=(PrivateFolder&& other) noexcept {
  if (this != &other) {
    remove();
    path_ = std::exchange(other.path_, {});
  }
  return *this;
}

PrivateFolder::~PrivateFolder() {
  remove();
}

void PrivateFolder::remove() {
  std::error_code error;
  if (!path_.empty()) std::filesystem::remove_all(path_, error);
}

Result<void> write_fresh_secret(const std::string& path) {
  if (sodium_init() < 0) return Fault::unavailable("libsodium cannot be initialised");
  std::array<unsigned char, secret_bytes> secret{};
  randombytes_buf(secret.data(), secret.size());
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  const bool written = file.open() && ::write(file.get(), secret.data(), secret.size()) ==
                                          static_cast<ssize_t>(secret.size());
  const int reason = errno;
  sodium_memzero(secret.data(), secret.size());
  if (!written) return Fault::unavailable(fmt::format("{}: {}", path, std::strerror(reason)));
  return {};
}

Result<std::string> read_secret(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    return Fault::unavailable(fmt::format("secret file {}: {}", path, std::strerror(errno)));
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return Fault::invalid_input(
        fmt::format("secret file {}: others may use it (mode {:o}), must be its owner's alone "
                    "(chmod 600)",
                    path, status.st_mode & 0777U));
  }
  PLANARIA_TRY(secret, read_file(path));
  if (secret.size() < secret_bytes_min) {
    return Fault::invalid_input(fmt::format("secret file {}: {} bytes, must be at least {}", path,
                                            secret.size(), secret_bytes_min));
  }
  return secret;
}

}  // namespace planaria::host
