// The files that fuzzing begins with and those it found, through the same promises, in every build.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include <planaria/base/text.hpp>

#include "fuzz/readers.hpp"

namespace planaria::test {
namespace {

std::filesystem::path fuzz_folder() {
  const char* const source = std::getenv("PLANARIA_SOURCE");
  REQUIRE(source != nullptr);  // set by ctest
  return std::filesystem::path(source) / "tests" / "fuzz";
}

/// Of one reader, by name.
std::vector<std::filesystem::path> corpus_of(const Reader& reader) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(fuzz_folder() / "corpus" / reader.name)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// "profile/empty.json": the sentence behind the source's name.
std::map<std::string, std::string> known_refusals() {
  std::map<std::string, std::string> known;
  for (const std::string& line :
       split(read_file((fuzz_folder() / "refusals.txt").string()).value(), '\n')) {
    if (line.empty() || line.starts_with('#')) continue;
    const std::size_t at = line.find(": ");
    REQUIRE(at != std::string::npos);
    REQUIRE(known.emplace(line.substr(0, at), line.substr(at + 2)).second);
  }
  return known;
}

}  // namespace

TEST_CASE("every file of the corpus is accepted, or refused by the sentence that is known") {
  const auto known = known_refusals();
  std::size_t refused = 0;
  for (const Reader& reader : readers()) {
    for (const auto& file : corpus_of(reader)) {
      const std::string name = std::string(reader.name) + "/" + file.filename().string();
      INFO(name);
      const auto refusal = reader.read(read_file(file.string()).value());
      const bool is_valid = file.filename().string().starts_with("valid_");
      CHECK(refusal.has_value() != is_valid);
      if (!refusal || is_valid) continue;
      ++refused;
      const auto sentence = known.find(name);
      CHECK(refusal->sentence ==
            "input: " + (sentence == known.end() ? "not in refusals.txt" : sentence->second));
    }
  }
  CHECK(refused == known.size());
}

TEST_CASE("a file cut off anywhere is refused, or means what it says till there") {
  for (const Reader& reader : readers()) {
    for (const auto& file : corpus_of(reader)) {
      const std::string text = read_file(file.string()).value();
      constexpr std::size_t short_text = 2000;
      if (text.size() > short_text) continue;
      INFO(file.string());
      const bool is_json = file.extension() == ".json";
      // Without its last brace no JSON is whole; lines of a schedule are.
      const std::size_t whole = text.find_last_of("}]");
      for (std::size_t bytes = 0; bytes < text.size(); bytes += 7) {
        const auto refusal = reader.read(std::string_view(text).substr(0, bytes));
        if (is_json && whole != std::string::npos && bytes <= whole) CHECK(refusal.has_value());
      }
    }
  }
}

}  // namespace planaria::test
