// A command, and a folder of the files that it is told of.
#pragma once

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/base/text.hpp>

#include "support/command.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::test {

class CommandStory {
 public:
  /// Returns the file's path.
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(file(name)) << text;
    return file(name);
  }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_.file(name); }
  [[nodiscard]] int files() const { return folder_.size(); }
  [[nodiscard]] CommandResult run(const std::vector<std::string>& more) const {
    std::vector<std::string> all = begin_;
    all.insert(all.end(), more.begin(), more.end());
    return run_command(all);
  }
  /// Runs what must be refused in a sentence, and returns that.
  [[nodiscard]] std::string refused(const std::vector<std::string>& more) const {
    const CommandResult ended = run(more);
    CHECK(ended.status == 2);
    CHECK(ended.out.empty());
    CHECK(lines_of(ended.err).size() == 1);
    return ended.err;
  }

 protected:
  /// Says how every command line begins, behind `planaria`.
  void begin(const std::vector<std::string>& words) {
    begin_ = {program("planaria")};
    begin_.insert(begin_.end(), words.begin(), words.end());
  }

 private:
  TemporaryFolder folder_;
  std::vector<std::string> begin_;
};

}  // namespace planaria::test
