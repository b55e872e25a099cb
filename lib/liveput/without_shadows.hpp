// liveput/without_shadows.hpp: the layouts of policies that know no shadows. Private to liveput.
#pragma once

#include <algorithm>
#include <iterator>
#include <vector>

#include <planaria/liveput/prices.hpp>

namespace planaria {

[[nodiscard]] inline std::vector<MeasuredLayout> without_shadows(const PriceModel& prices) {
  std::vector<MeasuredLayout> plain;
  std::ranges::copy_if(prices.layouts(), std::back_inserter(plain),
                       [](const MeasuredLayout& one) { return one.layout.shadows == 0; });
  return plain;
}

}  // namespace planaria
