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
#include "schedule/automatic_exact.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace planaria {
namespace {

constexpr std::size_t most_ranks = 3;
constexpr std::size_t most_micro_batches = 4;

struct Counts {
  std::array<std::int8_t, most_ranks> forwards{}, inputs{}, weights{};
  friend auto operator<=>(const Counts&, const Counts&) = default;
};

struct Label {
  std::array<double, most_ranks> free_at{};
  // When the inputs of F and B that are there and not used arrive, the oldest first; the rest 0.
  std::array<std::array<double, most_micro_batches>, most_ranks> activations{}, gradients{};
  int trail = -1;
};

bool nowhere_later(const Label& left, const Label& right) {
  for (std::size_t r = 0; r < most_ranks; ++r) {
    if (left.free_at[r] > right.free_at[r]) return false;
    for (std::size_t i = 0; i < most_micro_batches; ++i) {
      if (left.activations[r][i] > right.activations[r][i]) return false;
      if (left.gradients[r][i] > right.gradients[r][i]) return false;
    }
  }
  return true;
}

struct Choice {
  std::size_t rank = 0;
  ActionKind kind = ActionKind::forward;
  double start_ms = 0;
  double end_ms = 0;
};

class Exact {
 public:
  Exact(const std::vector<StageTerms>& terms, int micro_batches, const ExactObjective& objective)
      : terms_(terms),
        objective_(objective),
        micro_batches_(static_cast<std::int8_t>(micro_batches)),
        layers_((3 * terms.size() * static_cast<std::size_t>(micro_batches)) + 3) {
    for (const StageTerms& stage : terms) {
      if (stage.weight_gradient_bytes > stage.activation_bytes) all_ranks_ = true;
    }
  }

  std::optional<Order> run() {
    layers_.front()[Counts{}].emplace_back();
    for (std::size_t done = 0; done + 3 < layers_.size(); ++done) {
      for (const auto& [counts, labels] : layers_[done]) {
        for (const Label& label : labels) expand(counts, label, done);
      }
      layers_[done].clear();
    }
    const Label* best = nullptr;
    for (const auto& [counts, labels] : layers_[layers_.size() - 3]) {
      for (const Label& label : labels) {
        if (best == nullptr || value(label) < value(*best)) best = &label;
      }
    }
    if (best == nullptr) return std::nullopt;
    return order_of_trail(best->trail);
  }

 private:
  struct Trail {
    int before = -1;
    std::size_t rank = 0;
    ActionKind kind = ActionKind::forward;
  };

  [[nodiscard]] double value(const Label& label) const {
    double most = -std::numeric_limits<double>::infinity();
    for (std::size_t r = 0; r < terms_.size(); ++r) {
      most = std::max(most, label.free_at[r] + objective_.offset_ms[r]);
    }
    return most;
  }

  [[nodiscard]] Order order_of_trail(int trail) const {
    Order order(terms_.size());
    for (; trail >= 0; trail = trails_[static_cast<std::size_t>(trail)].before) {
      const Trail& step = trails_[static_cast<std::size_t>(trail)];
      order[step.rank].push_back(step.kind);
    }
    for (RankOrder& rank : order) std::reverse(rank.begin(), rank.end());
    return order;
  }

  /// Whether the rank may hold so many bytes more than after `counts`.
  [[nodiscard]] bool holds(const Counts& counts, std::size_t r, std::int64_t more_bytes) const {
    const StageTerms& terms = terms_[r];
    const std::int64_t held =
        ((counts.forwards[r] - counts.inputs[r]) * terms.activation_bytes) +
        ((counts.inputs[r] - counts.weights[r]) * terms.weight_gradient_bytes);
    return held + more_bytes <= terms.limit_bytes;
  }

  void add_choice(std::size_t r, ActionKind kind, double start_ms, double ms) {
    choices_.push_back({r, kind, start_ms, start_ms + ms});
  }

  void find_choices(const Counts& counts, const Label& label) {
    choices_.clear();
    for (std::size_t r = 0; r < terms_.size(); ++r) {
      const StageTerms& terms = terms_[r];
      const double free = label.free_at[r];
      const std::int8_t supplied = r == 0 ? micro_batches_ : counts.forwards[r - 1];
      if (counts.forwards[r] < supplied && holds(counts, r, terms.activation_bytes)) {
        add_choice(r, ActionKind::forward, std::max(free, label.activations[r][0]),
                   terms.forward_ms);
      }
      if (counts.weights[r] < counts.inputs[r]) {
        add_choice(r, ActionKind::backward_weight, free, terms.weight_ms);
      }
      const std::int8_t returned =
          r + 1 == terms_.size() ? counts.forwards[r] : counts.inputs[r + 1];
      if (counts.inputs[r] >= returned) continue;
      const double start = std::max(free, label.gradients[r][0]);
      if (holds(counts, r, terms.weight_gradient_bytes - terms.activation_bytes)) {
        add_choice(r, ActionKind::backward_input, start, terms.input_ms);
      }
      if (terms.weight_gradient_bytes > terms.activation_bytes) {
        add_choice(r, ActionKind::backward, start, terms.input_ms + terms.weight_ms);
      }
    }
    if (all_ranks_) return;
    const Choice first = *std::min_element(
        choices_.begin(), choices_.end(),
        [](const Choice& left, const Choice& right) { return left.end_ms < right.end_ms; });
    std::erase_if(choices_, [&](const Choice& choice) {
      const bool itself = choice.rank == first.rank && choice.kind == first.kind;
      return choice.rank != first.rank || (choice.start_ms >= first.end_ms && !itself);
    });
  }

  void expand(const Counts& counts, const Label& label, std::size_t done) {
    find_choices(counts, label);
    for (const Choice& choice : choices_) {
      Counts next = counts;
      Label after = label;
      play(choice, next, after);
      tidy(next, after);
      if (hopeless(next, after)) continue;
      keep(layers_[done + (choice.kind == ActionKind::backward ? 2 : 1)][next], after, choice);
    }
  }

  void play(const Choice& choice, Counts& counts, Label& label) const {
    const std::size_t r = choice.rank;
    label.free_at[r] = choice.end_ms;
    const auto take_first = [](std::array<double, most_micro_batches>& times) {
      std::move(times.begin() + 1, times.end(), times.begin());
      times.back() = 0;
    };
    if (choice.kind == ActionKind::forward) {
      ++counts.forwards[r];
      if (r > 0) take_first(label.activations[r]);
      if (r + 1 < terms_.size()) {
        const int waiting = counts.forwards[r] - counts.forwards[r + 1] - 1;
        label.activations[r + 1][static_cast<std::size_t>(waiting)] =
            choice.end_ms + terms_[r].send_ms;
      }
    } else if (choice.kind == ActionKind::backward_weight) {
      ++counts.weights[r];
    } else {
      if (choice.kind == ActionKind::backward) ++counts.weights[r];
      ++counts.inputs[r];
      if (r + 1 < terms_.size()) take_first(label.gradients[r]);
      if (r > 0) {
        const int waiting = counts.inputs[r] - counts.inputs[r - 1] - 1;
        label.gradients[r - 1][static_cast<std::size_t>(waiting)] =
            choice.end_ms + terms_[r].send_back_ms;
      }
    }
  }

  /// An input that arrives before its rank can use it may as well arrive then: more labels compare.
  void tidy(const Counts& counts, Label& label) const {
    for (std::size_t r = 0; r < terms_.size(); ++r) {
      const int activations = r == 0 ? 0 : counts.forwards[r - 1] - counts.forwards[r];
      const int gradients = r + 1 == terms_.size() ? 0 : counts.inputs[r + 1] - counts.inputs[r];
      for (int i = 0; i < activations; ++i) {
        double& there = label.activations[r][static_cast<std::size_t>(i)];
        there = std::max(there, label.free_at[r] + (i * terms_[r].forward_ms));
      }
      for (int i = 0; i < gradients; ++i) {
        double& there = label.gradients[r][static_cast<std::size_t>(i)];
        there = std::max(there, label.free_at[r] + (i * terms_[r].input_ms));
      }
    }
  }

  /// Whether no end from here is on time and less than what is known.
  [[nodiscard]] bool hopeless(const Counts& counts, const Label& label) const {
    const std::size_t ranks = terms_.size();
    const auto left = [&](std::int8_t done) { return static_cast<double>(micro_batches_ - done); };
    std::array<double, most_ranks> last_forward{};
    for (std::size_t r = 0; r < ranks; ++r) {
      if (counts.forwards[r] == micro_batches_) continue;
      last_forward[r] = label.free_at[r] + (left(counts.forwards[r]) * terms_[r].forward_ms);
      if (r > 0 && counts.forwards[r - 1] < micro_batches_) {
        last_forward[r] = std::max(
            last_forward[r], last_forward[r - 1] + terms_[r - 1].send_ms + terms_[r].forward_ms);
      }
    }
    double input_behind = 0;
    for (std::size_t r = ranks; r-- > 0;) {
      const double inputs = left(counts.inputs[r]) * terms_[r].input_ms;
      const double weights = left(counts.weights[r]) * terms_[r].weight_ms;
      const double forwards = left(counts.forwards[r]) * terms_[r].forward_ms;
      double end = label.free_at[r] + forwards + inputs + weights;
      if (counts.inputs[r] < micro_batches_) {
        double last =
            std::max(label.free_at[r] + forwards + inputs, last_forward[r] + terms_[r].input_ms);
        if (r + 1 < ranks && counts.inputs[r + 1] < micro_batches_) {
          last = std::max(last, input_behind + terms_[r + 1].send_back_ms + terms_[r].input_ms);
        }
        input_behind = last;
        end = std::max(end, last + terms_[r].weight_ms);
      }
      if (more(end, objective_.deadline_ms)) return true;
      if (!more(objective_.known, end + objective_.offset_ms[r])) return true;
    }
    return false;
  }

  void keep(std::vector<Label>& labels, Label label, const Choice& choice) {
    for (const Label& other : labels) {
      if (nowhere_later(other, label)) return;
    }
    std::erase_if(labels, [&](const Label& other) { return nowhere_later(label, other); });
    trails_.push_back({label.trail, choice.rank, choice.kind});
    label.trail = static_cast<int>(trails_.size()) - 1;
    labels.push_back(label);
  }

  const std::vector<StageTerms>& terms_;
  const ExactObjective& objective_;
  std::int8_t micro_batches_;
  bool all_ranks_ = false;
  std::vector<std::map<Counts, std::vector<Label>>> layers_;  // [actions done]
  std::vector<Trail> trails_;
  std::vector<Choice> choices_;
};

}  // namespace

bool small_enough(std::size_t stages, int micro_batches) {
  return stages <= most_ranks && micro_batches <= static_cast<int>(most_micro_batches);
}

std::optional<Order> best_order(const std::vector<StageTerms>& terms, int micro_batches,
                                const ExactObjective& objective) {
  return Exact(terms, micro_batches, objective).run();
}

}  // namespace planaria
