#include "cli/option_ranges.hpp"

#include <string>

#include <fmt/format.h>

namespace planaria::cli {

CLI::Validator between(int low, int high) {
  return CLI::Range(low, high).description("");
}

CLI::Validator between(std::int64_t low, std::int64_t high) {
  return CLI::Range(low, high).description("");
}

// CLI11's own lets through what is no number, and prints six decimals.
CLI::Validator between(double low, double high) {
  const auto refuse = [=](const std::string& text) -> std::string {
    double value = 0;
    const bool within = CLI::detail::lexical_cast(text, value) && value >= low && value <= high;
    return within ? "" : fmt::format("Value {} not in range {} to {}", text, low, high);
  };
  return CLI::Validator(refuse, "");
}

CLI::Validator natural() {
  const auto refuse = [](const std::string& text) -> std::string {
    std::uint64_t value = 0;
    const bool is_negative = !text.empty() && text.front() == '-';
    const bool within = !is_negative && CLI::detail::lexical_cast(text, value);
    return within ? "" : fmt::format("Value {} not in range 0 to {}", text, UINT64_MAX);
  };
  return CLI::Validator(refuse, "");
}

}  // namespace planaria::cli
