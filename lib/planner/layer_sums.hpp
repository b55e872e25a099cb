// planner/layer_sums.hpp: sums over any layers in O(1), by differences of prefix sums. Private to
// planner. Is: for searching. Is not: exact to the last bit (CostTerms::sums is).
#pragma once

#include <vector>

#include "planner/cost_terms.hpp"

namespace planaria {

class LayerSums {
 public:
  explicit LayerSums(const CostTerms& terms);

  [[nodiscard]] int layers() const { return static_cast<int>(compute_ms_.size()) - 1; }
  /// Layers [first, end) each.
  [[nodiscard]] double compute_ms(int first, int end) const { return of(compute_ms_, first, end); }
  [[nodiscard]] double forward_ms(int first, int end) const { return of(forward_ms_, first, end); }
  [[nodiscard]] double backward_weight_ms(int first, int end) const {
    return of(backward_weight_ms_, first, end);
  }
  [[nodiscard]] double optimizer_ms(int first, int end) const {
    return of(optimizer_ms_, first, end);
  }
  /// Of the gradients, one transfer of each over the fastest link there is.
  [[nodiscard]] double transfer_ms(int first, int end) const {
    return of(transfer_ms_, first, end);
  }
  [[nodiscard]] std::int64_t state_bytes(int first, int end) const {
    return of(state_bytes_, first, end);
  }
  [[nodiscard]] std::int64_t gradient_bytes(int first, int end) const {
    return of(gradient_bytes_, first, end);
  }
  [[nodiscard]] std::int64_t activation_bytes(int first, int end) const {
    return of(activation_bytes_, first, end);
  }
  [[nodiscard]] std::int64_t weight_gradient_bytes(int first, int end) const {
    return of(weight_gradient_bytes_, first, end);
  }
  /// Of the cut before `layer`; 0 before the first and behind the last.
  [[nodiscard]] std::int64_t cut_bytes(int layer) const {
    return cut_bytes_[static_cast<std::size_t>(layer)];
  }
  /// The same over the fastest link that there is.
  [[nodiscard]] double least_send_ms(int layer) const {
    return least_send_ms_[static_cast<std::size_t>(layer)];
  }
  /// Least of all cuts there may be; 0 where there can be none.
  [[nodiscard]] double least_send_ms() const { return least_of_sends_ms_; }

 private:
  template <class Number>
  [[nodiscard]] static Number of(const std::vector<Number>& prefix, int first, int end) {
    return prefix[static_cast<std::size_t>(end)] - prefix[static_cast<std::size_t>(first)];
  }

  std::vector<double> compute_ms_{0}, forward_ms_{0}, backward_weight_ms_{0}, optimizer_ms_{0},
      transfer_ms_{0};
  std::vector<std::int64_t> state_bytes_{0}, gradient_bytes_{0}, activation_bytes_{0},
      weight_gradient_bytes_{0};
  std::vector<std::int64_t> cut_bytes_{0};
  std::vector<double> least_send_ms_{0};
  double least_of_sends_ms_ = 0;
};

}  // namespace planaria
