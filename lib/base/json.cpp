#include <planaria/base/json.hpp>

#include <cmath>

#include <fmt/format.h>

#include <planaria/base/text.hpp>

namespace planaria {
namespace {

// Shows a value in a message without letting a large one flood it.
std::string shown(const Json& value) {
  return printable(value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

const Json& empty_array() {
  static const Json empty = Json::array();
  return empty;
}

}  // namespace

ObjectReader::ObjectReader(const Json& object, std::string source, std::string path)
    : object_(object), source_(std::move(source)), path_(std::move(path)) {
  if (!object_.is_object()) {
    fault_ = Fault::invalid_input(fmt::format("{}: {}: {}, must be an object", source_,
                                              path_.empty() ? "top level" : path_, shown(object_)));
  }
}

std::string ObjectReader::path_of(const std::string& key) const {
  return path_.empty() ? key : path_ + "." + key;
}

bool ObjectReader::has(const std::string& key) const {
  if (!object_.is_object()) return false;
  const auto it = object_.find(key);
  return it != object_.end() && !it->is_null();
}

void ObjectReader::refuse(const std::string& key, const std::string& why) {
  if (!fault_) fault_ = Fault::invalid_input(fmt::format("{}: {}: {}", source_, path_of(key), why));
}

const Json* ObjectReader::find(const std::string& key, bool required, const std::string& allowed) {
  seen_.insert(key);
  if (!has(key)) {
    if (required && object_.is_object()) refuse(key, "missing, must be " + allowed);
    return nullptr;
  }
  return &object_.at(key);
}

namespace {

std::optional<std::int64_t> whole_number(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (number > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
    return static_cast<std::int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<std::int64_t>();
  return std::nullopt;
}

}  // namespace

std::optional<std::int64_t> ObjectReader::optional_integer(const std::string& key, std::int64_t low,
                                                           std::int64_t high) {
  const Json* value = find(key, false, "");
  if (value == nullptr) return std::nullopt;
  const auto number = whole_number(*value);
  if (!number || *number < low || *number > high) {
    refuse(key, fmt::format("{}, must be a whole number from {} to {}", shown(*value), low, high));
    return std::nullopt;
  }
  return number;
}

std::int64_t ObjectReader::integer(const std::string& key, std::int64_t low, std::int64_t high) {
  if (find(key, true, fmt::format("a whole number from {} to {}", low, high)) == nullptr)
    return low;
  return optional_integer(key, low, high).value_or(low);
}

std::uint64_t ObjectReader::natural(const std::string& key) {
  const std::string allowed = fmt::format("a whole number from 0 to {}", UINT64_MAX);
  const Json* value = find(key, true, allowed);
  if (value == nullptr) return 0;
  if (value->is_number_unsigned()) return value->get<std::uint64_t>();
  if (const auto number = whole_number(*value); number && *number >= 0) {
    return static_cast<std::uint64_t>(*number);
  }
  refuse(key, fmt::format("{}, must be {}", shown(*value), allowed));
  return 0;
}

std::optional<double> ObjectReader::optional_number(const std::string& key, double low,
                                                    double high) {
  const Json* value = find(key, false, "");
  if (value == nullptr) return std::nullopt;
  if (!value->is_number() || !std::isfinite(value->get<double>()) || value->get<double>() < low ||
      value->get<double>() > high) {
    refuse(key, fmt::format("{}, must be a number from {} to {}", shown(*value), low, high));
    return std::nullopt;
  }
  return value->get<double>();
}

double ObjectReader::number(const std::string& key, double low, double high) {
  if (find(key, true, fmt::format("a number from {} to {}", low, high)) == nullptr) return low;
  return optional_number(key, low, high).value_or(low);
}

std::optional<bool> ObjectReader::optional_boolean(const std::string& key) {
  const Json* value = find(key, false, "");
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) {
    refuse(key, fmt::format("{}, must be true or false", shown(*value)));
    return std::nullopt;
  }
  return value->get<bool>();
}

bool ObjectReader::boolean(const std::string& key) {
  if (find(key, true, "true or false") == nullptr) return false;
  return optional_boolean(key).value_or(false);
}

std::optional<std::string> ObjectReader::optional_text(const std::string& key) {
  const Json* value = find(key, false, "");
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    refuse(key, fmt::format("{}, must be a text", shown(*value)));
    return std::nullopt;
  }
  return value->get<std::string>();
}

std::string ObjectReader::text(const std::string& key) {
  if (find(key, true, "a text") == nullptr) return {};
  return optional_text(key).value_or("");
}

std::vector<std::string> ObjectReader::texts(const std::string& key) {
  std::vector<std::string> result;
  for (const Json& element : array(key)) {
    if (!element.is_string()) {
      refuse(key, fmt::format("{}, must be a list of texts", shown(element)));
      return {};
    }
    result.push_back(element.get<std::string>());
  }
  return result;
}

const Json* ObjectReader::optional_array(const std::string& key) {
  const Json* value = find(key, false, "");
  if (value == nullptr) return nullptr;
  if (!value->is_array()) {
    refuse(key, fmt::format("{}, must be a list", shown(*value)));
    return nullptr;
  }
  return value;
}

const Json& ObjectReader::array(const std::string& key) {
  if (find(key, true, "a list") == nullptr) return empty_array();
  const Json* value = optional_array(key);
  return value == nullptr ? empty_array() : *value;
}

const Json* ObjectReader::optional_object(const std::string& key) {
  const Json* value = find(key, false, "");
  if (value == nullptr) return nullptr;
  if (!value->is_object()) {
    refuse(key, fmt::format("{}, must be an object", shown(*value)));
    return nullptr;
  }
  return value;
}

void ObjectReader::ignore(const std::string& key) {
  seen_.insert(key);
}

Result<void> ObjectReader::finish() {
  if (!fault_ && object_.is_object()) {
    for (const auto& [key, value] : object_.items()) {
      if (!seen_.contains(key)) {
        fault_ = Fault::invalid_input(
            fmt::format("{}: {}: unknown key", source_, path_of(printable(key))));
        break;
      }
    }
  }
  if (fault_) return *fault_;
  return {};
}

}  // namespace planaria
