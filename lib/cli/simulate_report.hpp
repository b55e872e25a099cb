// cli/simulate_report.hpp: what policies earn, as a page. Private, pure.
// Is: one self-contained HTML file, well-formed XML too: the table that the command prints, charts
// over time, and why each decision that changed something was made. Same input, same bytes. Is not:
// the file's way to disk (simulate_command.cpp).
#pragma once

#include <string>
#include <vector>

#include "cli/simulate_answers.hpp"

namespace planaria::cli {

/// The files that were read; the page tells their names without folders.
struct ReportSources {
  std::string prices;  // the setting or the profile
  std::vector<std::string> traces;
};

/// Returns the page. What is drawn stands in it as numbers too, as the script of the element
/// "data", from which the pointer's figures come. About 60 bytes for each policy in each interval,
/// and 300 for each change. O(intervals x (layouts + policies)).
[[nodiscard]] std::string simulate_page(const Question& question,
                                        const std::vector<Answer>& answers,
                                        const ReportSources& sources);

}  // namespace planaria::cli
