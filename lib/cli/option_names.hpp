// cli/option_names.hpp: a library's fields, told as the options that give them. Private.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <planaria/base/result.hpp>

namespace planaria::cli {

/// Where a sentence begins with one of `fields` and a colon, that becomes its option: "lane_size: "
/// "--lane-size: ".
[[nodiscard]] inline Fault as_option(Fault fault, const std::vector<std::string>& fields) {
  for (const std::string& field : fields) {
    if (!fault.sentence.starts_with(field + ": ")) continue;
    std::string option = "--" + field;
    std::ranges::replace(option, '_', '-');
    fault.sentence.replace(0, field.size(), option);
    break;
  }
  return fault;
}

}  // namespace planaria::cli
