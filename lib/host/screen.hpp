// host/screen.hpp (private): lines and one live line, on a terminal or not.
#pragma once

#include <string>

#include "host/worker_output.hpp"

namespace planaria::host {

/// Writes to this process's stdout and stderr at once, unbuffered. On a terminal the live line
/// stays below all others. One thread.
class Screen {
 public:
  struct Options {
    bool live = true;           // draw the live line, where stderr is a terminal
    bool out_is_taken = false;  // stdout is for one JSON object: lines for it go to stderr
  };
  explicit Screen(const Options& options);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  [[nodiscard]] bool has_live_line() const { return live_; }
  /// Returns the terminal's width, or 0 where there is none.
  [[nodiscard]] int columns() const;
  void line(Stream stream, const std::string& text);
  /// Replaces the live line; an empty text takes it away.
  void live(const std::string& text);

 private:
  bool live_ = false;
  bool out_is_taken_ = false;
  std::string shown_;
};

}  // namespace planaria::host
