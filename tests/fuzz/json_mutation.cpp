#include "fuzz/json_mutation.hpp"

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include <planaria/base/json.hpp>
#include <planaria/base/random.hpp>

namespace planaria::test {
namespace {

/// A value within a list or object.
struct Place {
  Json* holder = nullptr;
  std::string key;        // of an object
  std::size_t index = 0;  // of a list
  [[nodiscard]] Json& value() const {
    return holder->is_object() ? (*holder)[key] : (*holder)[index];
  }
};

void collect(Json& json, std::vector<Place>& places) {
  if (json.is_object()) {
    for (auto& [key, value] : json.items()) {
      places.push_back({&json, key, 0});
      collect(value, places);
    }
  } else if (json.is_array()) {
    for (std::size_t i = 0; i < json.size(); ++i) {
      places.push_back({&json, "", i});
      collect(json[i], places);
    }
  }
}

/// What readers stumble over.
Json any_value(Random& random) {
  static const std::vector<Json> values{nullptr,
                                        true,
                                        false,
                                        "",
                                        "a",
                                        "1f1b",
                                        "auto",
                                        "zb-v",
                                        "F0 G0",
                                        "F0 F1 G0 G1",
                                        "a\nb\x1b",
                                        std::string(100, 'x'),
                                        Json::array(),
                                        Json::object(),
                                        0,
                                        1,
                                        2,
                                        3,
                                        -1,
                                        1'000'000,
                                        1'000'001,
                                        INT32_MAX,
                                        INT64_MAX,
                                        INT64_MIN,
                                        UINT64_MAX,
                                        0.5,
                                        1e-300,
                                        1e9,
                                        1e15,
                                        1e18,
                                        1e308,
                                        -0.0};
  if (random.below(4) == 0) return random.between(0, 9);
  return values[random.below(values.size())];
}

/// Near the number that was there: limits are missed by one.
Json changed_number(const Json& number, Random& random) {
  constexpr double whole_max = 1e15;
  const auto value = number.get<double>();
  const bool whole = number.is_number_integer() && std::abs(value) < whole_max;
  switch (random.below(5)) {
    case 0:
      return whole ? Json(number.get<std::int64_t>() + 1) : Json(value * 2);
    case 1:
      return whole ? Json(number.get<std::int64_t>() - 1) : Json(value / 2);
    case 2:
      return value + 1;
    case 3:
      return value * 1e6;
    default:
      return -value;
  }
}

void change(const Place& place, const Place& other, Random& random) {
  Json& value = place.value();
  switch (random.below(6)) {
    case 0:
      value = any_value(random);
      return;
    case 1:
      value = value.is_number() ? changed_number(value, random) : any_value(random);
      return;
    case 2:
      value = Json(other.value());
      return;
    case 3:
      if (place.holder->is_array()) {
        place.holder->insert(place.holder->begin() + static_cast<std::ptrdiff_t>(place.index),
                             Json(value));
      } else {
        (*place.holder)[place.key + "x"] = Json(value);
      }
      return;
    case 4:
      if (value.is_array()) {
        value.push_back(value.empty() ? any_value(random) : Json(value.back()));
        return;
      }
      [[fallthrough]];
    default:
      if (place.holder->is_array()) {
        place.holder->erase(place.index);
      } else {
        place.holder->erase(place.key);
      }
  }
}

}  // namespace

std::optional<std::string> mutated_json(std::string_view text, std::uint64_t seed) {
  constexpr std::size_t text_max = 20'000;
  if (text.size() > text_max) return std::nullopt;
  auto parsed = parse_json(text, "");
  if (!parsed) return std::nullopt;
  Json json = std::move(parsed).value();
  Random random(seed);
  for (std::uint64_t changes = 1 + random.below(3); changes > 0; --changes) {
    std::vector<Place> places;
    collect(json, places);
    if (places.empty()) return std::nullopt;
    const Place& place = places[random.below(places.size())];
    change(place, places[random.below(places.size())], random);
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace planaria::test
