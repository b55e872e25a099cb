#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/text.hpp>

#include "cli/commands.hpp"
#include "cli/starter_files.hpp"

namespace planaria::cli {
namespace {

namespace fs = std::filesystem;

// What has been made so far, taken away again unless all of it was.
class Unfinished {
 public:
  Unfinished() = default;
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  ~Unfinished() {
    std::error_code ignored;
    for (auto made = made_.rbegin(); made != made_.rend(); ++made) fs::remove(*made, ignored);
  }
  void add(const fs::path& path) { made_.push_back(path); }
  void finish() { made_.clear(); }

 private:
  std::vector<fs::path> made_;
};

// Makes the folder and those above it that are missing; what is there must be an empty folder.
Result<void> make_folder(const fs::path& folder, Unfinished& unfinished) {
  std::error_code error;
  if (fs::exists(fs::status(folder, error))) {
    if (!fs::is_directory(folder, error)) {
      return Fault::invalid_input(
          fmt::format("{}: is no folder, must be a new or an empty one", folder.string()));
    }
    const bool empty = fs::is_empty(folder, error);
    if (error) return Fault::unavailable(fmt::format("{}: {}", folder.string(), error.message()));
    if (!empty) {
      return Fault::invalid_input(
          fmt::format("{}: is not empty, must be a new or an empty folder", folder.string()));
    }
    return {};
  }
  const fs::path above = folder.parent_path();
  if (!above.empty() && !fs::exists(above, error))
    PLANARIA_TRY_VOID(make_folder(above, unfinished));
  if (!fs::create_directory(folder, error)) {
    return Fault::unavailable(fmt::format("{}: {}", folder.string(), error.message()));
  }
  unfinished.add(folder);
  return {};
}

// Where this program is installed; nothing for one in the folder it was built in.
std::string installed_prefix() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  const fs::path prefix = self.parent_path().parent_path();
  const bool found =
      !error && fs::exists(prefix / "lib/cmake/planaria/planaria-config.cmake", error);
  return found ? prefix.string() : "";
}

std::string with_prefix(std::string_view content, const std::string& prefix) {
  constexpr std::string_view placeholder = "PREFIX";
  std::string text(content);
  if (prefix.empty()) return text;
  for (auto at = text.find(placeholder); at != std::string::npos;
       at = text.find(placeholder, at + prefix.size())) {
    text.replace(at, placeholder.size(), prefix);
  }
  return text;
}

// The lines of README.md's block of commands.
std::vector<std::string> commands_of(const std::string& readme) {
  std::vector<std::string> commands;
  bool inside = false;
  for (const std::string& line : split(readme, '\n')) {
    if (line == "```") {
      if (inside) break;
      inside = true;
    } else if (inside) {
      commands.push_back(line);
    }
  }
  return commands;
}

int init(const std::string& name) {
  // "a/" is a.
  fs::path folder = fs::path(name).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  if (folder.empty()) return bad_input("DIR: empty, must name a new or an empty folder");
  const std::string prefix = installed_prefix();
  Unfinished unfinished;
  if (const auto made = make_folder(folder, unfinished); !made.ok()) return failed(made.fault());
  std::vector<std::string> names;
  std::vector<std::string> commands;
  for (const StarterFile& file : starter_files) {
    const bool is_readme = file.name == "README.md";
    const std::string content =
        is_readme ? with_prefix(file.content, prefix) : std::string(file.content);
    const fs::path path = folder / file.name;
    const auto written = write_file_atomically(path.string(), content);
    if (!written.ok()) return failed(written.fault());
    unfinished.add(path);
    names.emplace_back(file.name);
    if (is_readme) commands = commands_of(content);
  }
  unfinished.finish();
  fmt::print("{}: wrote {}\nnext, as its README.md explains:\n\n  cd {}\n  {}\n", folder.string(),
             join(names, ", "), folder.string(), join(commands, "\n  "));
  if (prefix.empty()) {
    fmt::print(
        "\nThis planaria is not installed; for PREFIX see `cmake --install` in docs/install.md.\n");
  }
  return 0;
}

}  // namespace

void add_init(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand("init", "Write a first project into DIR: it builds and trains");
  sub->footer(
      "The project finds the installed library with find_package(planaria) and has a README.md "
      "with\n"
      "the commands that build it, train alone and over processes, and compare the weights.");
  auto folder = std::make_shared<std::string>();
  sub->add_option("DIR", *folder, "Where it goes: a new or an empty folder")
      ->required()
      ->type_name("");
  sub->callback([folder, &action] { action = [folder] { return init(*folder); }; });
}

}  // namespace planaria::cli
