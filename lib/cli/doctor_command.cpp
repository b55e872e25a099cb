#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>
#include <planaria/host/doctor.hpp>

#include "cli/commands.hpp"
#include "cli/version.hpp"

namespace planaria::cli {
namespace {

struct DoctorFlags {
  std::string torch_root, output;
  bool json = false;
};

using host::Finding;
using host::Readiness;

constexpr std::size_t text_column = 23;

// The terminal's width; as wide as need be for a file or a pipe.
std::size_t columns_of_stdout() {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  return known && size.ws_col > text_column ? size.ws_col : std::string::npos;
}

// Breaks between words, further lines below the first one's text.
std::string wrapped(const std::string& text, std::size_t columns) {
  std::string lines;
  std::size_t used = text_column;
  for (const std::string& word : split(text, ' ')) {
    if (used + 1 + word.size() > columns && !lines.empty()) {
      lines += "\n" + std::string(text_column, ' ') + word;
      used = text_column + word.size();
    } else {
      lines += (lines.empty() ? "" : " ") + word;
      used += 1 + word.size();
    }
  }
  return lines;
}

// A line for each finding, what to do below it, and the answer last.
std::string text_of(const std::vector<Finding>& findings, bool trains, std::size_t columns) {
  std::string text;
  std::string lacking;
  for (const Finding& finding : findings) {
    text += fmt::format("{:<14}{:<9}{}\n", finding.name, name_of(finding.readiness),
                        wrapped(finding.found, columns));
    if (!finding.advice.empty())
      text += fmt::format("{:<23}{}\n", "", wrapped(finding.advice, columns));
    if (finding.needed && finding.readiness == Readiness::missing) {
      lacking += (lacking.empty() ? "" : ", ") + finding.name;
    }
  }
  return text + (trains ? "training is possible here" : "no training here without: " + lacking);
}

std::string json_of(const std::vector<Finding>& findings, bool trains) {
  Json checks = Json::array();
  for (const Finding& finding : findings) {
    checks.push_back({{"name", finding.name},
                      {"state", name_of(finding.readiness)},
                      {"needed", finding.needed},
                      {"found", finding.found},
                      {"advice", finding.advice.empty() ? Json() : Json(finding.advice)},
                      {"values", finding.values}});
  }
  return Json{{"version", 1}, {"can_train", trains}, {"checks", std::move(checks)}}.dump();
}

int doctor(const DoctorFlags& flags) {
  const auto findings = host::diagnose(host::look_at_machine({.torch_root = flags.torch_root,
                                                              .torch_built_root = torch_root,
                                                              .torch_built_version = torch_version,
                                                              .built_with_cuda = with_cuda}));
  const bool trains = host::can_train(findings);
  const std::size_t columns = flags.output.empty() ? columns_of_stdout() : std::string::npos;
  const int printed = print_result(
      flags.json ? json_of(findings, trains) : text_of(findings, trains, columns), flags.output);
  if (printed != 0) return printed;
  return trains ? 0 : 1;
}

}  // namespace

void add_doctor(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand("doctor", "Say what this machine has for training, and lacks");
  sub->footer("Exit status 1 when something is missing without which nobody can train here.");
  auto flags = std::make_shared<DoctorFlags>();
  sub->add_option("--torch-root", flags->torch_root,
                  "LibTorch's folder, with lib/ and include/; default: PLANARIA_TORCH_ROOT, else "
                  "where it was when planaria was built")
      ->type_name("DIR");
  sub->add_flag("--json", flags->json, "Print one JSON object");
  sub->add_option("-o", flags->output, "Write the answer to FILE in place of stdout")
      ->type_name("FILE");
  sub->callback([flags, &action] { action = [flags] { return doctor(*flags); }; });
}

}  // namespace planaria::cli
