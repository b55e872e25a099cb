// host/worker_events.hpp (private): what `computed` events add up to. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include <planaria/base/json.hpp>

namespace planaria::host {

/// Returns whether `event` is a `computed` event with every field that the two below read.
[[nodiscard]] bool is_computed(const Json& event);

/// Returns whether `event` is a `span` event, a worker's own part of a step, with every field that
/// the timeline reads. Such events are the timeline's alone: they do not get into events.jsonl.
[[nodiscard]] bool is_span(const Json& event);

/// Counts the (step, micro-batch, layer) that were computed more than once: a forward came twice,
/// or a backward (B or G). 24 bytes an event.
class RedoneCounter {
 public:
  /// Takes a computed event, in any order.
  void add(const Json& computed);
  [[nodiscard]] std::int64_t count() const;

 private:
  struct Key {
    std::int64_t step = 0;
    std::int32_t micro_batch = 0;
    std::int32_t layer = 0;
    char kind = 'F';
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  std::vector<Key> keys_;
};

/// Turns computed and span events, in order of time, into slices of a Chrome trace: one process a
/// worker. Computed events of one action at one time are one slice; without `ms` it lasts until its
/// worker's next one, the last one for no time. A span's time is its end; it takes the place of the
/// action that it measured.
class Timeline {
 public:
  /// Takes the next event; returns the slice that it completes, if any.
  [[nodiscard]] std::optional<Json> add(const Json& computed);
  /// Takes the next span and returns its slice.
  [[nodiscard]] Json add_span(const Json& span);
  /// Returns the slices that no later event completed, by worker.
  [[nodiscard]] std::vector<Json> finish();

 private:
  std::map<std::int64_t, Json> open_;  // by worker
};

}  // namespace planaria::host
