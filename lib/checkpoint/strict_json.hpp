// checkpoint/strict_json.hpp: JSON headers as files and peers send them, private to this module.
// Is: parse_json that also refuses what a careless parser lets through. Is not: a reader of fields.
#pragma once

#include <string>
#include <string_view>

#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>

namespace planaria::checkpoint {

/// Parses `text`; invalid_input names `source` and the reason. Refuses keys that repeat (a parser
/// that keeps the last one and one that keeps the first would read two different files) and nesting
/// deeper than `depth_max` (everything that walks a Json later is recursive).
[[nodiscard]] Result<Json> parse_strict_json(std::string_view text, const std::string& source,
                                             int depth_max);

}  // namespace planaria::checkpoint
