#include "host/loss_figures.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace planaria::host {
namespace {

std::optional<std::int64_t> whole(const Json& event, const char* key) {
  const auto found = event.find(key);
  if (found == event.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

std::string text(const Json& event, const char* key) {
  const auto found = event.find(key);
  return found != event.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool flag(const Json& event, const char* key) {
  const auto found = event.find(key);
  return found != event.end() && found->is_boolean() && found->get<bool>();
}

bool has_number(const Json& list, std::int64_t number) {
  return std::ranges::any_of(list, [&](const Json& each) { return each == number; });
}

// Members are numbers, or objects with a worker.
bool has_member(const Json& event, std::int64_t worker) {
  const auto members = event.find("members");
  if (members == event.end() || !members->is_array()) return false;
  return std::ranges::any_of(*members, [&](const Json& member) {
    return member == worker || (member.is_object() && whole(member, "worker") == worker);
  });
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

Json since(const std::optional<double>& at_ms, double begin_ms) {
  return at_ms ? Json(*at_ms - begin_ms) : Json();
}

}  // namespace

void LossFigures::add(const Json& event) {
  if (!event.is_object()) return;
  const auto time = event.find("t_ms");
  if (time == event.end() || !time->is_number()) return;
  const double t_ms = time->get<double>();
  const std::string name = text(event, "event");
  if (name == "computed") return began_computing(event, t_ms);
  if (name == "run_started") began_ = true;
  if (name == "fault_injected") fault(event, t_ms);
  if (name == "worker_lost") lost(event, t_ms);
  if (name == "view") view(event, t_ms);
  if (name == "migration_end") moved(event, t_ms);
  if (name == "resumed") resumed(t_ms);
  if (name == "step_committed") committed(event, t_ms);
  if (name == "worker_joined" && began_) {
    if (const auto worker = whole(event, "worker")) {
      joins_.push_back({.worker = *worker, .joined_ms = t_ms, .filled_ms = {}});
    }
  }
}

void LossFigures::fault(const Json& event, double t_ms) {
  const std::string kind = text(event, "kind");
  const auto worker = whole(event, "worker");
  const bool takes_away = kind == "kill" || kind == "stop" || kind == "partition";
  if (worker && takes_away) faults_[*worker] = t_ms;
}

void LossFigures::lost(const Json& event, double t_ms) {
  const auto worker = whole(event, "worker");
  if (!worker) return;
  ++workers_lost_;
  if (!began_) return;
  const auto fault = faults_.find(*worker);
  losses_.push_back({.worker = *worker,
                     .fault_ms = fault == faults_.end() ? t_ms : fault->second,
                     .lost_ms = t_ms,
                     .view_ms = {},
                     .transfer_ms = {},
                     .resume_ms = {}});
  faults_.erase(*worker);
}

void LossFigures::view(const Json& event, double t_ms) {
  // Of several views before the next commit the last is the one that training resumes in.
  for (std::size_t i = open_; i < losses_.size(); ++i) {
    if (!losses_[i].view_ms) losses_[i].view_ms = t_ms;
    losses_[i].transfer_ms = t_ms;
  }
  entering_.clear();
  for (std::size_t i = 0; i < joins_.size(); ++i) {
    if (joins_[i].member || !has_member(event, joins_[i].worker)) continue;
    joins_[i].member = true;
    if (flag(event, "planned")) entering_.insert(i);
  }
  if (entering_.empty()) gaps_ms_.clear();
}

void LossFigures::moved(const Json& event, double t_ms) {
  const auto to = event.find("to");
  const bool named = to != event.end() && to->is_array();
  for (Joined& join : joins_) {
    if (join.filled_ms) continue;
    if (named ? has_number(*to, join.worker) : join.member) join.filled_ms = t_ms;
  }
}

void LossFigures::resumed(double t_ms) {
  for (std::size_t i = open_; i < losses_.size(); ++i) {
    if (losses_[i].view_ms) losses_[i].transfer_ms = t_ms;
  }
}

void LossFigures::committed(const Json& event, double t_ms) {
  for (; open_ < losses_.size(); ++open_) losses_[open_].resume_ms = t_ms;
  if (const auto step = whole(event, "step")) commit_ = {t_ms, *step};
}

void LossFigures::began_computing(const Json& event, double t_ms) {
  if (!commit_ || whole(event, "step") != commit_->step + 1) return;
  const double gap_ms = t_ms - commit_->t_ms;
  commit_.reset();
  if (!entering_.empty()) {
    const double waited_ms = std::max(0.0, gap_ms - median(gaps_ms_));
    for (const std::size_t i : entering_) joins_[i].waited_ms = waited_ms;
    entering_.clear();
    gaps_ms_.clear();
  }
  gaps_ms_.push_back(gap_ms);
}

double LossFigures::lost_step_ms() const {
  std::vector<std::pair<double, double>> times;
  for (const Loss& loss : losses_) {
    if (loss.resume_ms) times.emplace_back(loss.fault_ms, *loss.resume_ms);
  }
  std::ranges::sort(times);
  double sum_ms = 0;
  double until_ms = 0;
  for (const auto& [begin_ms, end_ms] : times) {
    if (end_ms > until_ms) sum_ms += end_ms - std::max(begin_ms, until_ms);
    until_ms = std::max(until_ms, end_ms);
  }
  return sum_ms;
}

Json LossFigures::fields() const {
  Json recoveries = Json::array();
  for (const Loss& loss : losses_) {
    recoveries.push_back({{"worker", loss.worker},
                          {"detect_ms", since(loss.lost_ms, loss.fault_ms)},
                          {"view_ms", since(loss.view_ms, loss.fault_ms)},
                          {"transfer_ms", since(loss.transfer_ms, loss.fault_ms)},
                          {"resume_ms", since(loss.resume_ms, loss.fault_ms)}});
  }
  Json joins = Json::array();
  for (const Joined& join : joins_) {
    joins.push_back({{"worker", join.worker},
                     {"fill_ms", since(join.filled_ms, join.joined_ms)},
                     {"waited_ms", join.waited_ms}});
  }
  return {{"recoveries", std::move(recoveries)},
          {"joins", std::move(joins)},
          {"workers_lost", workers_lost_},
          {"lost_step_ms", lost_step_ms()}};
}

}  // namespace planaria::host
