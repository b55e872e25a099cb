// transport/completions.hpp (private): callbacks that wait for their turn. Pure, one thread.
// Why: a callback run from deep inside a state change could call back into it. So whoever changes
// state only puts callbacks here, and the loop runs them in that order when the change is whole.
#pragma once

#include <deque>
#include <functional>
#include <utility>

namespace planaria::transport {

class Completions {
 public:
  void add(std::function<void()> callback) { waiting_.push_back(std::move(callback)); }
  /// Adds `done(outcome)`.
  template <class Done, class Outcome>
  void add(Done done, Outcome outcome) {
    add([done = std::move(done), outcome = std::move(outcome)]() mutable {
      done(std::move(outcome));
    });
  }
  [[nodiscard]] bool empty() const { return waiting_.empty(); }
  using Callbacks = std::deque<std::function<void()>>;
  /// Returns those that wait now, in order, and forgets them.
  [[nodiscard]] Callbacks take() { return std::exchange(waiting_, {}); }
  static void run(Callbacks callbacks) {
    for (auto& callback : callbacks) {
      callback();
      callback = nullptr;  // frees what it holds before the next one runs
    }
  }
  /// Runs those that wait now, in order; what they add waits for the next call.
  void run() { run(take()); }

 private:
  Callbacks waiting_;
};

}  // namespace planaria::transport
