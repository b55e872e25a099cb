// host/output_file.hpp (private): the file that -o names.
#pragma once

#include <string>

#include <planaria/base/result.hpp>

namespace planaria::host {

/// A file that cannot be written is better refused before the work than after it: invalid_input
/// unless `output` is empty or lies in a folder that exists.
[[nodiscard]] Result<void> check_output(const std::string& output);

}  // namespace planaria::host
