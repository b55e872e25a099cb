#include <planaria/model/sample_order.hpp>

#include <array>

#include <fmt/format.h>
#include <algorithm>
#include <numeric>

#include <planaria/base/check.hpp>
#include <planaria/base/random.hpp>

namespace planaria {
namespace {

// Frozen with the golden values of its test: another number gives every run another order.
constexpr std::size_t rounds = 8;
using RoundKeys = std::array<std::uint64_t, rounds>;

RoundKeys round_keys(std::uint64_t seed, std::int64_t epoch) {
  RoundKeys keys{};
  for (std::size_t round = 0; round < rounds; ++round) {
    keys[round] = mix({seed, static_cast<std::uint64_t>(epoch), round});
  }
  return keys;
}

// A Feistel network over 2 * half_bits bits: a bijection whatever its round function does.
std::uint64_t feistel(std::uint64_t position, int half_bits, const RoundKeys& keys) {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits) - 1;
  std::uint64_t left = position >> half_bits;
  std::uint64_t right = position & mask;
  for (const std::uint64_t key : keys) {
    const std::uint64_t mixed = left ^ (scramble(key ^ right) & mask);
    left = right;
    right = mixed;
  }
  return (left << half_bits) | right;
}

// Cycle walking: the network permutes a power of four; following its cycle until it is back among
// the samples is a permutation of the samples alone. Under four steps on average.
std::int64_t walk(std::int64_t position, std::int64_t samples, int half_bits,
                  const RoundKeys& keys) {
  // From elsewhere the walk might never come back.
  check(position >= 0 && position < samples, "the position is in the data set");
  auto value = static_cast<std::uint64_t>(position);
  do {
    value = feistel(value, half_bits, keys);
  } while (value >= static_cast<std::uint64_t>(samples));
  return static_cast<std::int64_t>(value);
}

std::int64_t samples_per_step(const SampleOrderOptions& options) {
  return std::int64_t{options.micro_batches} * options.micro_batch_size;
}

}  // namespace

Result<SampleOrder> SampleOrder::create(const SampleOrderOptions& options) {
  if (options.micro_batches < 1) {
    return Fault::invalid_input(
        fmt::format("micro_batches: {}, must be at least 1", options.micro_batches));
  }
  if (options.micro_batch_size < 1) {
    return Fault::invalid_input(
        fmt::format("micro_batch_size: {}, must be at least 1", options.micro_batch_size));
  }
  if (options.dataset_samples < samples_per_step(options)) {
    return Fault::invalid_input(
        fmt::format("dataset_samples: {}, must be at least {} ({} micro-batch{} of {})",
                    options.dataset_samples, samples_per_step(options), options.micro_batches,
                    options.micro_batches == 1 ? "" : "es", options.micro_batch_size));
  }
  return SampleOrder(options);
}

SampleOrder::SampleOrder(const SampleOrderOptions& options)
    : options_(options), steps_per_epoch_(options.dataset_samples / samples_per_step(options)) {
  const auto samples = static_cast<std::uint64_t>(options.dataset_samples);
  while (half_bits_ < 32 && (std::uint64_t{1} << (2 * half_bits_)) < samples) ++half_bits_;
}

std::int64_t SampleOrder::epoch_of(Step step) const {
  check(step.value >= 1, "steps count from 1");
  return (step.value - 1) / steps_per_epoch_;
}

std::vector<std::int64_t> SampleOrder::samples(Step step, MicroBatchId micro_batch) const {
  check(micro_batch.value >= 0 && micro_batch.value < options_.micro_batches,
        "the micro-batch belongs to the step");
  const RoundKeys keys = round_keys(options_.seed, epoch_of(step));
  const std::int64_t first = (((step.value - 1) % steps_per_epoch_) * samples_per_step(options_)) +
                             (std::int64_t{micro_batch.value} * options_.micro_batch_size);
  std::vector<std::int64_t> ids(static_cast<std::size_t>(options_.micro_batch_size));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ids[i] = walk(first + static_cast<std::int64_t>(i), options_.dataset_samples, half_bits_, keys);
  }
  return ids;
}

std::int64_t SampleOrder::permuted(std::int64_t epoch, std::int64_t position) const {
  return walk(position, options_.dataset_samples, half_bits_, round_keys(options_.seed, epoch));
}

std::int64_t EvaluationOrder::size_of(MicroBatchId micro_batch) const {
  check(micro_batch.value >= 0 && micro_batch.value < micro_batches(),
        "an evaluation has no such micro-batch");
  const std::int64_t before = std::int64_t{micro_batch_size} * micro_batch.value;
  return std::min<std::int64_t>(micro_batch_size, samples - before);
}

std::vector<std::int64_t> EvaluationOrder::ids(MicroBatchId micro_batch) const {
  std::vector<std::int64_t> ids(static_cast<std::size_t>(size_of(micro_batch)));
  std::iota(ids.begin(), ids.end(),
            dataset_samples + std::int64_t{micro_batch_size} * micro_batch.value);
  return ids;
}

}  // namespace planaria
