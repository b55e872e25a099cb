#include "host/screen.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace planaria::host {
namespace {

constexpr std::string_view erase_line = "\r\x1b[K";

// A closed or full stream must not stop the run that it tells of.
void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

Screen::Screen(const Options& options)
    : live_(options.live && ::isatty(STDERR_FILENO) == 1), out_is_taken_(options.out_is_taken) {}

Screen::~Screen() {
  live("");
}

int Screen::columns() const {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void Screen::line(Stream stream, const std::string& text) {
  const std::string kept = shown_;
  live("");
  const bool to_out = stream == Stream::out && !out_is_taken_;
  write_all(to_out ? STDOUT_FILENO : STDERR_FILENO, text + "\n");
  live(kept);
}

void Screen::live(const std::string& text) {
  if (!live_ || text == shown_) return;
  write_all(STDERR_FILENO, std::string(erase_line) + text);
  shown_ = text;
}

}  // namespace planaria::host
