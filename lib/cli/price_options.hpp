// cli/price_options.hpp: how a command is told what layouts earn and changes cost. Private.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include <planaria/base/result.hpp>
#include <planaria/liveput/prices.hpp>

namespace planaria::cli {

struct PriceFlags {
  std::string setting, profile;
  std::optional<std::string> cluster, migrations, schedule, recompute, shadows;
  std::optional<int> workers, micro_batches, micro_batch_size;
  std::optional<double> memory_gib;
  std::string workers_option = "--workers";  // as add_prices() was told
};

/// Prices, and what else a setting says; of a profile the usual interval.
struct AskedPrices {
  std::string model;
  double interval_s = 60;
  std::string workers_max_from;  // "max_workers of FILE", "--workers"
  std::unique_ptr<PriceModel> prices;
};

/// Adds --setting; and in its place --profile, --workers, --memory-gib, --cluster, --micro-batches,
/// --micro-batch-size, --schedule, --recompute, --shadows and --migrations.
/// `workers`: another name for --workers, where that one says something else.
void add_prices(CLI::App& sub, PriceFlags& flags, const std::string& workers = "--workers");

/// Reads the setting, or plans all layouts by the profile; every refusal is one sentence.
[[nodiscard]] Result<AskedPrices> prices_as_told(const PriceFlags& flags);

}  // namespace planaria::cli
