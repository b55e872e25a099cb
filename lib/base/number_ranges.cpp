#include <planaria/base/number_ranges.hpp>

#include <cstddef>

#include <fmt/format.h>

namespace planaria {

std::string range_text(int first, int last) {
  return first == last ? fmt::to_string(first) : fmt::format("{}-{}", first, last);
}

std::vector<std::string> range_texts(const std::vector<int>& numbers) {
  std::vector<std::string> ranges;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    ranges.push_back(range_text(numbers[i], numbers[last]));
    i = last + 1;
  }
  return ranges;
}

}  // namespace planaria
