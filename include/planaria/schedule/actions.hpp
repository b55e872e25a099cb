// schedule/actions.hpp: what ranks do, in what order, and how it is written down. Floor 2, pure.
// Is: the words of a schedule and FORMATS.md's text form. Is not: costs (simulate.hpp) or layers
// (the executor maps stages to those).
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
/// 0 within the pipeline, or over all pipelines where a schedule is several wide.
struct Action {
  ActionKind kind = ActionKind::forward;
  int micro_batch = 0;
  int chunk = 0;
  /// `0F3&1B2`: the two run as one action, which starts when both can and yields both results at
  /// its end. Set on the first of them; the second is the next of its rank.
  bool overlaps_next = false;
  friend auto operator<=>(const Action&, const Action&) = default;
};

/// Chunk c of rank r is stage r (single), c*p+r (loop), or r or 2p-1-r (v).
enum class Placement { single, loop, v };
/// Returns the placement's name in the text form and JSON, e.g. "loop".
[[nodiscard]] const char* name_of(Placement placement);

/// What each rank does, in order. Where `width` pipelines run one schedule, rank i*p+s is stage s
/// of pipeline i, micro-batches are those of all pipelines, and each (stage, micro-batch) is
/// computed by one of the stage's ranks; one without actions is dead.
struct Schedule {
  Placement placement = Placement::single;
  int chunks = 1;
  int micro_batches = 0;
  std::vector<std::vector<Action>> ranks;  // [rank][position]
  int width = 1;                           // divides the number of ranks
  /// Ranks of one pipeline.
  [[nodiscard]] int depth() const { return static_cast<int>(ranks.size()) / width; }
  [[nodiscard]] int stages() const { return depth() * chunks; }
  /// The stage that chunk `chunk` of rank `rank` is.
  [[nodiscard]] int stage_of(int rank, int chunk) const;
  friend bool operator==(const Schedule&, const Schedule&) = default;
};

/// Returns how many entries of a rank's list the action at `position` takes: 2 for an overlapped
/// pair, else 1.
[[nodiscard]] inline std::size_t parts_at(const std::vector<Action>& actions,
                                          std::size_t position) {
  return actions[position].overlaps_next && position + 1 < actions.size() ? 2 : 1;
}

[[nodiscard]] std::string text_of(const Action& action);
/// Returns the action at `position` of `rank` as the text form has it: with its chunk where there
/// are several, both parts of an overlapped pair.
[[nodiscard]] std::string text_of(const Schedule& schedule, int rank, std::size_t position);
/// Returns a rank's line of the text form, without its number.
[[nodiscard]] std::string actions_text(const Schedule& schedule, int rank);
/// Returns the text form, one line a rank; chunk 0 is left out where there is one chunk.
[[nodiscard]] std::string text_of(const Schedule& schedule);

/// Returns a sentence's end where `action` is none of this schedule: "has F2, must be chunk 0 and
/// micro-batch 0 to 1"; empty where it is one.
[[nodiscard]] std::string misfit_of(const Schedule& schedule, const Action& action);

/// Reads the text form of `width` pipelines; invalid_input names source, line, column and the
/// action that cannot be read. How many chunks there are follows from the placement (v: 2) and the
/// chunks named (loop); ranks times chunks may be a million.
[[nodiscard]] Result<Schedule> schedule_from_text(std::string_view text, const std::string& source,
                                                  int width = 1);

}  // namespace planaria
