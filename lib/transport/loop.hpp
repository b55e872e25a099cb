// transport/loop.hpp (private): the one I/O thread of a transport, and the order of what it does.
// Is: Asio's reactor, a queue of tasks from any thread, and the callbacks that come out of them.
// Is not: anything about frames or peers.
//
// Tasks run in the order of enqueue(), whichever threads called it: Asio alone keeps that order
// only per thread. Callbacks (Completions) run between tasks, never inside one.
//
// State behind a loop is touched by whoever has the turn: the I/O thread in its handlers and tasks,
// or a caller that finds the turn free and no task waiting (run_here). That spares two changes of
// thread per frame, which is most of a small frame's time. Callbacks run on the I/O thread only,
// outside the turn, so that what they lock can never wait for it.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>

#include <transport/completions.hpp>

namespace planaria::transport {

class Loop {
 public:
  Loop();
  /// finish() must have run.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  [[nodiscard]] asio::io_context& context() { return context_; }
  [[nodiscard]] bool on_thread() const { return std::this_thread::get_id() == thread_.get_id(); }

  /// Runs `task` on the I/O thread. Any thread. Destroyed unrun after finish().
  void enqueue(std::function<void()> task);
  /// Runs `task` now, on this thread, if nobody else has the turn and nothing waits for it; false,
  /// and nothing done, otherwise. Any thread. The order of enqueue() and run_here() is kept.
  template <class Task>
  [[nodiscard]] bool run_here(Task&& task) {
    if (on_thread()) return false;
    std::unique_lock turn(turn_, std::try_to_lock);
    if (!turn.owns_lock() || tasks_wait()) return false;
    task();
    run_later();
    const bool callbacks = !completions_.empty();
    turn.unlock();
    if (callbacks) call_back();
    return true;
  }
  /// The I/O thread's callbacks. In a turn only.
  [[nodiscard]] Completions& completions() { return completions_; }
  /// Runs `task` at the end of this turn. In a turn only.
  void at_end_of_turn(std::function<void()> task) { later_.push_back(std::move(task)); }

  /// Wraps a handler given to Asio, so that callbacks and tasks it caused run right after it.
  template <class Handler>
  [[nodiscard]] auto handler(Handler body) {
    return [this, body = std::move(body)](auto... arguments) mutable {
      {
        const std::lock_guard turn(turn_);
        body(arguments...);
      }
      pump();
    };
  }

  /// Runs `last` and everything that follows from it, then joins the thread. `last` must end what
  /// waits in Asio. Not on the I/O thread.
  void finish(std::function<void()> last);

 private:
  // A callback that throws has broken the contract: noexcept ends the process there.
  void pump() noexcept;
  [[nodiscard]] bool run_tasks();
  void run_later();
  [[nodiscard]] bool tasks_wait();
  void call_back();
  void wake();

  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::mutex turn_;  // before mutex_, never after it
  Completions completions_;
  std::deque<std::function<void()>> later_;
  std::mutex mutex_;
  std::deque<std::function<void()>> tasks_;
  bool awake_ = false;  // a pump is posted or running, so that it will see new tasks
  std::thread thread_;
};

}  // namespace planaria::transport
