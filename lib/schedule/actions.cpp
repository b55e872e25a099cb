#include <planaria/schedule/actions.hpp>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/base/text.hpp>

namespace planaria {
namespace {

constexpr int index_max = 999'999;
constexpr std::string_view kinds = "FBWGR";

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// Returns the whole text as a number from 0 to index_max, or nothing.
std::optional<int> index_from(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.front() == '-' ||
      value > index_max) {
    return std::nullopt;
  }
  return value;
}

/// Returns the action, or what is wrong with it.
struct ReadAction {
  Action action;
  std::string wrong;
};

ReadAction action_from(std::string_view token) {
  if (token.find('&') != std::string_view::npos) {
    return {{}, "overlapped actions cannot be run yet"};
  }
  const std::size_t at = token.find_first_of(kinds);
  const auto micro_batch = at == std::string_view::npos
                               ? std::nullopt
                               : index_from(token.substr(std::min(at + 1, token.size())));
  const auto chunk = at == 0 ? std::optional<int>(0) : index_from(token.substr(0, at));
  if (!micro_batch || !chunk) {
    return {{},
            fmt::format("must be [chunk]kind[micro-batch] like F3 or 0B3, kind one of F B W G, "
                        "numbers 0 to {}",
                        index_max)};
  }
  const Action action{static_cast<ActionKind>(token[at]), *micro_batch, *chunk};
  if (action.kind == ActionKind::recompute) return {action, "recompute cannot be run yet"};
  if (action.chunk != 0) {
    return {action,
            fmt::format("chunk {}, must be 0: several chunks cannot be run yet", action.chunk)};
  }
  return {action, ""};
}

/// Returns what is wrong with a comment that sets the placement; empty for every other comment.
std::string refused_placement(std::string_view comment) {
  comment = trimmed(comment.substr(1));
  constexpr std::string_view key = "placement:";
  if (!comment.starts_with(key)) return {};
  const std::string_view value = trimmed(comment.substr(key.size()));
  if (value == "single") return {};
  if (value == "loop" || value == "v") {
    return fmt::format("placement: {}, must be single: several chunks cannot be run yet", value);
  }
  return fmt::format("placement: {}, must be single, loop or v", value);
}

const char* name_of(Placement placement) {
  switch (placement) {
    case Placement::single:
      return "single";
    case Placement::loop:
      return "loop";
    case Placement::v:
      return "v";
  }
  return "single";
}

std::string text_of(const Action& action, bool with_chunk) {
  return with_chunk ? fmt::format("{}{}{}", action.chunk, static_cast<char>(action.kind),
                                  action.micro_batch)
                    : fmt::format("{}{}", static_cast<char>(action.kind), action.micro_batch);
}

/// Collects lines into ranks and keeps where it is, for sentences.
class ScheduleReader {
 public:
  explicit ScheduleReader(std::string source) : source_(std::move(source)) {}

  Result<void> read(std::string_view line) {
    ++line_number_;
    line = trimmed(line);
    if (line.empty()) return {};
    if (line.front() == '#') {
      const std::string wrong = refused_placement(line);
      return wrong.empty() ? Result<void>{} : refused(wrong);
    }
    const std::size_t colon = line.find(':');
    const auto rank = colon == std::string_view::npos || colon == 0
                          ? std::nullopt
                          : index_from(trimmed(line.substr(0, colon)));
    if (!rank) {
      return refused(fmt::format("{}, must be a rank, a colon and its actions", first_word(line)));
    }
    std::vector<Action> actions;
    for (const std::string& token : words_of(line.substr(colon + 1))) {
      const ReadAction read = action_from(token);
      if (!read.wrong.empty()) return refused(fmt::format("{}: {}", token, read.wrong));
      actions.push_back(read.action);
    }
    if (!ranks_.emplace(*rank, std::move(actions)).second) {
      return refused(fmt::format("rank {}, must not be there twice", *rank));
    }
    return {};
  }

  Result<Schedule> finish() {
    if (ranks_.empty()) return Fault::invalid_input(source_ + ": no ranks, must be at least 1");
    Schedule schedule;
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
    return schedule;
  }

 private:
  Result<void> refused(const std::string& why) const {
    return Fault::invalid_input(fmt::format("{}: line {}: {}", source_, line_number_, why));
  }
  static std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    while (!(text = trimmed(text)).empty()) {
      const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
      words.emplace_back(text.substr(0, end));
      text.remove_prefix(end);
    }
    return words;
  }
  static std::string first_word(std::string_view line) { return words_of(line).front(); }

  std::string source_;
  int line_number_ = 0;
  std::map<int, std::vector<Action>> ranks_;
};

}  // namespace

int Schedule::stage_of(int rank, int chunk) const {
  const int p = static_cast<int>(ranks.size());
  check(rank >= 0 && rank < p && chunk >= 0 && chunk < chunks, "the rank has that chunk");
  switch (placement) {
    case Placement::single:
      return rank;
    case Placement::loop:
      return (chunk * p) + rank;
    case Placement::v:
      return chunk == 0 ? rank : (2 * p) - 1 - rank;
  }
  return rank;
}

std::string text_of(const Action& action) {
  return text_of(action, action.chunk != 0);
}

std::string text_of(const Schedule& schedule) {
  std::string text;
  if (schedule.placement != Placement::single) {
    text += fmt::format("# placement: {}\n", name_of(schedule.placement));
  }
  for (std::size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    text += fmt::format("{}:", rank);
    for (const Action& action : schedule.ranks[rank]) {
      text += ' ';
      text += text_of(action, schedule.chunks > 1);
    }
    text += '\n';
  }
  return text;
}

Result<Schedule> schedule_from_text(std::string_view text, const std::string& source) {
  ScheduleReader reader(source);
  for (const std::string& line : split(text, '\n')) PLANARIA_TRY_VOID(reader.read(line));
  return reader.finish();
}

}  // namespace planaria
