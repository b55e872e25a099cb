// Ids, results, clocks, random numbers, hashes.
#include <array>
#include <map>
#include <set>
#include <unordered_set>

#include <catch2/catch.hpp>

#include <planaria/base/clock.hpp>
#include <planaria/base/hash.hpp>
#include <planaria/base/ids.hpp>
#include <planaria/base/random.hpp>
#include <planaria/base/result.hpp>

namespace planaria {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Result<int> half(int value) {
  if (value % 2 != 0) return Fault::invalid_input("value: odd, must be even");
  return value / 2;
}

Result<int> quarter(int value) {
  PLANARIA_TRY(once, half(value));
  PLANARIA_TRY(twice, half(once));
  return twice;
}

Result<void> is_even(int value) {
  PLANARIA_TRY_VOID([&]() -> Result<void> {
    if (half(value).ok()) return {};
    return half(value).fault();
  }());
  return {};
}

}  // namespace

TEST_CASE("ids of two kinds are two types, ordered and hashable", "[unit]") {
  static_assert(!std::is_convertible_v<WorkerId, LayerId>);
  static_assert(!std::is_convertible_v<int, WorkerId>);
  static_assert(!std::is_convertible_v<WorkerId, int>);
  CHECK(WorkerId{}.value == 0);
  CHECK(coordinator_id < WorkerId{0});
  CHECK(Step{3}.next() == Step{4});
  CHECK(Step{3}.next(-3) == Step{0});
  CHECK(std::set<LayerId>{LayerId{2}, LayerId{1}, LayerId{2}}.size() == 2);
  CHECK(std::unordered_set<ViewNumber>{ViewNumber{7}}.contains(ViewNumber{7}));
}

TEST_CASE("a fault goes up through every try, a value goes on", "[unit]") {
  CHECK(quarter(12).value() == 3);
  CHECK(quarter(6).fault() == Fault::invalid_input("value: odd, must be even"));
  CHECK(is_even(2).ok());
  CHECK(is_even(3).fault().kind == FaultKind::invalid_input);
}

TEST_CASE("every kind of fault has a name that finds it again", "[unit]") {
  const std::map<FaultKind, std::string> names{
      {FaultKind::invalid_input, "invalid_input"}, {FaultKind::infeasible, "infeasible"},
      {FaultKind::peer_lost, "peer_lost"},         {FaultKind::timed_out, "timed_out"},
      {FaultKind::stale_view, "stale_view"},       {FaultKind::corrupt, "corrupt"},
      {FaultKind::exhausted, "exhausted"},         {FaultKind::unavailable, "unavailable"},
      {FaultKind::cancelled, "cancelled"}};
  for (const auto& [kind, name] : names) {
    CHECK(name_of(kind) == name);
    CHECK(fault_kind_named(name) == kind);
  }
  CHECK(fault_kind_named("sorry") == std::nullopt);
}

TEST_CASE("a manual clock moves only by hand", "[unit]") {
  ManualClock clock;
  const Instant before = clock.now();
  clock.advance(Milliseconds{2.5});
  CHECK((clock.now() - before).value == 2.5);
  const SystemClock machine;
  const Instant first = machine.now();
  CHECK(machine.now() >= first);
}

TEST_CASE("random numbers are those of SplitMix64, for ever", "[unit]") {
  Random zero(0);  // the reference implementation's first three for seed 0
  CHECK(zero.next() == 0xe220a8397b1dcdafULL);
  CHECK(zero.next() == 0x6e789e6aa1b965f4ULL);
  CHECK(zero.next() == 0x06c45d188009454fULL);
  CHECK(scramble(0) == 0xe220a8397b1dcdafULL);
}

TEST_CASE("mixed keys are frozen and depend on every part and on its place", "[unit]") {
  CHECK(mix({}) == 0x706c616e61726961ULL);
  CHECK(mix({0}) == 0x1465c3934b95fb3cULL);
  CHECK(mix({1, 2, 3}) == 0x43a32fde8dfd04cbULL);
  CHECK(mix({3, 2, 1}) == 0xf261f54ae2e8dbf2ULL);
  CHECK(mix({1, 2, 3, 0}) == 0xae2ed6736eb4d47aULL);
  std::set<std::uint64_t> keys;
  for (std::uint64_t a = 0; a < 20; ++a) {
    for (std::uint64_t b = 0; b < 20; ++b) {
      for (std::uint64_t c = 0; c < 20; ++c) keys.insert(mix({a, b, c}));
    }
  }
  CHECK(keys.size() == 8000);
}

TEST_CASE("bounded random numbers reach every value and no other", "[unit]") {
  Random random(41);
  std::map<std::uint64_t, int> below, between;
  for (int i = 0; i < 7000; ++i) {
    ++below[random.below(7)];
    ++between[static_cast<std::uint64_t>(random.between(-3, 3) + 3)];
    const double u = random.uniform();
    REQUIRE((u >= 0 && u < 1));
  }
  for (const auto& counts : {below, between}) {
    REQUIRE(counts.size() == 7);
    for (const auto& [value, count] : counts) {
      INFO(value);
      CHECK(count > 800);
      CHECK(count < 1200);
    }
  }
}

TEST_CASE("hashes are those of xxHash's own tool", "[unit]") {
  CHECK(hex64(xxh3_64(bytes_of(""))) == "2d06800538d394c2");
  CHECK(hex64(xxh3_64(bytes_of("abc"))) == "78af5f94892f3950");
  CHECK(hex64(0xab) == "00000000000000ab");
  CHECK(Xxh3Stream128().hex() == "99aa06d3014798d86001c324468d497f");
  Xxh3Stream128 stream;
  stream.add("abc");
  CHECK(stream.hex() == "06b05ab6733a618578af5f94892f3950");
}

TEST_CASE("pieces hash as the whole does", "[unit]") {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += static_cast<char>('a' + i % 23);
  Xxh3Stream128 whole;
  whole.add(text);
  for (const std::size_t cut : {0UL, 1UL, 240UL, 1024UL, 2999UL, 3000UL}) {
    const std::string_view left = std::string_view(text).substr(0, cut);
    const std::string_view right = std::string_view(text).substr(cut);
    const std::array pieces{bytes_of(left), bytes_of(right)};
    CHECK(xxh3_64(pieces) == xxh3_64(bytes_of(text)));
    Xxh3Stream128 parts;
    parts.add(left);
    const std::string so_far = parts.hex();  // reading the digest must not end the stream
    Xxh3Stream128 moved = std::move(parts);
    moved.add(right);
    CHECK(moved.hex() == whole.hex());
    if (cut < 3000) CHECK(so_far != whole.hex());
  }
}

}  // namespace planaria
