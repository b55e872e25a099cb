// availability/clock_time.hpp: dates and times of day as milliseconds. Private.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace planaria {

/// Returns the milliseconds from 1970 to "2031-01-02" and "03:04:05", as if in UTC; nothing where
/// they are none.
[[nodiscard]] std::optional<std::int64_t> clock_ms(std::string_view date, std::string_view time);
/// The same of ISO 8601 with an offset: "2031-01-02T03:04:05.123+01:00", "…Z".
[[nodiscard]] std::optional<std::int64_t> iso_ms(std::string_view text);

}  // namespace planaria
