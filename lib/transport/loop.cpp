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

bool Loop::run_tasks() {
  std::deque<std::function<void()>> now;
  {
    const std::lock_guard lock(mutex_);
    if (tasks_.empty() && completions_.empty()) {
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
  return true;
}

void Loop::pump() noexcept {
  // Bounded, so that a callback that always sends again cannot keep sockets from being read.
  for (int round = 0; round < 16; ++round) {
    if (!run_tasks()) return;
    completions_.run();
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
