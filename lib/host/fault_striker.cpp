#include <planaria/host/fault_striker.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/host/run_directory.hpp>

#include "host/phase_page.hpp"

namespace planaria::host {
namespace {

Result<FaultBounds> bounds_from_text(const std::string& text, std::int64_t steps) {
  const std::vector<std::string> parts = split(text, ',');
  FaultBounds bounds{.steps = steps, .micro_batches = {}, .layers = {}};
  const auto read = [](const std::string& part, int& number) {
    const char* end = part.data() + part.size();
    const auto [stopped, error] = std::from_chars(part.data(), end, number);
    return error == std::errc() && stopped == end && number >= 0;
  };
  if (parts.size() != 2 || !read(parts[0], bounds.workers) || !read(parts[1], bounds.spares)) {
    return Fault::invalid_input(
        fmt::format("{}: {}, must be the workers and spares of the start", env_fault_bounds, text));
  }
  return bounds;
}

// Random faults are expanded here too: only a worker's spec says how many steps there are, and
// nobody knows that before it has started.
Result<std::vector<FaultOrder>> orders_of(const StrikerOptions& options) {
  if (options.orders.empty()) return std::vector<FaultOrder>();
  PLANARIA_TRY(plan, faults_from_text(options.orders));
  std::vector<FaultOrder> orders = plan.orders;
  if (plan.random) {
    // A run without steps is refused elsewhere.
    PLANARIA_TRY(bounds,
                 bounds_from_text(options.bounds, std::max<std::int64_t>(1, options.steps)));
    PLANARIA_TRY(drawn, expand(*plan.random, bounds, plan.orders));
    orders.insert(orders.end(), drawn.begin(), drawn.end());
  }
  return orders;
}

}  // namespace

class FaultStriker::Impl {
 public:
  Impl(StrikerOptions options, const std::vector<FaultOrder>& orders)
      : options_(std::move(options)),
        worker_{.self = options_.self,
                .joined_later = options_.joined_later,
                .joined = {},
                .promoted = {}} {
    for (const FaultOrder& order : orders) orders_.push_back({order});
    if (!options_.raise) options_.raise = [](int number) { ::raise(number); };
    // Who joins later is the last who did, until it hears of another.
    if (options_.joined_later) worker_.joined = options_.self;
    open_page();
  }

  void at(const FaultPoint& point) {
    if (page_) page_->stand(point.phase, point.step);
    const auto due = std::ranges::find_if(orders_, [&](const Order& each) {
      return !each.struck && strikes(each.order, worker_, point);
    });
    if (due == orders_.end()) return;
    const FaultOrder& order = due->order;
    if (due->is_anybodys() && !claim(due)) {
      due->struck = true;
      return;
    }
    // A throw strikes whoever computes its micro-batch there, as often as that is.
    due->struck = order.kind != FaultAct::throws;
    if (options_.tell) {
      options_.tell(point.step, fields_of_strike(order, worker_.self, point.phase));
    }
    if (page_) page_->count_strike();
    if (order.kind == FaultAct::throws) {
      throw ThrownOnPurpose("thrown on purpose: " + text_of(order));
    }
    // To this thread, not to the process: another thread would take it a moment later, and this one
    // would get beyond the point.
    options_.raise(order.kind == FaultAct::kill ? SIGKILL : SIGSTOP);
  }

  void joined(WorkerId worker) { worker_.joined = worker; }
  void promoted(WorkerId worker) { worker_.promoted = worker; }
  void joins_again(WorkerId self) {
    worker_.self = self;
    worker_.joined_later = true;
    worker_.joined = self;
    open_page();
  }

 private:
  struct Order {
    FaultOrder order;
    bool struck = false;
    // Whoever joined or was promoted last: another may be that when the first is gone.
    [[nodiscard]] bool is_anybodys() const {
      return order.kind != FaultAct::throws && !std::holds_alternative<WorkerId>(order.who);
    }
  };

  // True for one worker of the run alone: it creates the file. Without a run directory all are
  // alone. Equal orders count from the last, since who starts later has not those that have struck,
  // the first first.
  [[nodiscard]] bool claim(std::vector<Order>::const_iterator due) const {
    if (options_.run_dir.empty()) return true;
    const auto equals_behind = std::count_if(
        due + 1, orders_.end(), [&](const Order& other) { return other.order == due->order; });
    const RunDirectory directory{.path = options_.run_dir, .made = {}};
    const std::string path =
        directory.struck_order(fmt::format("{}-{}", text_of(due->order), equals_behind));
    const int file = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (file < 0) return errno != EEXIST;
    ::close(file);
    return true;
  }

  void open_page() {
    page_.reset();
    if (options_.run_dir.empty()) return;
    const RunDirectory directory{.path = options_.run_dir, .made = {}};
    auto page = PhasePage::create(directory.worker_phase(worker_.self.value));
    if (page.ok()) page_.emplace(std::move(page).value());
  }

  StrikerOptions options_;
  FaultWorker worker_;
  std::vector<Order> orders_;
  std::optional<PhasePage> page_;
};

FaultStriker::FaultStriker() = default;
FaultStriker::FaultStriker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FaultStriker::~FaultStriker() = default;
FaultStriker::FaultStriker(FaultStriker&&) noexcept = default;
FaultStriker& FaultStriker::operator=(FaultStriker&&) noexcept = default;

Result<FaultStriker> FaultStriker::create(StrikerOptions options) {
  PLANARIA_TRY(orders, orders_of(options));
  return FaultStriker(std::make_unique<Impl>(std::move(options), orders));
}

Result<FaultStriker> FaultStriker::from_environment(StrikerOptions options) {
  const char* orders = std::getenv(env_faults);
  if (orders == nullptr) return FaultStriker();
  const char* bounds = std::getenv(env_fault_bounds);
  options.orders = orders;
  options.bounds = bounds == nullptr ? "" : bounds;
  return create(std::move(options));
}

void FaultStriker::strike_at(const FaultPoint& point) {
  impl_->at(point);
}

void FaultStriker::joined(WorkerId worker) {
  if (impl_) impl_->joined(worker);
}
void FaultStriker::promoted(WorkerId worker) {
  if (impl_) impl_->promoted(worker);
}
void FaultStriker::joins_again(WorkerId self) {
  if (impl_) impl_->joins_again(self);
}

}  // namespace planaria::host
