// Time, the order of deliveries, and the end of a run.
#include "protocol/simulated_cluster.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace planaria::protocol {
namespace {

constexpr int deliveries_max = 400'000;
constexpr Milliseconds alive_every{100};
constexpr Milliseconds tick_every{50};

}  // namespace

Cluster::Cluster(const ClusterOptions& options)
    : options_(options),
      random_(options.seed),
      state_(options.coordinator),
      watch_(options, report_) {
  const int count = options.coordinator.workers + options.coordinator.spares;
  for (int i = 0; i < count; ++i) start_process(i);
}

ClusterReport Cluster::run() {
  std::size_t next_fault = 0;
  while (report_.deliveries < deliveries_max && report_.broken.empty() && !over()) {
    while (next_fault < options_.faults.size() &&
           options_.faults[next_fault].before_delivery <= report_.deliveries) {
      strike(options_.faults[next_fault++]);
    }
    pass_time();
    auto possible = deliveries();
    if (possible.empty()) {
      if (!skip_time(next_fault)) break;
      continue;
    }
    ++report_.deliveries;
    now_ = now_ + Milliseconds{options_.ms_per_delivery};
    possible[random_.below(possible.size())]();
    watch_.after_delivery(state_, stores());
  }
  finish_checks();
  return std::move(report_);
}

void Cluster::story(const std::string& who, const std::string& what) {
  if (!options_.tell_story) return;
  report_.story.push_back(fmt::format("{:8.1f} ms  {:<14} {}", now_.since_start_ms, who, what));
}

void Cluster::pass_time() {
  for (Process& process : processes_) {
    const bool speaks = process.alive && !process.stopped && !process.end && process.worker;
    if (!speaks || now_ < process.alive_due) continue;
    process.alive_due = now_ + alive_every;
    lines_[process.connection].messages.push_back(encode(Alive{}));
  }
  if (now_ < tick_due_) return;
  tick_due_ = now_ + tick_every;
  to_coordinator(Tick{});
}

// Nothing is under way: time goes on to what is due next.
bool Cluster::skip_time(std::size_t next_fault) {
  if (next_fault < options_.faults.size()) {
    report_.deliveries = options_.faults[next_fault].before_delivery;
    return true;
  }
  if (++idle_rounds_ > 2000) return false;
  now_ = now_ + Milliseconds{10};
  return true;
}

// Everything that may happen next: the head of each queue.
std::vector<std::function<void()>> Cluster::deliveries() {
  std::vector<std::function<void()>> possible;
  for (auto& [connection, line] : lines_) {
    if (line.closed) continue;
    if (!line.messages.empty()) {
      possible.emplace_back([this, id = connection] { deliver_to_coordinator(id); });
    } else if (line.ends) {
      possible.emplace_back([this, id = connection] { connection_ended(id); });
    }
  }
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    Process& process = processes_[i];
    if (!process.alive || process.stopped || process.end) continue;
    if (!process.from_coordinator.empty()) {
      possible.emplace_back([this, i] { deliver_from_coordinator(i); });
    }
    // Who is no member by then finds nobody there any more.
    if (report_.outcome && process.from_coordinator.empty() && process.local.empty()) {
      possible.emplace_back([this, i] { to_agent(i, agent::CoordinatorLost{"it has left"}); });
    }
    if (!process.local.empty()) {
      possible.emplace_back([this, i] { to_agent(i, take(processes_[i].local)); });
    }
    for (auto& [peer, frames] : process.from_peers) {
      if (frames.empty()) continue;
      possible.emplace_back([this, i, from = peer] {
        const auto [worker, frame] = take(processes_[i].from_peers[from]);
        processes_[i].toy->frame_arrived(worker, frame);
      });
    }
  }
  // Compute threads last, and only one of those that can do anything: most wait.
  std::vector<std::size_t> idle;
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    if (processes_[i].alive && !processes_[i].stopped && !processes_[i].end) idle.push_back(i);
  }
  if (!possible.empty() && random_.below(3) != 0) return possible;
  while (!idle.empty()) {
    const std::size_t chosen = random_.below(idle.size());
    const Process& process = processes_[idle[chosen]];
    if (process.toy->work()) {
      if (process.worker) {
        watch_.stands(*process.worker, process.toy->level());
      }
      watch_.after_delivery(state_, stores());
      ++report_.deliveries;
      return deliveries_after_work();
    }
    idle.erase(idle.begin() + static_cast<std::ptrdiff_t>(chosen));
  }
  return possible;
}

std::vector<std::function<void()>> Cluster::deliveries_after_work() {
  return {[] {}};
}

std::map<WorkerId, const ToyStore*> Cluster::stores() const {
  std::map<WorkerId, const ToyStore*> stores;
  for (const Process& process : processes_) {
    if (process.alive && process.worker) stores[*process.worker] = &process.toy->store();
  }
  return stores;
}

bool Cluster::over() const {
  if (!report_.outcome) return false;
  return std::ranges::all_of(processes_, [](const Process& process) {
    return !process.alive || process.stopped || process.end;
  });
}

void Cluster::finish_checks() {
  if (!report_.outcome) return watch_.breaks("the coordinator never finished");
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    const Process& process = processes_[i];
    if (!process.alive || process.stopped) continue;
    if (!process.end) return watch_.breaks(fmt::format("process {} never finished", i));
  }
  watch_.at_end();
}

ClusterReport run_cluster(const ClusterOptions& options) {
  return Cluster(options).run();
}

}  // namespace planaria::protocol
