// Who computed what, from the workers' own events.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "faults/run_rules.hpp"

namespace planaria::test {
namespace {

using Worker = std::int64_t;

struct Place {
  int micro_batch = 0;
  int layer = 0;
  friend auto operator<=>(const Place&, const Place&) = default;
};

std::int64_t number(const Json& event, const char* key) {
  return event.at(key).get<std::int64_t>();
}

// Who computes what in a view. A pipeline's micro-batches follow those of the one before.
std::map<Place, Worker> roles_of(const Json& layout) {
  std::map<Place, Worker> roles;
  int first = 0;
  for (const Json& pipeline : layout.at("pipelines")) {
    const int share = pipeline.at("micro_batches").get<int>();
    for (const Json& stage : pipeline.at("stages")) {
      for (int layer = stage.at("first_layer"); layer <= stage.at("last_layer"); ++layer) {
        for (int i = first; i < first + share; ++i) {
          roles[{i, layer}] = stage.at("worker").get<Worker>();
        }
      }
    }
    first += share;
  }
  return roles;
}

/// Follows the events of a run in their order.
class Reading {
 public:
  void take(const Json& event) {
    const std::string name = event.at("event").get<std::string>();
    if (name == "view") view(event);
    if (name == "computed") computed(event);
    if (name == "step_committed") committed_.emplace_back(number(event, "step"), view_of(event));
    if (name == "rolled_back") rolled_back_ = std::max(rolled_back_, number(event, "from") + 1);
    if (name == "worker_lost" || name == "worker_failed") ++losses_;
  }

  [[nodiscard]] Complaints complaints(const RunFiles& run) {
    check_places();
    check_redone(run);
    for (const auto& [step, view] : committed_) check_whole(step, view);
    return std::move(found_);
  }

 private:
  // (step, view, place, kind): how often.
  using Done = std::tuple<std::int64_t, std::int64_t, Place, std::string>;

  static std::int64_t view_of(const Json& event) { return number(event, "view"); }

  void view(const Json& event) {
    roles_[view_of(event)] = roles_of(event.at("layout"));
    if (event.at("planned") == false && view_of(event) > 1) {
      ++broken_off_[number(event, "first_step")];
    }
  }
  // A worker hears of a view before the file does, so places are compared at the end.
  void computed(const Json& event) {
    const Place place{event.at("micro_batch").get<int>(), event.at("layer").get<int>()};
    const auto worker = event.at("worker").get<Worker>();
    const std::int64_t step = number(event, "step");
    const std::string kind = event.at("kind").get<std::string>();
    ++done_[{step, view_of(event), place, kind}];
    ++times_[{step, 0, place, kind}];
    by_.insert({view_of(event), place, worker});
    auto& newest = newest_view_[worker];
    if (view_of(event) < newest) {
      found_.push_back(fmt::format("worker {} computes in view {} after view {}", worker,
                                   view_of(event), newest));
    }
    newest = view_of(event);
  }

  void check_places() {
    for (const auto& [view, place, worker] : by_) {
      const auto roles = roles_.find(view);
      const auto whose = roles == roles_.end() ? std::map<Place, Worker>::const_iterator()
                                               : roles->second.find(place);
      const bool its_own =
          roles != roles_.end() && whose != roles->second.end() && whose->second == worker;
      if (!its_own) {
        found_.push_back(fmt::format("worker {} computes micro-batch {} of layer {} in view {}",
                                     worker, place.micro_batch, place.layer, view));
      }
    }
  }

  void check_redone(const RunFiles& run) {
    std::set<std::pair<std::int64_t, Place>> redone;
    for (const auto& [what, times] : times_) {
      const auto& [step, any, place, kind] = what;
      if (times > 1) redone.insert({step, place});
      const auto views = broken_off_.find(step);
      const int again = views == broken_off_.end() ? 0 : views->second;
      if (step > rolled_back_ && times > 1 + again) {
        found_.push_back(
            fmt::format("{} of micro-batch {} of layer {} in step {}: {} times, {} "
                        "views were broken off",
                        kind, place.micro_batch, place.layer, step, times, again));
      }
    }
    int broken_off = 0;
    for (const auto& [step, views] : broken_off_) broken_off += views;
    if (broken_off > losses_) {
      found_.push_back(fmt::format("{} views were broken off by {} losses", broken_off, losses_));
    }
    if (run.result.is_object() &&
        number(run.result, "redone_micro_batches") != static_cast<std::int64_t>(redone.size())) {
      found_.push_back(fmt::format("{} places are redone, the result has {}", redone.size(),
                                   run.result.at("redone_micro_batches").dump()));
    }
  }

  void check_whole(std::int64_t step, std::int64_t view) {
    const auto roles = roles_.find(view);
    if (roles == roles_.end()) {
      found_.push_back(fmt::format("step {} is committed in view {}, which none is", step, view));
      return;
    }
    for (const auto& [place, worker] : roles->second) {
      for (const char* kind : {"F", "G"}) {
        const auto times = done_.find({step, view, place, kind});
        if (times != done_.end() && times->second == 1) continue;
        found_.push_back(
            fmt::format("{} of micro-batch {} of layer {} in step {}, view {}: {} "
                        "times",
                        kind, place.micro_batch, place.layer, step, view,
                        times == done_.end() ? 0 : times->second));
      }
    }
  }

  std::map<std::int64_t, std::map<Place, Worker>> roles_;  // by view
  std::map<std::int64_t, int> broken_off_;  // views by the step that they began again
  std::map<Done, int> done_;
  std::map<Done, int> times_;  // in any view
  std::set<std::tuple<std::int64_t, Place, Worker>> by_;
  std::map<Worker, std::int64_t> newest_view_;
  std::vector<std::pair<std::int64_t, std::int64_t>> committed_;
  std::int64_t rolled_back_ = 0;  // steps up to it may be done again
  int losses_ = 0;
  Complaints found_;
};

}  // namespace

Complaints wrong_work(const RunFiles& run) {
  Reading reading;
  for (const Json& event : run.events) reading.take(event);
  return reading.complaints(run);
}

}  // namespace planaria::test
