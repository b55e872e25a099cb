// Addresses, options and frame headers: everything that is read before it is believed.
#include <catch2/catch.hpp>

#include <random>
#include <tuple>

#include <planaria/base/hash.hpp>
#include <transport/address.hpp>
#include <transport/options.hpp>
#include <transport/wire.hpp>

namespace planaria::transport {

TEST_CASE("addresses are read in every form, and written back with their prefix") {
  const auto round_trip = [](const std::string& text) {
    return text_of(parse_address(text).value());
  };
  CHECK(parse_address("unix:/tmp/a b.sock").value() ==
        Address{AddressFamily::unix_socket, "/tmp/a b.sock", 0});
  CHECK(parse_address("tcp:node7.cluster:7000").value() ==
        Address{AddressFamily::tcp, "node7.cluster", 7000});
  CHECK(parse_address("tcp:[::1]:65535").value() == Address{AddressFamily::tcp, "::1", 65535});
  CHECK(parse_address("in-process:coordinator").value() ==
        Address{AddressFamily::in_process, "coordinator", 0});
  CHECK(round_trip("10.0.0.1:0") == "tcp:10.0.0.1:0");
  CHECK(round_trip("tcp:[::1]:7000") == "tcp:[::1]:7000");
  CHECK(round_trip("unix:/a") == "unix:/a");
  CHECK(round_trip("in-process:a:b") == "in-process:a:b");
}

TEST_CASE("an address that cannot be read is refused with the reason and what is allowed") {
  const std::vector<std::tuple<std::string, std::string>> cases{
      {"", "the port is missing"},
      {"localhost", "the port is missing"},
      {"tcp:", "the port is missing"},
      {"tcp::7000", "the host is empty"},
      {"tcp:host:", "port \"\" is no number from 0 to 65535"},
      {"tcp:host:65536", "port \"65536\" is no number from 0 to 65535"},
      {"tcp:host:-1", "port \"-1\" is no number from 0 to 65535"},
      {"tcp:host:70x", "port \"70x\" is no number from 0 to 65535"},
      {"tcp:::1:7000", "an IPv6 host stands in brackets"},
      {"tcp:[]:7000", "an IPv6 host stands in brackets"},
      {"unix:", "the path is empty"},
      {"unix:/" + std::string(107, 'a'), "the path has 108 bytes, a Unix socket's may have 107"},
      {"in-process:", "the name is empty"},
  };
  for (const auto& [text, why] : cases) {
    INFO(text);
    const auto result = parse_address(text);
    REQUIRE_FALSE(result.ok());
    CHECK(result.fault().kind == FaultKind::invalid_input);
    CHECK(result.fault().sentence ==
          "address \"" + text + "\": " + result.fault().sentence.substr(text.size() + 12));
    CHECK(result.fault().sentence.find(why) != std::string::npos);
    CHECK(result.fault().sentence.find("allowed are unix:PATH") != std::string::npos);
  }
}

TEST_CASE("options out of bounds are refused by name, and the secret is never shown") {
  const TransportOptions good{.secret = "sixteen bytes ok"};
  CHECK(check_options(good).ok());
  TransportOptions options = good;
  options.secret = "fifteen bytes..";
  CHECK(check_options(options).fault() ==
        Fault::invalid_input("secret: has 15 bytes, must have at least 16"));
  options = good;
  options.frame_bytes_max = 1000;
  CHECK(check_options(options).fault() ==
        Fault::invalid_input("frame_bytes_max: 1000, must be from 1048576 to 1099511627776"));
  options = good;
  options.handshake_ms_max = 99;
  CHECK(check_options(options).fault() ==
        Fault::invalid_input("handshake_ms_max: 99, must be from 100 to 60000"));
}

TEST_CASE("payloads are aligned to 64 bytes, whatever their size") {
  for (const std::size_t size : {1, 63, 64, 65, 4097, 1 << 20}) {
    const Buffer buffer(size);
    CHECK(buffer.size() == size);
    CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64 == 0);
  }
  CHECK(Buffer(0).data() == nullptr);
  CHECK(Buffer(0).bytes().empty());
}

namespace {

constexpr std::uint64_t most = 1 << 20;

const FrameHeader sample{.key = {FrameKind::partial, ViewNumber(0x0102030405060708), Step(-41),
                                 LayerId(7), MicroBatchId(-1), 1 << 30},
                         .payload_bytes = 12345,
                         .payload_xxh3 = 0xfedcba9876543210};

// Puts a checksum that fits under a header that was changed on purpose.
HeaderBytes sealed(HeaderBytes bytes) {
  const std::uint64_t checksum = xxh3_64(std::span<const std::byte>(bytes).first(56));
  std::memcpy(bytes.data() + 56, &checksum, sizeof checksum);
  return bytes;
}

}  // namespace

TEST_CASE("a frame header comes back as it was, from its documented places") {
  const HeaderBytes bytes = encode(sample);
  CHECK(decode(bytes, most).value() == sample);
  CHECK(std::memcmp(bytes.data(), "PLN1", 4) == 0);
  CHECK(bytes[4] == std::byte{4});  // kind: partial
  CHECK(bytes[8] == std::byte{8});  // view, lowest byte first
  CHECK(bytes[15] == std::byte{1});
  CHECK(bytes[48] == std::byte{0x10});  // the payload's checksum
}

TEST_CASE("no single changed bit of a frame header goes unnoticed") {
  for (std::size_t bit = 0; bit < header_bytes * 8; ++bit) {
    INFO("bit " << bit);
    HeaderBytes bytes = encode(sample);
    bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    const auto header = decode(bytes, most);
    REQUIRE_FALSE(header.ok());
    CHECK(header.fault().kind == FaultKind::corrupt);
  }
}

TEST_CASE("a header that is whole but asks too much is refused with both numbers") {
  FrameHeader header = sample;
  header.payload_bytes = most;
  CHECK(decode(encode(header), most).ok());
  header.payload_bytes = most + 1;
  CHECK(decode(encode(header), most).fault() ==
        Fault::corrupt("a frame has 1048577 bytes, frame_bytes_max allows 1048576"));
  for (const int kind : {0, 7, 255}) {
    HeaderBytes bytes = encode(sample);
    bytes[4] = static_cast<std::byte>(kind);
    CHECK(decode(sealed(bytes), most).fault() ==
          Fault::corrupt("a frame is of kind " + std::to_string(kind) + ", known are 1 to 6"));
  }
}

}  // namespace planaria::transport
