#include <catch2/catch.hpp>

#include <bit>
#include <cmath>
#include <limits>

#include <planaria/base/random.hpp>
#include <planaria/protocol/messages.hpp>

#include "protocol/coordinator_story.hpp"

namespace planaria::protocol {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// One of each kind, every field away from its default.
std::vector<Message> one_of_each() {
  Report report;
  report.view = ViewNumber{3};
  report.step = Step{41};
  report.layers = {{LayerId{2}, 0.1, 0xfedcba9876543210ULL}, {LayerId{3}, infinity, 7}};
  report.losses = {{MicroBatchId{5}, -0.0}, {MicroBatchId{6}, 1e-320}};
  report.read = {{MicroBatchId{5}, UINT64_MAX}};
  report.labelled = {{MicroBatchId{6}, 0}};
  report.rate = 3e-4;
  report.resident_bytes = 123456789012;
  NewView view{ViewNumber{1}, Step{1}, grid(2, {1, 3}, 2), {"0: F0 G0\n1: F0 G0\n", "x"}, {}};
  view.members = {{WorkerId{0}, "unix:/tmp/a"}, {WorkerId{1}, "10.0.0.1:80"}};
  view.moves = {{LayerId{0}, WorkerId{1}, WorkerId{2}}};
  const Applied applied{
      ViewNumber{3}, Step{9}, {{LayerId{1}, 99, {Json{{"name", "a"}}, Json::object()}}}, 77};
  const CommitRecord record{Step{12}, 2.5, not_a_number, 0.25, Verdict::skip, 4, true};
  return {Join{toy_spec(), "host:1", WorkerId{2}, 4321},
          Connected{{WorkerId{3}, WorkerId{5}}},
          Ready{ViewNumber{7},
                {{LayerId{1}, 4096}},
                Salvaged{Step{41},
                         {{LayerId{1}, {2, 1}}, {LayerId{2}, {0, 7}}},
                         report.losses,
                         report.read,
                         report.labelled}},
          report,
          ShadowReport{ViewNumber{3}, Step{41}, {{LayerId{1}, UINT64_MAX}, {LayerId{2}, 0}}},
          applied,
          Failed{"no such file", FaultKind::invalid_input, Step{5}, MicroBatchId{3}, LayerId{2}},
          StateSent{LayerId{4}},
          Evaluating{ViewNumber{3}, Step{8}},
          Evaluated{ViewNumber{3}, Step{0}, {{MicroBatchId{5}, -0.0}, {MicroBatchId{6}, infinity}}},
          Alive{},
          Unreachable{WorkerId{3}, "connection reset"},
          StopAsked{"signal 15"},
          Welcome{WorkerId{6}, {{WorkerId{0}, "unix:/tmp/a"}}},
          Refuse{"threads: 2 here, 1 in this run"},
          view,
          Begin{ViewNumber{1}, Step{1},
                Salvage{{{LayerId{1}, {2, 1}, WorkerId{3}}},
                        {{{LaneId{0}, LaneId{5}}, "0: F0 G0 F1 G1\n"}, {{}, ""}}}},
          Commit{record, view, {{LayerId{4}, WorkerId{1}, WorkerId{3}}}},
          EvaluationBegun{Step{8}, WorkerId{2}},
          Evaluation{Step{9}, 1e-320, 1720},
          SendState{LayerId{8}},
          Halt{"poison"},
          Evicted{"silent for 700 ms"},
          End{1, "worker 2 was lost"}};
}

template <class T>
T through_bytes(const T& message) {
  const auto decoded = decode(encode(message));
  if (!decoded) FAIL(decoded.fault().sentence);
  return std::get<T>(decoded.value());
}

std::vector<std::byte> cbor(const Json& json) {
  std::vector<std::byte> bytes;
  for (const std::uint8_t byte : Json::to_cbor(json)) bytes.push_back(std::byte{byte});
  return bytes;
}

std::string refusal(const std::vector<std::byte>& bytes) {
  const auto decoded = decode(bytes);
  if (decoded.ok()) return "accepted";
  CHECK(decoded.fault().kind == FaultKind::corrupt);
  return decoded.fault().sentence;
}

std::vector<std::byte> raw(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

}  // namespace

TEST_CASE("every message survives its bytes, and says its name", "[unit]") {
  const std::vector<std::string> names{"join",
                                       "connected",
                                       "ready",
                                       "report",
                                       "shadow_report",
                                       "applied",
                                       "failed",
                                       "state_sent",
                                       "evaluating",
                                       "evaluated",
                                       "alive",
                                       "unreachable",
                                       "stop_asked",
                                       "welcome",
                                       "refuse",
                                       "new_view",
                                       "begin",
                                       "commit",
                                       "evaluation_begun",
                                       "evaluation",
                                       "send_state",
                                       "halt",
                                       "evicted",
                                       "end"};
  const auto messages = one_of_each();
  REQUIRE(messages.size() == std::variant_size_v<Message>);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    INFO(names[i]);
    CHECK(messages[i].index() == i);
    CHECK(name_of(messages[i]) == names[i]);
    const auto decoded = decode(encode(messages[i]));
    REQUIRE(decoded.ok());
    CHECK(decoded.value().index() == i);
    CHECK(encode(decoded.value()) == encode(messages[i]));
  }
}

TEST_CASE("fields come back as they went, to the last bit", "[unit]") {
  const auto messages = one_of_each();
  const auto report = through_bytes(std::get<Report>(messages[3]));
  CHECK(report.view == ViewNumber{3});
  CHECK(report.step == Step{41});
  CHECK(report.layers[0].squared_norm == 0.1);
  CHECK(report.layers[0].checksum == 0xfedcba9876543210ULL);
  CHECK(report.layers[1].squared_norm == infinity);
  CHECK(std::signbit(report.losses[0].loss));
  CHECK(report.losses[1].loss == 1e-320);
  CHECK(report.read[0].xxh3 == UINT64_MAX);
  CHECK(report.labelled[0].micro_batch == MicroBatchId{6});
  CHECK(report.rate == 3e-4);
  CHECK(report.resident_bytes == 123456789012);
  const auto record = through_bytes(std::get<Commit>(messages[17])).record;
  CHECK(record.step == Step{12});
  CHECK(std::isnan(record.norm));
  CHECK(record.verdict == Verdict::skip);
  CHECK(record.skips_in_a_row == 4);
  CHECK(record.last);
  const auto commit = through_bytes(std::get<Commit>(messages[17]));
  CHECK(commit.next == std::get<NewView>(messages[15]));
  CHECK(commit.moves == std::vector{Move{LayerId{4}, WorkerId{1}, WorkerId{3}}});
  CHECK_FALSE(through_bytes(Commit{record, {}, {}}).next.has_value());
  CHECK(through_bytes(std::get<Connected>(messages[1])).unreachable ==
        std::vector{WorkerId{3}, WorkerId{5}});
  CHECK(through_bytes(std::get<NewView>(messages[15])) == std::get<NewView>(messages[15]));
  const auto failed = through_bytes(std::get<Failed>(messages[6]));
  CHECK(failed.kind == FaultKind::invalid_input);
  CHECK(failed.micro_batch == MicroBatchId{3});
  const auto joined = through_bytes(std::get<Join>(messages[0]));
  CHECK_FALSE(first_difference(joined.spec, toy_spec()).has_value());
  CHECK(joined.wanted == WorkerId{2});
  CHECK(through_bytes(Failed{"x"}).layer == LayerId{-1});
}

TEST_CASE("random doubles and 64-bit numbers are exact on the wire", "[unit]") {
  Random random(17);
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t bits = random.next() >> random.below(64);
    const double value = std::bit_cast<double>(random.next());
    Report report;
    report.view = ViewNumber{1};
    report.step = Step{1};
    report.layers = {{LayerId{0}, value, bits}};
    const auto back = through_bytes(report);
    INFO("i " << i);
    REQUIRE(back.layers[0].checksum == bits);
    const bool both_nan = std::isnan(value) && std::isnan(back.layers[0].squared_norm);
    const bool same_bits = std::bit_cast<std::uint64_t>(value) ==
                           std::bit_cast<std::uint64_t>(back.layers[0].squared_norm);
    REQUIRE((both_nan || same_bits));
  }
}

TEST_CASE("what a message must not hold is named", "[unit]") {
  CHECK(refusal(cbor({{"message", "begin"}, {"view", 1}})) ==
        "begin: step: missing, must be a whole number from 1 to 1000000000000000");
  CHECK(refusal(cbor({{"message", "begin"}, {"view", 1}, {"step", 1}, {"foo", 1}})) ==
        "begin: foo: unknown key");
  CHECK(refusal(cbor({{"message", "begin"}, {"view", 0}, {"step", 1}})) ==
        "begin: view: 0, must be a whole number from 1 to 1000000000000000");
  CHECK(refusal(cbor({{"message", "begin"}, {"view", "1"}, {"step", 1}})) ==
        "begin: view: \"1\", must be a whole number from 1 to 1000000000000000");
  CHECK(refusal(cbor({{"message", "welcome"}, {"worker", -1}})) ==
        "welcome: worker: -1, must be a whole number from 0 to 999999999");
  CHECK(refusal(cbor({{"message", "welcome"}, {"worker", 5'000'000'000}})) ==
        "welcome: worker: 5000000000, must be a whole number from 0 to 999999999");
  CHECK(refusal(cbor({{"message", "end"}, {"status", 3}, {"sentence", ""}})) ==
        "end: status: 3, must be a whole number from 0 to 2");
  CHECK(refusal(cbor({{"message", "hello"}})) == "message: hello, is none of this version");
  CHECK(refusal(cbor({{"step", 1}})) == "message: has no name");
  CHECK(refusal(cbor(Json::array({1}))) == "message: not a CBOR object");
}

TEST_CASE("a wrong field deep inside is named with its place", "[unit]") {
  const Json layer{{"layer", 0}, {"squared_norm", 1.5}, {"checksum", 9}};
  Json report{{"message", "report"},
              {"view", 1},
              {"step", 1},
              {"layers", {layer, layer}},
              {"losses", Json::array()},
              {"read", Json::array()},
              {"labelled", Json::array()},
              {"rate", 0.5},
              {"resident_bytes", 1}};
  CHECK(refusal(cbor(report)) == "accepted");
  report["layers"][1]["checksum"] = -9;
  CHECK(refusal(cbor(report)) == "report: layers[1].checksum: must be 64 bits");
  report["layers"][1] = {{"layer", 0}, {"checksum", 9}};
  CHECK(refusal(cbor(report)) == "report: layers[1].squared_norm: missing, must be a number");
  report["layers"][1] = 5;
  CHECK(refusal(cbor(report)) == "report: layers[1]: 5, must be an object");
  Json record = Json::from_cbor([] {
    std::vector<std::uint8_t> bytes;
    for (const std::byte b : encode(Commit{{.step = Step{1}}})) {
      bytes.push_back(std::to_integer<std::uint8_t>(b));
    }
    return bytes;
  }());
  record["verdict"] = "perhaps";
  CHECK(refusal(cbor(record)) == "commit: verdict: must be apply or skip");
  CHECK(refusal(cbor({{"message", "failed"},
                      {"sentence", ""},
                      {"kind", "odd"},
                      {"step", 1},
                      {"micro_batch", 1},
                      {"layer", 1}})) == "failed: kind: is no kind of fault");
}

TEST_CASE("bytes that would exhaust a reader are refused before it reads", "[unit]") {
  CHECK(refusal({}) == "message: byte 0: ends too early");
  CHECK(refusal(std::vector<std::byte>(1'000'000, std::byte{0x81})) ==
        "message: byte 33: nested too deep");
  CHECK(refusal(std::vector<std::byte>(1'000'000, std::byte{0x7f})) ==
        "message: byte 0: a length that is not told in advance");
  CHECK(refusal(raw({0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})) ==
        "message: byte 9: a list longer than the message");
  CHECK(refusal(raw({0xbb, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})) ==
        "message: byte 9: an object longer than the message");
  CHECK(refusal(raw({0x7b, 0, 0, 0, 1, 0, 0, 0, 0})) ==
        "message: byte 9: a text longer than the message");
  CHECK(refusal(raw({0x41, 0x00})) == "message: byte 1: a byte string or tag");
  CHECK(refusal(raw({0xa1, 0x01, 0x01})) == "message: byte 2: a key that is not a text");
  CHECK(refusal(raw({0x62, 0xc3, 0x28})) == "message: byte 1: a text that is not UTF-8");
  CHECK(refusal(raw({0x3b, 0xff, 0, 0, 0, 0, 0, 0, 0})) ==
        "message: byte 9: a number below 64 bits");
  CHECK(refusal(raw({0xf7})) == "message: byte 1: a value that is no JSON");
  auto longer = encode(StopAsked{"x"});
  longer.push_back(std::byte{0});
  CHECK(refusal(longer).find("1 bytes too many") != std::string::npos);
}

TEST_CASE("an exception's text that is no UTF-8 arrives readable", "[unit]") {
  const auto back = through_bytes(Failed{"caf\xe9 is closed"});
  CHECK(back.sentence == "caf\xef\xbf\xbd is closed");
  CHECK(through_bytes(Failed{"caf\xc3\xa9"}).sentence == "caf\xc3\xa9");
}

TEST_CASE("broken bytes are refused or mean a message, whatever is broken", "[unit]") {
  constexpr std::uint64_t seed = 20251;
  INFO("seed " << seed);
  Random random(seed);
  const auto messages = one_of_each();
  int accepted = 0;
  const int rounds = 1500 * static_cast<int>(messages.size());
  for (int round = 0; round < rounds; ++round) {
    auto bytes = encode(messages[static_cast<std::size_t>(round) % messages.size()]);
    if (random.below(4) == 0) bytes.resize(random.below(bytes.size()));
    const std::uint64_t flips = random.between(bytes.empty() ? 0 : 1, 3);
    for (std::uint64_t i = 0; i < flips && !bytes.empty(); ++i) {
      bytes[random.below(bytes.size())] ^= static_cast<std::byte>(random.between(1, 255));
    }
    const auto decoded = decode(bytes);
    if (!decoded) {
      if (decoded.fault().kind != FaultKind::corrupt || decoded.fault().sentence.empty()) {
        FAIL("round " << round << ": " << decoded.fault().sentence);
      }
      continue;
    }
    ++accepted;
    const auto again = decode(encode(decoded.value()));
    if (!again || encode(again.value()) != encode(decoded.value())) FAIL("round " << round);
  }
  CHECK(accepted > 500);         // flips inside texts and numbers leave messages
  CHECK(accepted < rounds / 2);  // most do not
}

}  // namespace planaria::protocol
