#include "host/worker_events.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace planaria::host {

bool is_computed(const Json& event) {
  if (!event.is_object() || event.value("event", "") != "computed") return false;
  for (const char* field : {"step", "worker", "micro_batch", "layer"}) {
    const auto found = event.find(field);
    if (found == event.end() || !found->is_number_integer()) return false;
  }
  const auto kind = event.find("kind");
  const auto time = event.find("t_ms");
  return kind != event.end() && kind->is_string() &&
         kind->get_ref<const std::string&>().size() == 1 && time != event.end() &&
         time->is_number();
}

bool is_span(const Json& event) {
  if (!event.is_object() || event.value("event", "") != "span") return false;
  for (const char* field : {"step", "worker", "micro_batch"}) {
    const auto found = event.find(field);
    if (found == event.end() || !found->is_number_integer()) return false;
  }
  for (const char* field : {"t_ms", "ms"}) {
    const auto found = event.find(field);
    if (found == event.end() || !found->is_number()) return false;
  }
  const auto kind = event.find("kind");
  return kind != event.end() && kind->is_string();
}

// A weight gradient and a recompute belong to their backward and are no work of their own.
void RedoneCounter::add(const Json& computed) {
  const char kind = computed.at("kind").get_ref<const std::string&>().front();
  if (kind == 'W' || kind == 'R') return;
  keys_.push_back({.step = computed.at("step").get<std::int64_t>(),
                   .micro_batch = computed.at("micro_batch").get<std::int32_t>(),
                   .layer = computed.at("layer").get<std::int32_t>(),
                   .kind = kind == 'F' ? 'F' : 'G'});
}

std::int64_t RedoneCounter::count() const {
  std::vector<Key> sorted = keys_;
  std::sort(sorted.begin(), sorted.end());
  std::int64_t redone = 0;
  std::optional<Key> last;  // the last place counted, so that a redone F and B count once
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i] != sorted[i - 1]) continue;
    const Key& key = sorted[i];
    if (last && last->step == key.step && last->micro_batch == key.micro_batch &&
        last->layer == key.layer) {
      continue;
    }
    last = key;
    ++redone;
  }
  return redone;
}

namespace {

constexpr double microseconds_per_ms = 1000.0;

Json slice_of(const Json& computed) {
  const double begin_ms = computed.at("t_ms").get<double>();
  const auto duration = computed.find("ms");
  const bool known = duration != computed.end() && duration->is_number();
  const std::string action = fmt::format("{}{}", computed.at("kind").get<std::string>(),
                                         computed.at("micro_batch").get<std::int64_t>());
  const auto layer = computed.at("layer").get<std::int64_t>();
  return {{"name", fmt::format("{} layer {}", action, layer)},
          {"ph", "X"},
          {"ts", begin_ms * microseconds_per_ms},
          {"dur", known ? duration->get<double>() * microseconds_per_ms : -1.0},
          {"pid", computed.at("worker")},
          {"tid", 0},
          {"args",
           {{"step", computed.at("step")},
            {"view", computed.value("view", Json())},
            {"action", action},
            {"first_layer", layer},
            {"last_layer", layer}}}};
}

bool same_action(const Json& open, const Json& next) {
  return open.at("ts") == next.at("ts") && open.at("dur").get<double>() < 0 &&
         open.at("args").at("step") == next.at("args").at("step") &&
         open.at("args").at("action") == next.at("args").at("action");
}

void extend(Json& open, std::int64_t layer) {
  Json& args = open.at("args");
  args["first_layer"] = std::min(args.at("first_layer").get<std::int64_t>(), layer);
  args["last_layer"] = std::max(args.at("last_layer").get<std::int64_t>(), layer);
  open["name"] = fmt::format("{} layers {}-{}", args.at("action").get<std::string>(),
                             args.at("first_layer").get<std::int64_t>(),
                             args.at("last_layer").get<std::int64_t>());
}

// "F3" where the worker computes micro-batch 3, "wait 3" where it waits for it, "reduce".
std::string name_of_span(const Json& span) {
  const std::string kind = span.at("kind").get<std::string>();
  const auto micro_batch = span.at("micro_batch").get<std::int64_t>();
  if (micro_batch < 0) return kind;
  if (kind == "forward") return fmt::format("F{}", micro_batch);
  if (kind == "backward") return fmt::format("G{}", micro_batch);
  if (kind == "backward_input") return fmt::format("B{}", micro_batch);
  if (kind == "backward_weight") return fmt::format("W{}", micro_batch);
  if (kind == "recompute") return fmt::format("R{}", micro_batch);
  return fmt::format("{} {}", kind, micro_batch);
}

Json slice_of_span(const Json& span) {
  const double length_us = span.at("ms").get<double>() * microseconds_per_ms;
  const double end_us = span.at("t_ms").get<double>() * microseconds_per_ms;
  return {{"name", name_of_span(span)},
          {"cat", span.at("kind")},
          {"ph", "X"},
          {"ts", end_us - length_us},
          {"dur", length_us},
          {"pid", span.at("worker")},
          {"tid", 0},
          {"args",
           {{"step", span.at("step")},
            {"micro_batch", span.at("micro_batch")},
            {"view", span.value("view", Json())}}}};
}

}  // namespace

std::optional<Json> Timeline::add(const Json& computed) {
  Json slice = slice_of(computed);
  const auto worker = computed.at("worker").get<std::int64_t>();
  const auto open = open_.find(worker);
  if (open == open_.end()) {
    open_.emplace(worker, std::move(slice));
    return std::nullopt;
  }
  if (same_action(open->second, slice)) {
    extend(open->second, computed.at("layer").get<std::int64_t>());
    return std::nullopt;
  }
  Json completed = std::exchange(open->second, std::move(slice));
  if (completed.at("dur").get<double>() < 0) {
    completed.at("dur") =
        std::max(0.0, open->second.at("ts").get<double>() - completed.at("ts").get<double>());
  }
  return completed;
}

Json Timeline::add_span(const Json& span) {
  Json slice = slice_of_span(span);
  const auto open = open_.find(span.at("worker").get<std::int64_t>());
  if (open != open_.end() && open->second.at("args").at("action") == slice.at("name")) {
    open_.erase(open);
  }
  return slice;
}

std::vector<Json> Timeline::finish() {
  std::vector<Json> rest;
  for (auto& [worker, slice] : open_) {
    if (slice.at("dur").get<double>() < 0) slice.at("dur") = 0.0;
    rest.push_back(std::move(slice));
  }
  open_.clear();
  return rest;
}

}  // namespace planaria::host
