// base/check.hpp: broken invariants end the process, with both operands printed. Floor 0, pure.
// Is: for what the code itself promised. Is not: for input, peers or disks (result.hpp).
#pragma once

#include <string_view>

#include <fmt/format.h>

namespace planaria {

/// Prints `what` and `detail` with the stack's hint to stderr and aborts.
[[noreturn]] void check_failed(std::string_view what, std::string_view detail);

/// Aborts with `what` unless `condition` holds. Active in every build: a wrong bit costs more.
inline void check(bool condition, std::string_view what) {
  if (!condition) [[unlikely]]
    check_failed(what, "");
}

/// Aborts unless `left == right`, printing both: check_equal(shadow.level, committed.level, "...").
template <class Left, class Right>
void check_equal(const Left& left, const Right& right, std::string_view what) {
  if (!(left == right)) [[unlikely]] {
    if constexpr (requires {
                    left.value;
                    right.value;
                  }) {
      check_failed(what, fmt::format("{} != {}", left.value, right.value));
    } else {
      check_failed(what, fmt::format("{} != {}", left, right));
    }
  }
}

}  // namespace planaria
