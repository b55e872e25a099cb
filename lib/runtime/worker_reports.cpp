// What a worker tells: its metrics, its state at the end, and its own events.
#include <fmt/format.h>

#include <planaria/base/hash.hpp>
#include <planaria/host/run_directory.hpp>

#include "runtime/process.hpp"
#include "runtime/tensors.hpp"
#include "runtime/worker.hpp"

namespace planaria::runtime {

namespace agent = protocol::agent;
using transport::FrameKey;
using transport::FrameKind;

StepMetrics Worker::metrics_of(const protocol::CommitRecord& record) {
  const Instant now = clock_.now();
  const StepMetrics metrics{
      .step = record.step,
      .loss = record.loss,
      .norm = record.norm,
      .rate = record.rate,
      .skipped = record.verdict == protocol::Verdict::skip,
      .last = record.last,
      .step_ms = (now - record_came_).value,
      .samples =
          static_cast<std::int64_t>(options_.spec.micro_batches) * options_.spec.micro_batch_size,
      .worker = self_,
  };
  record_came_ = now;
  return metrics;
}

// What stands at the level: after a fill or a move in vain there may be more.
protocol::Applied Worker::applied(Step step) {
  protocol::Applied applied;
  applied.view = view_.view;
  applied.step = step;
  applied.peak_resident_bytes = peak_resident_bytes();
  if (stage_ == nullptr) return applied;
  for (const HeldLayer& held : stage_->layers()) {
    if (held.level != step) continue;
    protocol::LayerState state;
    state.layer = held.id;
    std::vector<std::string> names;
    std::vector<std::span<const std::byte>> pieces;
    auto tensors = held.state();
    for (auto& [info, tensor] : tensors) {
      tensor = on_host(tensor);
      state.tensors.push_back(checkpoint::to_json(info));
      names.push_back(state.tensors.back().dump());
    }
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      pieces.push_back(std::as_bytes(std::span(names[i].data(), names[i].size())));
      pieces.push_back(bytes_of(tensors[i].second));
    }
    state.xxh3 = xxh3_64(pieces);
    applied.layers.push_back(std::move(state));
  }
  return applied;
}

void Worker::open_events() {
  if (options_.run_dir.empty()) return;
  const host::RunDirectory directory{options_.run_dir, {}};
  auto opened = JsonLines::open(directory.worker_events(self_.value));
  if (!opened) return;
  events_ = std::move(opened).value();
  spans_ = Spans(clock_, [this](const Span& span) { write_span(span); });
}

// Written before the action, so that a worker killed in the middle of it has told what it began: a
// line per layer, all in one call.
void Worker::write_computed(char kind, Step step, MicroBatchId micro_batch, LayerId first,
                            LayerId last) {
  line_.clear();
  const double began_ms = clock_.now().since_start_ms;
  const int way = first <= last ? 1 : -1;
  for (LayerId layer = first;; layer = layer.next(way)) {
    fmt::format_to(std::back_inserter(line_),
                   R"({{"t_ms":{:.3f},"view":{},"step":{},"event":"computed","worker":{},)"
                   R"("micro_batch":{},"layer":{},"kind":"{}"}})",
                   began_ms, view_.view.value, step.value, self_.value, micro_batch.value,
                   layer.value, kind);
    if (layer == last) break;
    line_ += '\n';
  }
  if (!events_->write_text(line_)) events_.reset();
}

void Worker::write_fault(Step step, const Json& fields) {
  if (!events_) return;
  const Event event{clock_.now(), view_.view, step, "fault_injected", fields};
  if (!events_->write(to_json(event))) events_.reset();
}

void Worker::make_striker(bool joined_later) {
  if (rejoined_) return striker_.joins_again(self_);  // what has struck it stays struck
  auto striker = host::FaultStriker::from_environment(
      {.orders = {},
       .bounds = {},
       .steps = options_.spec.steps,
       .run_dir = options_.run_dir,
       .self = self_,
       .joined_later = joined_later,
       .tell = [this](Step step, const Json& fields) { write_fault(step, fields); },
       .raise = {}});
  check(striker.ok(), "faults that were checked before the run began");
  striker_ = std::move(striker).value();
}

// The timeline shows the first steps: the others look the same, and a long run would fill the disk.
void Worker::write_span(const Span& span) {
  const Step step = shown_step_;
  if (!events_ || step.value > options_.trainer->timeline_steps) return;
  line_.clear();
  fmt::format_to(std::back_inserter(line_),
                 R"({{"t_ms":{:.3f},"view":{},"step":{},"event":"span","worker":{},)"
                 R"("micro_batch":{},"kind":"{}","ms":{:.3f})",
                 span.end.since_start_ms, view_.view.value, step.value, self_.value,
                 span.micro_batch.value, span.kind, (span.end - span.begin).value);
  if (span.action != ' ') {
    fmt::format_to(std::back_inserter(line_), R"(,"action":"{}","chunk":{})", span.action,
                   span.chunk);
  }
  line_ += '}';
  if (!events_->write_text(line_)) events_.reset();
}

}  // namespace planaria::runtime
