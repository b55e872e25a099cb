// How SPEC is read: items between commas, fields between colons.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <utility>

#include <planaria/base/text.hpp>

#include "host/faults_words.hpp"

namespace planaria::host {
namespace {

constexpr double seconds_max = 604800;  // a week
constexpr int worker_max = 999999;
constexpr int count_max = 4096;
constexpr const char* example = "kill@step=7:worker=2";

constexpr std::array all_acts = {
    FaultAct::kill,   FaultAct::stop,      FaultAct::throws,          FaultAct::join,
    FaultAct::notice, FaultAct::partition, FaultAct::kill_coordinator};
constexpr std::array all_phases = {FaultPhase::forward,  FaultPhase::backward,  FaultPhase::reduce,
                                   FaultPhase::reported, FaultPhase::committed, FaultPhase::migrate,
                                   FaultPhase::fill,     FaultPhase::idle};

std::vector<std::string> keys_of(FaultAct kind) {
  switch (kind) {
    case FaultAct::kill:
      return {"worker", "zone", "phase"};
    case FaultAct::stop:
      return {"worker", "zone", "phase", "for_s"};
    case FaultAct::throws:
      return {"micro_batch", "layer", "phase"};
    case FaultAct::join:
      return {"count"};
    case FaultAct::notice:
      return {"worker", "zone", "grace_s"};
    case FaultAct::partition:
      return {"worker", "zone", "for_s"};
    case FaultAct::kill_coordinator:
      return {};
  }
  return {};
}

bool is_key_of_any(const std::string& key) {
  return std::ranges::any_of(all_acts, [&](FaultAct kind) {
    const auto keys = keys_of(kind);
    return std::ranges::find(keys, key) != keys.end();
  });
}

template <class Number>
std::optional<Number> number_in(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

template <class Number>
std::optional<Number> number_in(std::string_view text, Number low, Number high) {
  const auto number = number_in<Number>(text);
  if (!number || *number < low || *number > high) return std::nullopt;
  return number;
}

struct Field {
  std::string key, value;
};

/// One item's text, taken apart. Every sentence about it begins alike.
class ItemReader {
 public:
  explicit ItemReader(std::string_view item) : item_(item) {}

  [[nodiscard]] Result<FaultOrder> order();
  [[nodiscard]] Result<RandomFaults> random() const;

 private:
  [[nodiscard]] Fault refuse(const std::string& key, std::string_view value,
                             const std::string& allowed) const {
    return refused_item(item_,
                        fmt::format("{}: {}, must be {}", shown(key), shown(value), allowed));
  }
  [[nodiscard]] Fault missing(const std::string& key, const std::string& allowed) const {
    return refused_item(item_, fmt::format("{}: missing, must be {}", key, allowed));
  }
  [[nodiscard]] Result<std::vector<Field>> fields(std::string_view text) const;
  [[nodiscard]] Fault wrong_key(const Field& field) const;

  [[nodiscard]] Result<void> read_time(const Field& field);
  [[nodiscard]] Result<void> read_field(const Field& field);
  [[nodiscard]] Result<void> read_target(const Field& field);
  [[nodiscard]] Result<void> read_phase(const Field& field);
  [[nodiscard]] Result<double> seconds(const Field& field) const;
  template <class IdType>
  [[nodiscard]] Result<void> read_id(const Field& field, std::optional<IdType>& id) const;
  [[nodiscard]] Result<void> check_whole() const;

  std::string_view item_;
  FaultOrder order_;
};

Result<std::vector<Field>> ItemReader::fields(std::string_view text) const {
  std::vector<Field> fields;
  std::set<std::string> seen;
  for (const std::string& part : split(text, ':')) {
    if (part.empty()) return refused_item(item_, "a field is empty, must be key=value");
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == part.size()) {
      return refused_item(item_,
                          fmt::format("{}: not a key and a value, must be key=value", shown(part)));
    }
    Field field{part.substr(0, equals), part.substr(equals + 1)};
    if (!seen.insert(field.key).second) {
      return refused_item(item_, fmt::format("{}: {}, given twice, must be given once",
                                             shown(field.key), shown(field.value)));
    }
    fields.push_back(std::move(field));
  }
  return fields;
}

Fault ItemReader::wrong_key(const Field& field) const {
  const auto keys = keys_of(order_.kind);
  const std::string allowed =
      keys.empty() ? "must not be there" : "must be one of " + join(keys, ", ");
  const std::string why =
      is_key_of_any(field.key)
          ? fmt::format("{}, does not fit {}", shown(field.value), name_of(order_.kind))
          : std::string("unknown key");
  return refused_item(item_, fmt::format("{}: {}, {}", shown(field.key), why, allowed));
}

Result<double> ItemReader::seconds(const Field& field) const {
  const auto number = number_in<double>(field.value, 0, seconds_max);
  if (!number || !std::isfinite(*number)) {
    return refuse(field.key, field.value,
                  fmt::format("a number of seconds from 0 to {}", seconds_max));
  }
  return *number == 0 ? 0.0 : *number;  // no negative zero
}

Result<void> ItemReader::read_time(const Field& field) {
  if (field.key == "s") {
    PLANARIA_TRY(s, seconds(field));
    order_.when = AtSeconds{s};
    return {};
  }
  const auto step = number_in<std::int64_t>(field.value);
  if (!step) return refuse(field.key, field.value, "a whole number from 1");
  order_.when = Step{*step};
  return {};
}

Result<void> ItemReader::read_target(const Field& field) {
  if (!std::holds_alternative<std::monostate>(order_.who)) {
    return refuse(field.key, field.value, "in place of the other: either worker or zone");
  }
  if (field.key == "zone") {
    const bool plain = std::ranges::all_of(field.value, [](char byte) {
      return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
             (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '.';
    });
    if (!plain) return refuse(field.key, field.value, "a name of letters, digits and - _ .");
    order_.who = Zone{field.value};
    return {};
  }
  if (field.value == "joined") {
    order_.who = LatestJoined{};
  } else if (field.value == "promoted") {
    order_.who = LatestPromoted{};
  } else if (const auto number = number_in<std::int32_t>(field.value, 0, worker_max)) {
    order_.who = WorkerId{*number};
  } else {
    return refuse(field.key, field.value,
                  fmt::format("a whole number from 0 to {}, joined or promoted", worker_max));
  }
  return {};
}

Result<void> ItemReader::read_phase(const Field& field) {
  std::vector<std::string> names;
  for (const FaultPhase phase : all_phases) {
    const bool fits = order_.kind != FaultAct::throws || phase <= FaultPhase::backward;
    if (!fits) continue;
    if (field.value == name_of(phase)) {
      order_.phase = phase;
      return {};
    }
    names.emplace_back(name_of(phase));
  }
  return refuse(field.key, field.value, "one of " + join(names, ", "));
}

template <class IdType>
Result<void> ItemReader::read_id(const Field& field, std::optional<IdType>& id) const {
  const auto number = number_in<std::int32_t>(field.value);
  if (!number) return refuse(field.key, field.value, "a whole number from 0");
  id = IdType{*number};
  return {};
}

Result<void> ItemReader::read_field(const Field& field) {
  const auto keys = keys_of(order_.kind);
  if (field.key == "step" || field.key == "s") {
    return refuse(field.key, field.value, "in place of the other: either step or s");
  }
  if (std::ranges::find(keys, field.key) == keys.end()) return wrong_key(field);
  if (field.key == "worker" || field.key == "zone") return read_target(field);
  if (field.key == "phase") return read_phase(field);
  if (field.key == "micro_batch") return read_id(field, order_.micro_batch);
  if (field.key == "layer") return read_id(field, order_.layer);
  if (field.key == "count") {
    const auto count = number_in<int>(field.value, 1, count_max);
    if (!count) {
      return refuse(field.key, field.value, fmt::format("a whole number from 1 to {}", count_max));
    }
    order_.count = *count;
    return {};
  }
  PLANARIA_TRY(s, seconds(field));
  (field.key == "for_s" ? order_.for_s : order_.grace_s) = s;
  return {};
}

// What several fields must be together.
Result<void> ItemReader::check_whole() const {
  const auto keys = keys_of(order_.kind);
  const bool has_target = std::ranges::find(keys, "worker") != keys.end();
  if (has_target && std::holds_alternative<std::monostate>(order_.who)) {
    return missing("worker", "a worker's number, joined or promoted");
  }
  const bool throws = order_.kind == FaultAct::throws;
  if (throws && !order_.micro_batch) return missing("micro_batch", "a whole number from 0");
  if (throws && !order_.layer) return missing("layer", "a whole number from 0");
  const auto* at = std::get_if<AtSeconds>(&order_.when);
  if (at == nullptr) return {};
  if (throws) return refuse("s", fmt::format("{}", at->s), "step=N: a throw has no other time");
  if (order_.phase) {
    return refuse("phase", name_of(*order_.phase), "left out of an order at s: steps have phases");
  }
  return {};
}

Result<FaultOrder> ItemReader::order() {
  const std::size_t kind_end = item_.find_first_of("@:");
  const std::string_view kind_text = item_.substr(0, kind_end);
  const auto* kind =
      std::ranges::find_if(all_acts, [&](FaultAct act) { return kind_text == name_of(act); });
  if (kind_text == "random") {
    return refused_item(item_, "when: given, must be left out: random chooses its own steps");
  }
  if (kind == all_acts.end()) {
    std::vector<std::string> names;
    names.reserve(all_acts.size());
    for (const FaultAct act : all_acts) names.emplace_back(name_of(act));
    return refuse("kind", kind_text, "one of " + join(names, ", ") + ", random");
  }
  order_.kind = *kind;
  order_.written = std::string(item_);
  const std::string when = fmt::format("step=N or s=SECONDS behind an @, as in {}", example);
  if (kind_end == std::string_view::npos || item_[kind_end] != '@') return missing("when", when);
  PLANARIA_TRY(all, fields(item_.substr(kind_end + 1)));
  if (all.empty()) return missing("when", when);
  if (all[0].key != "step" && all[0].key != "s") {
    return refuse("when", all[0].key + "=" + all[0].value, when);
  }
  PLANARIA_TRY_VOID(read_time(all[0]));
  for (std::size_t i = 1; i < all.size(); ++i) PLANARIA_TRY_VOID(read_field(all[i]));
  PLANARIA_TRY_VOID(check_whole());
  return order_;
}

Result<RandomFaults> ItemReader::random() const {
  constexpr std::string_view name = "random";
  RandomFaults random;
  random.written = std::string(item_);
  const bool has_fields = item_.size() > name.size();
  PLANARIA_TRY(all, fields(has_fields ? item_.substr(name.size() + 1) : std::string_view()));
  bool seeded = false;
  for (const Field& field : all) {
    if (field.key == "seed") {
      const auto seed = number_in<std::uint64_t>(field.value);
      if (!seed) {
        return refuse(
            "seed", field.value,
            fmt::format("a whole number from 0 to {}", std::numeric_limits<std::uint64_t>::max()));
      }
      random.seed = *seed;
      seeded = true;
      continue;
    }
    int* count = field.key == "kills"   ? &random.kills
                 : field.key == "stops" ? &random.stops
                 : field.key == "joins" ? &random.joins
                                        : nullptr;
    if (count == nullptr) {
      return refused_item(item_, fmt::format("{}: unknown key, must be one of kills, stops, joins, "
                                             "seed",
                                             shown(field.key)));
    }
    const auto number = number_in<int>(field.value, 0, fault_orders_max);
    if (!number) {
      return refuse(field.key, field.value,
                    fmt::format("a whole number from 0 to {}", fault_orders_max));
    }
    *count = *number;
  }
  if (random.kills + random.stops + random.joins == 0) {
    return missing("kills",
                   fmt::format("a whole number from 1 to {}, or stops or joins", fault_orders_max));
  }
  if (!seeded) return missing("seed", "a whole number: the same seed gives the same faults");
  return random;
}

}  // namespace

Result<FaultPlan> faults_from_text(std::string_view text) {
  FaultPlan plan;
  const std::string wanted = fmt::format("an order such as {}", example);
  const std::vector<std::string> items = split(text, ',');
  if (items.empty()) return Fault::invalid_input("--faults: empty, must be " + wanted);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string& item = items[i];
    if (item.empty()) {
      const bool trailing = i > 0 && i + 1 == items.size();
      return Fault::invalid_input(
          fmt::format("--faults: item {} of {}: {}, must be {}", i + 1, items.size(),
                      trailing ? "nothing after the last comma" : "empty", wanted));
    }
    if (item == "random" || item.starts_with("random:")) {
      if (plan.random) return refused_item(item, "random: given twice, must be given once");
      PLANARIA_TRY(random, ItemReader(item).random());
      plan.random = random;
    } else {
      PLANARIA_TRY(order, ItemReader(item).order());
      plan.orders.push_back(std::move(order));
    }
  }
  return plan;
}

}  // namespace planaria::host
