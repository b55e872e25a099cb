#include <catch2/catch.hpp>

#include <string>

#include <planaria/host/faults.hpp>

#include "host/fault_stories.hpp"

namespace planaria::host {

TEST_CASE("a worker of the start strikes itself in its step and phase alone") {
  const FaultWorker two{.self = WorkerId{2}, .joined = {}, .promoted = {}};
  const auto strikes_two = [&](const std::string& order, std::int64_t step, FaultPhase phase) {
    return strikes(order_of(order), two, {.step = Step{step}, .phase = phase});
  };
  CHECK(strikes_two("kill@step=7:worker=2:phase=backward", 7, FaultPhase::backward));
  CHECK_FALSE(strikes_two("kill@step=7:worker=2:phase=backward", 7, FaultPhase::forward));
  CHECK_FALSE(strikes_two("kill@step=7:worker=2:phase=backward", 6, FaultPhase::backward));
  CHECK_FALSE(strikes_two("kill@step=7:worker=2:phase=backward", 8, FaultPhase::backward));
  CHECK_FALSE(strikes_two("kill@step=7:worker=1:phase=backward", 7, FaultPhase::backward));
  CHECK(strikes_two("stop@step=7:worker=2:for_s=1", 7, FaultPhase::idle));
  CHECK(strikes_two("stop@step=7:worker=2", 7, FaultPhase::forward));
  CHECK_FALSE(strikes_two("stop@step=7:worker=2", 8, FaultPhase::forward));
}

TEST_CASE("transfers have no step of their own: an order for one strikes from its step on") {
  const FaultWorker two{.self = WorkerId{2}, .joined = {}, .promoted = {}};
  for (const FaultPhase phase : {FaultPhase::migrate, FaultPhase::fill}) {
    const auto order = order_of(std::string("kill@step=7:worker=2:phase=") + name_of(phase));
    CHECK_FALSE(strikes(order, two, {.step = Step{6}, .phase = phase}));
    CHECK(strikes(order, two, {.step = Step{7}, .phase = phase}));
    CHECK(strikes(order, two, {.step = Step{30}, .phase = phase}));
    CHECK_FALSE(strikes(order, two, {.step = Step{30}, .phase = FaultPhase::forward}));
  }
}

TEST_CASE("an order for who joins or is promoted strikes from its step on, and only them") {
  const FaultWorker five{
      .self = WorkerId{5}, .joined_later = true, .joined = WorkerId{5}, .promoted = WorkerId{3}};
  const FaultWorker three{.self = WorkerId{3}, .joined = WorkerId{5}, .promoted = WorkerId{3}};
  const FaultPoint later{.step = Step{12}, .phase = FaultPhase::forward};
  CHECK(strikes(order_of("kill@step=9:worker=joined"), five, later));
  CHECK_FALSE(strikes(order_of("kill@step=9:worker=joined"), three, later));
  CHECK(strikes(order_of("kill@step=9:worker=promoted"), three, later));
  CHECK_FALSE(strikes(order_of("kill@step=9:worker=promoted"), five, later));
  // By number too, for it may be up late.
  CHECK(strikes(order_of("kill@step=9:worker=5"), five, later));
  CHECK_FALSE(strikes(order_of("kill@step=13:worker=5"), five, later));
  const FaultWorker alone{.self = WorkerId{0}, .joined = {}, .promoted = {}};
  CHECK_FALSE(strikes(order_of("kill@step=9:worker=joined"), alone, later));
}

TEST_CASE("a throw strikes every worker that computes its micro-batch there") {
  const auto order = order_of("throw@step=5:micro_batch=3:layer=2");
  const auto at = [](FaultPhase phase, int micro_batch, int layer) {
    return FaultPoint{.step = Step{5},
                      .phase = phase,
                      .micro_batch = MicroBatchId{micro_batch},
                      .layer = LayerId{layer}};
  };
  for (const int self : {0, 1, 5}) {
    const FaultWorker worker{.self = WorkerId{self}, .joined = {}, .promoted = {}};
    CHECK(strikes(order, worker, at(FaultPhase::forward, 3, 2)));
    CHECK_FALSE(strikes(order, worker, at(FaultPhase::backward, 3, 2)));
    CHECK_FALSE(strikes(order, worker, at(FaultPhase::forward, 2, 2)));
    CHECK_FALSE(strikes(order, worker, at(FaultPhase::forward, 3, 1)));
    CHECK_FALSE(strikes(order, worker, {.step = Step{5}, .phase = FaultPhase::reduce}));
    CHECK(strikes(order_of("throw@step=5:micro_batch=3:layer=2:phase=backward"), worker,
                  at(FaultPhase::backward, 3, 2)));
  }
}

TEST_CASE("orders of the launcher never strike within a worker") {
  const FaultWorker one{.self = WorkerId{1}, .joined = WorkerId{1}, .promoted = WorkerId{1}};
  for (const std::string text : {"kill@s=0:worker=1", "join@step=1", "notice@step=1:worker=1",
                                 "kill@step=1:zone=a", "kill-coordinator@step=1"}) {
    CHECK_FALSE(strikes(order_of(text), one, {.step = Step{1}, .phase = FaultPhase::forward}));
  }
}

TEST_CASE("what struck is told with its worker, kind, phase and order") {
  CHECK(fields_of_strike(order_of("kill@step=07:worker=joined"), WorkerId{4},
                         FaultPhase::committed) == Json{{"worker", 4},
                                                        {"kind", "kill"},
                                                        {"phase", "committed"},
                                                        {"order", "kill@step=7:worker=joined"}});
  CHECK_FALSE(
      fields_of_strike(order_of("kill@s=3:worker=1"), WorkerId{1}, std::nullopt).contains("phase"));
}

TEST_CASE("a promotion is a shadow that computes, or else an idle worker that does") {
  const Layout before = layout_of({0, 1}, {shadow(0, 2), shadow(1, 0)});
  const auto nobody = std::optional<WorkerId>();
  CHECK(promoted_by(before, before) == nobody);
  CHECK(promoted_by(before, layout_of({1, 0}, {})) == WorkerId{1});
  CHECK(promoted_by(before, layout_of({0, 2}, {})) == WorkerId{2});
  CHECK(promoted_by(before, layout_of({0, 2, 3}, {})) == WorkerId{3});
  // A shadow goes before an idle one of a higher number.
  CHECK(promoted_by(layout_of({0, 1}, {shadow(2, 2)}), layout_of({3, 2}, {})) == WorkerId{2});
  // What a worker computed already it was not promoted to.
  CHECK(promoted_by(layout_of({0, 1}, {shadow(0, 0)}), layout_of({0, 1}, {})) == nobody);
}

}  // namespace planaria::host
