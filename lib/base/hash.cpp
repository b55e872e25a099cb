#include <planaria/base/hash.hpp>

#include <array>
#include <new>

#include <fmt/format.h>
#define XXH_STATIC_LINKING_ONLY  // the state on the stack
#include <xxhash.h>

#include <planaria/base/check.hpp>

namespace planaria {

std::uint64_t xxh3_64(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::uint64_t xxh3_64(std::span<const std::span<const std::byte>> pieces) {
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset(&state);
  for (const auto& piece : pieces) XXH3_64bits_update(&state, piece.data(), piece.size());
  return XXH3_64bits_digest(&state);
}

std::string hex64(std::uint64_t value) {
  return fmt::format("{:016x}", value);
}

struct Xxh3Stream128::State {
  XXH3_state_t xxh;
};

Xxh3Stream128::Xxh3Stream128() : state_(std::make_unique<State>()) {
  XXH3_INITSTATE(&state_->xxh);
  XXH3_128bits_reset(&state_->xxh);
}
Xxh3Stream128::~Xxh3Stream128() = default;
Xxh3Stream128::Xxh3Stream128(Xxh3Stream128&&) noexcept = default;
Xxh3Stream128& Xxh3Stream128::operator=(Xxh3Stream128&&) noexcept = default;

void Xxh3Stream128::add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(&state_->xxh, bytes.data(), bytes.size());
}

void Xxh3Stream128::add(std::string_view text) {
  add(std::as_bytes(std::span(text.data(), text.size())));
}

std::string Xxh3Stream128::hex() const {
  const XXH128_hash_t digest = XXH3_128bits_digest(&state_->xxh);
  return fmt::format("{:016x}{:016x}", digest.high64, digest.low64);
}

}  // namespace planaria
