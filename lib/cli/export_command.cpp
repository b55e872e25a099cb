#include <memory>
#include <string>

#include <planaria/host/compare.hpp>

#include "cli/commands.hpp"

namespace planaria::cli {
namespace {

struct ExportFlags {
  std::string run, output;
};

}  // namespace

void add_export(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand("export", "Copy a run's weights, checked against their hash");
  sub->footer(
      "The file is in the safetensors format: parameters and buffers, each under its name.");
  auto flags = std::make_shared<ExportFlags>();
  sub->add_option("RUN", flags->run, "A run directory")->required()->type_name("");
  sub->add_option("-o", flags->output, "The file to write")->required()->type_name("FILE");
  sub->callback([flags, &action] {
    action = [flags] {
      const auto exported = host::export_weights(flags->run, flags->output);
      return exported.ok() ? 0 : failed(exported.fault());
    };
  });
}

}  // namespace planaria::cli
