// transport/address.hpp (private): the text that says where to listen or connect. Pure.
#pragma once

#include <cstdint>
#include <string>

#include <planaria/base/result.hpp>

namespace planaria::transport {

enum class AddressFamily { unix_socket, tcp, in_process };

/// A read address. `name` is the path, the host (without brackets) or the endpoint's name.
struct Address {
  AddressFamily family = AddressFamily::tcp;
  std::string name;
  std::uint16_t port = 0;
  friend bool operator==(const Address&, const Address&) = default;
};

/// Reads "unix:/path", "tcp:host:port", "host:port", "tcp:[::1]:port" or "in-process:name".
/// invalid_input names the text and what is allowed. Port 0 is allowed: only connecting refuses it.
[[nodiscard]] Result<Address> parse_address(const std::string& text);
/// Writes what parse_address() reads, with the prefix.
[[nodiscard]] std::string text_of(const Address& address);

}  // namespace planaria::transport
