// cli/simulate_looks.hpp: style sheet and script of the page of policies. Private, pure.
// Is: two constant texts that may stand in XML as they are: no < and no &. Is not: what the page
// says (simulate_report.hpp).
#pragma once

#include <cstddef>
#include <string>

namespace planaria::cli {

/// As many policies look different.
inline constexpr std::size_t policy_looks = 18;
/// From shallow to deep.
inline constexpr std::size_t depth_looks = 9;

/// Returns the style sheet, for light and dark.
[[nodiscard]] std::string simulate_page_style();

/// Returns the script that shows the figures of the interval under the pointer.
[[nodiscard]] std::string simulate_page_script();

}  // namespace planaria::cli
