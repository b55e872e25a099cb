// liveput/lookahead.hpp: what each layout is worth for the intervals behind the one that begins.
// Private.
// Is: backward induction over machines, layouts and warnings (docs/liveput.md, "The optimizer").
// Is not: the choice (optimizer.hpp).
#pragma once

#include <cstddef>
#include <vector>

#include <planaria/liveput/optimizer.hpp>

#include "liveput/price_table.hpp"

namespace planaria {

class Lookahead {
 public:
  /// `workers` are there now, `running` of them in the layout that ran until now. Borrows the rest.
  Lookahead(PriceTable& table, const OptimizerOptions& options, const Outlook& outlook, int workers,
            int running);

  /// Returns by the table's index the most that is expected from the next interval on if that
  /// layout is chosen for this one; of those that are thought of: first_thought_of() on.
  [[nodiscard]] std::vector<double> values();
  /// Returns the index of the smallest layout that is thought of now.
  [[nodiscard]] std::size_t first_thought_of() const { return thought_of(workers_).first; }

 private:
  /// Machines that may be there by then, and what is worth how much: by machines from `low` on,
  /// then by layout.
  struct Range {
    int low = 0;
    int high = 0;
  };
  using Values = std::vector<double>;
  /// What is known of the losses ahead, a bit an interval, the next one lowest: whether there are.
  using Warning = std::size_t;
  /// What a change to a layout is worth at most, if it takes the least time.
  struct Promise {
    double samples = 0;
    std::size_t to = 0;
  };
  /// What the least that a change to a layout takes misses, in samples.
  struct Least {
    int workers = 0;
    double samples_per_ms = 0;
    double missed = 0;
    double missed_larger = 0;  // more, where it comes from a smaller one
  };
  /// So many machines go or come, with this probability.
  struct Outcome {
    int machines = 0;
    double probability = 0;
  };
  /// From one step to the next, while a warning is known.
  struct Step {
    int number = 0;
    Range now;
    Range next;
    Warning warning = 0;           // of the intervals behind it
    const Values* then = nullptr;  // what is worth how much behind it
  };

  void find_ranges();
  /// Layouts of the table, from `first` on.
  struct Span {
    std::size_t first = 0;
    std::size_t end = 0;
  };
  [[nodiscard]] Span span_for(int workers) const;
  [[nodiscard]] const Span& thought_of(int workers) const {
    return spans_[static_cast<std::size_t>(workers)];
  }
  [[nodiscard]] std::size_t row(const Range& range, int workers) const {
    return static_cast<std::size_t>(workers - range.low) * stride_;
  }

  [[nodiscard]] double earned(std::size_t layout, double standing_ms, double intervals) const {
    return table_.layouts()[layout].samples_per_s *
           ((intervals * options_.interval_ms) - standing_ms) / 1000;
  }
  void promise(const Range& range, const double* then, int workers, double intervals = 1);
  [[nodiscard]] double best_of(const std::vector<Promise>& promises, PriceTable::Row& row,
                               std::size_t from, double stay);
  [[nodiscard]] double decided(int left, PriceTable::Row& row, const Step& step, std::size_t from,
                               int lost);

  [[nodiscard]] Values held(const Range& range);
  [[nodiscard]] Values unhurt(const Step& step);
  [[nodiscard]] Values hurt(const Step& step);
  void add_expected(const Step& step, Warning before, const Values& hurt, const Values& unhurt,
                    Values& values) const;

  [[nodiscard]] bool known(int step) const {
    return static_cast<std::size_t>(step) < outlook_.known_lost.size();
  }
  [[nodiscard]] double loss_at(int step) const;
  [[nodiscard]] bool possible(Warning warning, int step) const;
  [[nodiscard]] int room(int workers, int step) const;
  [[nodiscard]] double join_at(int workers, int step) const;
  /// Sizes above `most` count as `most`.
  [[nodiscard]] static std::vector<Outcome> outcomes(const Distribution& sizes, int most);

  PriceTable& table_;
  const OptimizerOptions& options_;
  const Outlook& outlook_;
  int workers_;
  int running_;
  int steps_;
  int warned_;  // intervals ahead whose losses whoever decides knows
  std::size_t stride_;
  std::vector<Least> least_;
  std::vector<Span> spans_;                     // by machines
  std::vector<Range> ranges_;                   // by step
  std::vector<std::vector<Promise>> promises_;  // by machines, of one step; the best first
};

}  // namespace planaria
