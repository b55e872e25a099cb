#include "availability/clock_time.hpp"

#include <array>

#include "availability/trace_rows.hpp"

namespace planaria {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t day_ms = 86'400'000;

/// Exactly so many digits, from low to high.
std::optional<std::int64_t> digits(std::string_view text, std::size_t count, std::int64_t low,
                                   std::int64_t high) {
  if (text.size() != count) return std::nullopt;
  const auto value = whole_from(text, high);
  return value && *value >= low ? value : std::nullopt;
}

bool is_leap(std::int64_t year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

std::optional<std::int64_t> day_of(std::string_view date) {
  if (date.size() != 10 || date[4] != '-' || date[7] != '-') return std::nullopt;
  const auto year = digits(date.substr(0, 4), 4, 1970, 9999);
  const auto month = digits(date.substr(5, 2), 2, 1, 12);
  const auto day = digits(date.substr(8, 2), 2, 1, 31);
  if (!year || !month || !day) return std::nullopt;
  std::array<int, 12> days{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (is_leap(*year)) days[1] = 29;
  if (*day > days[static_cast<std::size_t>(*month - 1)]) return std::nullopt;
  const std::int64_t past = *year - 1;
  std::int64_t total = 365 * (*year - 1970) + (past / 4 - past / 100 + past / 400) -
                       (1969 / 4 - 1969 / 100 + 1969 / 400);
  for (std::int64_t m = 1; m < *month; ++m) total += days[static_cast<std::size_t>(m - 1)];
  return total + *day - 1;
}

std::optional<std::int64_t> time_of_day(std::string_view time) {
  if (time.size() != 8 || time[2] != ':' || time[5] != ':') return std::nullopt;
  const auto hour = digits(time.substr(0, 2), 2, 0, 23);
  const auto minute = digits(time.substr(3, 2), 2, 0, 59);
  const auto second = digits(time.substr(6, 2), 2, 0, 60);  // 60: a leap second
  if (!hour || !minute || !second) return std::nullopt;
  return ((*hour * 60 + *minute) * 60 + *second) * 1000;
}

std::optional<std::int64_t> offset_ms(std::string_view text) {
  if (text == "Z") return 0;
  if (text.size() < 5 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const bool has_colon = text[3] == ':';
  const auto hours = digits(text.substr(1, 2), 2, 0, 23);
  const auto minutes = digits(text.substr(has_colon ? 4 : 3), 2, 0, 59);
  if (!hours || !minutes) return std::nullopt;
  return (*hours * 60 + *minutes) * (text[0] == '-' ? -minute_ms : minute_ms);
}

}  // namespace

std::optional<std::int64_t> clock_ms(std::string_view date, std::string_view time) {
  const auto day = day_of(date);
  const auto within = time_of_day(time);
  if (!day || !within) return std::nullopt;
  return *day * day_ms + *within;
}

std::optional<std::int64_t> iso_ms(std::string_view text) {
  if (text.size() < 20 || (text[10] != 'T' && text[10] != ' ')) return std::nullopt;
  const auto whole = clock_ms(text.substr(0, 10), text.substr(11, 8));
  const std::size_t zone = text.find_first_of("Z+-", 19);
  if (!whole || zone == std::string_view::npos) return std::nullopt;
  const auto offset = offset_ms(text.substr(zone));
  std::optional<std::int64_t> fraction_ms = 0;
  if (zone > 19) {
    const std::string_view fraction = text.substr(19, zone - 19);
    if (fraction[0] != '.' || fraction.size() < 2) return std::nullopt;
    const std::string_view digits_of_it = fraction.substr(1);
    if (digits_of_it.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    std::int64_t ms = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      ms = 10 * ms + (i < digits_of_it.size() ? digits_of_it[i] - '0' : 0);
    }
    fraction_ms = ms;
  }
  if (!offset) return std::nullopt;
  return *whole + *fraction_ms - *offset;
}

}  // namespace planaria
