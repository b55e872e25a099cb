#include "fuzz/readers.hpp"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>
#include <planaria/liveput/holders.hpp>
#include <planaria/liveput/survival.hpp>
#include <planaria/model/layout.hpp>
#include <planaria/model/run_spec.hpp>

#include "fuzz/json_values.hpp"

namespace planaria::test {

void hold(bool kept, const std::string& promise) {
  if (!kept) throw BrokenPromise(promise);
}

void hold_sentence(const Fault& fault) {
  constexpr std::size_t long_sentence = 1000;
  const std::string& sentence = fault.sentence;
  hold(!sentence.empty(), "a refusal says why");
  hold(sentence.size() <= long_sentence, "a refusal is short: " + sentence);
  hold(printable(sentence, sentence.size()) == sentence,
       "a refusal is one line of UTF-8: " + printable(sentence, 2 * sentence.size()));
}

std::optional<Fault> refusal_of(const Fault& fault) {
  hold_sentence(fault);
  hold(fault.kind == FaultKind::invalid_input, "what is read is refused as bad input");
  hold(fault.sentence.starts_with(std::string(source_name) + ": "),
       "a refusal names its source first: " + fault.sentence);
  return fault;
}

namespace {

/// A layout that fits has holders, and outlives losses with a probability or is too wide.
void take_survival(const Layout& layout, int workers) {
  constexpr int workers_asked = 64;
  if (workers > workers_asked) return;
  const auto holders = holders_of(layout, workers);
  hold(holders.ok(), "a layout that fits has holders");
  SurvivalOptions options;
  options.limits = {.cells_max = 100'000, .products_max = 1'000'000};
  const auto survival = survival_by_losses(holders.value(), options);
  if (!survival) {
    hold_sentence(survival.fault());
    hold(survival.fault().kind == FaultKind::exhausted, "no survival: the layout is too wide");
    return;
  }
  for (int replicas = 1; replicas <= survival.value().replicas_max(); ++replicas) {
    double before = survival.value().at_least(replicas, 0);
    hold(before == 1, "without losses every layer keeps its holders");
    for (int lost = 1; lost <= workers; ++lost) {
      const double now = survival.value().at_least(replicas, lost);
      hold(now >= 0 && now <= before * (1 + 1e-12), "more losses are no better");
      before = now;
    }
    hold(before == 0, "nothing outlives the loss of all");
  }
}

/// What a layout is asked once it is known to fit.
void take_layout(const Layout& layout, const LayoutRequirements& requirements) {
  hold(!text_of(layout).empty(), "a layout has a text");
  for (const WorkerId worker : workers_of(layout)) {
    const auto layers = computed_by(layout, worker);
    hold(layers.size() <= static_cast<std::size_t>(requirements.layers),
         "a worker computes no more layers than there are");
    static_cast<void>(shadowed_by(layout, worker));
  }
  take_survival(layout, requirements.workers);
  int micro_batches = 0;
  for (int pipeline = 0; pipeline < static_cast<int>(layout.pipelines.size()); ++pipeline) {
    micro_batches += micro_batches_of(layout, pipeline).size();
    const bool alone = joined_with(layout, pipeline).size() == 1;
    hold(alone || shares_workers(layout), "pipelines that are joined share workers");
  }
  hold(micro_batches == requirements.micro_batches, "shares sum to the step's micro-batches");
  for (int layer = 0; layer < requirements.layers; ++layer) {
    const auto holders = active_holders(layout, LayerId{layer});
    hold(!holders.empty(), "every layer is computed by somebody");
    hold(lowest_active_holder(layout, LayerId{layer}) ==
             *std::min_element(holders.begin(), holders.end()),
         "the lowest holder speaks for the others");
  }
}

}  // namespace

std::optional<Fault> read_layout(std::string_view text) {
  const auto layout = read_value(text, layout_from_json);
  if (!layout) return refusal_of(layout.fault());
  hold_written_back(layout.value(), layout_from_json);
  // Whatever it might fit: the sizes that it has itself, if they are small.
  LayoutRequirements requirements{.layers = 0, .micro_batches = 0, .lane_size = 1, .workers = 0};
  std::int64_t micro_batches = 0;
  for (const auto& pipeline : layout.value().pipelines) {
    micro_batches += pipeline.micro_batches;
    for (const auto& stage : pipeline.stages) {
      requirements.layers = std::max(requirements.layers, stage.layers.last.value + 1);
      requirements.workers = std::max(requirements.workers, stage.worker.value + 1);
    }
  }
  for (const auto& shadow : layout.value().shadows) {
    requirements.workers = std::max(requirements.workers, shadow.worker.value + 1);
  }
  constexpr int small = 1000;
  requirements.micro_batches = static_cast<int>(std::min<std::int64_t>(micro_batches, INT32_MAX));
  const auto fits = verify(layout.value(), requirements);
  if (!fits) {
    hold_sentence(fits.fault());
  } else if (requirements.layers <= small) {
    take_layout(layout.value(), requirements);
  }
  return std::nullopt;
}

std::optional<Fault> read_run_spec(std::string_view text) {
  const auto spec = read_value(text, run_spec_from_json);
  if (!spec) return refusal_of(spec.fault());
  hold_written_back(spec.value(), run_spec_from_json);
  hold(!first_difference(spec.value(), spec.value()), "a run does not differ from itself");
  return std::nullopt;
}

const std::vector<Reader>& readers() {
  static const std::vector<Reader> all{
      {"profile", read_profile}, {"cluster", read_cluster},   {"plan", read_plan},
      {"layout", read_layout},   {"run_spec", read_run_spec}, {"schedule", read_schedule},
      {"costs", read_costs},     {"jitter", read_jitter},     {"trace", read_trace_text},
      {"setting", read_setting}, {"forecast", read_forecast}, {"prices", read_machine_prices}};
  return all;
}

}  // namespace planaria::test
