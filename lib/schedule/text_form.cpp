// Reads FORMATS.md's text form.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/text.hpp>
#include <planaria/schedule/actions.hpp>

namespace planaria {
namespace {

constexpr int index_max = 999'999;
/// A short text may name a chunk far out, and tables have an entry for each stage.
constexpr std::int64_t stages_max = 1'000'000;
constexpr std::string_view kinds = "FBWGR";
constexpr std::string_view blanks = " \t\r";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// Returns the whole text as a number from 0 to index_max, or nothing.
std::optional<int> index_from(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() ||
      text.front() == '-' || value > index_max) {
    return std::nullopt;
  }
  return value;
}

std::optional<Action> part_from(std::string_view text) {
  const std::size_t at = text.find_first_of(kinds);
  if (at == std::string_view::npos) return std::nullopt;
  const auto micro_batch = index_from(text.substr(at + 1));
  const auto chunk = at == 0 ? std::optional<int>(0) : index_from(text.substr(0, at));
  if (!micro_batch || !chunk) return std::nullopt;
  return Action{static_cast<ActionKind>(text[at]), *micro_batch, *chunk};
}

/// Appends what a token says; returns whether it could be read.
bool append_actions(std::string_view token, std::vector<Action>& actions) {
  const std::size_t joint = token.find('&');
  const auto first = part_from(token.substr(0, joint));
  if (!first) return false;
  actions.push_back(*first);
  if (joint == std::string_view::npos) return true;
  const auto second = part_from(token.substr(joint + 1));
  if (!second) return false;
  actions.back().overlaps_next = true;
  actions.push_back(*second);
  return true;
}

/// Where in the source something stands; both count from 1.
struct Position {
  int line = 0;
  int column = 0;
};

/// Collects lines into ranks and keeps where it is, for sentences.
class ScheduleReader {
 public:
  ScheduleReader(std::string source, int width) : source_(std::move(source)), width_(width) {}

  Result<void> read(std::string_view line) {
    ++line_number_;
    line_ = line;
    const std::string_view content = trimmed(line);
    if (content.empty()) return {};
    if (content.front() == '#') return read_comment(content);
    return read_rank(content);
  }

  Result<Schedule> finish() {
    if (ranks_.empty()) return Fault::invalid_input(source_ + ": no ranks, must be at least 1");
    PLANARIA_TRY_VOID(check_chunks());
    Schedule schedule;
    schedule.placement = placement_;
    schedule.width = width_;
    schedule.chunks = placement_ == Placement::v ? 2 : highest_chunk_ + 1;
    for (auto& [rank, actions] : ranks_) {
      const int expected = static_cast<int>(schedule.ranks.size());
      if (rank != expected) {
        return Fault::invalid_input(
            fmt::format("{}: rank {}: missing, must have a line: ranks go up to {}", source_,
                        expected, ranks_.rbegin()->first));
      }
      for (const Action& action : actions) {
        schedule.micro_batches = std::max(schedule.micro_batches, action.micro_batch + 1);
      }
      schedule.ranks.push_back(std::move(actions));
    }
    PLANARIA_TRY_VOID(check_stages(schedule));
    if (width_ < 1 || schedule.ranks.size() % static_cast<std::size_t>(width_) != 0) {
      return Fault::invalid_input(fmt::format("{}: {} ranks, must be a multiple of the width, {}",
                                              source_, schedule.ranks.size(), width_));
    }
    return schedule;
  }

 private:
  Result<void> read_comment(std::string_view content) {
    const std::string_view comment = trimmed(content.substr(1));
    constexpr std::string_view key = "placement:";
    if (!comment.starts_with(key)) return {};
    const std::string_view value = trimmed(comment.substr(key.size()));
    for (const Placement placement : {Placement::single, Placement::loop, Placement::v}) {
      if (value != name_of(placement)) continue;
      placement_ = placement;
      return {};
    }
    return refused(value.empty() ? content : value,
                   fmt::format("placement: {}, must be single, loop or v", printable(value)));
  }

  Result<void> read_rank(std::string_view content) {
    const std::size_t colon = content.find(':');
    const auto rank = colon == std::string_view::npos || colon == 0
                          ? std::nullopt
                          : index_from(trimmed(content.substr(0, colon)));
    if (!rank) {
      const std::string_view word = content.substr(0, content.find_first_of(blanks));
      return refused(word,
                     fmt::format("{}, must be a rank, a colon and its actions", printable(word)));
    }
    std::vector<Action> actions;
    std::string_view rest = content.substr(colon + 1);
    while (true) {
      const std::size_t begin = std::min(rest.find_first_not_of(blanks), rest.size());
      rest.remove_prefix(begin);
      if (rest.empty()) break;
      const std::string_view token = rest.substr(0, rest.find_first_of(blanks));
      rest.remove_prefix(token.size());
      if (!append_actions(token, actions)) {
        return refused(
            token,
            fmt::format("{}: must be [chunk]kind[micro-batch] like F3 or 0B3, or two of them with "
                        "& between, kind one of F B W G R, numbers 0 to {}",
                        printable(token), index_max));
      }
      note_chunk(actions.back(), token);
      if (actions.size() > 1) note_chunk(actions[actions.size() - 2], token);
    }
    if (!ranks_.emplace(*rank, std::move(actions)).second) {
      return refused(content, fmt::format("rank {}, must not be there twice", *rank));
    }
    return {};
  }

  /// Remembers the highest chunk and where it stands: the placement may be told later.
  void note_chunk(const Action& action, std::string_view token) {
    if (action.chunk <= highest_chunk_) return;
    highest_chunk_ = action.chunk;
    highest_token_ = token;
    highest_at_ = {line_number_, column_of(token)};
  }

  Result<void> check_chunks() const {
    const int most = placement_ == Placement::single ? 0
                     : placement_ == Placement::v    ? 1
                                                     : index_max;
    if (highest_chunk_ <= most) return {};
    const std::string allowed = placement_ == Placement::single
                                    ? "0: placement is single; a line \"# placement: loop\" or "
                                      "\"# placement: v\" says otherwise"
                                    : "0 or 1 with placement v";
    return Fault::invalid_input(fmt::format("{}: line {}, column {}: {}: chunk {}, must be {}",
                                            source_, highest_at_.line, highest_at_.column,
                                            printable(highest_token_), highest_chunk_, allowed));
  }

  [[nodiscard]] Result<void> check_stages(const Schedule& schedule) const {
    const auto ranks = static_cast<std::int64_t>(schedule.ranks.size());
    if (ranks * schedule.chunks <= stages_max) return {};
    return Fault::invalid_input(
        fmt::format("{}: {} ranks of {} chunks, must be at most {} stages in all", source_, ranks,
                    schedule.chunks, stages_max));
  }

  /// `part` is a piece of the line that is being read.
  [[nodiscard]] int column_of(std::string_view part) const {
    return static_cast<int>(part.data() - line_.data()) + 1;
  }
  [[nodiscard]] Result<void> refused(std::string_view part, const std::string& why) const {
    return Fault::invalid_input(
        fmt::format("{}: line {}, column {}: {}", source_, line_number_, column_of(part), why));
  }

  std::string source_;
  int width_;
  int line_number_ = 0;
  std::string_view line_;
  Placement placement_ = Placement::single;
  int highest_chunk_ = 0;
  std::string highest_token_;
  Position highest_at_;
  std::map<int, std::vector<Action>> ranks_;
};

}  // namespace

Result<Schedule> schedule_from_text(std::string_view text, const std::string& source, int width) {
  ScheduleReader reader(source, width);
  for (const std::string& line : split(text, '\n')) PLANARIA_TRY_VOID(reader.read(line));
  return reader.finish();
}

}  // namespace planaria
