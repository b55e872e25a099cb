#include <planaria/schedule/actions.hpp>

#include <fmt/format.h>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

std::string text_of(const Action& action, bool with_chunk) {
  return with_chunk ? fmt::format("{}{}{}", action.chunk, static_cast<char>(action.kind),
                                  action.micro_batch)
                    : fmt::format("{}{}", static_cast<char>(action.kind), action.micro_batch);
}

}  // namespace

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

int Schedule::stage_of(int rank, int chunk) const {
  check(rank >= 0 && rank < static_cast<int>(ranks.size()) && chunk >= 0 && chunk < chunks,
        "the rank has that chunk");
  const int p = depth();
  const int place = rank % p;
  switch (placement) {
    case Placement::single:
      return place;
    case Placement::loop:
      return (chunk * p) + place;
    case Placement::v:
      return chunk == 0 ? place : (2 * p) - 1 - place;
  }
  return place;
}

std::string text_of(const Action& action) {
  return text_of(action, action.chunk != 0);
}

std::string text_of(const Schedule& schedule, int rank, std::size_t position) {
  const auto& actions = schedule.ranks.at(static_cast<std::size_t>(rank));
  const bool with_chunk = schedule.chunks > 1;
  std::string text = text_of(actions.at(position), with_chunk);
  if (parts_at(actions, position) == 2) text += "&" + text_of(actions[position + 1], with_chunk);
  return text;
}

std::string actions_text(const Schedule& schedule, int rank) {
  const auto& actions = schedule.ranks.at(static_cast<std::size_t>(rank));
  std::string text;
  for (std::size_t at = 0; at < actions.size(); at += parts_at(actions, at)) {
    if (at > 0) text += ' ';
    text += text_of(schedule, rank, at);
  }
  return text;
}

std::string text_of(const Schedule& schedule) {
  std::string text;
  if (schedule.placement != Placement::single) {
    text += fmt::format("# placement: {}\n", name_of(schedule.placement));
  }
  for (int rank = 0; rank < static_cast<int>(schedule.ranks.size()); ++rank) {
    const std::string actions = actions_text(schedule, rank);
    text += fmt::format("{}:{}{}\n", rank, actions.empty() ? "" : " ", actions);
  }
  return text;
}

std::string misfit_of(const Schedule& schedule, const Action& action) {
  if (action.chunk >= 0 && action.chunk < schedule.chunks && action.micro_batch >= 0 &&
      action.micro_batch < schedule.micro_batches) {
    return {};
  }
  const std::string chunks =
      schedule.chunks == 1 ? "chunk 0" : fmt::format("chunk 0 to {}", schedule.chunks - 1);
  return fmt::format("has {}, must be {} and micro-batch 0 to {}", text_of(action), chunks,
                     schedule.micro_batches - 1);
}

}  // namespace planaria
