// cli/simulate_charts.hpp: what policies did, over time, as charts of a page. Private, pure.
// Is: sections of HTML with drawings that stretch to the window's width, while their words keep
// their size. Is not: the page around them and its style sheet (simulate_report.hpp,
// simulate_looks.hpp).
#pragma once

#include <string>
#include <vector>

#include "cli/simulate_answers.hpp"

namespace planaria::cli {

/// Returns the sections: machines, layouts, samples, what is missing to the ideal, standing still.
/// `ideal` is what could be earned in each interval.
[[nodiscard]] std::string simulate_charts(const Question& question,
                                          const std::vector<Answer>& answers,
                                          const std::vector<double>& ideal);

/// Returns the class that gives the policy at that place its colour and its dashes: "p0", ...
[[nodiscard]] std::string policy_class(std::size_t policy);

/// Returns a moment of the record: "7:05:00", "0:00:01.5".
[[nodiscard]] std::string clock_text(double at_ms);

}  // namespace planaria::cli
