#include <memory>
#include <string>

#include <fmt/format.h>

#include <planaria/base/json.hpp>
#include <planaria/host/compare.hpp>

#include "cli/commands.hpp"

namespace planaria::cli {
namespace {

struct CompareFlags {
  std::string a, b, output;
  bool json = false;
};

int compare(const CompareFlags& flags) {
  const auto compared = host::compare_runs(flags.a, flags.b);
  if (!compared.ok()) return failed(compared.fault());
  const host::Comparison& comparison = compared.value();
  const auto& difference = comparison.first_difference;
  std::string text = comparison.equal ? "equal: losses, norms, ledger, weights and state"
                                      : "first difference: " + difference.value_or("unknown");
  if (flags.json) {
    text = Json{{"version", 1},
                {"equal", comparison.equal},
                {"first_difference", difference ? Json(*difference) : Json()}}
               .dump();
  }
  const int printed = print_result(text, flags.output);
  if (printed != 0) return printed;
  return comparison.equal ? 0 : 1;
}

}  // namespace

void add_compare(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand("compare", "Say whether two runs are the same, bit for bit");
  sub->footer(
      "Compares losses and norms step by step, the ledger line by line, the number of steps, "
      "weights\n"
      "and state. Exit status 1 when they differ.");
  auto flags = std::make_shared<CompareFlags>();
  sub->add_option("A", flags->a, "A run directory")->required()->type_name("");
  sub->add_option("B", flags->b, "Another one")->required()->type_name("");
  sub->add_flag("--json", flags->json, "Print one JSON object");
  sub->add_option("-o", flags->output, "Write the answer to FILE in place of stdout")
      ->type_name("FILE");
  sub->callback([flags, &action] { action = [flags] { return compare(*flags); }; });
}

}  // namespace planaria::cli
