#include "host/phase_page.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>

#include <fmt/format.h>

#include "host/descriptor.hpp"

namespace planaria::host {
namespace {

constexpr std::size_t page_bytes = 4096;
constexpr unsigned phase_bits = 8;
constexpr std::uint64_t phase_mask = (1U << phase_bits) - 1;

// Phase and step in one word, so that no reader sees the one without the other; 0: none yet.
std::uint64_t packed(FaultPhase phase, Step step) {
  return (static_cast<std::uint64_t>(step.value) << phase_bits) |
         (static_cast<std::uint64_t>(phase) + 1);
}

}  // namespace

struct PhasePage::Words {
  std::atomic<std::uint64_t> place{0};
  std::atomic<std::uint64_t> strikes{0};
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "a lock could die with its holder");

void PhasePage::Unmap::operator()(Words* words) const {
  ::munmap(words, page_bytes);
}

Result<PhasePage> PhasePage::create(const std::string& path) {
  const auto cannot = [&](int reason) {
    const std::string sentence =
        fmt::format("{}: cannot be written: {}", path, std::strerror(reason));
    return reason == ENOSPC ? Fault::exhausted(sentence) : Fault::unavailable(sentence);
  };
  const Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.open()) return cannot(errno);
  if (const int reason = ::posix_fallocate(file.get(), 0, page_bytes); reason != 0) {
    return cannot(reason);
  }
  void* page =
      ::mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), /*offset=*/0);
  if (page == MAP_FAILED) return cannot(errno);  // NOLINT: the macro casts
  return PhasePage(new (page) Words);
}

void PhasePage::stand(FaultPhase phase, Step step) {
  words_->place.store(packed(phase, step), std::memory_order_relaxed);
}

void PhasePage::count_strike() {
  words_->strikes.fetch_add(1, std::memory_order_relaxed);
}

std::optional<PhaseSeen> read_phase_page(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) return std::nullopt;
  std::array<std::uint64_t, 2> words{};
  if (::pread(file.get(), words.data(), sizeof words, 0) != static_cast<ssize_t>(sizeof words)) {
    return std::nullopt;
  }
  PhaseSeen seen{.phase = {}, .step = {}, .strikes = words[1]};
  const std::uint64_t phase = words[0] & phase_mask;
  if (phase > 0 && phase <= static_cast<std::uint64_t>(FaultPhase::idle) + 1) {
    seen.phase = static_cast<FaultPhase>(phase - 1);
    seen.step = Step(static_cast<Step::Representation>(words[0] >> phase_bits));
  }
  return seen;
}

}  // namespace planaria::host
