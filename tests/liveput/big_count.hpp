// Natural numbers of any size, as far as counting sets needs them.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace planaria::test {

class BigCount {
 public:
  BigCount() = default;
  explicit BigCount(std::uint32_t value) {
    if (value != 0) words_.push_back(value);
  }
  void add(const BigCount& other) { add_product(other, 1); }
  /// Adds other x factor.
  void add_product(const BigCount& other, std::uint32_t factor) {
    std::uint64_t carry = 0;
    for (std::size_t i = 0; i < other.words_.size() || carry != 0; ++i) {
      if (i == words_.size()) words_.push_back(0);
      const std::uint64_t word = i < other.words_.size() ? other.words_[i] : 0;
      carry += words_[i] + (word * factor);  // at most 2^64 - 1
      words_[i] = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
  }
  /// Returns this / other, right to a few parts in 10^16. Requires another than 0.
  [[nodiscard]] double over(const BigCount& other) const {
    const auto [above, above_bits] = leading();
    const auto [below, below_bits] = other.leading();
    return std::ldexp(above / below, above_bits - below_bits);
  }

 private:
  struct Leading {
    double fraction = 0;  // its 64 bits and more, of the highest three words
    int bits = 0;         // x 2^bits
  };
  [[nodiscard]] Leading leading() const {
    Leading number;
    const std::size_t words = words_.size();
    const std::size_t first = words < 3 ? 0 : words - 3;
    for (std::size_t i = first; i < words; ++i) {
      number.fraction += std::ldexp(words_[i], 32 * static_cast<int>(i - first));
    }
    number.bits = 32 * static_cast<int>(first);
    return number;
  }

  std::vector<std::uint32_t> words_;  // the lowest first, the highest not 0
};

}  // namespace planaria::test
