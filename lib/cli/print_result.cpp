#include <fmt/format.h>

#include <planaria/base/text.hpp>

#include "cli/commands.hpp"

namespace planaria::cli {

int print_result(const std::string& text, const std::string& output) {
  if (output.empty()) {
    fmt::print("{}\n", text);
    return 0;
  }
  const auto written = write_file_atomically(output, text + "\n");
  return written.ok() ? 0 : failed(written.fault());
}

}  // namespace planaria::cli
