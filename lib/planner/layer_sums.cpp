#include "planner/layer_sums.hpp"

#include <algorithm>

namespace planaria {

LayerSums::LayerSums(const CostTerms& terms) {
  for (int index = 0; index < terms.layers(); ++index) {
    const LayerTerms& layer = terms.layer(index);
    compute_ms_.push_back(compute_ms_.back() + layer.compute_ms());
    forward_ms_.push_back(forward_ms_.back() + layer.forward_ms);
    backward_weight_ms_.push_back(backward_weight_ms_.back() + layer.backward_weight_ms);
    optimizer_ms_.push_back(optimizer_ms_.back() + layer.optimizer_ms);
    transfer_ms_.push_back(transfer_ms_.back() + terms.least_transfer_ms(layer.gradient_bytes));
    state_bytes_.push_back(state_bytes_.back() + layer.state_bytes);
    gradient_bytes_.push_back(gradient_bytes_.back() + layer.gradient_bytes);
    activation_bytes_.push_back(activation_bytes_.back() + layer.activation_bytes);
    weight_gradient_bytes_.push_back(weight_gradient_bytes_.back() + layer.weight_gradient_bytes);
    const bool is_last = index + 1 == terms.layers();
    cut_bytes_.push_back(terms.boundary_bytes(index));
    least_send_ms_.push_back(is_last ? 0 : terms.least_transfer_ms(terms.boundary_bytes(index)));
  }
  if (layers() > 1) {
    least_of_sends_ms_ = *std::min_element(least_send_ms_.begin() + 1, least_send_ms_.end() - 1);
  }
}

}  // namespace planaria
