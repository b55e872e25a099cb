#include "runtime/role_story.hpp"

#include <cmath>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <torch/nn/functional/dropout.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <planaria/base/hash.hpp>
#include <planaria/base/random.hpp>
#include <planaria/checkpoint/tensor_block.hpp>
#include <planaria/runtime/batch_norm.hpp>
#include <planaria/schedule/builders.hpp>

#include "runtime/tensors.hpp"

namespace planaria::test {
namespace {

constexpr int symbols = 16;
constexpr int width = 8;
constexpr int context = 4;

// Two modules with statistics around one that tracks none: how many each hands out must travel.
struct Norms : torch::nn::Module {
  Norms() {
    register_module("first", first);
    register_module("untracked", untracked);
    register_module("second", second);
  }
  torch::Tensor forward(const torch::Tensor& x) {
    const torch::Tensor rows = x.reshape({-1, width});
    return second->forward(untracked->forward(torch::relu(first->forward(rows))))
        .reshape(x.sizes());
  }
  BatchNorm first{width};
  BatchNorm untracked{BatchNormOptions{.features = width, .affine = false, .track = false}};
  BatchNorm second{BatchNormOptions{.features = width, .momentum = 0.3}};
};

struct Frozen : torch::nn::Module {
  explicit Frozen(bool bias_alone) {
    register_module("linear", linear);
    linear->bias.set_requires_grad(false);
    linear->weight.set_requires_grad(bias_alone);
  }
  torch::Tensor forward(const torch::Tensor& x) {
    return torch::nn::functional::dropout(
        x + torch::relu(linear->forward(x)),
        torch::nn::functional::DropoutFuncOptions().p(0.1).training(is_training()));
  }
  torch::nn::Linear linear{width, width};
};

struct Head : torch::nn::Module {
  Head() {
    weight = register_parameter("weight", torch::randn({symbols, width}));
    bias = register_parameter("bias", torch::zeros({symbols}));
  }
  torch::Tensor forward(const torch::Tensor& x) { return torch::matmul(x, weight.t()) + bias; }
  torch::Tensor weight;
  torch::Tensor bias;
};

torch::Tensor random_symbols(std::span<const std::int64_t> ids, std::uint64_t stream) {
  torch::Tensor found =
      torch::empty({static_cast<std::int64_t>(ids.size()), context}, torch::kLong);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    Random random(mix({stream, static_cast<std::uint64_t>(ids[i])}));
    for (int j = 0; j < context; ++j) {
      found[static_cast<std::int64_t>(i)][j] = static_cast<std::int64_t>(random.below(symbols));
    }
  }
  return found;
}

}  // namespace

TrainerOptions layers_of_every_kind() {
  TrainerOptions options;
  options.layers = {
      layer("embedding", [] { return torch::nn::Embedding(symbols, width); }),
      layer("norms", [] { return std::make_shared<Norms>(); }),
      layer("frozen", [] { return std::make_shared<Frozen>(false); }),
      layer("half", [] { return std::make_shared<Frozen>(true); }),
      layer("head", [] { return std::make_shared<Head>(); }, 1.0,
            {{"weight", "embedding", "weight"}}),
  };
  options.loss = [](const Tensors& outputs, const Tensors& targets) {
    return torch::nn::functional::cross_entropy(outputs[0].reshape({-1, symbols}),
                                                targets[0].reshape({-1}));
  };
  options.optimizer = adamw({.learning_rate = 1e-2, .weight_decay = 0.01});
  options.dataset = dataset_of(
      {.samples = 64,
       .fingerprint = "random symbols",
       .inputs = [](std::span<const std::int64_t> ids) { return random_symbols(ids, 1); },
       .targets = [](std::span<const std::int64_t> ids) { return random_symbols(ids, 2); }});
  options.seed = 7;
  options.micro_batches = 6;
  options.micro_batch_size = 2;
  options.clip_norm = 0.2;  // below the norms of these steps, so that every step is clipped
  return options;
}

std::string text_of_state(const runtime::DescribedTensors& state) {
  std::string text;
  for (const auto& [info, tensor] : state) {
    text +=
        checkpoint::to_json(info).dump() + " " + hex64(xxh3_64(runtime::bytes_of(tensor))) + "\n";
  }
  return text;
}

RoleWorker::RoleWorker(WorkerId worker, const TrainerOptions& options,
                       runtime::GeneratorLock& generator,
                       const std::shared_ptr<transport::InProcessHub>& hub,
                       const std::function<void()>& on_action)
    : id(worker),
      stage(runtime::Stage::create({.trainer = &options,
                                    .generator = &generator,
                                    .device = {},
                                    .on_action = [on_action](char, Step, MicroBatchId, LayerId,
                                                             LayerId) { on_action(); }})) {
  transport::TransportOptions transport_options;
  transport_options.secret = "workers of one test";
  transport = transport::make_in_process_transport(hub, transport_options).value();
  transport->watch({
      .connected =
          [this](transport::PeerId peer, const transport::PeerInfo& info) {
            const std::lock_guard lock(mutex);
            peers[info.worker] = peer;
            changed.notify_all();
          },
      .lost = [](transport::PeerId, const transport::PeerInfo&, const Fault&) {},
      .refused = {},
  });
  static_cast<void>(transport->listen(fmt::format("in-process:{}", worker.value)).value());
}

RoleStory::RoleStory(TrainerOptions options, int workers)
    : options_(std::move(options)),
      order_(SampleOrder::create({options_.seed, options_.dataset->samples(),
                                  options_.micro_batches, options_.micro_batch_size})
                 .value()) {
  prepare_process(1);
  for (int i = 0; i < workers; ++i) {
    workers_.push_back(std::make_unique<RoleWorker>(WorkerId{i}, options_, generator_, hub_,
                                                    [this] { count_action(); }));
  }
  connect();
}

void RoleStory::connect() {
  for (const auto& worker : workers_) {
    for (WorkerId other{0}; other < worker->id; other = other.next()) {
      const auto peer =
          worker->transport->connect(fmt::format("in-process:{}", other.value), worker->id, 1000);
      const std::lock_guard lock(worker->mutex);
      worker->peers[other] = peer.value();
    }
  }
  for (const auto& worker : workers_) {
    std::unique_lock lock(worker->mutex);
    worker->changed.wait(lock, [&] { return worker->peers.size() + 1 == workers_.size(); });
  }
}

void RoleStory::build(const Layout& layout, const std::set<WorkerId>& empty) {
  for (const auto& worker : workers_) {
    const std::vector<LayerId> computed = computed_by(layout, worker->id);
    std::set<LayerId> layers(computed.begin(), computed.end());
    if (!empty.contains(worker->id)) {
      for (const LayerId id : shadowed_by(layout, worker->id)) layers.insert(id);
    }
    REQUIRE(worker->stage->build(layers).ok());
  }
  step_ = Step{0};
}

void RoleStory::begin_view(const Layout& layout) {
  REQUIRE(verify(layout, {.layers = static_cast<int>(options_.layers.size()),
                          .micro_batches = options_.micro_batches,
                          .lane_size = options_.lane_size,
                          .workers = static_cast<int>(workers_.size())})
              .ok());
  layout_ = layout;
  view_ = view_.next();
  protocol::NewView view{view_, step_.next(), layout, {}, {}, {}};
  for (const PipelineAssignment& pipeline : layout.pipelines) {
    view.schedules.push_back(text_of(one_forward_one_backward(
        {static_cast<int>(pipeline.stages.size()), pipeline.micro_batches})));
  }
  for (const auto& worker : workers_) {
    worker->transport->advance_view(view_);
    auto executor = runtime::Executor::create(
        {worker->id, &options_, &order_, &aborted_, &spans_, {}}, view, *worker->stage,
        runtime::Exchange(*worker->transport, worker->peers));
    REQUIRE(executor.ok());
    worker->executor = std::move(executor).value();
  }
}

void RoleStory::compute() {
  step_ = step_.next();
  std::vector<std::thread> threads;
  for (const auto& each : workers_) {
    threads.emplace_back([this, &worker = *each] {
      prepare_process(1);
      worker.report.reset();
      worker.shadowed.reset();
      worker.fault.reset();
      auto report = worker.executor->compute(step_, salvage_);
      if (!report) {
        worker.fault = report.fault();
        return;
      }
      if (worker.executor->computes()) worker.report = std::move(report).value();
      if (!worker.executor->shadows()) return;
      auto shadowed = worker.executor->receive_shadows(step_);
      if (shadowed) {
        worker.shadowed = std::move(shadowed).value();
      } else {
        worker.fault = shadowed.fault();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Whoever waits for a frame is woken too.
void RoleStory::count_action() {
  if (actions_left_.load() == 0 || actions_left_.fetch_sub(1) != 1) return;
  aborted_ = true;
  for (const auto& worker : workers_) worker->transport->advance_view(view_.next());
}

void RoleStory::break_off(int actions) {
  actions_left_ = actions;
  compute();
  actions_left_ = 0;
  redo();
}

int RoleStory::go_on(const Layout& layout, int actions) {
  aborted_ = false;
  begin_view(layout);
  protocol::FinishedSums sums;
  protocol::StepNotes notes;
  for (const auto& worker : workers_) {
    const auto salvaged = worker->stage->salvaged(step_.next());
    if (!salvaged) continue;
    sums[worker->id] = salvaged->sums;
    notes.add(protocol::notes_of(*salvaged));
  }
  const LaneTree tree(options_.micro_batches, options_.lane_size);
  salvage_ = protocol::plan_salvage(layout, tree, kinds, sums, notes);
  int used = 0;
  if (salvage_) {
    const protocol::StepWork work(layout, tree, salvage_);
    for (std::size_t i = 0; i < salvage_->work.size(); ++i) {
      const auto count = static_cast<int>(work.micro_batches_of(static_cast<int>(i)).size());
      if (count == 0) continue;
      salvage_->work[i].schedule = text_of(
          one_forward_one_backward({static_cast<int>(layout.pipelines[i].stages.size()), count}));
    }
    for (const protocol::OwnedSum& sum : salvage_->sums) used += tree.lanes_under(sum.node)->size();
    noted_ = notes.losses;
  }
  if (actions > 0) {
    break_off(actions);
  } else {
    compute();
  }
  salvage_.reset();
  return used;
}

protocol::CommitRecord RoleStory::decide(protocol::Verdict verdict) {
  std::map<LayerId, protocol::LayerReport> layers;
  std::map<MicroBatchId, double> losses = std::exchange(noted_, {});
  for (const auto& worker : workers_) {
    INFO("worker " << worker->id.value);
    CHECK(worker->fault.value_or(Fault{}).sentence == "");
    if (!worker->report) continue;
    for (const auto& layer : worker->report->layers) {
      CHECK(layers.emplace(layer.layer, layer).first->second.checksum == layer.checksum);
    }
    for (const auto& loss : worker->report->losses) losses[loss.micro_batch] = loss.loss;
  }
  // What shadows hold is what actives hold.
  for (const auto& worker : workers_) {
    if (!worker->shadowed) continue;
    for (const auto& layer : worker->shadowed->layers) {
      INFO("worker " << worker->id.value << ", layer " << layer.layer.value);
      CHECK(layers.at(layer.layer).checksum == layer.checksum);
    }
  }
  protocol::CommitRecord record{.step = step_, .rate = 1e-2 / static_cast<double>(step_.value)};
  double squares = 0;
  for (const auto& [id, layer] : layers) squares += layer.squared_norm;
  for (const auto& [id, loss] : losses) record.loss += loss;
  record.loss /= options_.micro_batches;
  record.norm = std::sqrt(squares);
  record.verdict = verdict;
  return record;
}

void RoleStory::apply(const protocol::CommitRecord& record) {
  for (const auto& worker : workers_) worker->stage->apply(record);
}

void RoleStory::steps(const std::vector<protocol::Verdict>& verdicts) {
  for (const protocol::Verdict verdict : verdicts) {
    compute();
    apply(decide(verdict));
  }
}

std::string RoleStory::state_of(int worker, int layer) {
  return text_of_state(stage(worker).layer(LayerId{layer}).state());
}

runtime::DescribedTensors RoleStory::sent_state(int from, int layer) {
  const auto copied = stage(from).copy_state(LayerId{layer});
  std::vector<checkpoint::TensorInfo> infos;
  for (const auto& [info, tensor] : copied) infos.push_back(info);
  const auto header = checkpoint::block_header(infos);
  const transport::Buffer payload(static_cast<std::size_t>(checkpoint::block_bytes(infos)));
  std::copy(header.begin(), header.end(), payload.data());
  const auto blocks = checkpoint::parse_block(payload.bytes()).value();
  for (std::size_t i = 0; i < copied.size(); ++i) {
    const auto bytes = runtime::bytes_of(copied[i].second);
    std::copy(bytes.begin(), bytes.end(), blocks[i].data.begin());
  }
  return runtime::read_block(payload).value();
}

std::vector<std::vector<std::string>> states_alone(const TrainerOptions& options,
                                                   const std::vector<protocol::Verdict>& verdicts,
                                                   std::vector<protocol::CommitRecord>* records) {
  RoleStory story(options, 1);
  const Layout alone = pipeline({0}, options.micro_batches);
  story.build(alone);
  story.begin_view(alone);
  std::vector<std::vector<std::string>> states;
  for (const protocol::Verdict verdict : verdicts) {
    story.compute();
    const protocol::CommitRecord record = story.decide(verdict);
    story.apply(record);
    if (records != nullptr) records->push_back(record);
    auto& here = states.emplace_back();
    for (int layer = 0; layer < kinds; ++layer) here.push_back(story.state_of(0, layer));
  }
  return states;
}

Layout pipeline(const std::vector<int>& first_layers, int micro_batches) {
  Layout layout;
  layout.pipelines.push_back({micro_batches, {}});
  for (std::size_t i = 0; i < first_layers.size(); ++i) {
    const int end = i + 1 < first_layers.size() ? first_layers[i + 1] : kinds;
    layout.pipelines[0].stages.push_back(
        {{LayerId{first_layers[i]}, LayerId{end - 1}}, WorkerId{static_cast<int>(i)}});
  }
  return layout;
}

}  // namespace planaria::test
