// A byte-level GPT as a list of layers: the embedding, one layer per block, the final norm and
// head. Pre-norm, causal, GELU, learned positions. [m, C] symbols in, [m, C, 256] logits out.
#pragma once

#include <vector>

#include <planaria/runtime/layers.hpp>

namespace example {

struct GptOptions {
  int blocks = 8;
  int d_model = 256;
  int heads = 4;      // divides d_model
  int context = 128;  // C, the longest sequence
  double dropout = 0.0;
  bool tied = false;  // the head's weight is the embedding's
};

/// Returns blocks + 2 layers with estimated costs (multiply-adds per symbol).
[[nodiscard]] std::vector<planaria::LayerDefinition> gpt(const GptOptions& options);

/// Mean cross-entropy in nats per byte of logits [m, C, 256] against targets [m, C].
[[nodiscard]] torch::Tensor next_byte(const planaria::Tensors& outputs,
                                      const planaria::Tensors& targets);

}  // namespace example
