#include "planner/pipeline_rules.hpp"

#include <algorithm>
#include <limits>
#include <sstream>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>

namespace planaria::pipeline_rules {
namespace {

Order gpipe_order(PipelineSize size) {
  Order order;
  for (int i = 0; i < size.micro_batches; ++i) order.push_back({Work::forward, i});
  for (int i = 0; i < size.micro_batches; ++i) order.push_back({Work::backward, i});
  return order;
}

Order one_f_one_b_order(PipelineSize size, int rank) {
  Order order;
  int forwards = 0;
  while (forwards < std::min(size.stages - rank - 1, size.micro_batches)) {
    order.push_back({Work::forward, forwards++});
  }
  for (int i = 0; i < size.micro_batches; ++i) {
    if (forwards < size.micro_batches) order.push_back({Work::forward, forwards++});
    order.push_back({Work::backward, i});
  }
  return order;
}

// ZB-H1 with k = 1, ZB-H2 with k = 2.
Order zero_bubble_order(PipelineSize size, int rank, int k) {
  Order order;
  int forwards = 0;
  int weights = 0;
  while (forwards < std::min(k * (size.stages - rank - 1), size.micro_batches)) {
    order.push_back({Work::forward, forwards++});
  }
  for (int i = 0; i < size.micro_batches; ++i) {
    if (forwards < size.micro_batches) order.push_back({Work::forward, forwards++});
    order.push_back({Work::backward_input, i});
    if (i >= k * rank) order.push_back({Work::backward_weight, weights++});
  }
  while (weights < size.micro_batches) order.push_back({Work::backward_weight, weights++});
  return order;
}

constexpr std::string_view letters = "FBWG";  // in the order of Work

double by_table_ms(const std::vector<TransferPoint>& points, std::int64_t bytes) {
  if (bytes == 0) return 0;
  check(!points.empty(), "neither links nor a transfer table");
  if (bytes <= points.front().bytes) return points.front().ms;
  for (std::size_t i = 1; i < points.size(); ++i) {
    if (bytes > points[i].bytes) continue;
    const TransferPoint& low = points[i - 1];
    const double part =
        static_cast<double>(bytes - low.bytes) / static_cast<double>(points[i].bytes - low.bytes);
    return low.ms + part * (points[i].ms - low.ms);
  }
  return points.back().ms * static_cast<double>(bytes) / static_cast<double>(points.back().bytes);
}

// The most of in-flight x `in_flight_bytes` + waiting weight gradients x `waiting_bytes`.
std::int64_t most_held(const Order& order, std::int64_t in_flight_bytes,
                       std::int64_t waiting_bytes) {
  std::int64_t held = 0;
  std::int64_t most = 0;
  for (const Action& action : order) {
    switch (action.work) {
      case Work::forward:
        held += in_flight_bytes;
        break;
      case Work::backward_input:
        held += waiting_bytes - in_flight_bytes;
        break;
      case Work::backward_weight:
        held -= waiting_bytes;
        break;
      case Work::backward:
        held -= in_flight_bytes;
        break;
    }
    most = std::max(most, held);
  }
  return most;
}

}  // namespace

const std::vector<std::string>& fixed_kinds() {
  static const std::vector<std::string> kinds{"gpipe", "1f1b", "zb-h1", "zb-h2"};
  return kinds;
}

std::optional<std::vector<Order>> orders_of(const std::string& kind, PipelineSize size) {
  if (kind == "zb-h2" && size.micro_batches < 2 * size.stages - 1) return std::nullopt;
  std::vector<Order> orders;
  for (int rank = 0; rank < size.stages; ++rank) {
    if (kind == "gpipe") {
      orders.push_back(gpipe_order(size));
    } else if (kind == "1f1b") {
      orders.push_back(one_f_one_b_order(size, rank));
    } else {
      check(kind == "zb-h1" || kind == "zb-h2", "a kind without an order of its own");
      orders.push_back(zero_bubble_order(size, rank, kind == "zb-h1" ? 1 : 2));
    }
  }
  return orders;
}

std::optional<Order> order_from_text(const std::string& text) {
  Order order;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const std::size_t work = letters.find(word[0]);
    const std::string digits = word.substr(1);
    if (work == std::string_view::npos || digits.empty() || digits.size() > 6) return std::nullopt;
    if (digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
    order.push_back({static_cast<Work>(work), std::stoi(digits)});
  }
  return order;
}

std::string text_of(const Order& order) {
  std::string text;
  for (const Action& action : order) {
    text += fmt::format("{}{}{}", text.empty() ? "" : " ",
                        letters[static_cast<std::size_t>(action.work)], action.micro_batch);
  }
  return text;
}

StageTimes times_of(const Profile& profile, const StageRequest& stage) {
  StageTimes times;
  for (int i = stage.layers.first.value; i <= stage.layers.last.value; ++i) {
    const LayerProfile& layer = profile.layers[static_cast<std::size_t>(i)];
    times.forward_ms += layer.forward_ms[stage.at_size];
    times.backward_input_ms += layer.backward_input_ms[stage.at_size];
    times.backward_weight_ms += layer.backward_weight_ms[stage.at_size];
    times.optimizer_ms += layer.optimizer_ms;
  }
  if (stage.recompute) times.backward_input_ms += times.forward_ms;
  times.forward_ms /= stage.speed;
  times.backward_input_ms /= stage.speed;
  times.backward_weight_ms /= stage.speed;
  times.optimizer_ms /= stage.speed;
  return times;
}

double send_ms(const Profile& profile, const Cluster& cluster, Way way, std::int64_t bytes) {
  if (!cluster.links) return by_table_ms(profile.transfer, bytes);
  const bool same_zone = way.from->zone == way.to->zone;
  const bool same_host = same_zone && way.from->host == way.to->host;
  const Link& link = same_host   ? cluster.links->same_host
                     : same_zone ? cluster.links->same_zone
                                 : cluster.links->cross_zone;
  return link.latency_ms + static_cast<double>(bytes) / (link.gigabytes_per_s * 1e6);
}

std::optional<std::vector<double>> ends_of(const PlayedPipeline& pipeline) {
  constexpr double never = std::numeric_limits<double>::infinity();
  const std::vector<Order>& orders = *pipeline.orders;
  const std::size_t stages = orders.size();
  // Every micro-batch has its forward somewhere in an order: none has a higher number than this.
  const std::size_t micro_batches = orders.empty() ? 0 : orders[0].size();
  std::vector<double> input_ms(stages * micro_batches, never);     // there for F from then on
  std::vector<double> gradient_ms(stages * micro_batches, never);  // there for B from then on
  std::fill_n(input_ms.begin(), micro_batches, 0.0);
  std::vector<double> free_ms(stages, 0);
  std::vector<std::size_t> next(stages, 0);
  // Plays the rank's next action if what it needs has a time; its rank's order is all else it
  // needs.
  const auto play_one = [&](std::size_t rank) {
    if (next[rank] == orders[rank].size()) return false;
    const Action action = orders[rank][next[rank]];
    const StageTimes& times = pipeline.stages[rank];
    const std::size_t at = rank * micro_batches + static_cast<std::size_t>(action.micro_batch);
    double start_ms = free_ms[rank];
    if (action.work == Work::forward) {
      start_ms = std::max(start_ms, input_ms[at]);
    } else if (action.work != Work::backward_weight) {
      start_ms = std::max(start_ms, gradient_ms[at]);
    }
    if (start_ms == never) return false;
    double end_ms = start_ms;
    if (action.work == Work::forward) {
      end_ms += times.forward_ms;
      if (rank + 1 == stages) {
        gradient_ms[at] = end_ms;
      } else {
        input_ms[at + micro_batches] = end_ms + pipeline.cut_forward_ms[rank];
      }
    } else {
      if (action.work != Work::backward_weight) end_ms += times.backward_input_ms;
      if (action.work != Work::backward_input) end_ms += times.backward_weight_ms;
      if (action.work != Work::backward_weight && rank > 0) {
        gradient_ms[at - micro_batches] = end_ms + pipeline.cut_backward_ms[rank - 1];
      }
    }
    free_ms[rank] = end_ms;
    ++next[rank];
    return true;
  };
  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t rank = 0; rank < stages; ++rank) {
      while (play_one(rank)) moved = true;
    }
  }
  for (std::size_t rank = 0; rank < stages; ++rank) {
    if (next[rank] < orders[rank].size()) return std::nullopt;
  }
  return free_ms;
}

int partial_sums_alive(int lanes) {
  std::size_t most = 0;
  for (int start = 0; start < 2 * lanes + 2; ++start) {
    std::vector<std::pair<int, int>> alive;  // [first lane, lanes), of a whole subtree each
    for (int lane = start; lane < start + lanes; ++lane) {
      alive.emplace_back(lane, 1);
      most = std::max(most, alive.size());
      while (alive.size() >= 2) {
        const auto [first, size] = alive[alive.size() - 2];
        if (alive.back().second != size || first % (2 * size) != 0) break;
        alive.pop_back();
        alive.back().second = 2 * size;
      }
    }
  }
  return static_cast<int>(most);
}

std::int64_t peak_memory_of(const Profile& profile, const StageRequest& stage, const Order& order,
                            int lanes) {
  const std::size_t first = static_cast<std::size_t>(stage.layers.first.value);
  const std::size_t last = static_cast<std::size_t>(stage.layers.last.value);
  std::int64_t gradients = 0;
  std::int64_t activation = 0;
  std::int64_t weight_gradient = 0;
  std::int64_t bytes = 0;
  for (std::size_t i = first; i <= last; ++i) {
    const LayerProfile& layer = profile.layers[i];
    bytes += layer.parameter_bytes + layer.state_bytes;
    gradients += layer.gradient_bytes;
    activation += layer.activation_bytes[stage.at_size];
    weight_gradient += layer.weight_gradient_bytes[stage.at_size];
  }
  const std::int64_t input =
      first == 0 ? 0 : profile.layers[first - 1].boundary_bytes[stage.at_size];
  const std::int64_t output =
      last + 1 == profile.layers.size() ? 0 : profile.layers[last].boundary_bytes[stage.at_size];
  bytes += gradients * partial_sums_alive(lanes) + input + output;
  bytes += stage.recompute ? activation + most_held(order, input, weight_gradient)
                           : most_held(order, activation, weight_gradient);
  return bytes;
}

}  // namespace planaria::pipeline_rules
