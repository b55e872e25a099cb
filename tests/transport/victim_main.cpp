// A peer that stops in the middle of a frame and waits to be killed: transport_victim ADDRESS
// WORKER SECRET. Not a transport of ours, since those cannot be made to stop half-way.
#include <string>
#include <vector>

#include <unistd.h>

#include <transport/conformance.hpp>
#include <transport/raw_peer.hpp>

#include <planaria/base/hash.hpp>

namespace planaria::transport::testing {
namespace {

[[noreturn]] void stop_half_way(int count, char** arguments) {
  check(count == 4, "transport_victim ADDRESS WORKER SECRET");
  const Descriptor connection =
      proven_connection(arguments[1], arguments[3], WorkerId(std::stoi(arguments[2])));
  const HeaderBytes hello = encode({.key = key_of(FrameKind::control),
                                    .payload_bytes = 0,
                                    .payload_xxh3 = xxh3_64(std::span<const std::byte>())});
  check(raw_send(connection, hello), "the control frame was not taken");
  const std::vector<std::byte> payload = pattern(victim_frame_bytes, 1);
  const HeaderBytes header = encode({.key = key_of(FrameKind::activation),
                                     .payload_bytes = payload.size(),
                                     .payload_xxh3 = xxh3_64(payload)});
  check(raw_send(connection, header), "the header was not taken");
  check(raw_send(connection, std::span(payload).first(payload.size() / 2)),
        "half of the frame was not taken");
  const char ready = 1;
  check(::write(STDOUT_FILENO, &ready, 1) == 1, "nobody waits for this process");
  while (true) ::pause();
}

}  // namespace
}  // namespace planaria::transport::testing

int main(int count, char** arguments) {
  planaria::transport::testing::stop_half_way(count, arguments);
}
