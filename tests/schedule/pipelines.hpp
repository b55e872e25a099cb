// Pipelines drawn at random, and how a request of one reads, for tests of bounds and searches.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/random.hpp>
#include <planaria/schedule/automatic.hpp>
#include <planaria/schedule/bounds.hpp>

namespace planaria::test {

enum class Caps { none, some, odd };  // odd: what W needs may be more than what F holds

/// Draws costs, uneven or not, with times of 0 among them or not, and caps that hold one
/// micro-batch at least.
inline AutomaticRequest drawn_request(Random& random, int stages, int micro_batches, Caps caps) {
  AutomaticRequest request;
  request.micro_batches = micro_batches;
  const bool even = random.below(3) == 0;
  const bool whole = random.below(2) == 0;
  const bool zeros = random.below(6) == 0;
  const auto time = [&] {
    if (whole || zeros) return static_cast<double>(random.between(zeros ? 0 : 1, 5));
    return 1 + (4 * random.uniform());
  };
  for (int stage = 0; stage < stages; ++stage) {
    StageCosts costs{time(), time(), time(), random.below(2) == 0 ? 0 : time() / 2};
    if (random.below(4) == 0) costs.send_back_ms = time();
    request.costs.push_back(even && stage > 0 ? request.costs.front() : costs);
    if (caps == Caps::none) continue;
    StageMemory memory{random.between(1, 4), 0};
    memory.weight_gradient_bytes = random.between(
        0, caps == Caps::odd ? 3 * memory.activation_bytes : memory.activation_bytes);
    request.memory.push_back(memory);
    // A micro-batch that waits for W leaves room for one more, or just not.
    const bool tight = caps == Caps::odd && random.below(2) == 0;
    const std::int64_t more = tight
                                  ? random.between(0, memory.activation_bytes)
                                  : random.between(0, memory.activation_bytes * micro_batches / 2);
    const std::int64_t one = tight ? memory.weight_gradient_bytes : 0;
    request.limit_bytes.push_back(std::max(one, memory.activation_bytes) + more);
  }
  return request;
}

inline PipelineLimits limits_of(const AutomaticRequest& request) {
  return {request.micro_batches, request.costs, request.memory, request.limit_bytes, {}};
}

inline std::string words_of(const AutomaticRequest& request) {
  std::string text = fmt::format("m {}", request.micro_batches);
  for (std::size_t s = 0; s < request.costs.size(); ++s) {
    const StageCosts& c = request.costs[s];
    text += fmt::format("; {}/{}/{} send {}/{}", c.forward_ms, c.backward_input_ms,
                        c.backward_weight_ms, c.send_ms, c.send_back_ms.value_or(c.send_ms));
    if (request.memory.empty()) continue;
    text += fmt::format(" bytes {}:{} of {}", request.memory[s].activation_bytes,
                        request.memory[s].weight_gradient_bytes, request.limit_bytes[s]);
  }
  return text;
}

/// Whether every rank holds no more than its limit.
inline bool within_limits(const Schedule& schedule, const AutomaticRequest& request) {
  if (request.memory.empty()) return true;
  const auto memory = memory_of(schedule, request.memory);
  for (std::size_t rank = 0; rank < memory.size(); ++rank) {
    if (memory[rank].peak_bytes > request.limit_bytes[rank]) return false;
  }
  return true;
}

}  // namespace planaria::test
