#include "planner/plan_brute_force.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include <planaria/base/check.hpp>

#include "planner/pipeline_rules.hpp"

namespace planaria {
namespace {

using pipeline_rules::Order;
using pipeline_rules::PlayedPipeline;
using pipeline_rules::StageRequest;

using Cuts = std::vector<LayerRange>;
using ClassList = std::vector<std::size_t>;  // a pipeline's workers, by class, in stage order

// A pipeline played on its own. It fits its workers.
struct Played {
  std::vector<bool> recompute;
  std::vector<std::int64_t> peak_memory_bytes;
  std::vector<double> end_ms;        // of each stage's last action
  std::vector<double> optimizer_ms;  // of each stage
  double alone_ms = 0;               // least that a step with it takes
};

// The lanes of a pipeline. `has_last`: the step's last lane, which may be shorter, is one of them.
struct Share {
  int lanes = 0;
  bool has_last = false;
};

// One pipeline of the plan that is being put together.
struct Chosen {
  std::size_t list = 0;
  Share share;
  const Cuts* cuts = nullptr;
  const Played* played = nullptr;
};

bool alike(const Cluster& cluster, const ClusterWorker& a, const ClusterWorker& b) {
  const bool same_place = a.zone == b.zone && a.host == b.host;
  return a.memory_bytes == b.memory_bytes && a.speed == b.speed && (!cluster.links || same_place);
}

class BruteForce {
 public:
  BruteForce(const Problem& problem, const BruteForceOptions& options)
      : problem_(problem),
        options_(options),
        at_size_(problem.profile.at_size(problem.micro_batch_size).value()),
        lanes_((problem.micro_batches + problem.lane_size - 1) / problem.lane_size) {
    sort_workers();
    extend_list({});
    const auto layers = static_cast<int>(problem.profile.layers.size());
    cuts_.resize(static_cast<std::size_t>(layers) + 1);
    extend_cuts({}, layers);
    find_transfers();
  }

  std::optional<BruteForceAnswer> answer() {
    for (const std::string& kind : problem_.schedules) {
      kind_ = kind;
      orders_.clear();
      played_.clear();
      choose_lists(0);
    }
    if (answer_.plan.pipelines.empty()) return std::nullopt;
    return answer_;
  }

 private:
  void sort_workers() {
    for (const ClusterWorker& worker : problem_.cluster.workers) {
      const auto same = std::find_if(classes_.begin(), classes_.end(), [&](const auto& one) {
        return options_.alike_as_one && alike(problem_.cluster, *one.front(), worker);
      });
      if (same == classes_.end()) {
        classes_.push_back({&worker});
      } else {
        same->push_back(&worker);
      }
    }
    free_.clear();
    for (const auto& one : classes_) free_.push_back(one.size());
  }

  // Every list of workers that there are enough of, no longer than there are layers.
  void extend_list(const ClassList& list) {
    if (!list.empty()) lists_.push_back(list);
    if (list.size() == problem_.profile.layers.size()) return;
    for (std::size_t i = 0; i < classes_.size(); ++i) {
      ClassList longer = list;
      longer.push_back(i);
      if (room_for(longer)) extend_list(longer);
    }
  }

  // Every partition of the layers, by its number of parts.
  void extend_cuts(const Cuts& cuts, int layers) {
    const int next = cuts.empty() ? 0 : cuts.back().last.value + 1;
    if (next == layers) cuts_[cuts.size()].push_back(cuts);
    for (int last = next; last < layers; ++last) {
      Cuts longer = cuts;
      longer.push_back({LayerId{next}, LayerId{last}});
      extend_cuts(longer, layers);
    }
  }

  // Each layer's gradient between workers of any two classes.
  void find_transfers() {
    for (const LayerProfile& layer : problem_.profile.layers) {
      auto& table = gradient_ms_.emplace_back();
      for (const auto& from : classes_) {
        for (const auto& to : classes_) {
          table.push_back(pipeline_rules::send_ms(problem_.profile, problem_.cluster,
                                                  {from.front(), to.front()},
                                                  layer.gradient_bytes));
        }
      }
    }
  }

  bool room_for(const ClassList& list) const {
    for (std::size_t i = 0; i < free_.size(); ++i) {
      const auto wanted = static_cast<std::size_t>(std::count(list.begin(), list.end(), i));
      if (wanted > free_[i]) return false;
    }
    return true;
  }

  // Every set of lists: they stand in the order of lists_, so that none comes twice.
  void choose_lists(std::size_t from) {
    if (static_cast<int>(chosen_.size()) > problem_.survive) choose_shares(0, {lanes_, true});
    if (static_cast<int>(chosen_.size()) == lanes_) return;
    for (std::size_t i = from; i < lists_.size(); ++i) {
      if (!room_for(lists_[i])) continue;
      for (const std::size_t one : lists_[i]) --free_[one];
      chosen_.push_back({i, {}, nullptr, nullptr});
      choose_lists(i);
      chosen_.pop_back();
      for (const std::size_t one : lists_[i]) ++free_[one];
    }
  }

  // Every division of what is left to the lists from `next` on.
  void choose_shares(std::size_t next, Share left) {
    if (next == chosen_.size()) {
      if (left.lanes == 0 && !left.has_last && next > 0) choose_cuts(0);
      return;
    }
    // Which pipeline has the last lane counts only where that lane is shorter.
    const bool any_has_last = problem_.micro_batches % problem_.lane_size != 0;
    for (int lanes = 1; lanes <= left.lanes; ++lanes) {
      for (const bool has_last : {false, true}) {
        if (has_last && !left.has_last) continue;
        if (!any_has_last && has_last != (next + 1 == chosen_.size())) continue;
        chosen_[next].share = {lanes, has_last};
        choose_shares(next + 1, {left.lanes - lanes, left.has_last && !has_last});
      }
    }
  }

  void choose_cuts(std::size_t next) {
    if (next == chosen_.size()) {
      reduce();
      return;
    }
    Chosen& chosen = chosen_[next];
    const auto& choices = cuts_[lists_[chosen.list].size()];
    for (std::size_t i = 0; i < choices.size(); ++i) {
      for (const Played& played : played_alone(chosen, i)) {
        // Reductions only come on top.
        if (played.alone_ms >= answer_.step_ms) continue;
        chosen.cuts = &choices[i];
        chosen.played = &played;
        choose_cuts(next + 1);
      }
    }
  }

  int micro_batches_of(Share share) const {
    const int missing = lanes_ * problem_.lane_size - problem_.micro_batches;
    return share.lanes * problem_.lane_size - (share.has_last ? missing : 0);
  }

  // Returns the pipeline with every set of recomputing stages that is to be tried; each is played
  // once. Several only with `every_recompute`: else the least set that fits, which is enough. For
  // (1) a rank's order is its schedule's whatever recomputes, so that a stage's memory is its own
  // choice's alone; and (2) an action starts at the latest of what it waits for, so that a shorter
  // backward makes nothing later.
  const std::vector<Played>& played_alone(const Chosen& chosen, std::size_t cuts) {
    const std::size_t depth = lists_[chosen.list].size();
    auto& of_list = played_[{chosen.list, chosen.share.lanes, chosen.share.has_last}];
    if (of_list.empty()) of_list.resize(cuts_[depth].size());
    if (of_list[cuts]) return *of_list[cuts];
    std::vector<Played>& all = of_list[cuts].emplace();
    const std::vector<Order>* orders =
        orders_for({static_cast<int>(depth), micro_batches_of(chosen.share)});
    if (orders == nullptr) return all;
    const bool one = problem_.recompute != Recompute::any || !options_.every_recompute;
    for (std::size_t mask = 0; mask < (one ? 1U : 1U << depth); ++mask) {
      if (auto played = play(chosen, cuts_[depth][cuts], *orders, mask)) {
        all.push_back(std::move(*played));
      }
    }
    return all;
  }

  const std::vector<Order>* orders_for(pipeline_rules::PipelineSize size) {
    const auto [found, fresh] = orders_.try_emplace({size.stages, size.micro_batches});
    if (fresh) found->second = pipeline_rules::orders_of(kind_, size);
    return found->second ? &*found->second : nullptr;
  }

  // Nothing where it does not fit. `mask`: the stages that recompute, with `every_recompute`.
  std::optional<Played> play(const Chosen& chosen, const Cuts& cuts,
                             const std::vector<Order>& orders, std::size_t mask) {
    Played played;
    PlayedPipeline pipeline;
    pipeline.orders = &orders;
    const ClassList& list = lists_[chosen.list];
    for (std::size_t i = 0; i < cuts.size(); ++i) {
      const ClusterWorker& worker = *classes_[list[i]].front();
      StageRequest stage{cuts[i], at_size_, worker.speed, false};
      const auto peak = [&] {
        return peak_memory_of(problem_.profile, stage, orders[i], chosen.share.lanes);
      };
      if (problem_.recompute == Recompute::always) {
        stage.recompute = true;
      } else if (problem_.recompute == Recompute::any) {
        stage.recompute =
            options_.every_recompute ? (mask >> i & 1U) != 0 : peak() > worker.memory_bytes;
      }
      played.recompute.push_back(stage.recompute);
      played.peak_memory_bytes.push_back(peak());
      if (played.peak_memory_bytes.back() > worker.memory_bytes) return std::nullopt;
      pipeline.stages.push_back(times_of(problem_.profile, stage));
      played.optimizer_ms.push_back(pipeline.stages.back().optimizer_ms);
      if (i == 0) continue;
      const ClusterWorker& before = *classes_[list[i - 1]].front();
      const auto cut = static_cast<std::size_t>(cuts[i - 1].last.value);
      const std::int64_t bytes = problem_.profile.layers[cut].boundary_bytes[at_size_];
      pipeline.cut_forward_ms.push_back(
          pipeline_rules::send_ms(problem_.profile, problem_.cluster, {&before, &worker}, bytes));
      pipeline.cut_backward_ms.push_back(
          pipeline_rules::send_ms(problem_.profile, problem_.cluster, {&worker, &before}, bytes));
    }
    played.end_ms = pipeline_rules::ends_of(pipeline).value();
    for (std::size_t i = 0; i < cuts.size(); ++i) {
      played.alone_ms = std::max(played.alone_ms, played.end_ms[i] + played.optimizer_ms[i]);
    }
    return played;
  }

  // The chosen pipelines' reductions: each stage's end grows with every layer from the last to the
  // first.
  void reduce() {
    ++answer_.plans;
    const std::size_t count = chosen_.size();
    std::vector<std::vector<double>> end_ms;
    std::vector<std::size_t> stage(count);  // that holds the layer, by pipeline
    for (std::size_t i = 0; i < count; ++i) {
      end_ms.push_back(chosen_[i].played->end_ms);
      stage[i] = chosen_[i].cuts->size() - 1;
    }
    const double rounds = 2.0 * static_cast<double>(count - 1) / static_cast<double>(count);
    for (std::size_t layer = gradient_ms_.size(); layer-- > 0;) {
      double start_ms = 0;
      double slowest_ms = 0;
      for (std::size_t i = 0; i < count; ++i) {
        while ((*chosen_[i].cuts)[stage[i]].first.value > static_cast<int>(layer)) --stage[i];
        start_ms = std::max(start_ms, end_ms[i][stage[i]]);
        const std::size_t from = lists_[chosen_[i].list][stage[i]];
        for (std::size_t j = 0; j < i; ++j) {
          const std::size_t to = lists_[chosen_[j].list][stage[j]];
          slowest_ms = std::max(slowest_ms, gradient_ms_[layer][from * classes_.size() + to]);
        }
      }
      for (std::size_t i = 0; i < count; ++i) end_ms[i][stage[i]] = start_ms + rounds * slowest_ms;
    }
    double step_ms = 0;
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = 0; j < end_ms[i].size(); ++j) {
        step_ms = std::max(step_ms, end_ms[i][j] + chosen_[i].played->optimizer_ms[j]);
      }
    }
    if (step_ms < answer_.step_ms) keep(step_ms);
  }

  void keep(double step_ms) {
    answer_.step_ms = step_ms;
    Plan& plan = answer_.plan = {};
    plan.micro_batches = problem_.micro_batches;
    plan.micro_batch_size = problem_.micro_batch_size;
    plan.lane_size = problem_.lane_size;
    plan.schedule = kind_;
    plan.survives = static_cast<int>(chosen_.size()) - 1;
    plan.step_ms = plan.bound_step_ms = step_ms;
    plan.optimal = true;
    const double samples = static_cast<double>(plan.micro_batches) * plan.micro_batch_size;
    plan.samples_per_s = step_ms == 0 ? 0 : samples * 1000 / step_ms;
    std::vector<std::size_t> used(classes_.size(), 0);
    for (const bool has_last : {false, true}) {  // the last lane is the last pipeline's
      for (const Chosen& chosen : chosen_) {
        if (chosen.share.has_last != has_last) continue;
        PlannedPipeline& pipeline = plan.pipelines.emplace_back();
        pipeline.micro_batches = micro_batches_of(chosen.share);
        const ClassList& list = lists_[chosen.list];
        for (std::size_t i = 0; i < list.size(); ++i) {
          pipeline.stages.push_back({(*chosen.cuts)[i], classes_[list[i]][used[list[i]]++]->id,
                                     chosen.played->recompute[i],
                                     chosen.played->peak_memory_bytes[i], ""});
        }
      }
    }
    for (std::size_t i = 0; i < classes_.size(); ++i) {
      for (std::size_t j = used[i]; j < classes_[i].size(); ++j) {
        plan.idle_workers.push_back(classes_[i][j]->id);
      }
    }
    std::sort(plan.idle_workers.begin(), plan.idle_workers.end());
  }

  const Problem& problem_;
  BruteForceOptions options_;
  std::size_t at_size_;
  int lanes_;
  std::vector<std::vector<const ClusterWorker*>> classes_;  // workers alike
  std::vector<std::size_t> free_;                           // by class, not chosen yet
  std::vector<ClassList> lists_;
  std::vector<std::vector<Cuts>> cuts_;           // by number of stages
  std::vector<std::vector<double>> gradient_ms_;  // [layer][from class x classes + to class]
  std::string kind_;
  std::map<std::pair<int, int>, std::optional<std::vector<Order>>> orders_;
  // By list, lanes and has_last: by number of the cuts.
  std::map<std::tuple<std::size_t, int, bool>, std::vector<std::optional<std::vector<Played>>>>
      played_;
  std::vector<Chosen> chosen_;
  BruteForceAnswer answer_{std::numeric_limits<double>::infinity(), {}, 0};
};

}  // namespace

Promises promises_of(const Problem& problem) {
  Promises promises;
  promises.micro_batches = problem.micro_batches;
  promises.micro_batch_size = problem.micro_batch_size;
  promises.lane_size = problem.lane_size;
  if (problem.schedules.size() == 1) promises.schedule = problem.schedules.front();
  promises.recompute = problem.recompute;
  promises.survive = problem.survive;
  promises.shadows = false;
  return promises;
}

std::optional<BruteForceAnswer> brute_force(const Problem& problem,
                                            const BruteForceOptions& options) {
  return BruteForce(problem, options).answer();
}

}  // namespace planaria
