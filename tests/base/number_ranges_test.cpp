#include <planaria/base/number_ranges.hpp>

#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace planaria {

TEST_CASE("numbers that follow each other are one range", "[unit]") {
  using Texts = std::vector<std::string>;
  CHECK(range_texts({}).empty());
  CHECK(range_texts({5}) == Texts{"5"});
  CHECK(range_texts({0, 1, 2, 3, 7, 9, 10}) == Texts{"0-3", "7", "9-10"});
  CHECK(range_texts({3, 2, 2, 3}) == Texts{"3", "2", "2-3"});
  CHECK(range_text(4, 4) == "4");
  CHECK(range_text(4, 6) == "4-6");
}

}  // namespace planaria
