// tests/host/toy_arguments.hpp: the options of the trainer without LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "host/toy_model.hpp"

namespace planaria::test {

struct ToyArguments {
  ToyOptions model;
  int misfit = -1;             // --misfit w: worker w says it has two threads
  int crash_before_join = -1;  // --crash-before-join w: worker w exits with status 3
  std::int64_t fail_at = -1;   // --fail-at n: worker 0's user code throws in step n
  std::int64_t hold_at = -1;   // --hold-at n: step n is computed only once the gate file exists
  std::string gate;            // --gate FILE
};

struct BadArgument {
  std::string sentence;
};

inline std::variant<ToyArguments, BadArgument> parse(const std::vector<std::string>& words) {
  ToyArguments arguments;
  for (std::size_t i = 0; i < words.size(); i += 2) {
    const std::string& name = words[i];
    const std::string value = i + 1 < words.size() ? words[i + 1] : "";
    if (name == "--steps")
      arguments.model.steps = std::stoll(value);
    else if (name == "--layers")
      arguments.model.layers = std::stoi(value);
    else if (name == "--seed")
      arguments.model.seed = std::stoull(value);
    else if (name == "--misfit")
      arguments.misfit = std::stoi(value);
    else if (name == "--crash-before-join")
      arguments.crash_before_join = std::stoi(value);
    else if (name == "--fail-at")
      arguments.fail_at = std::stoll(value);
    else if (name == "--hold-at")
      arguments.hold_at = std::stoll(value);
    else if (name == "--gate")
      arguments.gate = value;
    else
      return BadArgument{fmt::format("{}: unknown option", name)};
  }
  return arguments;
}

}  // namespace planaria::test
