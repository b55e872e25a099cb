#include "checkpoint/strict_json.hpp"

#include <set>
#include <vector>

#include <fmt/format.h>

namespace planaria::checkpoint {
namespace {

// Leaves the parser in the middle: its callback can discard values but not end the parse.
struct Refused {
  std::string why;
};

// Follows the parser's events and throws Refused at the first thing that is not allowed.
class Watcher {
 public:
  explicit Watcher(int depth_max) : depth_max_(depth_max) {}

  void see(int depth, Json::parse_event_t event, const Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start:
        keys_.emplace_back();
        [[fallthrough]];
      case Json::parse_event_t::array_start:
        if (depth >= depth_max_) {
          throw Refused{fmt::format("nested deeper than {} levels", depth_max_)};
        }
        break;
      case Json::parse_event_t::object_end:
        keys_.pop_back();
        break;
      case Json::parse_event_t::key:
        if (!keys_.back().insert(parsed.get<std::string>()).second) {
          throw Refused{fmt::format("the key '{}' stands there twice", parsed.get<std::string>())};
        }
        break;
      default:
        break;
    }
  }

 private:
  int depth_max_;
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
};

}  // namespace

Result<Json> parse_strict_json(std::string_view text, const std::string& source, int depth_max) {
  Watcher watcher(depth_max);
  try {
    return Json::parse(text, [&](int depth, Json::parse_event_t event, Json& parsed) {
      watcher.see(depth, event, parsed);
      return true;
    });
  } catch (const Refused& refused) {
    return Fault::invalid_input(fmt::format("{}: {}", source, refused.why));
  } catch (const Json::exception& error) {
    return Fault::invalid_input(fmt::format("{}: not JSON: {}", source, error.what()));
  }
}

}  // namespace planaria::checkpoint
