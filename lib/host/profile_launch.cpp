#include <planaria/host/profile_launch.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/host/run_options.hpp>
#include <planaria/model/profile.hpp>

#include "host/child_environment.hpp"
#include "host/output_file.hpp"
#include "host/private_folder.hpp"
#include "host/profile_watch.hpp"
#include "host/screen.hpp"

namespace planaria::host {
namespace {

constexpr int size_max = 1'000'000;
constexpr int repeats_max = 999;

std::string percent(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

// What repeats say about how far the medians can be trusted.
std::string text_of_spread(const Json& spread) {
  return fmt::format(
      "{} in the median, at most {} ({})", percent(spread.at("median").get<double>()),
      percent(spread.at("largest").get<double>()), spread.at("largest_of").get<std::string>());
}

// Totals, then a line for each layer at the largest size.
std::vector<std::string> summary_of(const Profile& profile) {
  const std::size_t size = profile.micro_batch_sizes.size() - 1;
  const std::string samples = counted(profile.micro_batch_sizes[size], "sample");
  double step_part_ms = 0;
  std::int64_t parameters = 0;
  for (const LayerProfile& layer : profile.layers) {
    parameters += layer.parameter_bytes;
    step_part_ms +=
        layer.forward_ms[size] + layer.backward_input_ms[size] + layer.backward_weight_ms[size];
  }
  std::vector<std::string> lines{
      fmt::format("{} on {}: {}, {} of parameters", profile.model, profile.device,
                  counted(static_cast<std::int64_t>(profile.layers.size()), "layer"),
                  text_of_bytes(static_cast<std::uint64_t>(parameters))),
      fmt::format("a micro-batch of {}: {:.2f} ms through all layers and back", samples,
                  step_part_ms),
      fmt::format("{:<16}{:>13}{:>13}{:>10}{:>10}{:>10}{:>11}", "layer", "parameters", "activation",
                  "F ms", "B ms", "W ms", "apply ms")};
  for (const LayerProfile& layer : profile.layers) {
    lines.push_back(
        fmt::format("{:<16}{:>13}{:>13}{:>10.3f}{:>10.3f}{:>10.3f}{:>11.3f}", layer.name,
                    text_of_bytes(static_cast<std::uint64_t>(layer.parameter_bytes)),
                    text_of_bytes(static_cast<std::uint64_t>(layer.activation_bytes[size])),
                    layer.forward_ms[size], layer.backward_input_ms[size],
                    layer.backward_weight_ms[size], layer.optimizer_ms));
  }
  return lines;
}

Result<Profile> read_answer(const Json& answer, Screen& screen) {
  PLANARIA_TRY(profile, profile_from_json(answer.at("profile"), "the measuring process's profile"));
  screen.line(Stream::err, "planaria: repeats differ by " +
                               text_of_spread(answer.at("compute_spread")) + "; transfers by " +
                               text_of_spread(answer.at("transfer_spread")));
  return profile;
}

Result<void> tell_profile(const ProfileLaunchOptions& options, const Profile& profile,
                          Screen& screen) {
  const std::string text = to_json(profile).dump();
  if (!options.output.empty()) {
    PLANARIA_TRY_VOID(write_file_atomically(options.output, text + "\n"));
  }
  if (options.json) {
    fmt::print("{}\n", text);
    return {};
  }
  for (const std::string& line : summary_of(profile)) screen.line(Stream::out, line);
  return {};
}

/// Starts the two processes of a profile.
class Starter {
 public:
  Starter(const ProfileLaunchOptions& options, const PrivateFolder& folder)
      : options_(options), folder_(folder) {}

  Result<ChildProcess> start(const Json& order, int progress) const {
    ChildEnvironment environment;
    environment.set(env_profile, order.dump())
        .set(env_secret_file, folder_.file("secret"))
        .prefer_large_pages();  // as in a run, whose memory and times it changes
    if (progress >= 0) environment.set(env_progress_fd, std::to_string(progress));
    const std::vector<std::string>& command = options_.command;
    return ChildProcess::start({.program = command.front(),
                                .arguments = {command.begin() + 1, command.end()},
                                .environment = environment.changes(),
                                .inherited = progress});
  }
  /// One that measures until it is killed, and tells nobody.
  [[nodiscard]] Result<ChildProcess> start_beside(int number) const {
    ProfileOrder order = first_order();
    order.repeats = repeats_max;
    order.listen = fmt::format("unix:{}", folder_.file(fmt::format("beside-{}.sock", number)));
    return start(to_json(order), -1);
  }
  [[nodiscard]] ProfileOrder first_order() const {
    return {.model = std::filesystem::path(options_.command.front()).filename().string(),
            .micro_batch_sizes = options_.micro_batch_sizes,
            .repeats = options_.repeats,
            .listen = "unix:" + folder_.file("profile.sock")};
  }

 private:
  const ProfileLaunchOptions& options_;
  const PrivateFolder& folder_;
};

/// Processes that compute beside; they die with it.
class Company {
 public:
  Company() = default;
  Company(const Company&) = delete;
  Company& operator=(const Company&) = delete;
  ~Company() {
    for (ChildProcess& one : processes_) one.kill_and_wait();
  }

  Result<void> join(const Starter& starter, int count) {
    for (int i = 0; i < count; ++i) {
      PLANARIA_TRY(one, starter.start_beside(i));
      processes_.push_back(std::move(one));
    }
    return {};
  }
  /// Proves that all of them are still at it.
  Result<void> verify() {
    const bool all =
        std::ranges::none_of(processes_, [](ChildProcess& one) { return one.poll().has_value(); });
    if (all) return {};
    return Fault::unavailable("a process that computed beside ended before all was measured");
  }

 private:
  std::vector<ChildProcess> processes_;
};

Result<ProfileEnding> measure(const ProfileLaunchOptions& options, Screen& screen) {
  const std::string& program = options.command.front();
  if (!find_program(program)) {
    return Fault::invalid_input(
        fmt::format("program {}: no such executable file{}", program,
                    program.find('/') == std::string::npos ? " in PATH" : ""));
  }
  PLANARIA_TRY_VOID(check_output(options.output));
  PLANARIA_TRY(folder, PrivateFolder::create());
  PLANARIA_TRY_VOID(write_fresh_secret(folder.file("secret")));
  const Starter starter(options, folder);
  Company company;
  PLANARIA_TRY_VOID(company.join(starter, options.beside));
  PLANARIA_TRY(progress, make_pipe());
  ProfileWatch watch({.program = program,
                      .start_other = [&](const Json& order) { return starter.start(order, -1); }},
                     screen);
  PLANARIA_TRY(measuring, starter.start(to_json(starter.first_order()), progress.write.get()));
  progress.write.close();
  ProfileEnding ending = watch.until_over(std::move(measuring), std::move(progress.read));
  // Where the measurement itself failed, that is what to tell.
  if (!ending.answer.is_null()) PLANARIA_TRY_VOID(company.verify());
  return ending;
}

}  // namespace

Json to_json(const ProfileOrder& order) {
  return {{"version", 1},
          {"model", order.model},
          {"micro_batch_sizes", order.micro_batch_sizes},
          {"repeats", order.repeats},
          {"listen", order.listen},
          {"other", order.other},
          {"layer", order.layer}};
}

Result<ProfileOrder> profile_order_from_json(const Json& json, const std::string& source) {
  ObjectReader reader(json, source, "");
  reader.integer("version", 1, 1);
  ProfileOrder order;
  order.model = reader.text("model");
  for (const Json& size : reader.array("micro_batch_sizes")) {
    if (!size.is_number_integer() || size < 1 || size > size_max) {
      reader.refuse("micro_batch_sizes",
                    fmt::format("{}, must be whole numbers from 1 to {}", size.dump(), size_max));
      break;
    }
    order.micro_batch_sizes.push_back(size.get<int>());
  }
  order.repeats = static_cast<int>(reader.integer("repeats", 1, repeats_max));
  order.listen = reader.text("listen");
  order.other = reader.text("other");
  order.layer = static_cast<int>(reader.integer("layer", 0, std::numeric_limits<int>::max()));
  PLANARIA_TRY_VOID(reader.finish());
  return order;
}

MeasuredProgram measure_program(const ProfileLaunchOptions& options) {
  Screen screen({.live = true, .out_is_taken = options.json});
  const auto say = [&](const std::string& sentence) {
    if (!sentence.empty()) screen.line(Stream::err, "planaria: " + sentence);
  };
  const auto ending = measure(options, screen);
  if (!ending) {
    say(ending.fault().sentence);
    return {ending.fault().kind == FaultKind::invalid_input ? 2 : 1, {}};
  }
  say(ending.value().sentence);
  if (ending.value().answer.is_null()) return {ending.value().status, {}};
  auto profile = read_answer(ending.value().answer, screen);
  if (profile) return {0, std::move(profile).value()};
  say(profile.fault().sentence);
  return {1, {}};
}

int launch_profile(const ProfileLaunchOptions& options) {
  const MeasuredProgram measured = measure_program(options);
  if (!measured.profile) return measured.status;
  Screen screen({.live = false, .out_is_taken = options.json});
  const auto told = tell_profile(options, *measured.profile, screen);
  if (!told) screen.line(Stream::err, "planaria: " + told.fault().sentence);
  return told ? 0 : 1;
}

}  // namespace planaria::host
