#include "cli/price_options.hpp"

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/json.hpp>
#include <planaria/liveput/profile_prices.hpp>
#include <planaria/planner/recompute.hpp>

#include "cli/option_names.hpp"
#include "cli/option_ranges.hpp"
#include "cli/recompute_option.hpp"

namespace planaria::cli {
namespace {

constexpr double gibibyte = 1024.0 * 1024 * 1024;
constexpr double gibibytes_max = 900'000;
constexpr int micro_batches_max = 100'000;
constexpr int micro_batch_size_max = 1'000'000;
constexpr int workers_max = 1000;
/// Where --micro-batches does not say: enough for short bubbles in one pipeline of all.
constexpr int micro_batches_each = 4;

/// The first option that only a profile's prices have.
std::optional<std::string> option_of_profile(const PriceFlags& flags) {
  const std::vector<std::pair<bool, std::string>> given{
      {!flags.profile.empty(), "--profile"},
      {flags.workers.has_value(), flags.workers_option},
      {flags.cluster.has_value(), "--cluster"},
      {flags.memory_gib.has_value(), "--memory-gib"},
      {flags.micro_batches.has_value(), "--micro-batches"},
      {flags.micro_batch_size.has_value(), "--micro-batch-size"},
      {flags.schedule.has_value(), "--schedule"},
      {flags.recompute.has_value(), "--recompute"},
      {flags.shadows.has_value(), "--shadows"},
      {flags.migrations.has_value(), "--migrations"}};
  for (const auto& [there, name] : given) {
    if (there) return name;
  }
  return std::nullopt;
}

Result<AskedPrices> prices_of_setting(const PriceFlags& flags) {
  PLANARIA_TRY(json, read_json_file(flags.setting));
  PLANARIA_TRY(setting, setting_from_json(json, flags.setting));
  AskedPrices asked;
  asked.model = setting.model;
  asked.interval_s = setting.interval_s;
  asked.workers_max_from = "max_workers of " + flags.setting;
  asked.prices = std::make_unique<SettingPrices>(std::move(setting));
  return asked;
}

Result<Cluster> read_cluster(const PriceFlags& flags) {
  if (flags.cluster) {
    if (flags.workers || flags.memory_gib) {
      return Fault::invalid_input(
          fmt::format("--cluster: says which workers there are, must not be there with {} or "
                      "--memory-gib",
                      flags.workers_option));
    }
    PLANARIA_TRY(json, read_json_file(*flags.cluster));
    PLANARIA_TRY(cluster, cluster_from_json(json, *flags.cluster));
    if (cluster.workers.size() <= workers_max) return cluster;
    return Fault::invalid_input(fmt::format("{}: workers: {}, must be at most {}", *flags.cluster,
                                            cluster.workers.size(), workers_max));
  }
  if (!flags.workers) {
    return Fault::invalid_input(
        "--workers: missing, must say how many there may be: --workers N, or --cluster FILE");
  }
  if (*flags.workers > workers_max) {
    return Fault::invalid_input(fmt::format("--workers: {}, must be at most {} with --profile",
                                            *flags.workers, workers_max));
  }
  if (!flags.memory_gib) return identical_workers(*flags.workers, memory_without_limit);
  return identical_workers(*flags.workers,
                           static_cast<std::int64_t>(std::floor(*flags.memory_gib * gibibyte)));
}

/// Names options and the cluster's file, not fields, in what the library refuses.
Fault named(Fault fault, const PriceFlags& flags) {
  const std::string field = "cluster: ";
  if (flags.cluster && fault.sentence.starts_with(field)) {
    fault.sentence.replace(0, field.size() - 2, *flags.cluster);
  }
  return as_option(std::move(fault), {"micro_batches", "micro_batch_size", "schedule"});
}

Result<AskedPrices> prices_of_profile(const PriceFlags& flags) {
  PLANARIA_TRY(json, read_json_file(flags.profile));
  PLANARIA_TRY(profile, profile_from_json(json, flags.profile));
  PLANARIA_TRY(cluster, read_cluster(flags));
  ProfilePricesRequest request;
  request.profile = &profile;
  request.cluster = &cluster;
  request.micro_batches =
      flags.micro_batches.value_or(micro_batches_each * static_cast<int>(cluster.workers.size()));
  request.micro_batch_size = flags.micro_batch_size;
  if (flags.schedule) request.schedule = *flags.schedule;
  if (flags.recompute) request.recompute = recompute_named(*flags.recompute).value();
  request.shadows = flags.shadows == "any";
  if (flags.migrations) {
    PLANARIA_TRY(measured, read_json_file(*flags.migrations));
    PLANARIA_TRY(costs, migration_costs_from_json(measured, *flags.migrations));
    request.costs = costs;
  }
  auto prices = ProfilePrices::of(request);
  if (!prices.ok()) return named(prices.fault(), flags);
  AskedPrices asked;
  asked.model = profile.model;
  asked.workers_max_from =
      flags.cluster ? "the workers of " + *flags.cluster : flags.workers_option;
  asked.prices = std::make_unique<ProfilePrices>(std::move(prices).value());
  return asked;
}

void add_workers(CLI::App& sub, PriceFlags& flags) {
  const bool told_otherwise = flags.workers_option != "--workers";
  sub.add_option(flags.workers_option, flags.workers,
                 std::string("With --profile: how many there may be. 1 to 1000") +
                     (told_otherwise ? "; default: --workers" : ""))
      ->check(between(1, workers_max))
      ->type_name("N");
  sub.add_option("--memory-gib", flags.memory_gib,
                 "What each of the workers has. 0 to 900000; default: enough for all")
      ->check(between(0.0, gibibytes_max))
      ->type_name("G");
  sub.add_option("--cluster", flags.cluster,
                 "With --profile, in place of " + flags.workers_option +
                     ": all workers there may be, alike, and the links between them")
      ->type_name("FILE");
}

}  // namespace

void add_prices(CLI::App& sub, PriceFlags& flags, const std::string& workers) {
  flags.workers_option = workers;
  sub.add_option("--setting", flags.setting, "Measured step times and prices of changes")
      ->type_name("FILE");
  sub.add_option("--profile", flags.profile,
                 "In place of --setting: what the model's layers cost; steps are planned, changes "
                 "priced as planaria makes them")
      ->type_name("FILE");
  add_workers(sub, flags);
  sub.add_option("--micro-batches", flags.micro_batches,
                 "With --profile: micro-batches of a step, whatever the layout. 1 to 100000; "
                 "default 4 for each of the workers")
      ->check(between(1, micro_batches_max))
      ->type_name("M");
  sub.add_option("--micro-batch-size", flags.micro_batch_size,
                 "Samples of each, one of the profile's sizes; default: the one of most samples a "
                 "second with all workers")
      ->check(between(1, micro_batch_size_max))
      ->type_name("m");
  sub.add_option("--schedule", flags.schedule,
                 "With --profile: a schedule's name, or any, as planaria plan takes them; default "
                 "1f1b")
      ->type_name("NAME");
  sub.add_option("--recompute", flags.recompute,
                 "With --profile: never, always, or any: the stages that do not fit otherwise; "
                 "default any")
      ->check(recompute_names())
      ->type_name("WHICH");
  sub.add_option("--shadows", flags.shadows,
                 "With --profile: never, or any: layouts of one or two pipelines are thought of "
                 "with a shadow of every layer, too, which takes longer to plan; default never")
      ->check(CLI::IsMember({"never", "any"}).description(""))
      ->type_name("WHICH");
  sub.add_option("--migrations", flags.migrations,
                 "With --profile: what changes cost beside moving state, or a run's result.json; "
                 "default: as measured")
      ->type_name("FILE");
}

Result<AskedPrices> prices_as_told(const PriceFlags& flags) {
  const std::optional<std::string> of_profile = option_of_profile(flags);
  if (!flags.setting.empty()) {
    if (!of_profile) return prices_of_setting(flags);
    return Fault::invalid_input(fmt::format(
        "{}: must not be there with --setting: either says what layouts earn", *of_profile));
  }
  if (!flags.profile.empty()) return prices_of_profile(flags);
  return Fault::invalid_input(fmt::format(
      "{}: missing, must say what layouts earn: --setting FILE, or --profile FILE and --workers N",
      of_profile ? "--profile" : "--setting"));
}

}  // namespace planaria::cli
