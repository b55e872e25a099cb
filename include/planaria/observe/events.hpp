// observe/events.hpp: what happened, one JSON object a line. Floor 1.
// Is: the event record and an append-only file of them. Is not: a log for prose.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <planaria/base/clock.hpp>
#include <planaria/base/ids.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>

namespace planaria {

/// An event of FORMATS.md "Runs": time, view, step, name, and fields of its own.
struct Event {
  Instant at;
  ViewNumber view;
  Step step;
  std::string name;  // "step_committed", "worker_joined", ...
  Json fields = Json::object();
};

/// Returns {"t_ms":…,"view":…,"step":…,"event":…, fields…}; non-finite numbers become null.
/// A field named like one of the four gives way to it.
[[nodiscard]] Json to_json(const Event& event);

/// A file of JSON lines. Each line is one write(2) with O_APPEND, so a killed process leaves whole
/// lines but for the last. One thread.
class JsonLines {
 public:
  /// Creates or appends to `path`; unavailable names it. A torn last line is dropped first.
  [[nodiscard]] static Result<JsonLines> open(const std::string& path);
  JsonLines(JsonLines&&) noexcept;
  JsonLines& operator=(JsonLines&&) noexcept;
  ~JsonLines();
  /// Writes one line; exhausted where the disk is full.
  [[nodiscard]] Result<void> write(const Json& line);
  /// The same for a line already formatted, or several, without the last newline: the hot path of
  /// `computed`.
  [[nodiscard]] Result<void> write_text(std::string_view line);

 private:
  explicit JsonLines(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

/// Reads a whole file of JSON lines; a torn last line, one without its newline, is dropped. A line
/// that is not an object is invalid_input naming file and line; an unreadable file is unavailable.
[[nodiscard]] Result<std::vector<Json>> read_json_lines(const std::string& path);

}  // namespace planaria
