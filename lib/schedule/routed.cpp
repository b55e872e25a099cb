#include <planaria/schedule/routed.hpp>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

template <class Items>
[[nodiscard]] auto& at(Items& items, int index) {
  return items[static_cast<std::size_t>(index)];
}

/// A request in numbers: workers count from 0.
struct Problem {
  const RoutedRequest& request;
  int stages = 0;
  int micro_batches = 0;
  std::vector<int> route_of;          // [micro-batch]
  std::vector<int> turn_of;           // [micro-batch]: whose turn comes sooner is taken up first
  std::vector<int> by_turn;           // [turn]
  std::map<int, int> numbers;         // of the request's workers
  std::vector<int> line_of;           // [worker]: its rank in the schedule
  std::vector<std::vector<int>> own;  // [worker]: its stages by chunk

  [[nodiscard]] int worker_of(int stage, int micro_batch) const {
    return numbers.at(at(at(request.routes, at(route_of, micro_batch)).workers, stage));
  }
  [[nodiscard]] int depth() const { return stages / request.chunks; }
};

// Routes take turns by what of them is done, so that all end together.
void take_turns(Problem& problem) {
  struct Turn {
    double share;
    int route, micro_batch;
    bool operator<(const Turn& other) const {
      return std::tie(share, route, micro_batch) <
             std::tie(other.share, other.route, other.micro_batch);
    }
  };
  std::vector<Turn> turns;
  int route = 0;
  for (const Route& one : problem.request.routes) {
    for (int i = 0; i < one.micro_batches; ++i) {
      turns.push_back({(i + 0.5) / one.micro_batches, route, problem.micro_batches++});
      problem.route_of.push_back(route);
    }
    ++route;
  }
  std::sort(turns.begin(), turns.end());
  problem.turn_of.resize(turns.size());
  for (const Turn& turn : turns) {
    at(problem.turn_of, turn.micro_batch) = static_cast<int>(problem.by_turn.size());
    problem.by_turn.push_back(turn.micro_batch);
  }
}

Result<void> check_shape(const RoutedRequest& request) {
  const auto refused = [](const std::string& sentence) { return Fault::invalid_input(sentence); };
  if (request.routes.empty()) return refused("routes: none, must be at least 1");
  if (request.chunks < 1)
    return refused(fmt::format("chunks: {}, must be at least 1", request.chunks));
  const std::size_t stages = request.routes.front().workers.size();
  if (stages == 0 || stages % static_cast<std::size_t>(request.chunks) != 0) {
    return refused(
        fmt::format("routes[0].workers: {}, must be {} for each rank", stages, request.chunks));
  }
  for (std::size_t i = 0; i < request.routes.size(); ++i) {
    const Route& route = request.routes[i];
    if (route.micro_batches < 0) {
      return refused(
          fmt::format("routes[{}].micro_batches: {}, must be at least 0", i, route.micro_batches));
    }
    if (route.workers.size() != stages) {
      return refused(fmt::format("routes[{}].workers: {}, must be {}, as many as routes[0] has", i,
                                 route.workers.size(), stages));
    }
  }
  if (request.costs.size() != stages) {
    return refused(
        fmt::format("costs: {}, must be {}, one per stage", request.costs.size(), stages));
  }
  const std::size_t depth = stages / static_cast<std::size_t>(request.chunks);
  if (request.held_limit.size() != depth) {
    return refused(fmt::format("held_limit: {}, must be {}, one per place in the pipeline",
                               request.held_limit.size(), depth));
  }
  for (std::size_t place = 0; place < depth; ++place) {
    if (request.held_limit[place] >= 1) continue;
    return refused(
        fmt::format("held_limit[{}]: {}, must be at least 1", place, request.held_limit[place]));
  }
  return {};
}

// Numbers the workers as they come, and proves that each stands where a rank of the placement does.
Result<void> place_workers(Problem& problem) {
  const RoutedRequest& request = problem.request;
  Schedule placed{.placement = request.placement, .chunks = request.chunks, .ranks = {}};
  placed.ranks.resize(static_cast<std::size_t>(problem.depth()));
  for (std::size_t i = 0; i < request.routes.size(); ++i) {
    const std::vector<int>& workers = request.routes[i].workers;
    std::set<int> of_route;
    for (int rank = 0; rank < problem.depth(); ++rank) {
      const int worker = at(workers, rank);
      std::vector<int> stages;
      bool fits = of_route.insert(worker).second;
      for (int chunk = 0; chunk < request.chunks; ++chunk) {
        stages.push_back(placed.stage_of(rank, chunk));
        fits = fits && at(workers, stages.back()) == worker;
      }
      const auto [known, is_new] =
          problem.numbers.try_emplace(worker, static_cast<int>(problem.numbers.size()));
      if (is_new) {
        problem.line_of.push_back((static_cast<int>(i) * problem.depth()) + rank);
        problem.own.push_back(stages);
      }
      if (fits && at(problem.own, known->second) == stages) continue;
      return Fault::invalid_input(fmt::format(
          "routes[{}].workers[{}]: {}, must be in the same stages, those of one rank in placement "
          "{}, wherever it computes",
          i, rank, worker, name_of(request.placement)));
    }
  }
  return {};
}

/// One pass over time; a worker that is free takes the best of what is there for it.
class Dispatcher {
 public:
  /// W comes before F while more than `weights_kept` wait.
  Dispatcher(const Problem& problem, int weights_kept)
      : problem_(problem), weights_kept_(weights_kept), workers_(problem.own.size()) {
    for (const int micro_batch : problem.by_turn) {
      std::set<int> through;
      for (int stage = 0; stage < problem.stages; ++stage) {
        through.insert(problem.worker_of(stage, micro_batch));
      }
      for (const int worker : through) at(workers_, worker).to_take_up.push_back(micro_batch);
      at(workers_, problem.worker_of(0, micro_batch)).forwards[0].insert(turn(micro_batch));
    }
  }

  [[nodiscard]] Schedule run() {
    serve_all();
    while (!events_.empty()) {
      now_ms_ = events_.top().at_ms;
      while (!events_.empty() && events_.top().at_ms == now_ms_) {
        const Event event = events_.top();
        events_.pop();
        happen(event);
      }
      serve_all();
    }
    Schedule schedule{.placement = problem_.request.placement,
                      .chunks = problem_.request.chunks,
                      .micro_batches = problem_.micro_batches,
                      .ranks = {},
                      .width = static_cast<int>(problem_.request.routes.size())};
    schedule.ranks.resize(static_cast<std::size_t>(schedule.width * problem_.depth()));
    for (std::size_t worker = 0; worker < workers_.size(); ++worker) {
      at(schedule.ranks, problem_.line_of[worker]) = std::move(workers_[worker].actions);
    }
    return schedule;
  }

 private:
  struct Event {
    double at_ms = 0;
    enum class Kind { worker_free, forward_here, backward_here } kind = Kind::worker_free;
    int worker = 0;
    int chunk = 0;
    int micro_batch = 0;
    friend bool operator>(const Event& left, const Event& right) {
      return std::tie(left.at_ms, left.kind, left.worker, left.chunk, left.micro_batch) >
             std::tie(right.at_ms, right.kind, right.worker, right.chunk, right.micro_batch);
    }
  };
  /// What is there for a worker, by chunk, in turns.
  using Ready = std::map<int, std::set<int>>;
  struct Worker {
    bool free = true;
    std::vector<int> to_take_up;  // micro-batches in turn
    std::size_t taken_up = 0;
    std::map<int, int> chunks_left;  // of micro-batches that are held
    Ready forwards, backwards;
    std::deque<std::pair<int, int>> weights;  // (chunk, micro-batch) as their B ended
    std::vector<Action> actions;
  };

  [[nodiscard]] int turn(int micro_batch) const { return at(problem_.turn_of, micro_batch); }

  void happen(const Event& event) {
    Worker& worker = at(workers_, event.worker);
    switch (event.kind) {
      case Event::Kind::worker_free:
        worker.free = true;
        return;
      case Event::Kind::forward_here:
        worker.forwards[event.chunk].insert(turn(event.micro_batch));
        return;
      case Event::Kind::backward_here:
        worker.backwards[event.chunk].insert(turn(event.micro_batch));
        return;
    }
  }

  void serve_all() {
    for (int worker = 0; worker < static_cast<int>(workers_.size()); ++worker) {
      if (at(workers_, worker).free) serve(worker);
    }
  }

  void serve(int number) {
    Worker& worker = at(workers_, number);
    if (const auto backward = first_of(worker.backwards)) return start_backward(number, *backward);
    if (static_cast<int>(worker.weights.size()) > weights_kept_) return start_weight(number);
    if (const auto forward = next_forward(number)) return start_forward(number, *forward);
    if (!worker.weights.empty()) start_weight(number);
  }

  // The chunk whose stage is further behind goes first: it frees memory sooner.
  [[nodiscard]] static std::optional<std::pair<int, int>> first_of(const Ready& ready,
                                                                   int from_chunk = 0) {
    for (auto chunk = ready.rbegin(); chunk != ready.rend() && chunk->first >= from_chunk;
         ++chunk) {
      if (!chunk->second.empty()) return std::pair(chunk->first, *chunk->second.begin());
    }
    return std::nullopt;
  }

  [[nodiscard]] std::optional<std::pair<int, int>> next_forward(int number) const {
    const Worker& worker = at(workers_, number);
    if (const auto found = first_of(worker.forwards, 1)) return found;
    if (worker.taken_up == worker.to_take_up.size()) return std::nullopt;
    const int place = at(problem_.line_of, number) % problem_.depth();
    const int next = turn(worker.to_take_up[worker.taken_up]);
    const auto fresh = worker.forwards.find(0);
    const bool is_there = fresh != worker.forwards.end() && fresh->second.contains(next);
    const auto held = static_cast<int>(worker.chunks_left.size());
    if (!is_there || held >= at(problem_.request.held_limit, place)) return std::nullopt;
    return std::pair(0, next);
  }

  [[nodiscard]] const StageCosts& costs_of(int number, int chunk) const {
    return at(problem_.request.costs, stage_of(number, chunk));
  }
  [[nodiscard]] int stage_of(int number, int chunk) const {
    return at(at(problem_.own, number), chunk);
  }
  [[nodiscard]] int chunk_of(int number, int stage) const {
    const auto& own = at(problem_.own, number);
    return static_cast<int>(std::find(own.begin(), own.end(), stage) - own.begin());
  }

  double occupy(int number, Action action) {
    Worker& worker = at(workers_, number);
    worker.free = false;
    worker.actions.push_back(action);
    const double end_ms = now_ms_ + duration_ms(action.kind, costs_of(number, action.chunk));
    events_.push({end_ms, Event::Kind::worker_free, number, 0, 0});
    return end_ms;
  }

  void hand_over(int from, double send_ms, Event event) {
    if (event.worker != from) event.at_ms += send_ms;
    events_.push(event);
  }

  void start_forward(int number, std::pair<int, int> what) {
    Worker& worker = at(workers_, number);
    const int chunk = what.first;
    const int micro_batch = at(problem_.by_turn, what.second);
    worker.forwards[chunk].erase(what.second);
    if (chunk == 0) {
      ++worker.taken_up;
      worker.chunks_left[micro_batch] = problem_.request.chunks;
    }
    const double end_ms = occupy(number, {ActionKind::forward, micro_batch, chunk});
    const int stage = stage_of(number, chunk);
    if (stage + 1 == problem_.stages) {
      events_.push({end_ms, Event::Kind::backward_here, number, chunk, micro_batch});
      return;
    }
    const int next = problem_.worker_of(stage + 1, micro_batch);
    hand_over(number, costs_of(number, chunk).send_ms,
              {end_ms, Event::Kind::forward_here, next, chunk_of(next, stage + 1), micro_batch});
  }

  void start_backward(int number, std::pair<int, int> what) {
    Worker& worker = at(workers_, number);
    const int chunk = what.first;
    const int micro_batch = at(problem_.by_turn, what.second);
    worker.backwards[chunk].erase(what.second);
    const bool split = problem_.request.split;
    const double end_ms = occupy(
        number, {split ? ActionKind::backward_input : ActionKind::backward, micro_batch, chunk});
    if (split) {
      worker.weights.emplace_back(chunk, micro_batch);
    } else {
      done(worker, micro_batch);
    }
    const int stage = stage_of(number, chunk);
    if (stage == 0) return;
    const int before = problem_.worker_of(stage - 1, micro_batch);
    const StageCosts& costs = costs_of(number, chunk);
    hand_over(
        number, costs.send_back_ms.value_or(costs.send_ms),
        {end_ms, Event::Kind::backward_here, before, chunk_of(before, stage - 1), micro_batch});
  }

  void start_weight(int number) {
    Worker& worker = at(workers_, number);
    const auto [chunk, micro_batch] = worker.weights.front();
    worker.weights.pop_front();
    occupy(number, {ActionKind::backward_weight, micro_batch, chunk});
    done(worker, micro_batch);
  }

  static void done(Worker& worker, int micro_batch) {
    if (--worker.chunks_left.at(micro_batch) == 0) worker.chunks_left.erase(micro_batch);
  }

  const Problem& problem_;
  int weights_kept_;
  double now_ms_ = 0;
  std::vector<Worker> workers_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
};

}  // namespace

Result<Schedule> routed(const RoutedRequest& request) {
  PLANARIA_TRY_VOID(check_shape(request));
  Problem problem{.request = request,
                  .stages = static_cast<int>(request.routes.front().workers.size())};
  PLANARIA_TRY_VOID(place_workers(problem));
  take_turns(problem);
  if (problem.micro_batches == 0) {
    return Fault::invalid_input("routes: no micro-batches, must be at least 1 in all");
  }
  std::optional<Schedule> best;
  double best_ms = 0;
  const std::vector<int> kept =
      request.split ? std::vector{problem.micro_batches, 2, 0} : std::vector{0};
  for (const int weights_kept : kept) {
    Schedule schedule = Dispatcher(problem, weights_kept).run();
    PLANARIA_TRY(simulated, simulate(schedule, request.costs));
    if (best && simulated.makespan_ms >= best_ms) continue;
    best_ms = simulated.makespan_ms;
    best = std::move(schedule);
  }
  return *std::move(best);
}

}  // namespace planaria
