#include <planaria/base/json_lists.hpp>

#include <fmt/format.h>

namespace planaria {

Result<void> check_count(const Json& list, int most, const std::string& source,
                         const std::string& what) {
  if (list.empty()) {
    return Fault::invalid_input(fmt::format("{}: {}: none, must be at least 1", source, what));
  }
  if (list.size() <= static_cast<std::size_t>(most)) return {};
  return Fault::invalid_input(
      fmt::format("{}: {}: {}, must be at most {}", source, what, list.size(), most));
}

}  // namespace planaria
