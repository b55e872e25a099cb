// An adapted optimizer does what the plain torch::optim loop does, and its state can move.
#include <planaria/runtime/torch_optimizer.hpp>

#include <cstring>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/optim/adagrad.h>
#include <torch/optim/rmsprop.h>
#include <torch/optim/sgd.h>
#include <catch2/catch.hpp>

using torch::optim::Adagrad;
using torch::optim::AdagradOptions;
using torch::optim::RMSprop;
using torch::optim::RMSpropOptions;
using torch::optim::SGD;
using torch::optim::SGDOptions;
using torch::optim::SGDParamState;

namespace planaria {
namespace {

constexpr int steps = 20;

// Deterministic by key; odd sizes, so that vectorised kernels have tails.
at::Tensor numbers(std::initializer_list<std::int64_t> sizes, int key) {
  std::int64_t elements = 1;
  for (const std::int64_t size : sizes) elements *= size;
  const at::Tensor x = at::arange(elements, at::kDouble).add(1000.0 * key);
  return x.mul(12.9898).sin().mul(43758.5453).frac().to(at::kFloat).reshape(sizes);
}

NamedTensors parameters() {
  NamedTensors named = {{"weight", numbers({13, 7}, 1)},
                        {"bias", numbers({13}, 2)},
                        {"norm.weight", numbers({37}, 3)},
                        {"gain", numbers({}, 4)}};
  for (auto& [name, tensor] : named) tensor.set_requires_grad(true);
  return named;
}

std::vector<at::Tensor> gradients(int step) {
  return {numbers({13, 7}, 10 * step), numbers({13}, 10 * step + 1), numbers({37}, 10 * step + 2),
          numbers({}, 10 * step + 3)};
}

double constant_rate(int) {
  return 1e-2;
}
double changing_rate(int step) {
  return 1e-2 / (1 + step % 3) + 1e-4 * step;
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() && a.dtype() == b.dtype() &&
         std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0;
}

bool same_bits(const NamedTensors& a, const NamedTensors& b) {
  bool same = a.size() == b.size();
  for (std::size_t i = 0; same && i < a.size(); ++i) {
    same = a[i].first == b[i].first && same_bits(a[i].second, b[i].second);
  }
  return same;
}

void copy_into(const NamedTensors& to, const NamedTensors& from) {
  const at::NoGradGuard no_grad;
  REQUIRE(to.size() == from.size());
  for (std::size_t i = 0; i < to.size(); ++i) {
    CHECK(to[i].first == from[i].first);
    to[i].second.copy_(from[i].second);
  }
}

NamedTensors copy_of(const NamedTensors& named) {
  NamedTensors copy;
  for (const auto& [name, tensor] : named) copy.emplace_back(name, tensor.detach().clone());
  return copy;
}

std::vector<std::string> names_of(const NamedTensors& named) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : named) names.push_back(name);
  return names;
}

using Rate = double (*)(int);

void train(LayerOptimizer& optimizer, int first, int last, Rate rate) {
  for (int step = first; step <= last; ++step) optimizer.apply(gradients(step), rate(step));
}

// The loop that everybody writes, without the adapter.
template <class Optimizer, class Options>
NamedTensors plain_loop(const Options& options, Rate rate) {
  NamedTensors named = parameters();
  std::vector<at::Tensor> tensors;
  for (const auto& [name, tensor] : named) tensors.push_back(tensor);
  Optimizer optimizer(tensors, options);
  for (int step = 1; step <= steps; ++step) {
    const auto given = gradients(step);
    for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i].mutable_grad() = given[i].clone();
    for (auto& group : optimizer.param_groups()) group.options().set_lr(rate(step));
    optimizer.step();
    optimizer.zero_grad();
  }
  return named;
}

OptimizerFactory adapted_sgd(const SGDOptions& options) {
  return torch_optimizer<SGD, SGDParamState>(
      {.description = "torch sgd",
       .default_rate = options.lr(),
       .make = [options](auto tensors) { return std::make_unique<SGD>(tensors, options); },
       .create =
           [](const at::Tensor& parameter) {
             SGDParamState state;
             state.momentum_buffer(at::zeros_like(parameter));
             return state;
           },
       .fields =
           [](SGDParamState& state) {
             return OptimizerFields{{"momentum_buffer", &state.momentum_buffer()}};
           },
       .first_step_creates = true});
}

struct Case {
  std::string name;
  OptimizerFactory factory;
  std::function<NamedTensors(Rate)> plain;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  const auto add_rmsprop = [&](const char* name, const RMSpropOptions& options) {
    all.push_back({name, rmsprop(options),
                   [options](Rate rate) { return plain_loop<RMSprop>(options, rate); }});
  };
  const auto add_adagrad = [&](const char* name, const AdagradOptions& options) {
    all.push_back({name, adagrad(options),
                   [options](Rate rate) { return plain_loop<Adagrad>(options, rate); }});
  };
  add_rmsprop("rmsprop", RMSpropOptions(1e-2));
  add_rmsprop("rmsprop with momentum", RMSpropOptions(1e-2).momentum(0.9));
  add_rmsprop("rmsprop centered", RMSpropOptions(1e-2).centered(true).alpha(0.9));
  add_rmsprop("rmsprop with all",
              RMSpropOptions(1e-2).centered(true).momentum(0.5).eps(1e-6).weight_decay(0.1));
  add_adagrad("adagrad", AdagradOptions(1e-2));
  add_adagrad("adagrad with lr_decay", AdagradOptions(1e-2).lr_decay(0.1));
  add_adagrad("adagrad with initial accumulator",
              AdagradOptions(1e-2).initial_accumulator_value(0.5));
  add_adagrad(
      "adagrad with all",
      AdagradOptions(1e-2).lr_decay(0.1).weight_decay(0.1).eps(1e-6).initial_accumulator_value(
          0.1));
  const SGDOptions damped = SGDOptions(1e-2).momentum(0.9).dampening(0.3);
  all.push_back({"sgd, whose first step is special", adapted_sgd(damped),
                 [damped](Rate rate) { return plain_loop<SGD>(damped, rate); }});
  return all;
}

}  // namespace

TEST_CASE("an adapted optimizer gives the bits of the plain loop, also when the rate changes",
          "[unit]") {
  for (const Case& tried : cases()) {
    INFO(tried.name);
    for (const Rate rate : {constant_rate, changing_rate}) {
      const NamedTensors named = parameters();
      const auto optimizer = tried.factory.make(named);
      train(*optimizer, 1, steps, rate);
      CHECK(same_bits(named, tried.plain(rate)));
      for (const auto& [name, tensor] : named) CHECK_FALSE(tensor.grad().defined());
    }
  }
}

TEST_CASE("state and parameters saved at step 7 go on elsewhere with the same bits", "[unit]") {
  for (const Case& tried : cases()) {
    INFO(tried.name);
    const NamedTensors undisturbed = parameters();
    const auto never_stopped = tried.factory.make(undisturbed);
    train(*never_stopped, 1, steps, changing_rate);

    const NamedTensors before = parameters();
    const auto first = tried.factory.make(before);
    train(*first, 1, 7, changing_rate);
    const NamedTensors saved_parameters = copy_of(before);
    const NamedTensors saved_state = copy_of(first->state());

    const NamedTensors after = parameters();
    const auto second = tried.factory.make(after);
    copy_into(after, saved_parameters);
    copy_into(second->state(), saved_state);
    train(*second, 8, steps, changing_rate);
    CHECK(same_bits(after, undisturbed));
    CHECK(same_bits(second->state(), never_stopped->state()));
  }
}

TEST_CASE("an optimizer goes back to a state of its own past, the beginning included", "[unit]") {
  for (const Case& tried : cases()) {
    INFO(tried.name);
    const NamedTensors named = parameters();
    const auto optimizer = tried.factory.make(named);
    const NamedTensors views = optimizer->state();
    const NamedTensors start = copy_of(named);
    const NamedTensors start_state = copy_of(views);
    train(*optimizer, 1, 9, constant_rate);
    copy_into(named, start);
    copy_into(views, start_state);  // the views of before are still the state
    train(*optimizer, 1, steps, constant_rate);
    CHECK(same_bits(named, tried.plain(constant_rate)));
  }
}

TEST_CASE("names, shapes and types of the state are fixed before the first step", "[unit]") {
  const NamedTensors named = {{"weight", parameters()[0].second}, {"bias", parameters()[1].second}};
  const auto all = rmsprop(RMSpropOptions(1e-2).centered(true).momentum(0.5)).make(named);
  CHECK(names_of(all->state()) ==
        std::vector<std::string>{"weight:square_avg", "weight:momentum_buffer", "weight:grad_avg",
                                 "weight:step", "bias:square_avg", "bias:momentum_buffer",
                                 "bias:grad_avg", "bias:step"});
  const auto plain = rmsprop(RMSpropOptions(1e-2)).make(named);
  CHECK(names_of(plain->state()) == std::vector<std::string>{"weight:square_avg", "weight:step",
                                                             "bias:square_avg", "bias:step"});
  const auto sum = adagrad(AdagradOptions(1e-2).initial_accumulator_value(0.5)).make(named);
  CHECK(names_of(sum->state()) ==
        std::vector<std::string>{"weight:sum", "weight:step", "bias:sum", "bias:step"});
  CHECK(at::equal(sum->state()[0].second, at::full({13, 7}, 0.5)));
  CHECK(sum->state()[1].second.scalar_type() == at::kLong);
  sum->apply({numbers({13, 7}, 1), numbers({13}, 2)}, 1e-2);
  CHECK(sum->state()[1].second.item<std::int64_t>() == 1);

  const auto special = adapted_sgd(SGDOptions(1e-2).momentum(0.9)).make(named);
  CHECK(names_of(special->state()) == std::vector<std::string>{"weight:momentum_buffer",
                                                               "bias:momentum_buffer",
                                                               "weight:applied"});
}

TEST_CASE("optimizers over split parameter lists do what one over all does", "[unit]") {
  for (const Case& tried : cases()) {
    INFO(tried.name);
    const NamedTensors whole = parameters();
    const auto one = tried.factory.make(whole);
    train(*one, 1, steps, changing_rate);

    const NamedTensors split = parameters();
    const auto head = tried.factory.make({split[0]});
    const auto none = tried.factory.make({});
    const auto tail = tried.factory.make({split[1], split[2], split[3]});
    for (int step = 1; step <= steps; ++step) {
      const auto given = gradients(step);
      tail->apply({given[1], given[2], given[3]}, changing_rate(step));
      none->apply({}, changing_rate(step));
      head->apply({given[0]}, changing_rate(step));
    }
    CHECK(same_bits(split, whole));
    CHECK(none->state().empty());
  }
}

TEST_CASE("the description has every option but the rate, which is the default", "[unit]") {
  const OptimizerFactory a = rmsprop(RMSpropOptions(0.5).alpha(0.9).momentum(0.25).centered(true));
  CHECK(a.description == "rmsprop alpha 0.9 eps 1e-08 weight_decay 0 momentum 0.25 centered true");
  CHECK(a.default_rate == 0.5);
  const OptimizerFactory b = adagrad(AdagradOptions(0.25).lr_decay(0.1).weight_decay(0.2));
  CHECK(b.description ==
        "adagrad lr_decay 0.1 weight_decay 0.2 initial_accumulator_value 0 eps 1e-10");
  CHECK(b.default_rate == 0.25);
}

}  // namespace planaria
