// How orders are written.
#include <fmt/format.h>

#include <array>
#include <utility>

#include <planaria/base/check.hpp>
#include <planaria/base/text.hpp>

#include "host/faults_words.hpp"

namespace planaria::host {
namespace {

constexpr std::size_t shown_max = 120;

void add_target(const FaultTarget& who, std::string& text) {
  if (const auto* worker = std::get_if<WorkerId>(&who)) {
    text += fmt::format(":worker={}", worker->value);
  } else if (std::holds_alternative<LatestJoined>(who)) {
    text += ":worker=joined";
  } else if (std::holds_alternative<LatestPromoted>(who)) {
    text += ":worker=promoted";
  } else if (const auto* zone = std::get_if<Zone>(&who)) {
    text += ":zone=" + zone->name;
  }
}

std::string text_of(const FaultTime& when) {
  if (const auto* step = std::get_if<Step>(&when)) return fmt::format("step={}", step->value);
  return fmt::format("s={}", std::get<AtSeconds>(when).s);
}

}  // namespace

const char* name_of(FaultAct kind) {
  switch (kind) {
    case FaultAct::kill:
      return "kill";
    case FaultAct::stop:
      return "stop";
    case FaultAct::throws:
      return "throw";
    case FaultAct::join:
      return "join";
    case FaultAct::notice:
      return "notice";
    case FaultAct::partition:
      return "partition";
    case FaultAct::kill_coordinator:
      return "kill-coordinator";
  }
  check_failed("unknown kind of a fault order", "");
}

const char* name_of(FaultPhase phase) {
  static constexpr std::array names = {"forward",   "backward", "reduce", "reported",
                                       "committed", "migrate",  "fill",   "idle"};
  return names.at(static_cast<std::size_t>(phase));
}

bool operator==(const FaultOrder& a, const FaultOrder& b) {
  return a.kind == b.kind && a.when == b.when && a.who == b.who && a.phase == b.phase &&
         a.for_s == b.for_s && a.grace_s == b.grace_s && a.count == b.count &&
         a.micro_batch == b.micro_batch && a.layer == b.layer;
}

bool operator==(const RandomFaults& a, const RandomFaults& b) {
  return a.kills == b.kills && a.stops == b.stops && a.joins == b.joins && a.seed == b.seed;
}

std::string text_of(const FaultOrder& order) {
  std::string text = fmt::format("{}@{}", name_of(order.kind), text_of(order.when));
  add_target(order.who, text);
  if (order.micro_batch) text += fmt::format(":micro_batch={}", order.micro_batch->value);
  if (order.layer) text += fmt::format(":layer={}", order.layer->value);
  if (order.kind == FaultAct::join) text += fmt::format(":count={}", order.count);
  if (order.phase) text += fmt::format(":phase={}", name_of(*order.phase));
  if (order.for_s) text += fmt::format(":for_s={}", *order.for_s);
  if (order.grace_s) text += fmt::format(":grace_s={}", *order.grace_s);
  return text;
}

std::string text_of(const RandomFaults& random) {
  std::string text = "random";
  if (random.kills > 0) text += fmt::format(":kills={}", random.kills);
  if (random.stops > 0) text += fmt::format(":stops={}", random.stops);
  if (random.joins > 0) text += fmt::format(":joins={}", random.joins);
  return text + fmt::format(":seed={}", random.seed);
}

std::string text_of(const FaultPlan& plan) {
  std::vector<std::string> items;
  for (const FaultOrder& order : plan.orders) items.push_back(text_of(order));
  if (plan.random) items.push_back(text_of(*plan.random));
  return join(items, ",");
}

std::string shown(std::string_view text) {
  std::string line;
  for (const char byte : text.substr(0, shown_max)) {
    const bool printable = byte >= ' ' && byte <= '~';
    line += printable ? std::string(1, byte)
                      : fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
  }
  return text.size() > shown_max ? line + "..." : line;
}

Fault refused_item(std::string_view item, const std::string& what) {
  return Fault::invalid_input(fmt::format("--faults: {}: {}", shown(item), what));
}

std::string item_of(const FaultOrder& order) {
  return order.written.empty() ? text_of(order) : order.written;
}

std::string item_of(const RandomFaults& random) {
  return random.written.empty() ? text_of(random) : random.written;
}

}  // namespace planaria::host
