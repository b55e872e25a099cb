// A reader under libFuzzer: any bytes, and it keeps its promises. The reader's name is compiled in.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include "fuzz/json_mutation.hpp"
#include "fuzz/readers.hpp"

namespace {

using planaria::test::Reader;

const Reader& reader() {
  for (const Reader& one : planaria::test::readers()) {
    if (std::string_view(one.name) == PLANARIA_FUZZ_READER) return one;
  }
  fmt::print(stderr, "no reader is named {}\n", PLANARIA_FUZZ_READER);
  std::abort();
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are libFuzzer's
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t size_max);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    static_cast<void>(reader().read({reinterpret_cast<const char*>(data), size}));
  } catch (const planaria::test::BrokenPromise& broken) {
    fmt::print(stderr, "{}: broken promise: {}\n", reader().name, broken.what());
    std::abort();
  }
  return 0;
}

// Every second time what is JSON stays JSON: bytes changed blindly rarely pass the parser.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  if (seed % 2 == 0) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto changed = planaria::test::mutated_json(text, seed);
    if (changed && changed->size() <= size_max) {
      std::copy(changed->begin(), changed->end(), data);
      return changed->size();
    }
  }
  return LLVMFuzzerMutate(data, size, size_max);
}
// NOLINTEND(readability-identifier-naming)
