// The rules that the planner is checked by are checked here: against figures that others published,
// and against what `planaria schedule` and LaneTree say by other code.
#include "planner/pipeline_rules.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <planaria/model/lanes.hpp>

#include "planner/plan_cases.hpp"
#include "support/command.hpp"

namespace planaria {
namespace {

using pipeline_rules::ends_of;
using pipeline_rules::fixed_kinds;
using pipeline_rules::Order;
using pipeline_rules::order_from_text;
using pipeline_rules::orders_of;
using pipeline_rules::partial_sums_alive;
using pipeline_rules::PipelineSize;
using pipeline_rules::PlayedPipeline;
using pipeline_rules::send_ms;
using pipeline_rules::StageRequest;
using pipeline_rules::Way;
using plan_cases::alike_layers;

// Stages alike, sends alike.
struct Even {
  double forward_ms = 1;
  double backward_input_ms = 1;
  double backward_weight_ms = 1;
  double send_ms = 0;
};

std::vector<double> even_ends(const std::string& kind, PipelineSize size, const Even& even) {
  const auto orders = orders_of(kind, size);
  const auto stages = static_cast<std::size_t>(size.stages);
  PlayedPipeline pipeline;
  pipeline.orders = &*orders;
  pipeline.stages.assign(stages,
                         {even.forward_ms, even.backward_input_ms, even.backward_weight_ms, 0});
  pipeline.cut_forward_ms.assign(stages - 1, even.send_ms);
  pipeline.cut_backward_ms = pipeline.cut_forward_ms;
  return ends_of(pipeline).value();
}

double makespan_ms(const std::string& kind, PipelineSize size) {
  const auto ends = even_ends(kind, size, {});
  return *std::max_element(ends.begin(), ends.end());
}

// Of the largest span of a rank, from its first forward on.
double bubble_rate(const std::string& kind, PipelineSize size, const Even& even) {
  const auto ends = even_ends(kind, size, even);
  double span_ms = 0;
  for (std::size_t rank = 0; rank < ends.size(); ++rank) {
    const double first_ms = static_cast<double>(rank) * (even.forward_ms + even.send_ms);
    span_ms = std::max(span_ms, ends[rank] - first_ms);
  }
  const double busy_ms = even.forward_ms + even.backward_input_ms + even.backward_weight_ms;
  return (span_ms - size.micro_batches * busy_ms) / span_ms;
}

// What `planaria schedule` prints, a rank a line; empty where it refuses.
std::vector<std::string> orders_of_command(const std::string& kind, PipelineSize size) {
  const auto ended = test::run_command({test::program("planaria"), "schedule", "--kind", kind,
                                        "--stages", std::to_string(size.stages), "--micro-batches",
                                        std::to_string(size.micro_batches)});
  std::vector<std::string> orders;
  for (const std::string& line : test::lines_of(ended.out)) {
    if (line[0] != '#') orders.push_back(line.substr(line.find(' ') + 1));
  }
  return orders;
}

}  // namespace

TEST_CASE("the orders of the four kinds are those that planaria schedule prints", "[unit]") {
  for (const std::string& kind : fixed_kinds()) {
    for (const int stages : {1, 2, 3, 5}) {
      for (int micro_batches = 1; micro_batches <= 10; ++micro_batches) {
        INFO(kind << ", " << stages << " stages, " << micro_batches << " micro-batches");
        std::vector<std::string> texts;
        for (const Order& order :
             orders_of(kind, {stages, micro_batches}).value_or(std::vector<Order>{})) {
          texts.push_back(text_of(order));
          REQUIRE(order_from_text(texts.back()) == order);
        }
        REQUIRE(texts == orders_of_command(kind, {stages, micro_batches}));
      }
    }
  }
}

TEST_CASE("zb-h2 is there from 2p - 1 micro-batches on", "[unit]") {
  CHECK_FALSE(orders_of("zb-h2", {3, 4}).has_value());
  REQUIRE(orders_of("zb-h2", {3, 5}).has_value());
  CHECK(text_of(orders_of("zb-h2", {2, 3}).value()[1]) == "F0 B0 F1 B1 F2 B2 W0 W1 W2");
  CHECK(text_of(orders_of("1f1b", {3, 1}).value()[0]) == "F0 G0");
}

TEST_CASE("words that are no action of one chunk are refused", "[unit]") {
  CHECK(order_from_text("F0 G0").has_value());
  for (const char* text : {"0F0", "F", "R0", "F-1", "F0&B1", "f0", "F1x", "F1234567"}) {
    INFO(text);
    CHECK_FALSE(order_from_text(text).has_value());
  }
}

TEST_CASE("played pipelines take what their authors published", "[unit]") {
  CHECK(makespan_ms("gpipe", {4, 8}) == 33);
  CHECK(makespan_ms("1f1b", {4, 8}) == 33);
  CHECK(makespan_ms("1f1b", {8, 24}) == 93);
  CHECK(makespan_ms("zb-h1", {4, 8}) == 27);
  CHECK(makespan_ms("zb-h1", {8, 24}) == 79);
  const Even eight{18.522, 18.086, 9.337, 0.601};
  CHECK(bubble_rate("1f1b", {8, 24}, eight) == Approx(0.2431).margin(5e-5));
  CHECK(bubble_rate("zb-h1", {8, 24}, eight) == Approx(0.1585).margin(5e-5));
  CHECK(bubble_rate("zb-h2", {8, 24}, eight) == Approx(0.1083).margin(5e-5));
  const Even sixteen{11.347, 11.248, 8.132, 0.377};
  CHECK(bubble_rate("1f1b", {16, 48}, sixteen) == Approx(0.2552).margin(5e-5));
  CHECK(bubble_rate("zb-h1", {16, 48}, sixteen) == Approx(0.1397).margin(5e-5));
  CHECK(bubble_rate("zb-h2", {16, 48}, sixteen) == Approx(0.0672).margin(5e-5));
}

TEST_CASE("activations of zb-h1 are held as published: 24, 22, ... 10 of eight ranks", "[unit]") {
  Profile profile = alike_layers(8);
  for (LayerProfile& layer : profile.layers) {
    layer.parameter_bytes = layer.state_bytes = layer.gradient_bytes = 0;
    layer.boundary_bytes = {0};
    layer.activation_bytes = {3};
    layer.weight_gradient_bytes = {1};
  }
  const auto orders = orders_of("zb-h1", {8, 24}).value();
  for (int rank = 0; rank < 8; ++rank) {
    const StageRequest stage{{LayerId{rank}, LayerId{rank}}, 0, 1, false};
    CHECK(peak_memory_of(profile, stage, orders[static_cast<std::size_t>(rank)], 24) ==
          24 - 2 * rank);
  }
}

TEST_CASE("ranks that wait for each other are told, not waited for", "[unit]") {
  const std::vector<Order> orders{order_from_text("F0 F1 G1 G0").value(),
                                  order_from_text("F0 G0 F1 G1").value()};
  PlayedPipeline pipeline{&orders, {{1, 1, 1, 0}, {1, 1, 1, 0}}, {0}, {0}};
  CHECK(ends_of(pipeline).has_value());
  const std::vector<Order> crossed{order_from_text("F0 G0 F1 G1").value(),
                                   order_from_text("F1 G1 F0 G0").value()};
  pipeline.orders = &crossed;
  CHECK_FALSE(ends_of(pipeline).has_value());
}

TEST_CASE("partial sums alive are those of the lanes' tree", "[unit]") {
  const std::vector<int> first{1, 2, 3, 3, 4, 4, 5, 5, 5, 5, 6};
  for (int lanes = 1; lanes <= 64; ++lanes) {
    INFO(lanes);
    CHECK(partial_sums_alive(lanes) == LaneTree::partial_sums_max(lanes));
    if (lanes > 11) continue;
    CHECK(partial_sums_alive(lanes) == first[static_cast<std::size_t>(lanes) - 1]);
  }
}

TEST_CASE("transfers follow the table: nothing, its first point, between, beyond", "[unit]") {
  Profile profile;
  profile.transfer = {{10, 1.0}, {30, 2.0}, {40, 4.0}};
  const Cluster cluster = identical_workers(2, 0);
  const Way way{&cluster.workers[0], &cluster.workers[1]};
  CHECK(send_ms(profile, cluster, way, 0) == 0);
  CHECK(send_ms(profile, cluster, way, 3) == 1);
  CHECK(send_ms(profile, cluster, way, 10) == 1);
  CHECK(send_ms(profile, cluster, way, 20) == 1.5);
  CHECK(send_ms(profile, cluster, way, 35) == 3);
  CHECK(send_ms(profile, cluster, way, 60) == 6);
}

}  // namespace planaria
