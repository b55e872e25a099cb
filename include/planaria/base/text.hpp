// base/text.hpp: numbers as people read them, and files as text. Floor 0.
#pragma once

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
/// Reads a whole file; unavailable names the path and the system's reason.
[[nodiscard]] Result<std::string> read_file(const std::string& path);
/// Writes beside `path`, then renames: nothing half-written is seen; into a device or pipe as it
/// is.
[[nodiscard]] Result<void> write_file_atomically(const std::string& path, std::string_view content);

}  // namespace planaria
