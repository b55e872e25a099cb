#include <transport/address.hpp>

#include <charconv>

#include <sys/un.h>

#include <fmt/format.h>

namespace planaria::transport {
namespace {

Fault unreadable(const std::string& text, const std::string& why) {
  return Fault::invalid_input(fmt::format(
      "address \"{}\": {}; allowed are unix:PATH, tcp:HOST:PORT, HOST:PORT and in-process:NAME",
      text, why));
}

Result<Address> parse_unix(const std::string& text, const std::string& path) {
  constexpr std::size_t longest = sizeof(sockaddr_un::sun_path) - 1;
  if (path.empty()) return unreadable(text, "the path is empty");
  if (path.find('\0') != std::string::npos) return unreadable(text, "the path holds a zero byte");
  if (path.size() > longest) {
    return unreadable(text, fmt::format("the path has {} bytes, a Unix socket's may have {}",
                                        path.size(), longest));
  }
  return Address{AddressFamily::unix_socket, path, 0};
}

Result<Address> parse_tcp(const std::string& text, const std::string& rest) {
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string::npos) return unreadable(text, "the port is missing");
  std::string host = rest.substr(0, colon);
  const std::string port_text = rest.substr(colon + 1);
  unsigned port = 0;
  const char* end = port_text.data() + port_text.size();
  const auto [stopped, error] = std::from_chars(port_text.data(), end, port);
  if (error != std::errc() || stopped != end || port > 65535) {
    return unreadable(text, fmt::format("port \"{}\" is no number from 0 to 65535", port_text));
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]") != std::string::npos) {
    return unreadable(text, "an IPv6 host stands in brackets, as in [::1]:7000");
  }
  if (host.empty()) return unreadable(text, "the host is empty");
  return Address{AddressFamily::tcp, host, static_cast<std::uint16_t>(port)};
}

}  // namespace

Result<Address> parse_address(const std::string& text) {
  const auto after = [&](const char* prefix) -> std::optional<std::string> {
    const std::string_view start(prefix);
    if (!text.starts_with(start)) return std::nullopt;
    return text.substr(start.size());
  };
  if (const auto path = after("unix:")) return parse_unix(text, *path);
  if (const auto name = after("in-process:")) {
    if (name->empty()) return unreadable(text, "the name is empty");
    return Address{AddressFamily::in_process, *name, 0};
  }
  if (const auto rest = after("tcp:")) return parse_tcp(text, *rest);
  return parse_tcp(text, text);
}

std::string text_of(const Address& address) {
  switch (address.family) {
    case AddressFamily::unix_socket:
      return "unix:" + address.name;
    case AddressFamily::in_process:
      return "in-process:" + address.name;
    case AddressFamily::tcp:
      break;
  }
  const bool brackets = address.name.find(':') != std::string::npos;
  return fmt::format("tcp:{}{}{}:{}", brackets ? "[" : "", address.name, brackets ? "]" : "",
                     address.port);
}

}  // namespace planaria::transport
