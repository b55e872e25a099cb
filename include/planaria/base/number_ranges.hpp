// base/number_ranges.hpp: whole numbers that follow each other, as people read them. Floor 0.
#pragma once

#include <string>
#include <vector>

namespace planaria {

/// Returns "3-7", or "3" where there is one number.
[[nodiscard]] std::string range_text(int first, int last);
/// Returns "0-3", "7" of 0, 1, 2, 3, 7: numbers that follow each other together, in the order
/// given.
[[nodiscard]] std::vector<std::string> range_texts(const std::vector<int>& numbers);

}  // namespace planaria
