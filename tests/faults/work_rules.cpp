// Who computed what, from the workers' own events.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "faults/run_rules.hpp"
#include "faults/step_shares.hpp"

namespace planaria::test {
namespace {

using Worker = std::int64_t;

std::int64_t number(const Json& event, const char* key) {
  return event.at(key).get<std::int64_t>();
}

/// Follows the events of a run in their order.
class Reading {
 public:
  void take(const Json& event) {
    const std::string name = event.at("event").get<std::string>();
    if (name == "view") view(event);
    if (name == "resumed" && event.contains("salvage")) {
      salvages_[{number(event, "step"), view_of(event)}] = event.at("salvage");
    }
    if (name == "computed") computed(event);
    if (name == "step_committed") committed_.emplace_back(number(event, "step"), view_of(event));
    if (name == "rolled_back") rolled_back_ = std::max(rolled_back_, number(event, "from") + 1);
    if (name == "worker_lost" || name == "worker_failed") ++losses_;
  }

  [[nodiscard]] Complaints complaints(const RunFiles& run) {
    read_shares(run);
    check_places();
    check_finished();
    check_redone(run);
    for (const auto& [step, view] : committed_) check_whole(step, view);
    return std::move(found_);
  }

 private:
  using When = std::pair<std::int64_t, std::int64_t>;  // step, view
  // (step, view, place, kind): how often.
  using Done = std::tuple<std::int64_t, std::int64_t, Place, std::string>;

  static std::int64_t view_of(const Json& event) { return number(event, "view"); }

  void view(const Json& event) {
    layouts_[view_of(event)] = event.at("layout");
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
    by_.insert({{step, view_of(event)}, place, worker});
    auto& newest = newest_view_[worker];
    if (view_of(event) < newest) {
      found_.push_back(fmt::format("worker {} computes in view {} after view {}", worker,
                                   view_of(event), newest));
    }
    newest = view_of(event);
  }

  // What every view asks for a whole step, and each that began one again for that one.
  void read_shares(const RunFiles& run) {
    for (const auto& [view, layout] : layouts_) whole_[view] = shares_of(layout);
    if (salvages_.empty()) return;
    const Lanes lanes{run.asked.at("micro_batches").get<int>(),
                      run.asked.at("lane_size").get<int>()};
    for (const auto& [when, salvage] : salvages_) {
      const auto layout = layouts_.find(when.second);
      if (layout == layouts_.end()) {
        found_.push_back(fmt::format("view {} is resumed, and none is so called", when.second));
        continue;
      }
      StepShares shares = shares_of(layout->second, salvage, lanes);
      for (const std::string& complaint : shares.complaints) {
        found_.push_back(fmt::format("step {}, view {}: {}", when.first, when.second, complaint));
      }
      begun_again_[when] = std::move(shares);
    }
  }

  // Of a step in a view; null where there is no such view.
  [[nodiscard]] const StepShares* shares(const When& when) const {
    const auto again = begun_again_.find(when);
    if (again != begun_again_.end()) return &again->second;
    const auto whole = whole_.find(when.second);
    return whole == whole_.end() ? nullptr : &whole->second;
  }

  void check_places() {
    for (const auto& [when, place, worker] : by_) {
      const StepShares* asked = shares(when);
      const bool its_own = asked != nullptr && asked->to_compute.contains(place) &&
                           asked->to_compute.at(place).worker == worker;
      if (!its_own) {
        found_.push_back(fmt::format("worker {} computes micro-batch {} of layer {} in view {}",
                                     worker, place.micro_batch, place.layer, when.second));
      }
    }
  }

  // Whatever counts as finished went backward in a view before.
  void check_finished() {
    for (const auto& [when, asked] : begun_again_) {
      const auto& [step, view] = when;
      for (const Place place : asked.finished) {
        bool done = false;
        for (const auto& [earlier, layout] : layouts_) {
          done = done || (earlier < view && done_.contains({step, earlier, place, "G"}));
        }
        if (done) continue;
        found_.push_back(
            fmt::format("micro-batch {} of layer {} counts as finished in step {}, view {}",
                        place.micro_batch, place.layer, step, view));
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
    const StepShares* asked = shares({step, view});
    if (asked == nullptr) {
      found_.push_back(fmt::format("step {} is committed in view {}, which none is", step, view));
      return;
    }
    for (const auto& [place, share] : asked->to_compute) {
      for (const char* kind : {"F", "G"}) {
        const auto found = done_.find({step, view, place, kind});
        const int times = found == done_.end() ? 0 : found->second;
        const int wanted = share.backward || kind == std::string("F") ? 1 : 0;
        if (times == wanted) continue;
        found_.push_back(
            fmt::format("{} of micro-batch {} of layer {} in step {}, view {}: {} times", kind,
                        place.micro_batch, place.layer, step, view, times));
      }
    }
  }

  std::map<std::int64_t, Json> layouts_;  // by view
  std::map<When, Json> salvages_;
  std::map<std::int64_t, StepShares> whole_;  // by view
  std::map<When, StepShares> begun_again_;
  std::map<std::int64_t, int> broken_off_;  // views by the step that they began again
  std::map<Done, int> done_;
  std::map<Done, int> times_;  // in any view
  std::set<std::tuple<When, Place, Worker>> by_;
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
