#include "schedule/degraded_dispatch.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <queue>
#include <tuple>

namespace planaria::degrading {
namespace {

/// What happens at a time. Cells in index order at equal times.
struct Event {
  enum class Kind { forward_here, input_here, rank_free, look_again };
  double at_ms = 0;
  Kind kind = Kind::rank_free;
  int subject = 0;  // cell, or rank
  [[nodiscard]] auto key() const { return std::tuple(at_ms, kind, subject); }
  friend bool operator>(const Event& left, const Event& right) { return left.key() > right.key(); }
};

/// A forward whose input has come. The rank that made the input has it sooner.
struct Waiting {
  int cell = 0;
  double at_ms = 0;
  int near_rank = -1;
  double near_ms = 0;
};

struct RankState {
  bool free = true;
  bool last_was_forward = false;
  int in_flight = 0;
  std::int64_t held_bytes = 0;
  double load_ms = 0;
  std::vector<int> inputs;             // cells whose B may start, as they came
  std::vector<int> weights;            // cells whose W may start, as they came
  std::vector<double> inputs_to_come;  // when the B's whose time is known will be there
  std::vector<int> taken;              // [chunk]: cells
};

class Dispatcher {
 public:
  Dispatcher(const Problem& problem, const Rule& rule)
      : problem_(problem),
        rule_(rule),
        ranks_(static_cast<std::size_t>(problem.ranks())),
        queues_(static_cast<std::size_t>(problem.stage_count())),
        orders_(problem),
        to_do_(problem.cells() * 2) {
    for (RankState& rank : ranks_) rank.taken.assign(static_cast<std::size_t>(problem.chunks), 0);
    for (int cell = 0; cell < problem.micro_batches; ++cell) at(queues_, 0).push_back({cell});
    double longest_ms = 0;
    for (const Stage& stage : problem.stages) longest_ms = std::max(longest_ms, stage.work_ms());
    rounding_ms_ = 1e-9 * longest_ms;
  }

  std::optional<Orders> run() {
    serve_all();
    while (!events_.empty()) {
      now_ms_ = events_.top().at_ms;
      // Times that differ by rounding alone are one, or a rank would miss what is just there.
      while (!events_.empty() && events_.top().at_ms <= now_ms_ + rounding_ms_) {
        const Event event = events_.top();
        events_.pop();
        happen(event);
      }
      serve_all();
    }
    if (to_do_ > 0) return std::nullopt;
    return std::move(orders_);
  }

 private:
  enum class Work { none, forward, input, weight };
  struct Choice {
    Work work = Work::none;
    std::size_t place = 0;  // in the list it comes from
    int stage = 0;          // of a forward
  };

  void happen(const Event& event) {
    switch (event.kind) {
      case Event::Kind::forward_here:
      case Event::Kind::look_again:
        return;  // the queue knows its times
      case Event::Kind::input_here: {
        RankState& rank = at(ranks_, at(orders_.owner, event.subject));
        rank.inputs.push_back(event.subject);
        std::erase(rank.inputs_to_come, event.at_ms);
        return;
      }
      case Event::Kind::rank_free:
        at(ranks_, event.subject).free = true;
        return;
    }
  }

  void serve_all() {
    for (int place = 0; place < problem_.depth; ++place) serve(place);
  }

  // The least loaded rank first: it is the one that should take a forward.
  void serve(int place) {
    order_.clear();
    for (const int rank : at(problem_.live, place)) {
      if (at(ranks_, rank).free) order_.push_back(rank);
    }
    std::stable_sort(order_.begin(), order_.end(), [&](int left, int right) {
      return is_less(at(ranks_, left).load_ms, at(ranks_, right).load_ms);
    });
    for (const int rank : order_) {
      const Choice choice = choose(place, rank);
      if (choice.work != Work::none) start(rank, choice);
    }
  }

  [[nodiscard]] int in_flight_limit(int place) const {
    if (rule_.in_flight.empty()) return problem_.in_flight_limit;
    return std::min(problem_.in_flight_limit,
                    std::max(at(rule_.in_flight, place), problem_.chunks));
  }

  // Room for one of each later chunk stays free, or they could all wait for one another.
  [[nodiscard]] bool has_room(int place, int rank, int chunk) const {
    const RankState& state = at(ranks_, rank);
    const int later = problem_.chunks - 1 - chunk;
    if (state.in_flight + 1 + later > in_flight_limit(place)) return false;
    const std::int64_t limit = at(problem_.limit_bytes, place);
    if (limit == Problem::unlimited) return true;
    std::int64_t needed = state.held_bytes;
    for (int c = chunk; c < problem_.chunks; ++c) {
      needed += at(problem_.stages, problem_.stage_at(place, c)).activation_bytes;
    }
    return needed <= limit;
  }

  [[nodiscard]] bool is_there(const Waiting& waiting, int rank) const {
    const double at_ms = waiting.near_rank == rank ? waiting.near_ms : waiting.at_ms;
    return at_ms <= now_ms_ + rounding_ms_;
  }

  [[nodiscard]] Choice forward_for(int place, int rank) const {
    const int live = static_cast<int>(at(problem_.live, place).size());
    const int share = (problem_.micro_batches + live - 1) / live;
    for (int i = 0; i < problem_.chunks; ++i) {
      const int chunk = rule_.deep_forwards ? problem_.chunks - 1 - i : i;
      const int stage = problem_.stage_at(place, chunk);
      const auto& queue = at(queues_, stage);
      if (queue.empty() || at(at(ranks_, rank).taken, chunk) >= share ||
          !has_room(place, rank, chunk)) {
        continue;
      }
      for (std::size_t position = 0; position < queue.size(); ++position) {
        if (is_there(queue[position], rank)) return {Work::forward, position, stage};
      }
    }
    return {};
  }

  [[nodiscard]] Choice input_for(int rank) const {
    const auto& inputs = at(ranks_, rank).inputs;
    if (inputs.empty()) return {};
    std::size_t best = 0;
    for (std::size_t i = 1; problem_.chunks > 1 && i < inputs.size(); ++i) {
      const int stage = problem_.stage_of_cell(inputs[i]);
      const int best_stage = problem_.stage_of_cell(inputs[best]);
      if (rule_.deep_backwards ? stage > best_stage : stage < best_stage) best = i;
    }
    return {Work::input, best, 0};
  }

  [[nodiscard]] Choice choose(int place, int rank) const {
    const RankState& state = at(ranks_, rank);
    const Choice input = input_for(rank);
    const bool prefers_forward = rule_.first == Rule::First::forward ||
                                 (rule_.first == Rule::First::in_turn && !state.last_was_forward);
    if (input.work != Work::none && !prefers_forward) return input;
    Choice choice = forward_for(place, rank);
    const bool has_weights = !state.weights.empty();
    const bool too_many = static_cast<int>(state.weights.size()) > rule_.weights_kept;
    if (choice.work == Work::none || (too_many && input.work == Work::none)) {
      if (input.work != Work::none) return input;
      if (has_weights) choice = {Work::weight, 0, 0};
    }
    if (choice.work == Work::none || input.work != Work::none || rule_.patience == 0) return choice;
    const Stage& stage = choice.work == Work::forward ? at(problem_.stages, choice.stage)
                                                      : problem_.stage(state.weights.front());
    const double lasts_ms = choice.work == Work::forward ? stage.forward_ms : stage.weight_ms;
    for (const double at_ms : state.inputs_to_come) {
      if (at_ms < now_ms_ + (rule_.patience * lasts_ms)) return {};
    }
    return choice;
  }

  void start(int rank, const Choice& choice) {
    switch (choice.work) {
      case Work::none:
        return;
      case Work::forward:
        return start_forward(rank, choice);
      case Work::input:
        return start_input(rank, choice.place);
      case Work::weight:
        return start_weight(rank);
    }
  }

  void occupy(int rank, int op, double lasts_ms) {
    RankState& state = at(ranks_, rank);
    state.free = false;
    state.last_was_forward = part_of(op) == Part::forward;
    at(orders_.ranks, rank).push_back(op);
    events_.push({now_ms_ + lasts_ms, Event::Kind::rank_free, rank});
  }

  void start_forward(int rank, const Choice& choice) {
    auto& queue = at(queues_, choice.stage);
    const int cell = queue[choice.place].cell;
    queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(choice.place));
    const Stage& stage = problem_.stage(cell);
    RankState& state = at(ranks_, rank);
    at(orders_.owner, cell) = rank;
    ++state.in_flight;
    ++at(state.taken, stage.chunk);
    state.held_bytes += stage.activation_bytes;
    state.load_ms += stage.work_ms();
    occupy(rank, op_of(cell, Part::forward), stage.forward_ms);
    --to_do_;
    const double end_ms = now_ms_ + stage.forward_ms;
    if (choice.stage + 1 == problem_.stage_count()) {
      input_comes(cell, end_ms);
      return;
    }
    const int next = cell + problem_.micro_batches;
    Waiting waiting{next, end_ms + stage.send_ms, -1, 0};
    events_.push({waiting.at_ms, Event::Kind::forward_here, next});
    if (problem_.stage(next).place == stage.place) {
      waiting.near_rank = rank;
      waiting.near_ms = end_ms;
      events_.push({end_ms, Event::Kind::look_again, next});
    }
    auto& next_queue = at(queues_, choice.stage + 1);
    const auto later = [](const Waiting& left, const Waiting& right) {
      return left.at_ms < right.at_ms;
    };
    next_queue.insert(std::upper_bound(next_queue.begin(), next_queue.end(), waiting, later),
                      waiting);
  }

  void input_comes(int cell, double at_ms) {
    at(ranks_, at(orders_.owner, cell)).inputs_to_come.push_back(at_ms);
    events_.push({at_ms, Event::Kind::input_here, cell});
  }

  // Where what W needs would not fit, weight gradients that wait go first, or G needs no room.
  void start_input(int rank, std::size_t place) {
    RankState& state = at(ranks_, rank);
    const int cell = state.inputs[place];
    const Stage& stage = problem_.stage(cell);
    const std::int64_t limit = at(problem_.limit_bytes, rank % problem_.depth);
    const std::int64_t left = state.held_bytes - stage.activation_bytes;
    const bool splits = limit == Problem::unlimited || left <= limit - stage.weight_bytes;
    if (!splits && !state.weights.empty()) return start_weight(rank);
    state.inputs.erase(state.inputs.begin() + static_cast<std::ptrdiff_t>(place));
    state.held_bytes = left + (splits ? stage.weight_bytes : 0);
    --state.in_flight;
    --to_do_;
    double lasts_ms = stage.input_ms;
    if (splits) {
      state.weights.push_back(cell);
    } else {
      at(orders_.fused, cell) = 1;
      lasts_ms += stage.weight_ms;
    }
    occupy(rank, op_of(cell, Part::input), lasts_ms);
    if (cell < problem_.micro_batches) return;
    const int before = cell - problem_.micro_batches;
    const bool stays = at(orders_.owner, before) == rank;
    input_comes(before, now_ms_ + lasts_ms + (stays ? 0 : stage.send_back_ms));
  }

  void start_weight(int rank) {
    RankState& state = at(ranks_, rank);
    const int cell = state.weights.front();
    state.weights.erase(state.weights.begin());
    state.held_bytes -= problem_.stage(cell).weight_bytes;
    occupy(rank, op_of(cell, Part::weight), problem_.stage(cell).weight_ms);
  }

  const Problem& problem_;
  const Rule& rule_;
  double now_ms_ = 0;
  double rounding_ms_ = 0;
  std::vector<RankState> ranks_;
  std::vector<std::vector<Waiting>> queues_;  // [stage], by arrival
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  Orders orders_;
  int to_do_;  // F and B; what is left of W always runs
  std::vector<int> order_;
};

}  // namespace

std::optional<Orders> dispatch(const Problem& problem, const Rule& rule) {
  return Dispatcher(problem, rule).run();
}

}  // namespace planaria::degrading
