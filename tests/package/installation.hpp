// tests/package/installation.hpp: this build installed into a prefix of its own, and strangers'
// projects built against it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "support/command.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::test {

/// A folder with an empty HOME in which a stranger works.
class Stranger {
 public:
  Stranger();
  /// Runs `words` with that HOME; a name without a slash is looked up in PATH.
  [[nodiscard]] CommandResult run(const std::vector<std::string>& words) const;
  /// Configures and builds `source` into `build`, two compilers at most, and requires that it
  /// works. Returns what the configuration printed.
  std::string build(const std::string& source, const std::string& build,
                    const std::vector<std::string>& options,
                    const std::vector<std::string>& targets = {}) const;
  /// Configures only.
  [[nodiscard]] CommandResult configure(const std::string& source, const std::string& build,
                                        const std::vector<std::string>& options) const;
  [[nodiscard]] std::string file(const std::string& name) const { return folder_.file(name); }

 private:
  TemporaryFolder folder_;
  std::map<std::string, std::string> environment_;
};

/// Installs the build, then moves the prefix: what is installed must not know where it lies.
/// Returns the prefix.
[[nodiscard]] std::string install_and_move(const Stranger& stranger);

/// Returns the path of a folder below tests/package.
[[nodiscard]] std::string outside(const std::string& name);
/// Returns an environment variable that ctest sets.
[[nodiscard]] std::string from_ctest(const std::string& name);
/// Returns the text on one line, spaces single: CMake breaks its messages where it likes.
[[nodiscard]] std::string unwrapped(const std::string& text);

}  // namespace planaria::test
