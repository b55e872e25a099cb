// base/text.hpp: numbers as people read them, and files as text. Floor 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <planaria/base/result.hpp>

namespace planaria {

/// Returns e.g. "16.2 MiB", "512 B".
[[nodiscard]] std::string text_of_bytes(std::uint64_t bytes);
/// Returns e.g. "3 min 20 s", "412 ms".
[[nodiscard]] std::string text_of_duration_ms(double milliseconds);
/// Returns e.g. "1 layer", "3 layers".
[[nodiscard]] std::string counted(std::int64_t count, const std::string& thing,
                                  const char* plural = "s");
/// Splits at every `separator`; an empty text gives no parts.
[[nodiscard]] std::vector<std::string> split(std::string_view text, char separator);
/// Joins with `separator` between.
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);
/// Returns how many bytes the UTF-8 character at the front takes; 0 where there is none.
[[nodiscard]] std::size_t character_bytes(std::string_view text);
/// Returns a text from outside as a sentence may show it: on one line, in UTF-8, of about
/// `bytes_max` bytes. Control characters and bytes that are no UTF-8 become "\x1b", what is cut off
/// "…".
[[nodiscard]] std::string printable(std::string_view text, std::size_t bytes_max = 60);
/// Reads a whole file; unavailable names the path and the system's reason.
[[nodiscard]] Result<std::string> read_file(const std::string& path);
/// The same for one of at most `bytes_max` bytes; invalid_input where it is longer, which no more
/// than that is read of.
[[nodiscard]] Result<std::string> read_file(const std::string& path, std::size_t bytes_max);
/// Writes beside `path`, then renames: nothing half-written is seen; into a device or pipe as it
/// is.
[[nodiscard]] Result<void> write_file_atomically(const std::string& path, std::string_view content);

}  // namespace planaria
