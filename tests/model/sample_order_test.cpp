#include <planaria/model/sample_order.hpp>

#include <numeric>
#include <set>

#include <catch2/catch.hpp>

namespace planaria {
namespace {

SampleOrder order_of(std::int64_t samples, std::uint64_t seed = 1, int micro_batches = 1,
                     int micro_batch_size = 1) {
  return SampleOrder::create({.seed = seed,
                              .dataset_samples = samples,
                              .micro_batches = micro_batches,
                              .micro_batch_size = micro_batch_size})
      .value();
}

bool is_permutation_of_all(const SampleOrder& order, std::int64_t samples, std::int64_t epoch) {
  std::vector<bool> seen(static_cast<std::size_t>(samples), false);
  for (std::int64_t position = 0; position < samples; ++position) {
    const std::int64_t sample = order.permuted(epoch, position);
    if (sample < 0 || sample >= samples) return false;
    if (seen[static_cast<std::size_t>(sample)]) return false;
    seen[static_cast<std::size_t>(sample)] = true;
  }
  return true;
}

std::vector<std::int64_t> first_permuted(const SampleOrder& order, std::int64_t epoch, int count) {
  std::vector<std::int64_t> samples;
  for (int i = 0; i < count; ++i) samples.push_back(order.permuted(epoch, i));
  return samples;
}

}  // namespace

TEST_CASE("the order of samples is frozen: another would change every run", "[unit]") {
  using Ids = std::vector<std::int64_t>;
  CHECK(first_permuted(order_of(10), 0, 10) == Ids{7, 0, 4, 8, 1, 6, 5, 2, 3, 9});
  CHECK(first_permuted(order_of(10), 1, 10) == Ids{5, 9, 7, 0, 6, 8, 1, 3, 2, 4});
  CHECK(first_permuted(order_of(1'000'003, 7), 3, 6) ==
        Ids{106765, 720766, 945588, 729842, 242363, 893704});
  const SampleOrder large = order_of((std::int64_t{1} << 40) + 1, 7);
  CHECK(large.permuted(3, 0) == 90780330670);
  CHECK(large.permuted(3, 1) == 357234398023);
  CHECK(large.permuted(3, std::int64_t{1} << 39) == 375806972138);
  CHECK(large.permuted(3, std::int64_t{1} << 40) == 227489294276);
  CHECK(order_of(10, 1, 2, 2).samples(Step{2}, MicroBatchId{1}) == Ids{5, 2});
  CHECK(order_of(10, 1, 2, 2).samples(Step{3}, MicroBatchId{0}) == Ids{5, 9});
}

TEST_CASE("every epoch brings every sample exactly once, whatever the size", "[unit]") {
  std::set<std::int64_t> sizes{97, 101, 127, 211, 509, 1021, 4093, 65537, 100'003};
  for (std::int64_t size = 1; size <= 70; ++size) sizes.insert(size);
  for (int k = 7; k <= 16; ++k) {
    for (const std::int64_t near : {-1, 0, 1}) sizes.insert((std::int64_t{1} << k) + near);
  }
  for (const std::int64_t size : sizes) {
    for (const std::int64_t epoch : {0, 1, 5}) {
      INFO("samples " << size << ", epoch " << epoch << ", seed 1");
      CHECK(is_permutation_of_all(order_of(size), size, epoch));
    }
  }
}

TEST_CASE("near 2^40 samples a hundred thousand positions meet no sample twice", "[unit]") {
  for (const std::int64_t near : {-1, 0, 1}) {
    const std::int64_t size = (std::int64_t{1} << 40) + near;
    const SampleOrder order = order_of(size, 9);
    std::set<std::int64_t> seen;
    for (std::int64_t i = 0; i < 50'000; ++i) {
      for (const std::int64_t position : {i, size - 1 - i}) {
        const std::int64_t sample = order.permuted(2, position);
        REQUIRE((sample >= 0 && sample < size));
        seen.insert(sample);
      }
    }
    CHECK(seen.size() == 100'000);
    CHECK(*seen.rbegin() > size / 2);
  }
}

TEST_CASE("the largest data set that can be counted has an order too", "[unit]") {
  const SampleOrder order = order_of(INT64_MAX, 5);
  for (const std::int64_t position : {std::int64_t{0}, std::int64_t{1}, INT64_MAX - 1}) {
    const std::int64_t sample = order.permuted(0, position);
    CHECK((sample >= 0 && sample < INT64_MAX));
  }
}

TEST_CASE("a step stays within one epoch and the remainder is dropped", "[unit]") {
  const SampleOrder order = order_of(23, 4, 3, 2);  // 3 steps of 6, 5 samples left over
  CHECK(order.steps_per_epoch() == 3);
  for (const auto& [step, epoch] :
       std::vector<std::pair<int, int>>{{1, 0}, {3, 0}, {4, 1}, {6, 1}, {7, 2}, {30, 9}}) {
    CHECK(order.epoch_of(Step{step}) == epoch);
  }
  for (int epoch = 0; epoch < 4; ++epoch) {
    std::vector<std::int64_t> trained;
    for (int step = 1; step <= 3; ++step) {
      for (int micro_batch = 0; micro_batch < 3; ++micro_batch) {
        const auto samples = order.samples(Step{epoch * 3 + step}, MicroBatchId{micro_batch});
        REQUIRE(samples.size() == 2);
        trained.insert(trained.end(), samples.begin(), samples.end());
      }
    }
    CHECK(trained == first_permuted(order, epoch, 18));
    CHECK(std::set<std::int64_t>(trained.begin(), trained.end()).size() == 18);
  }
}

TEST_CASE("seeds and epochs give different orders, and none is the order of the file", "[unit]") {
  std::set<std::vector<std::int64_t>> orders;
  std::vector<std::int64_t> in_turn(100);
  std::iota(in_turn.begin(), in_turn.end(), 0);
  orders.insert(in_turn);
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    for (std::int64_t epoch = 0; epoch < 10; ++epoch) {
      orders.insert(first_permuted(order_of(100, seed), epoch, 100));
    }
  }
  CHECK(orders.size() == 101);
}

TEST_CASE("over many epochs a sample stands at every place about equally often", "[unit]") {
  const SampleOrder order = order_of(7, 11);
  std::vector<int> counts(49, 0);
  for (std::int64_t epoch = 0; epoch < 7000; ++epoch) {
    for (std::int64_t position = 0; position < 7; ++position) {
      ++counts[static_cast<std::size_t>((position * 7) + order.permuted(epoch, position))];
    }
  }
  for (const int count : counts) {
    INFO("seed 11");
    CHECK(count > 850);
    CHECK(count < 1150);
  }
}

TEST_CASE("a data set smaller than one step is refused", "[unit]") {
  const auto refusal = [](const SampleOrderOptions& options) {
    const auto result = SampleOrder::create(options);
    return result.ok() ? "fits" : result.fault().sentence;
  };
  CHECK(refusal({.dataset_samples = 12, .micro_batches = 8, .micro_batch_size = 4}) ==
        "dataset_samples: 12, must be at least 32 (8 micro-batches of 4)");
  CHECK(refusal({.dataset_samples = 31, .micro_batches = 1, .micro_batch_size = 32}) ==
        "dataset_samples: 31, must be at least 32 (1 micro-batch of 32)");
  CHECK(refusal({.dataset_samples = 32, .micro_batches = 8, .micro_batch_size = 4}) == "fits");
  CHECK(refusal({.dataset_samples = 0}) ==
        "dataset_samples: 0, must be at least 1 (1 micro-batch of 1)");
  CHECK(refusal({.dataset_samples = 9, .micro_batches = 0}) ==
        "micro_batches: 0, must be at least 1");
  CHECK(refusal({.dataset_samples = 9, .micro_batch_size = -1}) ==
        "micro_batch_size: -1, must be at least 1");
}

TEST_CASE("evaluation samples are cut in order behind those trained on, the last part shorter") {
  const EvaluationOrder order{100, 7, 3};
  CHECK(order.micro_batches() == 3);
  CHECK(order.ids(MicroBatchId{0}) == std::vector<std::int64_t>{100, 101, 102});
  CHECK(order.ids(MicroBatchId{2}) == std::vector<std::int64_t>{106});
  CHECK(order.size_of(MicroBatchId{1}) == 3);
  CHECK(EvaluationOrder{100, 6, 3}.micro_batches() == 2);
  CHECK(EvaluationOrder{100, 0, 3}.micro_batches() == 0);
}

}  // namespace planaria
