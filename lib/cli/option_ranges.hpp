// cli/option_ranges.hpp: which numbers an option takes. Private.
#pragma once

#include <cstdint>

#include <CLI/CLI.hpp>

namespace planaria::cli {

// Refuse what is no number, not finite or out of range: "Value nan not in range 0 to 60". The
// option's description says the range in words, so the validator adds nothing to it.
[[nodiscard]] CLI::Validator between(int low, int high);
[[nodiscard]] CLI::Validator between(std::int64_t low, std::int64_t high);
[[nodiscard]] CLI::Validator between(double low, double high);
/// A whole number from 0 to 2^64-1: a seed.
[[nodiscard]] CLI::Validator natural();

}  // namespace planaria::cli
