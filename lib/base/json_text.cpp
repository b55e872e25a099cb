// JSON text into values, and what no text may do.
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>

namespace planaria {
namespace {

constexpr const char* top = "top level";

// Leaves the parser in the middle: its callback can discard values but not end the parse.
struct Refused {
  std::string why;
};

// Follows the parser's events and throws Refused at the first thing that is not allowed.
class Watcher {
 public:
  explicit Watcher(const JsonLimits& limits) : limits_(limits) {}

  void see(Json::parse_event_t event, const Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start:
      case Json::parse_event_t::array_start:
        count_element();
        if (open_.size() >= limits_.depth_max) {
          throw refusal(fmt::format("nested deeper than {} levels", limits_.depth_max));
        }
        open_.push_back({event == Json::parse_event_t::array_start, 0, {}, {}});
        break;
      case Json::parse_event_t::object_end:
      case Json::parse_event_t::array_end:
        open_.pop_back();
        break;
      case Json::parse_event_t::key:
        open_.back().key = parsed.get<std::string>();
        if (!open_.back().keys.insert(open_.back().key).second) {
          throw refusal("must not be there twice");
        }
        check_count(open_.back().keys.size());
        break;
      case Json::parse_event_t::value:
        count_element();
        break;
    }
  }

  /// What stands at the place where the parser is, in ObjectReader's words; with `next` of a list
  /// the element that follows.
  [[nodiscard]] std::string path(bool next = false) const {
    std::string path;
    for (const Open& open : open_) {
      if (open.is_list) {
        const bool follows = next && &open == &open_.back();
        path += fmt::format("[{}]", follows ? open.count : open.count - 1);
      } else if (!open.key.empty()) {
        if (!path.empty()) path += '.';
        path += printable(open.key);
      }
    }
    constexpr std::size_t longest = 200;
    return path.empty() ? top : printable(path, longest);
  }

 private:
  struct Open {
    bool is_list = false;
    std::size_t count = 0;  // elements so far
    std::string key;        // the last one
    std::set<std::string> keys;
  };

  [[nodiscard]] Refused refusal(const std::string& why) const { return {path() + ": " + why}; }

  void count_element() {
    if (open_.empty() || !open_.back().is_list) return;
    check_count(++open_.back().count);
  }

  void check_count(std::size_t count) {
    if (count <= limits_.list_max) return;
    open_.pop_back();
    throw refusal(fmt::format("more than {} elements, must be at most that", limits_.list_max));
  }

  JsonLimits limits_;
  std::vector<Open> open_;
};

}  // namespace

Result<Json> parse_json(std::string_view text, const std::string& source,
                        const JsonLimits& limits) {
  constexpr std::size_t words_max = 300;
  Watcher watcher(limits);
  try {
    return Json::parse(text, [&](int, Json::parse_event_t event, Json& parsed) {
      watcher.see(event, parsed);
      return true;
    });
  } catch (const Refused& refused) {
    return Fault::invalid_input(fmt::format("{}: {}", source, refused.why));
  } catch (const Json::parse_error& error) {
    const std::string near = watcher.path(true);
    return Fault::invalid_input(fmt::format("{}: not JSON at byte {}{}: {}", source, error.byte,
                                            near == top ? "" : ", near " + near,
                                            printable(error.what(), words_max)));
  } catch (const Json::exception& error) {  // a number like 1e400
    return Fault::invalid_input(
        fmt::format("{}: {}: {}", source, watcher.path(true), printable(error.what(), words_max)));
  }
}

Result<Json> read_json_file(const std::string& path) {
  auto text = read_file(path, json_file_bytes_max);
  if (!text) return Fault::invalid_input(text.fault().sentence);
  return parse_json(text.value(), path, json_file_limits);
}

}  // namespace planaria
