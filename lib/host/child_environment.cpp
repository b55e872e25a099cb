#include "host/child_environment.hpp"

#include <cstdlib>
#include <optional>

#include <planaria/base/check.hpp>
#include <planaria/host/fault_striker.hpp>
#include <planaria/host/faults.hpp>
#include <planaria/host/profile_launch.hpp>
#include <planaria/host/run_options.hpp>

namespace planaria::host {

ChildEnvironment::ChildEnvironment() {
  for (const char* name :
       {env_coordinator, env_secret_file, env_worker, env_run_dir, env_run_options, env_progress_fd,
        env_in_process, env_run_began_ms, env_faults, env_fault_bounds, env_profile}) {
    changes_.push_back({name, std::nullopt});
  }
}

ChildEnvironment& ChildEnvironment::set(const char* name, const std::string& value) {
  for (EnvironmentChange& change : changes_) {
    if (change.name != name) continue;
    change.value = value;
    return *this;
  }
  check_failed("a variable that no child knows", name);
}

ChildEnvironment& ChildEnvironment::prefer_large_pages() {
  constexpr const char* name = "GLIBC_TUNABLES";
  const std::string tunable = "glibc.malloc.hugetlb";
  const char* value = std::getenv(name);
  std::string tunables = value == nullptr ? "" : value;
  if (tunables.find(tunable) != std::string::npos) return *this;
  if (!tunables.empty()) tunables += ':';
  changes_.push_back({name, tunables + tunable + "=1"});
  return *this;
}

}  // namespace planaria::host
