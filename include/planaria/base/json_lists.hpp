// base/json_lists.hpp: lists of numbers within JSON objects. Floor 0, pure.
// Is: what ObjectReader says of one field, for each element of a list. Is not: a reader of objects
// (json.hpp).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>

namespace planaria {

/// Returns whether a list has 1 to `most` elements; invalid_input names it `what`: "p.json: layers:
/// none, must be at least 1". Asked before a list is read, so that one of any length costs nothing.
[[nodiscard]] Result<void> check_count(const Json& list, int most, const std::string& source,
                                       const std::string& what);

/// Reads each element by `read(reader, name)`, where `name` is "path[3]" and the reader has it as
/// its only field: one.integer(name, 1, 9).
template <class Number>
[[nodiscard]] Result<std::vector<Number>> numbers_from(
    const Json& list, const std::string& source, const std::string& path,
    const std::function<Number(ObjectReader&, const std::string&)>& read) {
  std::vector<Number> all;
  for (const Json& element : list) {
    const std::string name = path + "[" + std::to_string(all.size()) + "]";
    const Json object = {{name, element}};
    ObjectReader one(object, source, "");
    all.push_back(read(one, name));
    PLANARIA_TRY_VOID(one.finish());
  }
  return all;
}

}  // namespace planaria
