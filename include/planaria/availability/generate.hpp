// availability/generate.hpp: synthetic traces. Floor 2, pure.
// Is: a trace drawn from a law; same law, length and seed, same trace, on every machine. Is not: a
// replay of a real one (trace_text.hpp). No state, any thread.
#pragma once

#include <cstdint>

#include <planaria/availability/trace.hpp>
#include <planaria/availability/trace_law.hpp>
#include <planaria/base/result.hpp>

namespace planaria {

struct GenerateOptions {
  /// How long the trace is. Above 0, at most 24000.
  double hours = 24;
  /// What it is drawn from.
  std::uint64_t seed = 1;
  /// Seconds between the moments at which machines come and go: 1 to 3600. Finer costs time.
  int tick_s = 60;
};

/// Returns a trace of machines with names, of form events. O(ticks x machines).
[[nodiscard]] Result<Trace> generate(const TraceLaw& law, const GenerateOptions& options);

}  // namespace planaria
