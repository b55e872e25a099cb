#include "cli/stage_terms.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/schedule/draw.hpp>

namespace planaria::cli {
namespace {

constexpr double ms_max = 1e9;
constexpr std::int64_t bytes_max = 1'000'000'000'000;
constexpr std::int64_t limit_max = 1'000'000'000'000'000;

void read_stage(ObjectReader& reader, StageTerms& terms) {
  terms.costs.push_back({.forward_ms = reader.number("forward_ms", 0, ms_max),
                         .backward_input_ms = reader.number("backward_input_ms", 0, ms_max),
                         .backward_weight_ms = reader.number("backward_weight_ms", 0, ms_max),
                         .send_ms = reader.optional_number("send_ms", 0, ms_max).value_or(0)});
  const auto bytes = [&](const char* key) {
    return reader.optional_integer(key, 0, bytes_max).value_or(0);
  };
  terms.memory.push_back({.activation_bytes = bytes("activation_bytes"),
                          .weight_gradient_bytes = bytes("weight_gradient_bytes"),
                          .boundary_bytes = bytes("boundary_bytes")});
  terms.limit_bytes.push_back(
      reader.optional_integer("memory_limit_bytes", 0, limit_max).value_or(no_limit_bytes));
}

Result<std::vector<double>> read_factors(ObjectReader& reader, const std::string& key,
                                         const std::string& source) {
  std::vector<double> factors;
  const Json* const list = reader.optional_array(key);
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const Json& factor = (*list)[i];
    constexpr double most = 1e6;
    if (!factor.is_number() || !(factor.get<double>() > 0) || factor.get<double>() > most) {
      return Fault::invalid_input(
          fmt::format("{}: {}[{}]: {}, must be a number above 0, at most {}", source, key, i,
                      printable(factor.dump()), most));
    }
    factors.push_back(factor.get<double>());
  }
  return factors;
}

}  // namespace

Result<StageTerms> costs_from_json(const Json& json, const std::string& source) {
  ObjectReader reader(json, source, "");
  reader.integer("version", 1, 1);
  const Json& stages = reader.array("stages");
  PLANARIA_TRY_VOID(reader.finish());
  if (stages.empty()) {
    return Fault::invalid_input(fmt::format("{}: stages: none, must be at least 1", source));
  }
  StageTerms terms;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    ObjectReader stage(stages[i], source, fmt::format("stages[{}]", i));
    read_stage(stage, terms);
    PLANARIA_TRY_VOID(stage.finish());
  }
  const auto& limits = terms.limit_bytes;
  if (std::all_of(limits.begin(), limits.end(),
                  [](std::int64_t limit) { return limit == no_limit_bytes; })) {
    terms.limit_bytes.clear();
  }
  return terms;
}

Result<Jitter> jitter_from_json(const Json& json, const std::string& source, std::uint64_t seed) {
  ObjectReader reader(json, source, "");
  reader.integer("version", 1, 1);
  PLANARIA_TRY(compute, read_factors(reader, "compute", source));
  PLANARIA_TRY(send, read_factors(reader, "send", source));
  PLANARIA_TRY_VOID(reader.finish());
  return Jitter{std::move(compute), std::move(send), seed};
}

}  // namespace planaria::cli
