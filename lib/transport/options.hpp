// transport/options.hpp (private): what both transports ask of their options. Pure.
#pragma once

#include <planaria/transport/transport.hpp>

namespace planaria::transport {

/// Returns the first field that is out of bounds as invalid_input. Never shows the secret.
[[nodiscard]] Result<void> check_options(const TransportOptions& options);

}  // namespace planaria::transport
