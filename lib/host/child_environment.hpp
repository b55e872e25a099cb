// host/child_environment.hpp (private): the variables by which a child learns what it is to do.
#pragma once

#include <string>
#include <vector>

#include "host/child_process.hpp"

namespace planaria::host {

/// Every variable of ours is set or taken away, so that a run inside a run starts afresh.
class ChildEnvironment {
 public:
  ChildEnvironment();
  /// Requires a variable of ours.
  ChildEnvironment& set(const char* name, const std::string& value);
  /// The others hear of a death when the kernel closes the sockets, after it has freed the memory:
  /// page by page that takes a hundredth of a second and more for a model of this machine's size,
  /// with large pages less than a tenth of it. Where glibc is not the allocator or the kernel has
  /// no large pages to give, nothing changes. A user's own word for it stands.
  ChildEnvironment& prefer_large_pages();
  [[nodiscard]] const std::vector<EnvironmentChange>& changes() const { return changes_; }

 private:
  std::vector<EnvironmentChange> changes_;
};

}  // namespace planaria::host
