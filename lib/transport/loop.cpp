#include <transport/loop.hpp>

#include <asio/post.hpp>

#include <planaria/base/check.hpp>

namespace planaria::transport {

Loop::Loop() : context_(1), work_(context_.get_executor()), thread_([this] { context_.run(); }) {}

Loop::~Loop() {
  check(!thread_.joinable(), "a transport's loop was destroyed before finish()");
}

void Loop::enqueue(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    if (awake_) return;
    awake_ = true;
  }
  wake();
}

void Loop::wake() {
  asio::post(context_, [this] { pump(); });
}

bool Loop::tasks_wait() {
  const std::lock_guard lock(mutex_);
  return !tasks_.empty();
}

void Loop::call_back() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(awake_, true)) return;
  }
  wake();
}

void Loop::run_later() {
  while (!later_.empty()) {
    const std::function<void()> task = std::move(later_.front());
    later_.pop_front();
    task();
  }
}

// In a turn. False when there was nothing to do.
bool Loop::run_tasks() {
  std::deque<std::function<void()>> now;
  {
    const std::lock_guard lock(mutex_);
    if (tasks_.empty() && completions_.empty() && later_.empty()) {
      awake_ = false;
      return false;
    }
    // Set although nobody posted: tasks that callbacks enqueue are then run below, without a
    // wake-up.
    awake_ = true;
    now.swap(tasks_);
  }
  for (auto& task : now) {
    task();
    task = nullptr;
  }
  run_later();
  return true;
}

void Loop::pump() noexcept {
  // Bounded, so that a callback that always sends again cannot keep sockets from being read.
  for (int round = 0; round < 16; ++round) {
    Completions::Callbacks now;
    {
      const std::lock_guard turn(turn_);
      if (!run_tasks()) return;
      now = completions_.take();
    }
    Completions::run(std::move(now));
  }
  wake();
}

void Loop::finish(std::function<void()> last) {
  check(!on_thread(), "a transport was destroyed on its own I/O thread");
  enqueue([this, last = std::move(last)] {
    last();
    work_.reset();
  });
  thread_.join();
}

}  // namespace planaria::transport
