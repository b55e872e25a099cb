#include <planaria/base/check.hpp>

#include <cstdio>
#include <cstdlib>

namespace planaria {

void check_failed(std::string_view what, std::string_view detail) {
  std::fflush(stdout);
  std::fprintf(stderr, "planaria: broken invariant: %.*s%s%.*s\n", static_cast<int>(what.size()),
               what.data(), detail.empty() ? "" : ": ", static_cast<int>(detail.size()),
               detail.data());
  std::fflush(stderr);
  std::abort();
}

}  // namespace planaria
