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
    if (name == "resumed") resumed(event);
    if (name == "computed") computed(event);
    if (name == "step_committed") committed_.emplace_back(number(event, "step"), view_of(event));
    if (name == "rolled_back") rolled_back(event);
    // Of holders that differ nobody knows who is right.
    if (name == "gradients_differ") believed_after_[number(event, "step")] = view_of(event);
    if (name == "worker_lost" || name == "worker_failed") ++losses_;
  }

  [[nodiscard]] Complaints complaints(const RunFiles& run) {
    if (!run.asked.is_object()) return {"there is no run.json"};
    size_ = {.layers = static_cast<int>(run.asked.at("layers").size()),
             .micro_batches = run.asked.at("micro_batches").get<int>(),
             .lane_size = run.asked.at("lane_size").get<int>()};
    read_shares();
    check_places();
    check_once();
    check_finished();
    check_owners();
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
    first_steps_[view_of(event)] = number(event, "first_step");
    if (event.at("planned") == false && view_of(event) > 1) {
      ++broken_off_[number(event, "first_step")];
    }
  }
  void resumed(const Json& event) {
    const std::int64_t view = view_of(event);
    const std::int64_t step = number(event, "step");
    if (!resumed_.insert(view).second) {
      found_.push_back(fmt::format("view {} is resumed twice", view));
    }
    const auto first = first_steps_.find(view);
    if (first == first_steps_.end()) {
      found_.push_back(fmt::format("view {} is resumed, and none is so called", view));
      return;
    }
    if (first->second != step) {
      found_.push_back(fmt::format("view {} begins step {} and is resumed with step {}", view,
                                   first->second, step));
    }
    if (event.contains("salvage")) salvages_[{step, view}] = event.at("salvage");
  }
  // The step after the level to which all go back is begun again like any other; who computes
  // those behind it has computed another between.
  void rolled_back(const Json& event) {
    const std::int64_t from = number(event, "from");
    rolled_back_ = std::max(rolled_back_, from + 1);
    for (std::int64_t step = number(event, "to") + 2; step <= from + 1; ++step) {
      believed_after_[step] = view_of(event);
    }
  }
  // A worker hears of a view before the file does, so places are compared at the end.
  void computed(const Json& event) {
    const Place place{event.at("micro_batch").get<int>(), event.at("layer").get<int>()};
    const auto worker = event.at("worker").get<Worker>();
    const std::int64_t step = number(event, "step");
    std::string kind = event.at("kind").get<std::string>();
    if (kind == "B") {  // a backward, whose other half is to come
      kind = "G";
      split_.insert({{step, view_of(event)}, place});
    }
    ++done_[{step, view_of(event), place, kind}];
    // What belongs to a backward is no work of its own.
    if (kind != "W" && kind != "R") ++times_[{step, 0, place, kind}];
    by_.insert({{step, view_of(event)}, place, kind, worker});
    auto& newest = newest_view_[worker];
    if (view_of(event) < newest) {
      found_.push_back(fmt::format("worker {} computes in view {} after view {}", worker,
                                   view_of(event), newest));
    }
    newest = view_of(event);
  }

  // What every view asks for a whole step, and each that began one again for that one.
  void read_shares() {
    for (const auto& [view, layout] : layouts_) {
      whole_[view] = shares_of(layout);
      for (const std::string& complaint : whole_[view].complaints) {
        found_.push_back(fmt::format("view {}: {}", view, complaint));
      }
    }
    for (const auto& [when, salvage] : salvages_) {
      StepShares shares = shares_of(layouts_.at(when.second), salvage, size_);
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
    for (const auto& [when, place, kind, worker] : by_) {
      const StepShares* asked = shares(when);
      const bool its_own = asked != nullptr && asked->to_compute.contains(place) &&
                           asked->to_compute.at(place).worker == worker;
      if (!its_own) {
        found_.push_back(fmt::format("worker {} computes micro-batch {} of layer {} in view {}",
                                     worker, place.micro_batch, place.layer, when.second));
      } else if (kind == "G" && !asked->to_compute.at(place).backward) {
        found_.push_back(
            fmt::format("worker {} takes micro-batch {} of layer {} backward in vain in view {}",
                        worker, place.micro_batch, place.layer, when.second));
      }
    }
  }

  // In views that were broken off too.
  void check_once() {
    for (const auto& [what, times] : done_) {
      if (times > 1) tell_times(what, times);
    }
  }

  void tell_times(const Done& what, int times) {
    const auto& [step, view, place, kind] = what;
    found_.push_back(fmt::format("{} of micro-batch {} of layer {} in step {}, view {}: {} times",
                                 kind, place.micro_batch, place.layer, step, view, times));
  }

  // The view up to which nothing of the step is of use to `view`, which is later; 0: there is none.
  [[nodiscard]] std::int64_t believed_after(std::int64_t step, std::int64_t view) const {
    const auto found = believed_after_.find(step);
    return found == believed_after_.end() || found->second >= view ? 0 : found->second;
  }

  // Whether a backward came to its end there, in one or in halves.
  [[nodiscard]] bool went_backward(When when, Place place) const {
    const auto& [step, view] = when;
    return done_.contains({step, view, place, "G"}) &&
           (!split_.contains({when, place}) || done_.contains({step, view, place, "W"}));
  }

  // Whatever counts as finished went backward in a view before.
  void check_finished() {
    for (const auto& [when, asked] : begun_again_) {
      const auto& [step, view] = when;
      for (const Place place : asked.finished) {
        bool done = false;
        for (const auto& [earlier, layout] : layouts_) {
          done = done || (believed_after(step, view) < earlier && earlier < view &&
                          went_backward({step, earlier}, place));
        }
        if (done) continue;
        found_.push_back(
            fmt::format("micro-batch {} of layer {} counts as finished in step {}, view {}",
                        place.micro_batch, place.layer, step, view));
      }
    }
  }

  // A sum stays where it was added up, or was lent to a shadow.
  void check_owners() {
    for (const auto& [when, salvage] : salvages_) {
      const auto& [step, view] = when;
      for (const Json& sum : salvage.at("sums")) {
        const int layer = sum.at("layer").get<int>();
        const auto worker = sum.at("worker").get<Worker>();
        bool had = false;
        for (const auto& [earlier, layout] : layouts_) {
          had = had || (believed_after(step, view) < earlier && earlier < view &&
                        has(layout, worker, layer, true));
        }
        if (had) continue;
        found_.push_back(
            fmt::format("a sum of layer {} is worker {}'s in view {}, which did not have the layer",
                        layer, worker, view));
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
        const bool wanted = share.backward || kind == std::string("F");
        const Done what{step, view, place, kind};
        if (wanted && !done_.contains(what)) tell_times(what, 0);
      }
      const Done weights{step, view, place, "W"};
      if (split_.contains({{step, view}, place}) && !done_.contains(weights)) {
        tell_times(weights, 0);
      }
    }
    for (Place place; place.micro_batch < size_.micro_batches; ++place.micro_batch) {
      for (place.layer = 0; place.layer < size_.layers; ++place.layer) {
        if (asked->to_compute.contains(place) || asked->finished.contains(place)) continue;
        found_.push_back(fmt::format("micro-batch {} of layer {} is nobody's in step {}, view {}",
                                     place.micro_batch, place.layer, step, view));
      }
    }
  }

  StepSize size_;
  std::map<std::int64_t, Json> layouts_;              // by view
  std::map<std::int64_t, std::int64_t> first_steps_;  // by view
  std::set<std::int64_t> resumed_;                    // views
  std::map<When, Json> salvages_;
  std::map<std::int64_t, StepShares> whole_;  // by view
  std::map<When, StepShares> begun_again_;
  std::map<std::int64_t, int> broken_off_;  // views by the step that they began again
  std::map<Done, int> done_;
  std::map<Done, int> times_;  // in any view
  std::set<std::tuple<When, Place, std::string, Worker>> by_;
  std::set<std::pair<When, Place>> split_;               // backwards in halves
  std::map<std::int64_t, std::int64_t> believed_after_;  // views, by step
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
