#include <planaria/liveput/setting.hpp>

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/json_lists.hpp>
#include <planaria/model/transfer_table.hpp>

namespace planaria {
namespace {

constexpr double ms_max = 1e9;
constexpr double interval_s_max = 86'400;
constexpr double parameters_max = 1e15;
constexpr double samples_per_s_max = 1e12;
constexpr std::int64_t samples_max = 1'000'000'000;

GridLayout layout_from(ObjectReader& reader) {
  const std::int64_t width = reader.integer("width", 1, Setting::workers_max);
  const std::int64_t depth = reader.integer("depth", 1, Setting::workers_max);
  return {static_cast<int>(width), static_cast<int>(depth)};
}

std::string text_of(const GridLayout& layout) {
  return fmt::format("width {}, depth {}", layout.width, layout.depth);
}

class SettingReader {
 public:
  SettingReader(const Json& json, std::string source)
      : source_(std::move(source)), top_(json, source_, "") {}

  Result<Setting> read() {
    top_.integer("version", 1, 1);
    setting_.model = top_.text("model");
    setting_.samples_per_step = top_.integer("samples_per_step", 1, samples_max);
    setting_.micro_batch_size = top_.integer("micro_batch_size", 1, samples_max);
    setting_.interval_s = top_.number("interval_s", 1e-3, interval_s_max);
    setting_.max_workers = static_cast<int>(top_.integer("max_workers", 1, Setting::workers_max));
    setting_.state_bytes_per_parameter = top_.number("state_bytes_per_parameter", 0, 1e6);
    setting_.rendezvous_ms = top_.number("rendezvous_ms", 0, ms_max);
    setting_.growth_extra_ms = top_.number("growth_extra_ms", 0, ms_max);
    setting_.process_ms = top_.number("process_ms", 0, ms_max);
    setting_.checkpoint_ms = top_.number("checkpoint_ms", 0, ms_max);
    top_.text("partition_rule");
    const Json& depths = top_.array("allowed_depths");
    const Json& widths = top_.array("allowed_widths");
    const Json& layers = top_.array("layer_parameters");
    const Json& throughput = top_.array("throughput");
    const Json& transfer = top_.array("transfer");
    const Json& builds = top_.array("model_build");
    const Json& regroups = top_.array("regroup");
    PLANARIA_TRY_VOID(top_.finish());
    PLANARIA_TRY_VOID(read_layers(layers));
    PLANARIA_TRY_VOID(read_throughput(throughput));
    PLANARIA_TRY_VOID(check_values(depths, "allowed_depths", &GridLayout::depth));
    PLANARIA_TRY_VOID(check_values(widths, "allowed_widths", &GridLayout::width));
    PLANARIA_TRY(points, transfer_from_json(transfer, source_));
    setting_.transfer = std::move(points);
    PLANARIA_TRY_VOID(read_builds(builds));
    PLANARIA_TRY_VOID(read_regroups(regroups));
    return std::move(setting_);
  }

 private:
  Fault refused(const std::string& path, const std::string& why) const {
    return Fault::invalid_input(fmt::format("{}: {}: {}", source_, path, why));
  }

  Result<void> read_layers(const Json& list) {
    PLANARIA_TRY_VOID(check_count(list, Profile::layers_max, source_, "layer_parameters"));
    PLANARIA_TRY(counts, numbers_from<double>(list, source_, "layer_parameters",
                                              [](ObjectReader& one, const std::string& name) {
                                                return one.number(name, 0, parameters_max);
                                              }));
    setting_.layer_parameters = std::move(counts);
    return {};
  }

  Result<void> read_throughput(const Json& list) {
    PLANARIA_TRY_VOID(check_count(list, Setting::layouts_max, source_, "throughput"));
    const auto layers = static_cast<int>(setting_.layer_parameters.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string path = fmt::format("throughput[{}]", i);
      ObjectReader one(list[i], source_, path);
      const GridLayout layout = layout_from(one);
      const double step_ms = one.number("step_ms", 0, ms_max);
      const double samples_per_s = one.number("samples_per_s", 0, samples_per_s_max);
      PLANARIA_TRY_VOID(one.finish());
      if (layout.depth > layers) {
        return refused(path + ".depth", fmt::format("{}, must be at most {}, as many as there are "
                                                    "layer_parameters",
                                                    layout.depth, layers));
      }
      if (layout.workers() > setting_.max_workers) {
        return refused(path, fmt::format("{}, must be of at most {} workers, max_workers",
                                         text_of(layout), setting_.max_workers));
      }
      if (!layouts_.insert(layout).second) {
        return refused(path, text_of(layout) + ", must not be there twice");
      }
      setting_.throughput.push_back({layout, step_ms, samples_per_s});
    }
    return {};
  }

  /// The widths (or depths) that occur, in any order, each once.
  Result<void> check_values(const Json& list, const std::string& key, int GridLayout::*value) {
    std::set<int> occur;
    for (const GridLayout& layout : layouts_) occur.insert(layout.*value);
    PLANARIA_TRY_VOID(check_count(list, Setting::layouts_max, source_, key));
    PLANARIA_TRY(allowed, numbers_from<std::int64_t>(
                              list, source_, key, [](ObjectReader& one, const std::string& name) {
                                return one.integer(name, 1, Setting::workers_max);
                              }));
    std::set<int> seen;
    for (std::size_t i = 0; i < allowed.size(); ++i) {
      const auto one = static_cast<int>(allowed[i]);
      if (!occur.contains(one)) {
        return refused(fmt::format("{}[{}]", key, i),
                       fmt::format("{}, must occur in throughput", one));
      }
      if (!seen.insert(one).second) {
        return refused(fmt::format("{}[{}]", key, i),
                       fmt::format("{}, must not be there twice", one));
      }
    }
    for (const int one : occur) {
      if (!seen.contains(one))
        return refused(key, fmt::format("must name {}, as throughput does", one));
    }
    return {};
  }

  Result<void> read_builds(const Json& list) {
    PLANARIA_TRY_VOID(check_count(list, Setting::layouts_max, source_, "model_build"));
    std::set<int> missing;
    for (const GridLayout& layout : layouts_) missing.insert(layout.depth);
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string path = fmt::format("model_build[{}]", i);
      ObjectReader one(list[i], source_, path);
      MeasuredBuild build;
      build.depth = static_cast<int>(one.integer("depth", 1, Setting::workers_max));
      build.ms = one.number("ms", 0, ms_max);
      PLANARIA_TRY_VOID(one.finish());
      if (missing.erase(build.depth) == 0) {
        return refused(path + ".depth",
                       fmt::format("{}, must be a depth of throughput, each once", build.depth));
      }
      setting_.model_build.push_back(build);
    }
    if (missing.empty()) return {};
    return refused("model_build", fmt::format("depth {} is missing, must be there for each of "
                                              "throughput",
                                              *missing.begin()));
  }

  Result<void> read_regroups(const Json& list) {
    PLANARIA_TRY_VOID(check_count(list, Setting::layouts_max, source_, "regroup"));
    std::set<GridLayout> missing = layouts_;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::string path = fmt::format("regroup[{}]", i);
      ObjectReader one(list[i], source_, path);
      MeasuredRegroup regroup;
      regroup.layout = layout_from(one);
      regroup.grow_ms = one.number("grow_ms", 0, ms_max);
      regroup.shrink_ms = one.number("shrink_ms", 0, ms_max);
      PLANARIA_TRY_VOID(one.finish());
      if (missing.erase(regroup.layout) == 0) {
        return refused(path,
                       text_of(regroup.layout) + ", must be a layout of throughput, each once");
      }
      setting_.regroup.push_back(regroup);
    }
    if (missing.empty()) return {};
    return refused("regroup",
                   text_of(*missing.begin()) + " is missing, must be there for each of throughput");
  }

  std::string source_;
  ObjectReader top_;
  Setting setting_;
  std::set<GridLayout> layouts_;
};

}  // namespace

Result<Setting> setting_from_json(const Json& json, const std::string& source) {
  return SettingReader(json, source).read();
}

}  // namespace planaria
