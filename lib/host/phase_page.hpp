// host/phase_page.hpp (private): where a worker stands, readable after its death. Linux.
// Is: one page of a file that a worker maps and stores its place in, and its launcher reads. A
// store costs one instruction and outlives a SIGKILL; a line written per phase would cost a call.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <planaria/base/ids.hpp>
#include <planaria/base/result.hpp>
#include <planaria/host/faults.hpp>

namespace planaria::host {

/// What a page says.
struct PhaseSeen {
  std::optional<FaultPhase> phase;  // nothing: before the first
  Step step;                        // of that phase
  std::uint64_t strikes = 0;        // how many `fault_injected` events the worker has written
  friend bool operator==(const PhaseSeen&, const PhaseSeen&) = default;
};

/// The worker's side. One thread writes.
class PhasePage {
 public:
  /// Creates the file, or empties it, and maps it; unavailable names it, exhausted where the disk
  /// is full (a store into a hole of a full disk would kill the worker).
  [[nodiscard]] static Result<PhasePage> create(const std::string& path);

  void stand(FaultPhase phase, Step step);
  void count_strike();

 private:
  struct Words;
  struct Unmap {
    void operator()(Words* words) const;
  };
  explicit PhasePage(Words* words) : words_(words) {}
  std::unique_ptr<Words, Unmap> words_;
};

/// Returns what the page says, or nothing where there is none. Any process, also after the
/// worker's end.
[[nodiscard]] std::optional<PhaseSeen> read_phase_page(const std::string& path);

}  // namespace planaria::host
