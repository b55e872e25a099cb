#include "protocol/cluster_watch.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace planaria::protocol {
namespace {

bool same_but_last(CommitRecord a, const CommitRecord& b) {
  a.last = b.last;
  return a == b;
}

}  // namespace

ClusterWatch::ClusterWatch(const ClusterOptions& options, ClusterReport& report)
    : options_(options), report_(report), truth_(options.spec) {}

void ClusterWatch::breaks(const std::string& what) {
  if (report_.broken.empty()) report_.broken = what;
}

void ClusterWatch::after_delivery(const CoordinatorState& state,
                                  const std::map<WorkerId, const ToyStore*>& stores) {
  if (state.view.view < view_) breaks("the coordinator went back to an older view");
  view_ = state.view.view;
  for (const auto& [worker, store] : stores) {
    for (const auto& [layer, held] : store->held()) {
      if (held.state != truth_.state(layer, held.level)) {
        breaks(fmt::format("worker {} holds a wrong layer {} at level {}", worker.value,
                           layer.value, held.level.value));
      }
      if (held.gradient && *held.gradient != truth_.gradient(layer, held.level.next())) {
        breaks(fmt::format("worker {} has a wrong gradient of layer {} in step {}", worker.value,
                           layer.value, held.level.value + 1));
      }
    }
  }
}

void ClusterWatch::committed(const CommitRecord& record) {
  const auto known = static_cast<std::size_t>(record.step.value);
  if (known == report_.records.size() && record.step == level_) {
    if (record != report_.records.back()) breaks("a step has two records");
    return;  // sent to another worker
  }
  if (record.step == level_) return;
  if (record.step != level_.next()) {
    breaks(fmt::format("step {} was committed at level {}", record.step.value, level_.value));
  }
  level_ = record.step;
  if (!same_but_last(record, truth_.record(record.step))) {
    breaks(fmt::format("step {} was committed with another record than alone", record.step.value));
  }
  if (known <= report_.records.size()) {
    if (report_.records[known - 1] != record) breaks("a step was done again with another record");
  } else {
    report_.records.push_back(record);
  }
}

void ClusterWatch::applied(WorkerId worker, const CommitRecord& record) {
  const auto index = static_cast<std::size_t>(record.step.value);
  const bool known = index >= 1 && index <= report_.records.size();
  if (known && report_.records[index - 1] == record) return;
  breaks(fmt::format("worker {} applied step {}, which was not committed", worker.value,
                     record.step.value));
}

// Nobody may be able to give the level back: not one process that lives and is a member.
void ClusterWatch::check_roll_back(const Event& event, const CoordinatorState& state,
                                   const std::map<WorkerId, const ToyStore*>& stores) {
  const Step level{event.fields.at("from").get<std::int64_t>()};
  for (const Json& lost : event.fields.at("layers")) {
    const LayerId layer{lost.get<int>()};
    for (const auto& [worker, store] : stores) {
      const auto held = store->held().find(layer);
      const auto member = state.members.find(worker);
      const bool reachable = member != state.members.end() && !member->second.out;
      // One that is being filled has not said yet that it is done.
      const bool filling = std::ranges::any_of(state.filling, [&](const Move& move) {
        return move.layer == layer && move.to == worker;
      });
      if (filling) continue;
      if (!reachable || held == store->held().end()) continue;
      // It may still have to apply the record; a gradient that waits for it is as good.
      const bool has = held->second.level == level ||
                       (held->second.level.next() == level && held->second.gradient);
      if (has) {
        breaks(fmt::format("all went back to level {}, although worker {} had layer {} at level {}",
                           event.fields.at("to").get<int>(), worker.value, layer.value,
                           level.value));
      }
    }
  }
}

void ClusterWatch::event(const Event& event, const CoordinatorState& state,
                         const std::map<WorkerId, const ToyStore*>& stores) {
  if (event.name == "worker_lost") ++report_.losses;
  if (event.name != "rolled_back") return;
  ++report_.rolled_back;
  check_roll_back(event, state, stores);
  level_ = Step{event.fields.at("to").get<std::int64_t>()};
}

void ClusterWatch::ledger(const LedgerLine& line) {
  if (line.step != ledger_.next()) breaks("the ledger's lines are not in order");
  ledger_ = line.step;
}

void ClusterWatch::computed(Step step, MicroBatchId micro_batch, LayerId layer) {
  ++report_.computed;
  if (!computed_.insert({step, micro_batch, layer}).second) ++report_.redone;
}

void ClusterWatch::at_end() {
  const Step committed{static_cast<std::int64_t>(report_.records.size())};
  if (ledger_ != committed) breaks("the ledger does not hold every committed step");
  for (const LayerState& stored : report_.stored) {
    if (stored.xxh3 != truth_.state(stored.layer, level_)) {
      breaks(fmt::format("layer {} was stored with a wrong number", stored.layer.value));
    }
  }
}

}  // namespace planaria::protocol
