#include <sstream>

#include "cli/commands.hpp"

namespace planaria::cli {
namespace {

constexpr std::size_t description_column = 26;
constexpr std::size_t description_width = 100 - description_column;

class HelpFormat : public CLI::Formatter {
 public:
  HelpFormat() { column_width(description_column); }

  // The type alone: ranges and exclusions are said in words, in the description.
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_type_size() == 0 ? "" : " " + option->get_type_name();
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    std::istringstream words(option->get_description());
    std::string wrapped;
    std::size_t used = 0;
    for (std::string word; words >> word;) {
      const bool fits = used + 1 + word.size() <= description_width;
      if (used > 0) wrapped += fits ? ' ' : '\n';
      used = used > 0 && fits ? used + 1 + word.size() : word.size();
      wrapped += word;
    }
    return wrapped;
  }
};

}  // namespace

std::shared_ptr<CLI::Formatter> help_format() {
  return std::make_shared<HelpFormat>();
}

}  // namespace planaria::cli
