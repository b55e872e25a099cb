#include <planaria/runtime/torch_optimizer.hpp>

#include <algorithm>
#include <set>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/optim/adagrad.h>
#include <torch/optim/rmsprop.h>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

// The state of one field between steps. The optimizer works on the same storage; where it replaces
// its tensor, the new values are copied here and the tensor is put back, so that views of the state
// stay views.
struct Mirror {
  std::string field;
  at::Tensor tensor;
};

struct KeptParameter {
  std::string name;
  at::Tensor tensor;
  std::vector<Mirror> mirrors;  // in the order of the state's fields
};

// Hands gradients over as .grad and takes them away again, also when the step throws.
class HandedOver {
 public:
  HandedOver(std::vector<KeptParameter>& parameters, const std::vector<at::Tensor>& gradients)
      : parameters_(parameters) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      parameters_[i].tensor.mutable_grad() = gradients[i];
    }
  }
  ~HandedOver() {
    for (KeptParameter& kept : parameters_) kept.tensor.mutable_grad().reset();
  }
  HandedOver(const HandedOver&) = delete;
  HandedOver& operator=(const HandedOver&) = delete;

 private:
  std::vector<KeptParameter>& parameters_;
};

at::Tensor mirror_of(const OptimizerField& field) {
  if (const auto* tensor = std::get_if<at::Tensor*>(&field.place)) {
    return (*tensor)->detach().contiguous();
  }
  if (const auto* integer = std::get_if<std::int64_t*>(&field.place)) {
    return at::scalar_tensor(**integer, at::TensorOptions().dtype(at::kLong));
  }
  return at::scalar_tensor(*std::get<double*>(field.place), at::TensorOptions().dtype(at::kDouble));
}

void write(const Mirror& mirror, const OptimizerField& field) {
  if (const auto* tensor = std::get_if<at::Tensor*>(&field.place)) {
    **tensor = mirror.tensor;
  } else if (const auto* integer = std::get_if<std::int64_t*>(&field.place)) {
    **integer = mirror.tensor.item<std::int64_t>();
  } else {
    *std::get<double*>(field.place) = mirror.tensor.item<double>();
  }
}

// Returns whether what the field holds still has the mirror's shape and type.
bool read(const OptimizerField& field, const Mirror& mirror) {
  if (const auto* place = std::get_if<at::Tensor*>(&field.place)) {
    at::Tensor& tensor = **place;
    if (tensor.is_same(mirror.tensor)) return true;
    if (tensor.sizes() != mirror.tensor.sizes() || tensor.dtype() != mirror.tensor.dtype()) {
      return false;
    }
    mirror.tensor.copy_(tensor);
    tensor = mirror.tensor;
  } else if (const auto* integer = std::get_if<std::int64_t*>(&field.place)) {
    mirror.tensor.fill_(**integer);
  } else {
    mirror.tensor.fill_(*std::get<double*>(field.place));
  }
  return true;
}

bool is_absent(const OptimizerField& field) {
  const auto* tensor = std::get_if<at::Tensor*>(&field.place);
  return tensor != nullptr && !(*tensor)->defined();
}

class TorchLayerOptimizer final : public LayerOptimizer {
 public:
  TorchLayerOptimizer(const NamedTensors& parameters, AnyTorchOptimizer options)
      : options_(std::move(options)) {
    std::vector<at::Tensor> tensors;
    for (const auto& [name, tensor] : parameters) {
      parameters_.push_back({name, tensor, {}});
      tensors.push_back(tensor);
    }
    optimizer_ = options_.make(std::move(tensors));
    if (!optimizer_) throw std::invalid_argument(sentence("make() returned nothing"));
    require_parameters();
    find_rate_scales();
    for (KeptParameter& kept : parameters_) find_mirrors(kept);
    applied_ = at::zeros({}, at::TensorOptions().dtype(at::kLong));
  }

  void apply(const std::vector<at::Tensor>& gradients, double rate) override {
    check_equal(gradients.size(), parameters_.size(), "gradients of an adapted optimizer");
    const at::NoGradGuard no_grad;
    const HandedOver handed_over(parameters_, gradients);
    auto& groups = optimizer_->param_groups();
    for (std::size_t i = 0; i < groups.size(); ++i) {
      groups[i].options().set_lr(rate * rate_scales_[i]);
    }
    if (options_.first_step_creates && applied_.item<std::int64_t>() == 0) {
      for (const KeptParameter& kept : parameters_) optimizer_->state().erase(key_of(kept));
    } else {
      for (KeptParameter& kept : parameters_) write_state(kept);
    }
    optimizer_->step();
    for (const KeptParameter& kept : parameters_) read_state(kept);
    applied_.add_(1);
  }

  [[nodiscard]] NamedTensors state() override {
    NamedTensors state;
    for (const KeptParameter& kept : parameters_) {
      for (const Mirror& mirror : kept.mirrors) {
        state.emplace_back(kept.name + ":" + mirror.field, mirror.tensor);
      }
    }
    if (options_.first_step_creates && !parameters_.empty()) {
      state.emplace_back(parameters_.front().name + ":applied", applied_);
    }
    return state;
  }

 private:
  using ParamState = torch::optim::OptimizerParamState;

  static void* key_of(const KeptParameter& kept) { return kept.tensor.unsafeGetTensorImpl(); }

  [[nodiscard]] std::string sentence(const std::string& what) const {
    return fmt::format("optimizer {}: {}", options_.description, what);
  }
  [[nodiscard]] std::string sentence(const KeptParameter& kept, const std::string& what) const {
    return sentence(fmt::format("parameter {}: {}", kept.name, what));
  }

  // A copied or forgotten parameter would be trained by nobody, and no one would notice.
  void require_parameters() {
    std::multiset<const void*> found;
    for (const auto& group : optimizer_->param_groups()) {
      for (const at::Tensor& tensor : group.params()) found.insert(tensor.unsafeGetTensorImpl());
    }
    for (const KeptParameter& kept : parameters_) {
      const std::size_t times = found.count(key_of(kept));
      if (times == 1) continue;
      throw std::invalid_argument(
          sentence(kept, fmt::format("is in its parameter groups {} times, must be once", times)));
    }
    if (found.size() != parameters_.size()) {
      throw std::invalid_argument(sentence(
          fmt::format("its groups hold {} parameters, must be the {} that make() was given",
                      found.size(), parameters_.size())));
    }
  }

  void find_rate_scales() {
    for (auto& group : optimizer_->param_groups()) {
      const double usual = optimizer_->defaults().get_lr();
      const double own = group.options().get_lr();
      if (own != usual && usual == 0) {
        throw std::invalid_argument(sentence(fmt::format(
            "a parameter group has rate {}, must be 0 as the optimizer's, or the latter not 0",
            own)));
      }
      rate_scales_.push_back(own == usual ? 1.0 : own / usual);
    }
  }

  void find_mirrors(KeptParameter& kept) {
    ParamState* state = find_state(kept);
    if (state == nullptr && options_.create) state = create_state(kept);
    if (!options_.fields) return;
    if (state == nullptr) {
      throw std::invalid_argument(
          sentence(kept, "neither make() nor create() made its state, one of them must"));
    }
    std::set<std::string> names;
    if (options_.first_step_creates) names.insert("applied");
    for (const OptimizerField& field : options_.fields(*state)) {
      if (field.name.empty() || field.name.find(':') != std::string::npos ||
          !names.insert(field.name).second) {
        throw std::invalid_argument(sentence(
            kept, fmt::format("state \"{}\": a name must not be empty, hold ':' or be there twice",
                              field.name)));
      }
      if (is_absent(field)) continue;
      kept.mirrors.push_back({field.name, mirror_of(field)});
    }
  }

  [[nodiscard]] ParamState* find_state(const KeptParameter& kept) {
    const auto found = optimizer_->state().find(key_of(kept));
    return found == optimizer_->state().end() ? nullptr : found->second.get();
  }

  ParamState* create_state(const KeptParameter& kept) {
    auto& place = optimizer_->state()[key_of(kept)];
    place = options_.create(kept.tensor);
    return place.get();
  }

  // Calls action(field, mirror) for each field that is part of the state; both lists must agree.
  template <class Action>
  void for_each_field(const KeptParameter& kept, ParamState& state, Action action) {
    auto mirror = kept.mirrors.begin();
    for (const OptimizerField& field : options_.fields(state)) {
      if (is_absent(field)) continue;
      if (mirror == kept.mirrors.end() || mirror->field != field.name) {
        throw std::logic_error(sentence(
            kept, fmt::format("state {} came or went in a step, must be there from the start",
                              field.name)));
      }
      action(field, *mirror++);
    }
    if (mirror != kept.mirrors.end()) {
      throw std::logic_error(
          sentence(kept, fmt::format("state {} went in a step, must stay", mirror->field)));
    }
  }

  void write_state(const KeptParameter& kept) {
    if (kept.mirrors.empty()) return;
    ParamState* state = find_state(kept);
    // Gone where a first step created none and failed.
    if (state == nullptr) state = create_state(kept);
    for_each_field(kept, *state,
                   [](const OptimizerField& field, const Mirror& mirror) { write(mirror, field); });
  }

  void read_state(const KeptParameter& kept) {
    ParamState* state = find_state(kept);
    if (state == nullptr && kept.mirrors.empty()) return;
    if (state == nullptr) {
      throw std::logic_error(sentence(kept, "its state went in a step, must stay"));
    }
    if (!options_.fields) {
      throw std::logic_error(
          sentence(kept, "the optimizer keeps state, which fields() must list: it could not move"));
    }
    for_each_field(kept, *state, [&](const OptimizerField& field, const Mirror& mirror) {
      if (read(field, mirror)) return;
      throw std::logic_error(
          sentence(kept, fmt::format("state {} changed its shape or type in a step", field.name)));
    });
  }

  AnyTorchOptimizer options_;
  std::vector<KeptParameter> parameters_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  std::vector<double> rate_scales_;  // by parameter group
  at::Tensor applied_;
};

}  // namespace

OptimizerFactory any_torch_optimizer(AnyTorchOptimizer options) {
  const std::string description = options.description;
  const double default_rate = options.default_rate;
  return {description,
          [options = std::move(options)](
              const NamedTensors& parameters) -> std::unique_ptr<LayerOptimizer> {
            return std::make_unique<TorchLayerOptimizer>(parameters, options);
          },
          default_rate};
}

OptimizerFactory rmsprop(const torch::optim::RMSpropOptions& options) {
  using torch::optim::RMSprop;
  using torch::optim::RMSpropParamState;
  return torch_optimizer<RMSprop, RMSpropParamState>(
      {.description = fmt::format("rmsprop alpha {} eps {} weight_decay {} momentum {} centered {}",
                                  options.alpha(), options.eps(), options.weight_decay(),
                                  options.momentum(), options.centered()),
       .default_rate = options.lr(),
       .make =
           [options](std::vector<at::Tensor> parameters) {
             return std::make_unique<RMSprop>(std::move(parameters), options);
           },
       .create =
           [options](const at::Tensor& parameter) {
             RMSpropParamState state;
             state.square_avg(at::zeros_like(parameter));
             if (options.momentum() > 0) state.momentum_buffer(at::zeros_like(parameter));
             if (options.centered()) state.grad_avg(at::zeros_like(parameter));
             return state;
           },
       .fields =
           [](RMSpropParamState& state) {
             return OptimizerFields{{"square_avg", &state.square_avg()},
                                    {"momentum_buffer", &state.momentum_buffer()},
                                    {"grad_avg", &state.grad_avg()},
                                    {"step", &state.step()}};
           }});
}

OptimizerFactory adagrad(const torch::optim::AdagradOptions& options) {
  using torch::optim::Adagrad;
  using torch::optim::AdagradParamState;
  return torch_optimizer<Adagrad, AdagradParamState>(
      {.description =
           fmt::format("adagrad lr_decay {} weight_decay {} initial_accumulator_value {} eps {}",
                       options.lr_decay(), options.weight_decay(),
                       options.initial_accumulator_value(), options.eps()),
       .default_rate = options.lr(),
       .make =
           [options](std::vector<at::Tensor> parameters) {
             return std::make_unique<Adagrad>(std::move(parameters), options);
           },
       // Its constructor creates the state.
       .fields =
           [](AdagradParamState& state) {
             return OptimizerFields{{"sum", &state.sum()}, {"step", &state.step()}};
           }});
}

}  // namespace planaria
