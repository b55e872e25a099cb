// Norms: bit for bit the plain loop over each tensor, whatever runs beside it.
#include "support/torch_catch.hpp"

#include <planaria/base/random.hpp>

#include "runtime/tensors.hpp"

namespace planaria::runtime {
namespace {

double plain_loop(const at::Tensor& tensor) {
  const at::Tensor wide = tensor.to(at::kDouble).contiguous();
  double sum = 0;
  for (std::int64_t i = 0; i < wide.numel(); ++i) {
    const double value = wide.const_data_ptr<double>()[i];
    sum += value * value;
  }
  return sum;
}

}  // namespace

TEST_CASE("sums of squares side by side have the bits of one loop a tensor", "[unit]") {
  const std::uint64_t seed = 17;
  INFO("seed " << seed);
  Random random(seed);
  torch::manual_seed(seed);
  for (int round = 0; round < 60; ++round) {
    std::vector<at::Tensor> tensors;
    const auto count = random.between(0, 20);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto elements = random.below(5) == 0 ? 0 : random.between(1, 3000);
      const auto type = random.below(4) == 0   ? at::kDouble
                        : random.below(5) == 0 ? at::kBFloat16
                                               : at::kFloat;
      tensors.push_back((at::randn({elements}) * 1e3).to(type));
    }
    const auto sums = squared_norms(tensors);
    REQUIRE(sums.size() == tensors.size());
    for (std::size_t i = 0; i < tensors.size(); ++i) CHECK(sums[i] == plain_loop(tensors[i]));
  }
}

TEST_CASE("a tensor that is not contiguous is summed in its own element order", "[unit]") {
  const at::Tensor turned = at::randn({40, 70}).t();
  CHECK(squared_norms({turned})[0] == plain_loop(turned));
}

}  // namespace planaria::runtime
