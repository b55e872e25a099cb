// base/random.hpp: random numbers as pure functions of their key. Floor 0, pure.
// Is: mix(), which keys every stream of a run, and a small generator for tests and simulation.
// Is not: cryptographic (transport uses libsodium), nor LibTorch's generator (runtime seeds that).
#pragma once

#include <cstdint>
#include <initializer_list>

namespace planaria {

/// SplitMix64's output function (Steele, Lea, Flood 2014): a bijection that spreads every bit.
[[nodiscard]] constexpr std::uint64_t scramble(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// Returns one 64-bit key from several numbers, order mattering: mix({seed, step, micro_batch,
/// layer}).
[[nodiscard]] constexpr std::uint64_t mix(std::initializer_list<std::uint64_t> parts) {
  std::uint64_t key = 0x706c616e61726961ULL;  // "planaria"
  for (std::uint64_t part : parts) key = scramble(key ^ scramble(part));
  return key;
}

/// A sequential generator (SplitMix64). Same seed, same numbers, on every machine.
class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) : state_(seed) {}
  constexpr std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    return scramble(state_ - 0x9e3779b97f4a7c15ULL);
  }
  /// Returns a number in [0, bound), bound > 0, unbiased (rejection).
  constexpr std::uint64_t below(std::uint64_t bound) {
    const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    std::uint64_t x = next();
    while (x >= limit) x = next();
    return x % bound;
  }
  /// Returns a number in [low, high], both included.
  constexpr std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
  }
  /// Returns a number in [0, 1), 53 bits.
  constexpr double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

 private:
  std::uint64_t state_;
};

}  // namespace planaria
