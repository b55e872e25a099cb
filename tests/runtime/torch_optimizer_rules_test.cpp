// What an optimizer of one's own may do with its state, and what is said of others.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/optim/lbfgs.h>
#include <torch/optim/rmsprop.h>
#include <torch/optim/sgd.h>
#include <catch2/catch.hpp>
#include <planaria/runtime/torch_optimizer.hpp>

using torch::optim::SGD;
using torch::optim::SGDOptions;
using torch::optim::SGDParamState;

namespace planaria {
namespace {

// A user's own optimizer, as careless as its options say.
enum class Habit { careful, replaces, grows, reshapes, drops, hides };

struct DriftOptions : torch::optim::OptimizerCloneableOptions<DriftOptions> {
  [[nodiscard]] double get_lr() const override { return rate; }
  void set_lr(double lr) override { rate = lr; }
  double rate = 0.5;
};

struct DriftState : torch::optim::OptimizerCloneableParamState<DriftState> {
  at::Tensor average;
  at::Tensor extra;
  double decay = 1.0;
};

class Drift : public torch::optim::Optimizer {
 public:
  Drift(std::vector<at::Tensor> tensors, Habit habit)
      : Optimizer(std::move(tensors), std::make_unique<DriftOptions>()), habit_(habit) {}
  at::Tensor step(LossClosure) override {
    for (auto& group : param_groups()) {
      for (at::Tensor& parameter : group.params()) {
        auto& slot = state()[parameter.unsafeGetTensorImpl()];
        if (!slot) {
          auto made = std::make_unique<DriftState>();
          made->average = at::zeros_like(parameter);
          slot = std::move(made);
        }
        auto& own = static_cast<DriftState&>(*slot);
        own.decay *= 0.5;
        own.average = own.average.mul(own.decay).add(parameter.grad());  // a new tensor each time
        parameter.sub_(own.average, group.options().get_lr());
        if (habit_ == Habit::grows) own.extra = own.average;
        if (habit_ == Habit::reshapes) own.average = own.average.flatten();
        if (habit_ == Habit::drops) own.average.reset();
      }
    }
    return {};
  }

 private:
  Habit habit_;
};

OptimizerFactory drift(Habit habit) {
  TorchOptimizerOptions<Drift, DriftState> options;
  options.description = "drift";
  options.default_rate = 0.5;
  options.make = [habit](auto tensors) { return std::make_unique<Drift>(tensors, habit); };
  options.create = [](const at::Tensor& parameter) {
    DriftState state;
    state.average = at::zeros_like(parameter);
    return state;
  };
  options.fields = [](DriftState& state) {
    return OptimizerFields{
        {"average", &state.average}, {"extra", &state.extra}, {"decay", &state.decay}};
  };
  if (habit == Habit::hides) options.create = {};
  if (habit == Habit::hides) options.fields = {};
  return torch_optimizer(std::move(options));
}

NamedTensors square() {
  return {{"square", at::ones({2, 2}).requires_grad_(true)}};
}

NamedTensors two_parameters() {
  return {{"a", at::zeros({3}).requires_grad_(true)}, {"b", at::zeros({3}).requires_grad_(true)}};
}

}  // namespace

TEST_CASE("an optimizer that replaces its tensors still has a state of views", "[unit]") {
  const NamedTensors named = square();
  const auto optimizer = drift(Habit::replaces).make(named);
  const NamedTensors views = optimizer->state();
  optimizer->apply({at::ones({2, 2})}, 0.5);
  optimizer->apply({at::ones({2, 2})}, 0.5);
  REQUIRE(views.size() == 2);
  CHECK(views[0].first == "square:average");
  CHECK(views[1].first == "square:decay");
  CHECK(at::equal(views[0].second, at::full({2, 2}, 1.25)));  // 1 * 0.25 + 1
  CHECK(views[1].second.item<double>() == 0.25);
  CHECK(at::equal(named[0].second, at::full({2, 2}, 1 - 0.5 - 0.625)));
}

TEST_CASE("state that comes, goes or changes its shape in a step is refused with a sentence",
          "[unit]") {
  const auto refused = [](Habit habit) -> std::string {
    const NamedTensors named = square();
    const auto optimizer = drift(habit).make(named);
    try {
      optimizer->apply({at::ones({2, 2})}, 0.5);
    } catch (const std::logic_error& error) {
      CHECK_FALSE(named[0].second.grad().defined());
      return error.what();
    }
    return "";
  };
  CHECK(refused(Habit::careful).empty());
  CHECK(refused(Habit::grows) ==
        "optimizer drift: parameter square: state extra came or went in a step, must be there from "
        "the start");
  CHECK(refused(Habit::reshapes) ==
        "optimizer drift: parameter square: state average changed its shape or type in a step");
  CHECK(refused(Habit::drops) ==
        "optimizer drift: parameter square: state decay came or went in a step, must be there from "
        "the start");
  CHECK(refused(Habit::hides) ==
        "optimizer drift: parameter square: the optimizer keeps state, which fields() must list: "
        "it could not move");
}

TEST_CASE("an optimizer over other tensors than it was given is refused by the parameter's name",
          "[unit]") {
  const auto sentence = [](auto make) -> std::string {
    const auto factory =
        torch_optimizer<SGD, SGDParamState>({.description = "sgd", .make = std::move(make)});
    try {
      (void)factory.make(two_parameters());
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  CHECK(sentence([](std::vector<at::Tensor> tensors) {
          tensors[1] = tensors[1].detach().clone();
          return std::make_unique<SGD>(tensors, SGDOptions(0.1));
        }) == "optimizer sgd: parameter b: is in its parameter groups 0 times, must be once");
  CHECK(sentence([](std::vector<at::Tensor> tensors) {
          tensors.push_back(at::zeros({1}).requires_grad_(true));
          return std::make_unique<SGD>(tensors, SGDOptions(0.1));
        }) == "optimizer sgd: its groups hold 3 parameters, must be the 2 that make() was given");
  CHECK(sentence([](const std::vector<at::Tensor>&) { return std::unique_ptr<SGD>(); }) ==
        "optimizer sgd: make() returned nothing");
}

TEST_CASE("names of the state are refused where a file could not hold them", "[unit]") {
  for (const std::string name : {"", "a:b", "average"}) {
    TorchOptimizerOptions<Drift, DriftState> options;
    options.description = "drift";
    options.make = [](auto tensors) { return std::make_unique<Drift>(tensors, Habit::careful); };
    options.create = [](const at::Tensor& parameter) {
      DriftState state;
      state.average = at::zeros_like(parameter);
      return state;
    };
    options.fields = [name](DriftState& state) {
      return OptimizerFields{{"average", &state.average}, {name, &state.decay}};
    };
    CHECK_THROWS_WITH(
        torch_optimizer(std::move(options)).make(square()),
        fmt::format("optimizer drift: parameter square: state \"{}\": a name must not "
                    "be empty, hold ':' or be there twice",
                    name));
  }
}

TEST_CASE("closure optimizers do not compile", "[unit]") {
  STATIC_REQUIRE_FALSE(steps_without_closure<torch::optim::LBFGS>);
  STATIC_REQUIRE(steps_without_closure<torch::optim::RMSprop>);
}

TEST_CASE("a group with a rate of its own keeps its ratio to the step's rate", "[unit]") {
  const auto grouped = torch_optimizer<SGD, SGDParamState>(
      {.description = "sgd in groups", .default_rate = 0.5, .make = [](auto tensors) {
         std::vector<torch::optim::OptimizerParamGroup> groups;
         groups.emplace_back(std::vector<at::Tensor>{tensors[0]});
         groups.emplace_back(std::vector<at::Tensor>{tensors[1]},
                             std::make_unique<SGDOptions>(0.125));
         return std::make_unique<SGD>(groups, SGDOptions(0.5));
       }});
  const NamedTensors named = two_parameters();
  const auto optimizer = grouped.make(named);
  optimizer->apply({at::ones({3}), at::ones({3})}, 2.0);
  CHECK(at::equal(named[0].second, at::full({3}, -2.0)));
  CHECK(at::equal(named[1].second, at::full({3}, -0.5)));
}

}  // namespace planaria
