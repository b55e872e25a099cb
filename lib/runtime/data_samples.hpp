// runtime/data_samples.hpp: what the data set gives for a micro-batch, as a stage takes it.
// Private. Is: the tensors of one end of the model, and the hash by which the ledger knows them. Is
// not: which samples those are (model/sample_order.hpp).
#pragma once

#include <cstdint>
#include <span>

#include <planaria/runtime/dataset.hpp>

namespace planaria::runtime {

/// What the first layer gets, or what the loss gets beside the last layer's outputs.
enum class SampleEnd { inputs, targets };

/// Asks the data set for these samples, made canonical. What the data set throws passes through.
[[nodiscard]] Tensors samples_of(const Dataset& dataset, std::span<const std::int64_t> ids,
                                 SampleEnd end);

/// XXH3-64 of the tensors' bytes, one after another.
[[nodiscard]] std::uint64_t hash_of_samples(const Tensors& tensors);

}  // namespace planaria::runtime
