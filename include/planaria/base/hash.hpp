// base/hash.hpp: XXH3 over bytes. Floor 0, pure.
// Is: a thin face of xxHash. Is not: a defence against an adversary (transport authenticates).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace planaria {

/// Returns XXH3-64 of `bytes`.
[[nodiscard]] std::uint64_t xxh3_64(std::span<const std::byte> bytes);
/// Returns 16 lower-case hex digits, most significant first (xxHash's canonical form).
[[nodiscard]] std::string hex64(std::uint64_t value);

/// XXH3-128 over a stream of pieces. Not copyable; one thread at a time.
class Xxh3Stream128 {
 public:
  Xxh3Stream128();
  ~Xxh3Stream128();
  Xxh3Stream128(Xxh3Stream128&&) noexcept;
  Xxh3Stream128& operator=(Xxh3Stream128&&) noexcept;
  void add(std::span<const std::byte> bytes);
  void add(std::string_view text);
  /// Returns 32 hex digits in canonical order, over all that was added so far.
  [[nodiscard]] std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Returns the XXH3-64 of pieces hashed in turn, for a checksum over scattered memory.
[[nodiscard]] std::uint64_t xxh3_64(std::span<const std::span<const std::byte>> pieces);

}  // namespace planaria
