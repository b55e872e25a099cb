// schedule/actions.hpp: what ranks do, in what order, and how it is written down. Floor 2, pure.
// Is: the words of a schedule and FORMATS.md's text form. Is not: costs (simulation, a later module
// part) or layers (the executor maps stages to those).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <planaria/base/result.hpp>

namespace planaria {

enum class ActionKind : char {
  forward = 'F',
  backward_input = 'B',
  backward_weight = 'W',
  backward = 'G',  // fused: B and W in one
  recompute = 'R',
};

/// One action of a rank: `0F3` is the forward of micro-batch 3 on chunk 0. Micro-batches count from
/// 0 within the pipeline.
struct Action {
  ActionKind kind = ActionKind::forward;
  int micro_batch = 0;
  int chunk = 0;
  friend auto operator<=>(const Action&, const Action&) = default;
};

/// Chunk c of rank r is stage r (single), c*p+r (loop), or r or 2p-1-r (v).
enum class Placement { single, loop, v };

struct Schedule {
  Placement placement = Placement::single;
  int chunks = 1;
  int micro_batches = 0;
  std::vector<std::vector<Action>> ranks;  // [rank][position]
  [[nodiscard]] int stages() const { return static_cast<int>(ranks.size()) * chunks; }
  /// The stage that chunk `chunk` of rank `rank` is.
  [[nodiscard]] int stage_of(int rank, int chunk) const;
  friend bool operator==(const Schedule&, const Schedule&) = default;
};

[[nodiscard]] std::string text_of(const Action& action);
/// Returns the text form, one line a rank; chunk 0 is left out where there is one chunk.
[[nodiscard]] std::string text_of(const Schedule& schedule);
/// Reads the text form; invalid_input names source, line and the action that cannot be read.
/// Overlapped pairs (`&`) and more than one chunk are refused by a sentence until a schedule here
/// can run them.
[[nodiscard]] Result<Schedule> schedule_from_text(std::string_view text, const std::string& source);

}  // namespace planaria
