#include "protocol/cluster_watch.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <planaria/schedule/validate.hpp>

namespace planaria::protocol {
namespace {

// Whether the layer stands at `level`, or will once the record is applied that is under way.
bool has(const ToyStore& store, LayerId layer, Step level) {
  const auto held = store.held().find(layer);
  if (held == store.held().end()) return false;
  const bool close = held->second.level.next() == level && held->second.gradient;
  return close || held->second.level == level;
}

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

void ClusterWatch::after_delivery(const CoordinatorState& state, const Stores& stores) {
  if (state.view.view < view_) breaks("the coordinator went back to an older view");
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
  check_holders(state, stores);
  view_ = state.view.view;
  layout_ = state.view.layout;
  std::erase_if(filling_, [&](const auto& entry) { return !state.filling.contains(entry.first); });
  for (const Move& move : state.filling) filling_.try_emplace(move, level_);
  holders_ = state.holders;
  for (auto& [layer, holders] : holders_) {
    // Whose code failed gives what it holds, but will not be at the next level.
    std::erase_if(holders, [&](WorkerId worker) {
      const auto member = state.members.find(worker);
      return member != state.members.end() && member->second.out;
    });
    if (static_cast<int>(holders.size()) >= options_.coordinator.commit_domains) {
      lost_since_[layer] = 0;
    }
  }
}

// Who counts as a holder has the layer where the run stands, or the gradient that brings it there.
void ClusterWatch::check_holders(const CoordinatorState& state, const Stores& stores) {
  using Phase = CoordinatorState::Phase;
  const bool at_level = state.phase == Phase::applying || state.phase == Phase::storing ||
                        state.phase == Phase::asking;
  const Step level = at_level ? state.step : Step{state.step.value - 1};
  if (state.phase == Phase::finished || level == Step{0}) return;
  for (const auto& [layer, holders] : state.holders) {
    for (const WorkerId worker : holders) {
      if (!state.members.contains(worker)) {
        breaks(fmt::format("worker {} counts as a holder of layer {}, and is no member",
                           worker.value, layer.value));
      }
      const auto store = stores.find(worker);
      if (store == stores.end()) continue;  // dead, and nobody has heard of it
      if (has(*store->second, layer, level)) continue;
      breaks(fmt::format("worker {} counts as a holder of layer {} at level {}, which it has not",
                         worker.value, layer.value, level.value));
    }
  }
}

void ClusterWatch::sent(const Message& message, const CoordinatorState& state,
                        const Stores& stores) {
  if (const auto* commit = std::get_if<Commit>(&message)) {
    committed(commit->record, state, stores);
    if (commit->next) check_view(*commit->next, state);
  } else if (const auto* view = std::get_if<NewView>(&message)) {
    check_view(*view, state);
  } else if (const auto* begin = std::get_if<Begin>(&message)) {
    if (begin->salvage) check_salvage(*begin, state);
  }
}

// Counts lane by lane; knows nothing of how they were chosen.
void ClusterWatch::check_salvage(const Begin& begin, const CoordinatorState& state) {
  const LaneTree tree = toy_tree(options_.spec);
  const auto layers = options_.spec.layers.size();
  std::vector<int> computed(static_cast<std::size_t>(tree.lanes()), 0);
  for (int index = 0; index < static_cast<int>(begin.salvage->work.size()); ++index) {
    const PipelineWork& work = begin.salvage->work[static_cast<std::size_t>(index)];
    const auto joined = joined_with(state.view.layout, index);
    bool wanted = false;  // the first of pipelines that run as one has the schedule of all
    for (const int other : joined) {
      const auto& lanes = begin.salvage->work[static_cast<std::size_t>(other)].lanes;
      wanted = wanted || (index == joined.front() && !lanes.empty());
    }
    if (wanted == work.schedule.empty()) breaks("lanes without a schedule, or it alone");
    if (wanted) {
      const auto width = static_cast<int>(joined.size());
      const auto schedule = schedule_from_text(work.schedule, "a salvage's schedule", width);
      if (!schedule || !validate(schedule.value())) breaks("a schedule that cannot run");
    }
    for (const LaneId lane : work.lanes) ++computed.at(static_cast<std::size_t>(lane.value));
  }
  std::vector<std::vector<int>> finished(layers, std::vector<int>(computed.size(), 0));
  for (const OwnedSum& sum : begin.salvage->sums) {
    const auto active = active_holders(state.view.layout, sum.layer);
    if (std::ranges::find(active, sum.owner) == active.end())
      breaks("a sum of who computes it not");
    const auto lanes = tree.lanes_under(sum.node);
    if (!lanes) return breaks("a sum over no lanes");
    for (LaneId lane = lanes->first; lane <= lanes->last; lane = lane.next()) {
      ++finished.at(static_cast<std::size_t>(sum.layer.value))
            .at(static_cast<std::size_t>(lane.value));
    }
  }
  for (std::size_t lane = 0; lane < computed.size(); ++lane) {
    int having = 0;
    for (std::size_t layer = 0; layer < layers; ++layer) {
      const int times = finished[layer][lane];
      if (times > 1) breaks(fmt::format("lane {} of layer {} counts twice", lane, layer));
      if (times == 0 && computed[lane] == 0) {
        breaks(fmt::format("lane {} of layer {} is computed by nobody", lane, layer));
      }
      having += times;
    }
    if (computed[lane] > 1) breaks(fmt::format("lane {} is computed twice", lane));
    if (computed[lane] > 0 && having == static_cast<int>(layers)) {
      breaks(fmt::format("lane {} is computed though all layers have it", lane));
    }
    if (salvaged_in_ != begin.view) report_.salvaged += having;  // sent to several
  }
  salvaged_in_ = begin.view;
}

void ClusterWatch::check_view(const NewView& view, const CoordinatorState& state) {
  const auto [known, fresh] = views_.try_emplace(view.view, view);
  if (!fresh) {
    if (!(known->second == view)) {
      breaks(fmt::format("view {} was announced with two contents", view.view.value));
    }
    return;
  }
  if (shares_workers(view.layout)) ++report_.rerouted_views;
  for (const WorkerId worker : workers_of(view.layout)) {
    if (state.members.contains(worker)) continue;
    breaks(fmt::format("view {} has a role for worker {}, which is gone", view.view.value,
                       worker.value));
  }
}

void ClusterWatch::committed(const CommitRecord& record, const CoordinatorState& state,
                             const Stores& stores) {
  const auto known = static_cast<std::size_t>(record.step.value);
  if (record.step == level_) {
    if (known <= report_.records.size() && record != report_.records[known - 1]) {
      breaks("a step has two records");
    }
    return;  // sent to another worker
  }
  if (record.step != level_.next()) {
    breaks(fmt::format("step {} was committed at level {}", record.step.value, level_.value));
  }
  level_ = record.step;
  if (record.step.value > options_.spec.steps) breaks("a step behind the last was committed");
  if (!same_but_last(record, truth_.record(record.step))) {
    breaks(fmt::format("step {} was committed with another record than alone", record.step.value));
  }
  check_commit(record.step, state, stores);
  if (known <= report_.records.size()) {
    if (report_.records[known - 1] != record) breaks("a step was done again with another record");
  } else {
    report_.records.push_back(record);
  }
}

// Whoever held a layer with a role in the view and lives must have the step's gradient of it.
void ClusterWatch::check_commit(Step step, const CoordinatorState& state, const Stores& stores) {
  for (const auto& [layer, holders] : holders_) {
    const auto active = active_holders(layout_, layer);
    const auto shadows = shadows_of(layout_, layer);
    for (const WorkerId worker : holders) {
      const bool has_role = std::ranges::find(active, worker) != active.end() ||
                            std::ranges::find(shadows, worker) != shadows.end();
      const auto store = stores.find(worker);
      if (!has_role || store == stores.end() || !state.members.contains(worker)) continue;
      if (has(*store->second, layer, step)) continue;
      breaks(fmt::format("step {} was committed before worker {} had its gradient of layer {}",
                         step.value, worker.value, layer.value));
    }
  }
}

void ClusterWatch::stands(WorkerId worker, Step level) {
  for (const auto& [move, since] : filling_) {
    if (move.from != worker || since > level || states_sent_.contains({move, since})) continue;
    breaks(fmt::format("worker {} was to send layer {} at level {} to worker {}, and has not",
                       worker.value, move.layer.value, since.value, move.to.value));
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
                                   const Stores& stores) {
  const Step level{event.fields.at("from").get<std::int64_t>()};
  for (const Json& lost : event.fields.at("layers")) {
    const LayerId layer{lost.get<int>()};
    const auto known = lost_since_.find(layer);
    if (known != lost_since_.end() && known->second < options_.coordinator.commit_domains) {
      breaks(
          fmt::format("all went back to level {} for layer {}, of which {} holders were lost "
                      "since {} held it",
                      event.fields.at("to").get<int>(), layer.value, known->second,
                      options_.coordinator.commit_domains));
    }
    for (const auto& [worker, store] : stores) {
      const auto member = state.members.find(worker);
      const bool reachable = member != state.members.end() && !member->second.out;
      // One that is being filled has not said yet that it is done.
      const bool filling = std::ranges::any_of(state.filling, [&](const Move& move) {
        return move.layer == layer && move.to == worker;
      });
      if (filling || !reachable || !has(*store, layer, level)) continue;
      breaks(fmt::format("all went back to level {}, although worker {} had layer {} at level {}",
                         event.fields.at("to").get<int>(), worker.value, layer.value, level.value));
    }
  }
}

void ClusterWatch::count_losses(WorkerId worker) {
  for (auto& [layer, lost] : lost_since_) {
    const auto holders = holders_.find(layer);
    if (holders != holders_.end() && holders->second.contains(worker)) ++lost;
  }
}

void ClusterWatch::event(const Event& event, const CoordinatorState& state, const Stores& stores) {
  if (event.name == "worker_lost") {
    const auto why = event.fields.at("why").get<std::string>();
    ++report_.losses;
    report_.evicted_silent += why.starts_with("not heard from") ? 1 : 0;
    report_.evicted_cut_off += why.starts_with("cannot be reached") ? 1 : 0;
    count_losses(WorkerId{event.fields.at("worker").get<int>()});
  }
  if (event.name == "worker_failed") count_losses(WorkerId{event.fields.at("worker").get<int>()});
  if (event.name == "view") {
    const bool planned = event.fields.at("planned").get<bool>();
    report_.planned_views += planned ? 1 : 0;
    if (!planned) report_.moves += event.fields.at("moves").get<int>();
  }
  if (event.name != "rolled_back") return;
  ++report_.rolled_back;
  check_roll_back(event, state, stores);
  level_ = Step{event.fields.at("to").get<std::int64_t>()};
  lost_since_.clear();
}

void ClusterWatch::evaluated(const Evaluation& evaluation) {
  if (evaluation != truth_.evaluation(evaluation.step)) {
    breaks(fmt::format("the evaluation of level {} is another than alone", evaluation.step.value));
  }
  report_.evaluations += evaluated_.insert(evaluation.step).second ? 1 : 0;
}

void ClusterWatch::ledger(const LedgerLine& line) {
  if (line.step != ledger_.next()) breaks("the ledger's lines are not in order");
  ledger_ = line.step;
}

void ClusterWatch::computed(Step step, MicroBatchId micro_batch, LayerId layer) {
  ++report_.computed;
  if (!computed_.insert({step, micro_batch, layer}).second) ++report_.redone;
}

// A run that does not end well must have had a reason to.
void ClusterWatch::check_ending(const Finish& outcome) {
  const auto says = [&](const char* words) {
    return outcome.sentence.find(words) != std::string::npos;
  };
  const bool signal = std::ranges::any_of(options_.faults, [](const ClusterFault& fault) {
    return fault.kind == ClusterFault::Kind::signal;
  });
  const bool allowed =
      outcome.status == 0 || (report_.losses > 0 && says("left, must be at least")) ||
      (report_.losses > 0 && says("after waiting")) || (report_.thrown > 1 && says("bad sample")) ||
      (report_.thrown > 0 && says("bad sample, and no other worker is left to try")) ||
      (signal && (says("stopped before the first step") || says("stopped while waiting")));
  if (!allowed) {
    breaks(fmt::format("the run ended without reason: status {}, {}", outcome.status,
                       outcome.sentence));
  }
}

void ClusterWatch::at_end() {
  check_ending(*report_.outcome);
  const Step committed{static_cast<std::int64_t>(report_.records.size())};
  if (ledger_ != committed) breaks("the ledger does not hold every committed step");
  for (const LayerState& stored : report_.stored) {
    if (stored.xxh3 != truth_.state(stored.layer, level_)) {
      breaks(fmt::format("layer {} was stored with a wrong number", stored.layer.value));
    }
  }
}

}  // namespace planaria::protocol
