#include <transport/options.hpp>

#include <fmt/format.h>

namespace planaria::transport {

Result<void> check_options(const TransportOptions& options) {
  constexpr std::size_t secret_bytes_min = 16;
  constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;
  constexpr std::uint64_t tebibyte = std::uint64_t{1} << 40;
  if (options.secret.size() < secret_bytes_min) {
    return Fault::invalid_input(fmt::format("secret: has {} bytes, must have at least {}",
                                            options.secret.size(), secret_bytes_min));
  }
  if (options.frame_bytes_max < mebibyte || options.frame_bytes_max > tebibyte) {
    return Fault::invalid_input(fmt::format("frame_bytes_max: {}, must be from {} to {}",
                                            options.frame_bytes_max, mebibyte, tebibyte));
  }
  if (!(options.handshake_ms_max >= 100 && options.handshake_ms_max <= 60000)) {
    return Fault::invalid_input(
        fmt::format("handshake_ms_max: {}, must be from 100 to 60000", options.handshake_ms_max));
  }
  return {};
}

}  // namespace planaria::transport
