// The bits of planaria are those of a plain LibTorch loop that follows the same sum order.
#include <cmath>
#include <fstream>

#include "runtime/small_runs.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <planaria/base/hash.hpp>
#include <planaria/base/random.hpp>
#include <planaria/checkpoint/safetensors.hpp>

namespace planaria::test {
namespace {

using Sums = std::vector<torch::Tensor>;

// What this test knows of planaria: layer definitions, the ledger's sample ids, the key of random
// streams, and PROTOCOL 1. The loop, the tree, clipping and the optimizer calls are its own.
class PlainLoop {
 public:
  PlainLoop(const SmallRun& run, const std::string& text) : run_(run) {
    std::ifstream file(text, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
    const auto definitions = example::gpt(run.model);
    for (std::size_t i = 0; i < definitions.size(); ++i) {
      torch::manual_seed(mix({run.seed, 0x77656967687473ULL, i}));
      layers_.push_back(definitions[i].make());
      layers_.back()->module().train();
      for (auto& item : layers_.back()->module().named_parameters()) {
        parameters_.push_back(item.value());
        names_.push_back(definitions[i].name + "." + item.key());
        owner_.push_back(i);
      }
    }
    if (run.model.tied) {
      torch::NoGradGuard no_grad;
      at("head.output.weight").copy_(at("embedding.token.weight"));
    }
    for (const auto& parameter : parameters_) {
      means_.push_back(torch::zeros_like(parameter));
      squares_.push_back(torch::zeros_like(parameter));
      counts_.push_back(torch::zeros({}));
    }
  }

  /// One step; `ids[i]` are the samples of micro-batch i. Returns the mean loss.
  double step(std::int64_t number, const std::vector<std::vector<std::int64_t>>& ids) {
    const int lanes = (run_.micro_batches + run_.lane_size - 1) / run_.lane_size;
    std::vector<Sums> leaves;
    double loss = 0;
    for (int lane = 0; lane < lanes; ++lane) {
      for (auto& parameter : parameters_) parameter.mutable_grad() = torch::Tensor();
      for (int i = lane * run_.lane_size;
           i < std::min((lane + 1) * run_.lane_size, run_.micro_batches); ++i) {
        loss += micro_batch(number, i, ids[static_cast<std::size_t>(i)]);
      }
      Sums leaf;
      for (auto& parameter : parameters_) leaf.push_back(parameter.grad().clone());
      leaves.push_back(std::move(leaf));
    }
    int span = 1;
    while (span < lanes) span *= 2;
    Sums sum = subtree(leaves, 0, span);
    tie(sum);
    clip(sum);
    torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      counts_[i].add_(1);
      std::vector<torch::Tensor> p{parameters_[i]}, g{sum[i]}, m{means_[i]}, s{squares_[i]},
          c{counts_[i]};
      at::_fused_adamw_(p, g, m, s, {}, c, 3e-3, 0.9, 0.999, 0.01, 1e-8, false, false);
    }
    return loss / run_.micro_batches;
  }

  torch::Tensor& at(const std::string& name) {
    return parameters_[static_cast<std::size_t>(std::find(names_.begin(), names_.end(), name) -
                                                names_.begin())];
  }
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

 private:
  double micro_batch(std::int64_t number, int i, const std::vector<std::int64_t>& ids) {
    const int c = run_.model.context;
    torch::Tensor in = torch::empty({static_cast<std::int64_t>(ids.size()), c}, torch::kLong);
    torch::Tensor out = torch::empty_like(in);
    for (std::size_t row = 0; row < ids.size(); ++row) {
      for (int k = 0; k < c; ++k) {
        const auto at_byte = static_cast<std::size_t>(ids[row] * c + k);
        in[static_cast<std::int64_t>(row)][k] = static_cast<std::uint8_t>(bytes_[at_byte]);
        out[static_cast<std::int64_t>(row)][k] = static_cast<std::uint8_t>(bytes_[at_byte + 1]);
      }
    }
    Tensors x{in};
    for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
      torch::manual_seed(mix(
          {run_.seed, static_cast<std::uint64_t>(number), static_cast<std::uint64_t>(i), layer}));
      x = layers_[layer]->forward(x);
    }
    const torch::Tensor loss = example::next_byte(x, {out});
    (loss / static_cast<double>(run_.micro_batches)).backward();
    return loss.item<double>();
  }

  // The sum of lanes [first, first + span): left half plus right half, missing halves skipped.
  static Sums subtree(std::vector<Sums>& leaves, int first, int span) {
    if (span == 1) return leaves[static_cast<std::size_t>(first)];
    Sums left = subtree(leaves, first, span / 2);
    if (first + span / 2 >= static_cast<int>(leaves.size())) return left;
    const Sums right = subtree(leaves, first + span / 2, span / 2);
    for (std::size_t i = 0; i < left.size(); ++i) left[i] = left[i] + right[i];
    return left;
  }

  void tie(Sums& sum) {
    if (!run_.model.tied) return;
    const auto index = [&](const std::string& name) {
      return static_cast<std::size_t>(std::find(names_.begin(), names_.end(), name) -
                                      names_.begin());
    };
    const auto token = index("embedding.token.weight");
    const auto head = index("head.output.weight");
    sum[token] = sum[token] + sum[head];
    sum[head] = sum[token].clone();
  }

  void clip(Sums& sum) {
    std::vector<double> by_layer(layers_.size(), 0.0);
    for (std::size_t i = 0; i < sum.size(); ++i) {
      if (run_.model.tied && names_[i] == "head.output.weight") continue;
      const torch::Tensor flat = sum[i].contiguous().view(-1);
      double tensor = 0;
      for (std::int64_t k = 0; k < flat.numel(); ++k) {
        const double v = flat.data_ptr<float>()[k];
        tensor += v * v;
      }
      by_layer[owner_[i]] += tensor;
    }
    double total = 0;
    for (const double layer : by_layer) total += layer;
    const double factor = std::min(1.0, run_.clip_norm / (std::sqrt(total) + 1e-6));
    if (factor < 1.0) {
      for (auto& gradient : sum) gradient.mul_(static_cast<float>(factor));
    }
  }

  SmallRun run_;
  std::string bytes_;
  std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<torch::Tensor> parameters_;
  std::vector<std::string> names_;
  std::vector<std::size_t> owner_;
  Sums means_, squares_, counts_;
};

}  // namespace

TEST_CASE("planaria's bits are those of a plain LibTorch loop", "[conformance]") {
  prepare_process(1);
  TemporaryFolder folder;
  const std::string text = write_small_text(folder);
  const int lane_size = GENERATE(1, 3, 16);
  const bool tied = GENERATE(true, false);
  SmallRun run{.lane_size = lane_size, .steps = 4};
  run.model.tied = tied;
  INFO("lane size " << lane_size << ", tied " << tied << ", seed " << run.seed);
  const std::string path = folder.file("run");
  const int workers = lane_size == 16 ? 3 : 5;
  REQUIRE(
      train_threads(trainer_options(run, text), run.steps, {"planned", workers}, path).sentence ==
      "");

  PlainLoop loop(run, text);
  std::vector<double> losses;
  const auto ledger = read_json_lines(path + "/ledger.jsonl").value();
  REQUIRE(ledger.size() == 4);
  for (const Json& line : ledger) {
    losses.push_back(
        loop.step(line.at("step").get<std::int64_t>(),
                  line.at("micro_batches").get<std::vector<std::vector<std::int64_t>>>()));
  }
  std::vector<double> ours;
  for (const Json& event : read_json_lines(path + "/events.jsonl").value()) {
    if (event.at("event") == "step_committed") ours.push_back(event.at("loss").get<double>());
  }
  CHECK(ours == losses);

  const auto file = checkpoint::SafetensorsFile::open(path + "/model.safetensors").value();
  std::size_t compared = 0;
  for (const std::string& name : loop.names()) {
    if (tied && name == "head.output.weight") continue;  // there once, at its first layer
    INFO(name);
    const auto data = file.data(name);
    REQUIRE(data.has_value());
    const torch::Tensor expected = loop.at(name).detach().contiguous();
    REQUIRE(data->size() == expected.nbytes());
    CHECK(std::memcmp(data->data(), expected.data_ptr(), expected.nbytes()) == 0);
    ++compared;
  }
  CHECK(compared == file.tensors().size());
}

}  // namespace planaria::test
