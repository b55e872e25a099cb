// The command lines these tests share.
#pragma once

#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <planaria/base/json.hpp>
#include <planaria/base/random.hpp>

#include "support/command.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::test {

inline std::vector<std::string> operator+(std::vector<std::string> a,
                                          const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// English-like text of `bytes` bytes, so that there is something to learn.
inline std::string write_text(const TemporaryFolder& folder, std::size_t bytes) {
  static const std::vector<std::string> words = {
      "and", "the", "of", "light", "was", "water", "earth", "day", "evening", "it", "divided"};
  std::string text;
  Random random(3);
  while (text.size() < bytes)
    text += words[random.below(words.size())] + (random.below(8) == 0 ? ".\n" : " ");
  text.resize(bytes);
  std::string path = folder.file("words.txt");
  std::ofstream(path) << text;
  return path;
}

/// A GPT small enough to train in seconds, with everything that could break the bits switched on.
inline std::vector<std::string> small_gpt(const std::string& text, int steps) {
  return {program("train_gpt"),
          "--text",
          text,
          "--blocks",
          "4",
          "--d-model",
          "32",
          "--heads",
          "2",
          "--context",
          "16",
          "--micro-batches",
          "8",
          "--micro-batch-size",
          "2",
          "--steps",
          std::to_string(steps),
          "--dropout",
          "0.1",
          "--clip-norm",
          "0.5",
          "--learning-rate",
          "3e-3",
          "--tied"};
}

inline Json result_of(const std::string& run_dir) {
  return read_json_file(run_dir + "/result.json").value();
}

}  // namespace planaria::test
