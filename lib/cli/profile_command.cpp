#include <charconv>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/result.hpp>
#include <planaria/base/text.hpp>
#include <planaria/host/profile_launch.hpp>

#include "cli/commands.hpp"
#include "cli/option_ranges.hpp"

namespace planaria::cli {
namespace {

constexpr int size_max = 1'000'000;
constexpr int beside_max = 255;
constexpr int repeats_max = 999;

struct ProfileFlags {
  std::string micro_batch_sizes, output;
  int repeats = 9;
  int beside = 0;
  bool json = false;
};

// "1,2,4": ascending, since the profile's lists run along them.
Result<std::vector<int>> sizes_of(const std::string& text) {
  std::vector<int> sizes;
  for (const std::string& part : split(text, ',')) {
    int size = 0;
    const char* end = part.data() + part.size();
    const auto [stopped, error] = std::from_chars(part.data(), end, size);
    if (error != std::errc() || stopped != end || size < 1 || size > size_max) {
      return Fault::invalid_input(
          fmt::format("--micro-batch-sizes: {}, must be whole numbers from 1 to {} with commas "
                      "between",
                      text, size_max));
    }
    if (!sizes.empty() && size <= sizes.back()) {
      return Fault::invalid_input(
          fmt::format("--micro-batch-sizes: {}, must ascend, each number once", text));
    }
    sizes.push_back(size);
  }
  return sizes;
}

int profile(const ProfileFlags& flags, const std::vector<std::string>& command) {
  if (command.empty()) {
    return bad_input(
        "no program: write it behind two dashes, as in planaria profile -o profile.json -- "
        "./train");
  }
  if (flags.repeats % 2 == 0) {
    return bad_input(
        fmt::format("--repeats: {}, must be odd: the middle one counts", flags.repeats));
  }
  const auto sizes = sizes_of(flags.micro_batch_sizes);
  if (!sizes) return failed(sizes.fault());
  return host::launch_profile({.command = command,
                               .micro_batch_sizes = sizes.value(),
                               .repeats = flags.repeats,
                               .beside = flags.beside,
                               .json = flags.json,
                               .output = flags.output});
}

}  // namespace

void add_profile(CLI::App& app, const std::vector<std::string>& command, Action& action) {
  auto* sub = app.add_subcommand("profile", "Measure what the layers of PROGRAM's model cost");
  sub->footer(
      "PROGRAM is the one that `planaria run` takes. It measures in place of training, and leaves\n"
      "nothing behind.\n\n"
      "  planaria profile -o profile.json -- ./train_gpt --text book.txt\n"
      "  planaria profile --micro-batch-sizes 1,2,4 -o profile.json -- ./train_gpt --text "
      "book.txt");
  auto flags = std::make_shared<ProfileFlags>();
  sub->add_option("--micro-batch-sizes", flags->micro_batch_sizes,
                  "Samples per micro-batch to measure at, ascending, such as 1,2,4; default: the "
                  "program's own alone")
      ->type_name("N,...");
  sub->add_option("--repeats", flags->repeats,
                  "How often each number is measured; its median counts. Odd, 1 to 999; default 9")
      ->check(between(1, repeats_max))
      ->type_name("N");
  sub->add_option("--beside", flags->beside,
                  "How many more processes compute the same meanwhile: as many as other workers "
                  "will share the machine. 0 to 255; default 0")
      ->check(between(0, beside_max))
      ->type_name("N");
  sub->add_flag("--json", flags->json, "Print the profile on stdout and nothing else there");
  sub->add_option("-o", flags->output, "Write the profile to FILE")->type_name("FILE");
  sub->callback(
      [flags, &command, &action] { action = [=, &command] { return profile(*flags, command); }; });
}

}  // namespace planaria::cli
