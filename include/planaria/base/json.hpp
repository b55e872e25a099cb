// base/json.hpp: strict reading of JSON objects on top of nlohmann-json. Floor 0, pure.
// Is: a reader that names file, path, value and what is allowed, and refuses unknown keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>
#include <planaria/base/result.hpp>

namespace planaria {

using Json = nlohmann::json;

/// What a text may hold. Whatever walks a Json later is recursive, and a short text can fill
/// memory.
struct JsonLimits {
  std::size_t depth_max = 64;  // lists and objects within each other
  std::size_t list_max = std::numeric_limits<std::size_t>::max();  // elements, or keys, of each
};
/// Of the files that planaria reads.
inline constexpr JsonLimits json_file_limits{.list_max = 20'000};
inline constexpr std::size_t json_file_bytes_max = std::size_t{1} << 29;

/// Parses text; invalid_input names `source` and the position of a syntax error, or the path of
/// what `limits` refuse, of a key that stands twice in its object (one reader would keep the first,
/// another the last) and of a number too large for double: "p.json: layers[3].name: must not be
/// there twice".
[[nodiscard]] Result<Json> parse_json(std::string_view text, const std::string& source,
                                      const JsonLimits& limits = {});
/// Reads and parses a whole file within json_file_limits; unreadable, too long or malformed is
/// invalid_input naming the file.
[[nodiscard]] Result<Json> read_json_file(const std::string& path);

/// Reads one object's fields, each once; the first fault is kept and every later call is harmless.
/// Use: ObjectReader r(json, "plan.json", ""); x = r.integer("x", 1, 64);
/// PLANARIA_TRY_VOID(r.finish());
class ObjectReader {
 public:
  /// `source` is the file's name; `path` the object's place in it ("layers[3]"), empty at the top.
  ObjectReader(const Json& object, std::string source, std::string path);

  /// Return the field, or a zero value after recording "plan.json: pipelines[0].micro_batches:
  /// missing, must be a whole number from 1 to 64".
  std::int64_t integer(const std::string& key, std::int64_t low, std::int64_t high);
  /// The same over all of std::uint64_t: seeds and hashes do not fit integer().
  std::uint64_t natural(const std::string& key);
  double number(const std::string& key, double low, double high);
  bool boolean(const std::string& key);
  std::string text(const std::string& key);
  std::vector<std::string> texts(const std::string& key);
  /// Return nothing where the key is absent or null.
  std::optional<std::int64_t> optional_integer(const std::string& key, std::int64_t low,
                                               std::int64_t high);
  std::optional<double> optional_number(const std::string& key, double low, double high);
  std::optional<bool> optional_boolean(const std::string& key);
  std::optional<std::string> optional_text(const std::string& key);
  /// Returns the array (or object) itself for further readers; an empty one on a fault.
  const Json& array(const std::string& key);
  const Json* optional_array(const std::string& key);
  const Json* optional_object(const std::string& key);
  /// Accepts the key whatever it holds, without reading it.
  void ignore(const std::string& key);
  /// Returns whether the key is present and not null.
  [[nodiscard]] bool has(const std::string& key) const;
  /// Records a fault of the caller's own about `key`.
  void refuse(const std::string& key, const std::string& why);
  /// Returns "path.key" as messages print it.
  [[nodiscard]] std::string path_of(const std::string& key) const;
  /// Refuses keys nobody read; returns the first fault, if any.
  [[nodiscard]] Result<void> finish();

 private:
  const Json* find(const std::string& key, bool required, const std::string& allowed);
  const Json& object_;
  std::string source_;
  std::string path_;
  std::set<std::string> seen_;
  std::optional<Fault> fault_;
};

}  // namespace planaria
