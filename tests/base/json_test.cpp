#include <planaria/base/json.hpp>

#include <limits>

#include <catch2/catch.hpp>

#include <planaria/base/text.hpp>

#include "support/temporary_folder.hpp"

namespace planaria {
namespace {

const Json example = {{"whole", 7},      {"real", 1.5},        {"yes", true},
                      {"name", "block"}, {"list", {"a", "b"}}, {"object", {{"x", 1}}},
                      {"null", nullptr}, {"large", UINT64_MAX}};

/// The sentence of the fault that `read` leaves in a reader of `object`.
template <class Read>
std::string sentence_of(const Json& object, Read&& read, const std::string& path = "") {
  ObjectReader reader(object, "plan.json", path);
  read(reader);
  for (const auto& [key, value] : object.items()) reader.ignore(key);
  const auto result = reader.finish();
  return result.ok() ? "no fault" : result.fault().sentence;
}

}  // namespace

TEST_CASE("an object whose every key is read gives its values", "[unit]") {
  ObjectReader reader(example, "plan.json", "");
  CHECK(reader.integer("whole", 1, 7) == 7);
  CHECK(reader.number("real", 0, 2) == 1.5);
  CHECK(reader.boolean("yes"));
  CHECK(reader.text("name") == "block");
  CHECK(reader.texts("list") == std::vector<std::string>{"a", "b"});
  CHECK(reader.optional_object("object")->at("x") == 1);
  CHECK(reader.optional_integer("null", 0, 1) == std::nullopt);
  CHECK(reader.optional_text("absent") == std::nullopt);
  CHECK(reader.natural("large") == UINT64_MAX);
  CHECK(reader.has("whole"));
  CHECK_FALSE(reader.has("null"));
  CHECK(reader.finish().ok());
}

TEST_CASE("a missing field is named with its file, its place and what it must be", "[unit]") {
  const auto missing = [](auto read) { return sentence_of(Json::object(), read, "pipelines[0]"); };
  CHECK(missing([](ObjectReader& r) { r.integer("micro_batches", 1, 64); }) ==
        "plan.json: pipelines[0].micro_batches: missing, must be a whole number from 1 to 64");
  CHECK(missing([](ObjectReader& r) { r.number("ms", 0, 2.5); }) ==
        "plan.json: pipelines[0].ms: missing, must be a number from 0 to 2.5");
  CHECK(missing([](ObjectReader& r) { r.boolean("recompute"); }) ==
        "plan.json: pipelines[0].recompute: missing, must be true or false");
  CHECK(missing([](ObjectReader& r) { r.text("name"); }) ==
        "plan.json: pipelines[0].name: missing, must be a text");
  CHECK(missing([](ObjectReader& r) { r.texts("names"); }) ==
        "plan.json: pipelines[0].names: missing, must be a list");
  CHECK(missing([](ObjectReader& r) { r.natural("seed"); }) ==
        "plan.json: pipelines[0].seed: missing, must be a whole number from 0 to "
        "18446744073709551615");
}

TEST_CASE("a value that is not allowed is printed beside what is", "[unit]") {
  const auto wrong = [](auto read) { return sentence_of(example, read); };
  CHECK(wrong([](ObjectReader& r) { r.integer("whole", 8, 9); }) ==
        "plan.json: whole: 7, must be a whole number from 8 to 9");
  CHECK(wrong([](ObjectReader& r) { r.integer("whole", 0, 6); }) ==
        "plan.json: whole: 7, must be a whole number from 0 to 6");
  CHECK(wrong([](ObjectReader& r) { r.integer("real", 0, 6); }) ==
        "plan.json: real: 1.5, must be a whole number from 0 to 6");
  CHECK(wrong([](ObjectReader& r) { r.integer("large", 0, INT64_MAX); }) ==
        "plan.json: large: 18446744073709551615, must be a whole number from 0 to "
        "9223372036854775807");
  CHECK(wrong([](ObjectReader& r) { r.number("name", 0, 1); }) ==
        "plan.json: name: \"block\", must be a number from 0 to 1");
  CHECK(wrong([](ObjectReader& r) { r.number("real", 2, 3); }) ==
        "plan.json: real: 1.5, must be a number from 2 to 3");
  CHECK(wrong([](ObjectReader& r) { r.boolean("whole"); }) ==
        "plan.json: whole: 7, must be true or false");
  CHECK(wrong([](ObjectReader& r) { r.text("yes"); }) == "plan.json: yes: true, must be a text");
  CHECK(wrong([](ObjectReader& r) { r.array("object"); }) ==
        "plan.json: object: {\"x\":1}, must be a list");
  CHECK(wrong([](ObjectReader& r) { r.optional_object("whole"); }) ==
        "plan.json: whole: 7, must be an object");
  CHECK(sentence_of({{"seed", -1}}, [](ObjectReader& r) { r.natural("seed"); }) ==
        "plan.json: seed: -1, must be a whole number from 0 to 18446744073709551615");
  CHECK(sentence_of({{"list", {"a", 1}}}, [](ObjectReader& r) { r.texts("list"); }) ==
        "plan.json: list: 1, must be a list of texts");
}

TEST_CASE("only the first fault is kept and later reads are harmless", "[unit]") {
  ObjectReader reader(example, "plan.json", "");
  CHECK(reader.integer("whole", 8, 9) == 8);
  CHECK(reader.text("absent").empty());
  CHECK(reader.array("also_absent").empty());
  reader.refuse("name", "too late");
  CHECK(reader.finish().fault().sentence ==
        "plan.json: whole: 7, must be a whole number from 8 to 9");
}

TEST_CASE("an unknown key is refused with its path", "[unit]") {
  const Json object = {{"name", "block0"}, {"foo", 1}};
  ObjectReader reader(object, "profile.json", "layers[3]");
  CHECK(reader.text("name") == "block0");
  CHECK(reader.finish().fault() ==
        Fault::invalid_input("profile.json: layers[3].foo: unknown key"));
}

TEST_CASE("what is not an object is refused where it stands", "[unit]") {
  const Json number = 5;
  ObjectReader top(number, "plan.json", "");
  CHECK(top.integer("x", 1, 2) == 1);
  CHECK(top.finish().fault().sentence == "plan.json: top level: 5, must be an object");
  ObjectReader inner(number, "plan.json", "stages[1]");
  CHECK(inner.finish().fault().sentence == "plan.json: stages[1]: 5, must be an object");
}

TEST_CASE("a value too long for a sentence is cut", "[unit]") {
  const std::string sentence =
      sentence_of({{"name", std::string(1000, 'x')}}, [](ObjectReader& r) { r.boolean("name"); });
  CHECK(sentence.size() < 120);
  CHECK(sentence.find("x…, must be true or false") != std::string::npos);
}

TEST_CASE("text that is not JSON is refused with file and position", "[unit]") {
  const auto torn = parse_json("{\"a\": ", "run.json");
  CHECK(torn.fault().kind == FaultKind::invalid_input);
  CHECK(torn.fault().sentence.starts_with("run.json: not JSON at byte 7, near a: "));
  CHECK(parse_json("{\"a\": 1}", "run.json").value().at("a") == 1);
}

TEST_CASE("what no JSON may do is refused with the path where it stands", "[unit]") {
  const auto refusal = [](const std::string& text, const JsonLimits& limits = {}) {
    const auto parsed = parse_json(text, "p.json", limits);
    return parsed.ok() ? "parsed" : parsed.fault().sentence;
  };
  CHECK(refusal(R"({"layers": [{"a": 1}, {"name": 1, "b": 2, "name": 3}]})") ==
        "p.json: layers[1].name: must not be there twice");
  CHECK(refusal(R"({"a": {"x": 1}, "b": {"x": 1}, "c": [{"x": 1}, {"x": 1}]})") == "parsed");
  CHECK(refusal(R"({"a": [[[1]]]})", {.depth_max = 4}) == "parsed");
  CHECK(refusal(R"({"a": [0, [[1]]]})", {.depth_max = 3}) ==
        "p.json: a[1][0]: nested deeper than 3 levels");
  CHECK(refusal(std::string(1'000'000, '[')).ends_with(": nested deeper than 64 levels"));
  CHECK(refusal(R"({"a": [1, 2, 3]})", {.list_max = 3}) == "parsed");
  CHECK(refusal(R"({"a": [[], 2, {}, 4]})", {.list_max = 3}) ==
        "p.json: a: more than 3 elements, must be at most that");
  CHECK(refusal("[1, 2]", {.list_max = 1}) ==
        "p.json: top level: more than 1 elements, must be at most that");
  CHECK(refusal(R"({"a": {"b": 1, "c": 2}})", {.list_max = 1}) ==
        "p.json: a: more than 1 elements, must be at most that");
  CHECK(refusal(R"({"layers": [{"ms": [1, 1e400]}]})")
            .starts_with("p.json: layers[0].ms[1]: [json.exception.out_of_range.406] "));
  CHECK(refusal(R"({"layers": [{"ms": [1, NaN]}]})")
            .starts_with("p.json: not JSON at byte 24, near layers[0].ms[1]: "));
  CHECK(refusal("").starts_with("p.json: not JSON at byte 1: "));
}

TEST_CASE("no text of a file breaks a sentence's line or makes it long", "[unit]") {
  const std::string odd = "a\nb\x1b[31m";
  CHECK(sentence_of({{"name", odd}}, [](ObjectReader& r) { r.boolean("name"); }) ==
        R"(plan.json: name: "a\nb\u001b[31m", must be true or false)");
  const Json object = {{odd, 1}};
  ObjectReader reader(object, "plan.json", "");
  CHECK(reader.finish().fault().sentence == "plan.json: a\\x0ab\\x1b[31m: unknown key");
  const std::string unended = parse_json("\"" + std::string(5000, 'x'), "p.json").fault().sentence;
  CHECK(unended.size() < 400);
  CHECK(unended.ends_with("…"));
}

TEST_CASE("a JSON file that is not there is bad input and named", "[unit]") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("none.json");
  CHECK(read_json_file(path).fault() ==
        Fault::invalid_input(path + ": cannot be read: No such file or directory"));
  REQUIRE(write_file_atomically(path, "{\"a\": [1, 2]}").ok());
  CHECK(read_json_file(path).value() == Json{{"a", {1, 2}}});
  REQUIRE(write_file_atomically(path, "{").ok());
  CHECK(read_json_file(path).fault().sentence.starts_with(path + ": not JSON at byte "));
}

}  // namespace planaria
