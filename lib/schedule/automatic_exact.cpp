// Dynamic programming over how far each rank is, with all times that are not beaten by others.
//
// A state is how many F's, B's and W's each rank has run; a label of it, when ranks are free and
// inputs arrive. Of two labels of one state, one that is nowhere later leads to an end that is not
// later: it beats the other. From a label, only actions of one rank need be tried next (Giffler and
// Thompson, 1960): of all actions that can run next, one ends first, at C; in some best schedule
// its rank goes on with an action that starts before C. For if it does not, that one fits in
// before, and nothing else is later: nor does it need more memory, since B's and W's free some and
// an F that fits now fits before the B's and W's that would have come first. The last is not so
// where a W needs more than F holds; then the actions of all ranks are tried, G's too.
//
// A beam keeps of the labels with as many actions only those that promise the least. An order it
// misses led through a label that had no room, and its value is not less than that one promised.
#include "schedule/automatic_exact.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

namespace planaria {
namespace {

constexpr double anything = std::numeric_limits<double>::infinity();

struct Choice {
  std::size_t rank = 0;
  ActionKind kind = ActionKind::forward;
  double start_ms = 0;
  double end_ms = 0;
};

/// What a rank has run.
struct Counts {
  std::int32_t forwards = 0, inputs = 0, weights = 0;
  friend bool operator==(const Counts&, const Counts&) = default;
};

/// All labels with as many actions, in flat arrays.
struct Layer {
  struct Label {
    std::size_t times_at = 0;
    double least = 0;  // no end from here has a smaller value
    double ends = 0;   // the same of the sum of all ranks' ends
    int before = -1;   // trail it came by, and what it did last
    std::size_t rank = 0;
    ActionKind kind = ActionKind::forward;
  };
  std::vector<Label> labels;
  std::vector<Counts> counts;  // [label x ranks + rank]
  // Of each label: when each rank is free, then when inputs that are there and not used arrive: of
  // each rank F's, then B's.
  std::vector<double> times;

  void clear() {
    labels.clear();
    counts.clear();
    times.clear();
  }
};

class LabelSearch {
 public:
  LabelSearch(const std::vector<StageTerms>& terms, int micro_batches,
              const ExactObjective& objective, const Beam& beam)
      : terms_(terms), objective_(objective), beam_(beam), micro_batches_(micro_batches) {
    for (const StageTerms& stage : terms) {
      if (stage.weight_gradient_bytes > stage.activation_bytes) all_ranks_ = true;
      most_in_flight_.push_back(static_cast<int>(stage.most_in_flight(micro_batches)));
    }
    round_ms_.assign(terms.size(), 0);
    double below = 0;
    for (std::size_t r = terms.size(); r-- > 0;) {
      round_ms_[r] = terms[r].send_ms + below + terms[r].forward_ms + terms[r].input_ms;
      below = round_ms_[r] + terms[r].send_back_ms;
    }
  }

  ExactAnswer run() {
    const std::size_t actions = 3 * ranks() * static_cast<std::size_t>(micro_batches_);
    Layer& start = layers_.front();
    start.labels.emplace_back();
    start.counts.assign(ranks(), {});
    start.times.assign(ranks(), 0);
    for (std::size_t done = 0; done < actions; ++done) {
      Layer& now = layer(done);
      for (std::size_t label = 0; label < now.labels.size(); ++label) {
        if (beam_.keep_going && !beam_.keep_going()) return {std::nullopt, -anything};
        expand(now, label, done);
      }
      now.clear();
      thin_out(layer(done + 1));
    }
    const Layer& end = layer(actions);
    ExactAnswer answer{std::nullopt, std::min(objective_.known, left_out_)};
    const auto best = std::min_element(end.labels.begin(), end.labels.end(),
                                       [](const Layer::Label& left, const Layer::Label& right) {
                                         return left.least < right.least;
                                       });
    if (best != end.labels.end()) {
      answer.order = order_of_trail(best->before);
      answer.bound = std::min(answer.bound, best->least);
    }
    return answer;
  }

 private:
  struct Trail {
    int before = -1;
    std::size_t rank = 0;
    ActionKind kind = ActionKind::forward;
  };

  [[nodiscard]] std::size_t ranks() const { return terms_.size(); }
  /// A fused backward counts as two actions: no layer but the next two is ever filled.
  [[nodiscard]] Layer& layer(std::size_t done) { return layers_[done % layers_.size()]; }

  [[nodiscard]] Order order_of_trail(int trail) const {
    Order order(ranks());
    for (; trail >= 0; trail = trails_[static_cast<std::size_t>(trail)].before) {
      const Trail& step = trails_[static_cast<std::size_t>(trail)];
      order[step.rank].push_back(step.kind);
    }
    for (RankOrder& rank : order) std::reverse(rank.begin(), rank.end());
    return order;
  }

  /// Inputs of F, and of B, that are there for rank r and not used.
  static int activations(const Counts* counts, std::size_t r) {
    return r == 0 ? 0 : counts[r - 1].forwards - counts[r].forwards;
  }
  [[nodiscard]] int gradients(const Counts* counts, std::size_t r) const {
    return r + 1 == ranks() ? 0 : counts[r + 1].inputs - counts[r].inputs;
  }

  /// Whether the rank may hold so many bytes more than after `counts`.
  [[nodiscard]] bool holds(const Counts& counts, std::size_t r, std::int64_t more_bytes) const {
    const StageTerms& terms = terms_[r];
    const std::int64_t held = ((counts.forwards - counts.inputs) * terms.activation_bytes) +
                              ((counts.inputs - counts.weights) * terms.weight_gradient_bytes);
    return held + more_bytes <= terms.limit_bytes;
  }

  void find_choices(const Counts* counts, const double* times) {
    choices_.clear();
    const auto add = [&](std::size_t r, ActionKind kind, double start_ms, double ms) {
      choices_.push_back({r, kind, start_ms, start_ms + ms});
    };
    const double* next = times + ranks();
    for (std::size_t r = 0; r < ranks(); ++r) {
      const StageTerms& terms = terms_[r];
      const Counts& has = counts[r];
      const int supplied = activations(counts, r);
      const int returned = gradients(counts, r);
      const double activation = supplied > 0 ? next[0] : 0;
      const double gradient = returned > 0 ? next[supplied] : 0;
      next += supplied + returned;
      if ((r == 0 ? has.forwards < micro_batches_ : supplied > 0) &&
          holds(has, r, terms.activation_bytes)) {
        add(r, ActionKind::forward, std::max(times[r], activation), terms.forward_ms);
      }
      if (has.weights < has.inputs) add(r, ActionKind::backward_weight, times[r], terms.weight_ms);
      if (r + 1 == ranks() ? has.inputs == has.forwards : returned == 0) continue;
      const double start = std::max(times[r], gradient);
      if (holds(has, r, terms.weight_gradient_bytes - terms.activation_bytes)) {
        add(r, ActionKind::backward_input, start, terms.input_ms);
      }
      if (terms.weight_gradient_bytes > terms.activation_bytes) {
        add(r, ActionKind::backward, start, terms.input_ms + terms.weight_ms);
      }
    }
    if (all_ranks_ || choices_.empty()) return;
    const Choice first = *std::min_element(
        choices_.begin(), choices_.end(),
        [](const Choice& left, const Choice& right) { return left.end_ms < right.end_ms; });
    std::erase_if(choices_, [&](const Choice& choice) {
      const bool itself = choice.rank == first.rank && choice.kind == first.kind;
      return choice.rank != first.rank || (choice.start_ms >= first.end_ms && !itself);
    });
  }

  void expand(const Layer& from, std::size_t label, std::size_t done) {
    const Counts* const counts = from.counts.data() + (label * ranks());
    const double* const times = from.times.data() + from.labels[label].times_at;
    find_choices(counts, times);
    for (const Choice& choice : choices_) {
      Layer& to = layer(done + (choice.kind == ActionKind::backward ? 2 : 1));
      Layer::Label after{to.times.size(),           0,           0,
                         from.labels[label].before, choice.rank, choice.kind};
      const std::size_t counts_at = to.counts.size();
      to.counts.insert(to.counts.end(), counts, counts + ranks());
      Counts& has = to.counts[counts_at + choice.rank];
      if (choice.kind == ActionKind::forward) {
        ++has.forwards;
      } else {
        has.inputs += choice.kind == ActionKind::backward_weight ? 0 : 1;
        has.weights += choice.kind == ActionKind::backward_input ? 0 : 1;
      }
      write_times(counts, times, choice, to.times);
      if (promise(to.counts.data() + counts_at, to.times.data() + after.times_at, after)) {
        to.labels.push_back(after);
      } else {
        to.counts.resize(counts_at);
        to.times.resize(after.times_at);
      }
    }
  }

  /// Appends the times after `choice`. An input that arrives before its rank can use it may as well
  /// arrive then: more labels compare.
  void write_times(const Counts* counts, const double* times, const Choice& choice,
                   std::vector<double>& to) const {
    const std::size_t free_at = to.size();
    to.insert(to.end(), times, times + ranks());
    to[free_at + choice.rank] = choice.end_ms;
    const bool forward = choice.kind == ActionKind::forward;
    const bool input = !forward && choice.kind != ActionKind::backward_weight;
    const double* next = times + ranks();
    const auto copy = [&](int count, bool used, bool added, double arrival, double free,
                          double ms) {
      int written = 0;
      for (int i = used ? 1 : 0; i < count; ++i) {
        to.push_back(std::max(next[i], free + (written++ * ms)));
      }
      if (added) to.push_back(std::max(arrival, free + (written * ms)));
      next += count;
    };
    for (std::size_t r = 0; r < ranks(); ++r) {
      const double free = to[free_at + r];
      const bool own = choice.rank == r;
      const bool from_before = r > 0 && forward && choice.rank == r - 1;
      const bool from_behind = r + 1 < ranks() && input && choice.rank == r + 1;
      copy(activations(counts, r), own && forward, from_before,
           from_before ? choice.end_ms + terms_[r - 1].send_ms : 0, free, terms_[r].forward_ms);
      copy(gradients(counts, r), own && input, from_behind,
           from_behind ? choice.end_ms + terms_[r + 1].send_back_ms : 0, free, terms_[r].input_ms);
    }
  }

  /// How long so many F's that are left take at least until the B of the last has ended: no more
  /// than fit are in flight, and each goes all the way down and up again.
  [[nodiscard]] double rounds_ms(std::size_t r, int left) const {
    if (left == 0) return 0;
    const int rounds = (left - 1) / most_in_flight_[r];
    const int rest = (left - 1) % most_in_flight_[r];
    return ((rounds + 1) * round_ms_[r]) +
           (rest * std::max(terms_[r].forward_ms, terms_[r].input_ms));
  }

  /// Finds what ends from here are at least; false where none is on time and less than is known.
  bool promise(const Counts* counts, const double* free_at, Layer::Label& label) {
    last_forward_.assign(ranks(), 0);
    for (std::size_t r = 0; r < ranks(); ++r) {
      const int left = micro_batches_ - counts[r].forwards;
      if (left == 0) continue;
      last_forward_[r] = free_at[r] + (left * terms_[r].forward_ms);
      if (r > 0 && counts[r - 1].forwards < micro_batches_) {
        last_forward_[r] = std::max(
            last_forward_[r], last_forward_[r - 1] + terms_[r - 1].send_ms + terms_[r].forward_ms);
      }
    }
    label.least = -anything;
    double input_behind = 0;
    for (std::size_t r = ranks(); r-- > 0;) {
      const StageTerms& terms = terms_[r];
      const double inputs = free_at[r] +
                            ((micro_batches_ - counts[r].forwards) * terms.forward_ms) +
                            ((micro_batches_ - counts[r].inputs) * terms.input_ms);
      double end = inputs + ((micro_batches_ - counts[r].weights) * terms.weight_ms);
      if (counts[r].inputs < micro_batches_) {
        double last = std::max({inputs, last_forward_[r] + terms.input_ms,
                                free_at[r] + rounds_ms(r, micro_batches_ - counts[r].forwards)});
        if (r + 1 < ranks() && counts[r + 1].inputs < micro_batches_) {
          last = std::max(last, input_behind + terms_[r + 1].send_back_ms + terms.input_ms);
        }
        input_behind = last;
        end = std::max(end, last + terms.weight_ms);
      }
      if (more(end, objective_.deadline_ms)) return false;
      label.least = std::max(label.least, end + objective_.offset_ms[r]);
      label.ends += end;
    }
    return more(objective_.known, label.least);
  }

  /// Drops labels that are beaten, and those that a beam has no room for; gives the rest a trail.
  void thin_out(Layer& all) {
    order_.resize(all.labels.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    const auto counts_of = [&](std::size_t label) { return all.counts.data() + (label * ranks()); };
    const auto promises = [&](std::size_t label) {
      return std::tuple(all.labels[label].least, all.labels[label].ends, label);
    };
    std::sort(order_.begin(), order_.end(), [&](std::size_t left, std::size_t right) {
      const Counts* const of_left = counts_of(left);
      const Counts* const of_right = counts_of(right);
      const auto [differs, in_right] = std::mismatch(of_left, of_left + ranks(), of_right);
      if (differs == of_left + ranks()) return promises(left) < promises(right);
      return std::tie(differs->forwards, differs->inputs, differs->weights) <
             std::tie(in_right->forwards, in_right->inputs, in_right->weights);
    });
    kept_.clear();
    std::size_t group = 0;  // the first kept of this state
    for (const std::size_t label : order_) {
      if (!kept_.empty() &&
          !std::equal(counts_of(label), counts_of(label) + ranks(), counts_of(kept_.back()))) {
        group = kept_.size();
      }
      const bool beaten =
          std::any_of(kept_.begin() + static_cast<std::ptrdiff_t>(group), kept_.end(),
                      [&](std::size_t other) { return nowhere_later(all, other, label); });
      if (!beaten) kept_.push_back(label);
    }
    if (beam_.width > 0 && kept_.size() > beam_.width) {
      std::nth_element(
          kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(beam_.width), kept_.end(),
          [&](std::size_t left, std::size_t right) { return promises(left) < promises(right); });
      // Sorted by promise up to there: the first without room promises least of those.
      left_out_ = std::min(left_out_, all.labels[kept_[beam_.width]].least);
      kept_.resize(beam_.width);
      std::sort(kept_.begin(), kept_.end());
    }
    pack(all);
  }

  [[nodiscard]] bool nowhere_later(const Layer& all, std::size_t left, std::size_t right) const {
    const Counts* const counts = all.counts.data() + (left * ranks());
    std::size_t count = ranks();
    for (std::size_t r = 0; r < ranks(); ++r) {
      count += static_cast<std::size_t>(activations(counts, r) + gradients(counts, r));
    }
    const double* const of_left = all.times.data() + all.labels[left].times_at;
    const double* const of_right = all.times.data() + all.labels[right].times_at;
    for (std::size_t i = 0; i < count; ++i) {
      if (of_left[i] > of_right[i]) return false;
    }
    return true;
  }

  void pack(Layer& all) {
    Layer& packed = packed_;
    packed.clear();
    for (const std::size_t label : kept_) {
      Layer::Label of = all.labels[label];
      const Counts* const counts = all.counts.data() + (label * ranks());
      std::size_t count = ranks();
      for (std::size_t r = 0; r < ranks(); ++r) {
        count += static_cast<std::size_t>(activations(counts, r) + gradients(counts, r));
      }
      packed.counts.insert(packed.counts.end(), counts, counts + ranks());
      const double* const times = all.times.data() + of.times_at;
      of.times_at = packed.times.size();
      packed.times.insert(packed.times.end(), times, times + count);
      trails_.push_back({of.before, of.rank, of.kind});
      of.before = static_cast<int>(trails_.size()) - 1;
      packed.labels.push_back(of);
    }
    std::swap(all, packed);
  }

  const std::vector<StageTerms>& terms_;
  const ExactObjective& objective_;
  const Beam& beam_;
  int micro_batches_;
  bool all_ranks_ = false;
  std::vector<int> most_in_flight_;
  std::vector<double> round_ms_;  // from the start of an F to the end of its B, if nobody waits
  double left_out_ = anything;    // the least that labels without room promised
  std::array<Layer, 3> layers_;   // by actions done
  Layer packed_;
  std::vector<Trail> trails_;
  std::vector<Choice> choices_;
  std::vector<double> last_forward_;
  std::vector<std::size_t> order_, kept_;
};

}  // namespace

bool small_enough(std::size_t stages, int micro_batches) {
  return stages <= 3 && micro_batches <= 4;
}

ExactAnswer best_order(const std::vector<StageTerms>& terms, int micro_batches,
                       const ExactObjective& objective, const Beam& beam) {
  return LabelSearch(terms, micro_batches, objective, beam).run();
}

}  // namespace planaria
