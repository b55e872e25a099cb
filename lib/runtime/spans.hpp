// runtime/spans.hpp: how long each part of a step took, for the timeline. Private.
// Is: begin and end of the worker's own doings (compute, waiting, reduction, ...), handed on when
// they end. Is not: the record of what was begun (`computed` events), which must outlive a kill.
#pragma once

#include <functional>

#include <planaria/base/clock.hpp>
#include <planaria/base/ids.hpp>

namespace planaria::runtime {

struct Span {
  const char* kind = "";  // forward, backward, wait, load, send, reduce, report, commit, apply, …
  MicroBatchId micro_batch{-1};  // below 0: of the whole step
  Instant begin;
  Instant end;
  /// Of an "action": what the schedule calls it. It lasts from when its inputs are there until its
  /// worker goes on, so that a simulation of these gives the step's time.
  char action = ' ';
  int chunk = 0;
};

/// Where spans go; nothing is measured without a listener. One thread.
class Spans {
 public:
  Spans() = default;
  Spans(const Clock& clock, std::function<void(const Span&)> listener)
      : clock_(&clock), listener_(std::move(listener)) {}

  /// Measures until it goes.
  class Scope {
   public:
    Scope(const Spans& spans, const char* kind, MicroBatchId micro_batch) : spans_(spans) {
      if (!spans_.listener_) return;
      span_ = {kind, micro_batch, spans_.clock_->now(), {}, ' ', 0};
    }
    ~Scope() {
      if (!spans_.listener_) return;
      span_.end = spans_.clock_->now();
      spans_.listener_(span_);
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    const Spans& spans_;
    Span span_;
  };
  [[nodiscard]] bool listens() const { return listener_ != nullptr; }
  /// Requires listens().
  [[nodiscard]] Instant now() const { return clock_->now(); }
  void add(const Span& span) const {
    if (listener_) listener_(span);
  }
  [[nodiscard]] Scope measure(const char* kind, MicroBatchId micro_batch = MicroBatchId{-1}) const {
    return {*this, kind, micro_batch};
  }

 private:
  const Clock* clock_ = nullptr;
  std::function<void(const Span&)> listener_;
};

}  // namespace planaria::runtime
