#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include <planaria/base/random.hpp>
#include <planaria/host/faults.hpp>

#include "host/fault_stories.hpp"

namespace planaria::host {
namespace {

// A run as the launcher sees it.
class Run {
 public:
  explicit Run(const std::string& spec, int workers = 4)
      : clock_(fault_clock(faults_from_text(spec).value())) {
    for (int worker = 0; worker < workers; ++worker) CHECK(joins(worker).empty());
  }

  std::vector<FaultAction> tell(Json event) { return taken(step(clock_, event, now_)); }
  std::vector<FaultAction> begins() { return tell({{"event", "run_started"}}); }
  std::vector<FaultAction> commits(int step) {
    return tell({{"event", "step_committed"}, {"step", step}});
  }
  std::vector<FaultAction> joins(int worker) {
    return tell({{"event", "worker_joined"}, {"worker", worker}});
  }
  std::vector<FaultAction> loses(int worker) {
    return tell({{"event", "worker_lost"}, {"worker", worker}});
  }
  std::vector<FaultAction> views(const Layout& layout) {
    return tell({{"event", "view"}, {"layout", to_json(layout)}});
  }
  std::vector<FaultAction> strikes_itself(const std::string& order, int worker) {
    Json event = fields_of_strike(order_of(order), WorkerId{worker}, FaultPhase::forward);
    event["event"] = "fault_injected";
    return tell(event);
  }
  std::vector<FaultAction> waits_until(double seconds) {
    now_ = {1000 + seconds * 1000};
    return tell(nullptr);
  }

  [[nodiscard]] std::optional<double> next_s() const {
    const auto due = next_due(clock_, now_);
    if (!due) return std::nullopt;
    return (due->since_start_ms - 1000) / 1000;
  }
  [[nodiscard]] const std::string& why() const { return why_; }
  [[nodiscard]] const FaultClock& clock() const { return clock_; }
  [[nodiscard]] const std::vector<FaultCommand>& commands() const { return commands_; }

 private:
  std::vector<FaultAction> taken(FaultDecision decision) {
    std::vector<FaultAction> actions;
    for (const FaultCommand& command : decision.commands) actions.push_back(command.action);
    commands_ = std::move(decision.commands);
    why_ = std::move(decision.explanation);
    return actions;
  }

  FaultClock clock_;
  Instant now_{1000};  // the run's first step begins here
  std::vector<FaultCommand> commands_;
  std::string why_;
};

using Actions = std::vector<FaultAction>;
using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a kill at seconds counts from the first step and strikes once") {
  Run run("kill@s=3.5:worker=1");
  CHECK(run.waits_until(0).empty());
  CHECK_FALSE(run.next_s().has_value());
  CHECK(run.begins().empty());
  CHECK(run.next_s() == 3.5);
  CHECK(run.waits_until(3.499).empty());
  CHECK(run.why() == "no order is due");
  CHECK(run.waits_until(3.5) == Actions{Kill{WorkerId{1}}});
  CHECK(run.why() == "kill@s=3.5:worker=1 strikes worker 1");
  CHECK(run.commands().at(0).order == order_of("kill@s=3.5:worker=1"));
  CHECK(run.waits_until(4).empty());
  CHECK_FALSE(run.next_s().has_value());
  CHECK(unstruck(run.clock()).empty());
}

TEST_CASE("a worker that is gone already is not killed again, and the order is reported") {
  Run run("kill@s=3:worker=01");
  run.begins();
  run.loses(1);
  CHECK(run.waits_until(3).empty());
  CHECK(run.why() == "kill@s=3:worker=01 waits: there is no such worker now");
  CHECK_FALSE(run.next_s().has_value());
  CHECK(run.tell({{"event", "run_ended"}}).empty());
  CHECK(unstruck(run.clock()) == Texts{"kill@s=3:worker=01"});
}

TEST_CASE("a worker stopped for a time goes on after it") {
  Run run("stop@s=1:worker=2:for_s=3");
  run.begins();
  CHECK(run.waits_until(1) == Actions{Stop{WorkerId{2}, 3.0}});
  CHECK(run.next_s() == 4.0);
  // Silence has cost it its place; it must go on to learn of it.
  run.loses(2);
  CHECK(run.waits_until(3.9).empty());
  CHECK(run.waits_until(4) == Actions{Continue{WorkerId{2}}});
  CHECK(run.why() == "worker 2 goes on");
  CHECK_FALSE(run.commands().at(0).order.has_value());
  CHECK(run.waits_until(9).empty());
}

TEST_CASE("a worker that stopped itself at its step goes on as if stopped from here") {
  Run run("stop@step=5:worker=2:for_s=3,stop@step=6:worker=1");
  run.begins();
  run.waits_until(10);
  CHECK(run.strikes_itself("stop@step=5:worker=2:for_s=3", 2).empty());
  CHECK(unstruck(run.clock()) == Texts{"stop@step=6:worker=1"});
  CHECK(run.next_s() == 13.0);
  // The same word again, from the merged events, changes nothing.
  run.waits_until(12);
  CHECK(run.strikes_itself("stop@step=5:worker=2:for_s=3", 2).empty());
  CHECK(run.waits_until(13) == Actions{Continue{WorkerId{2}}});
}

TEST_CASE("who is stopped without an end goes on when the run is over") {
  Run run("stop@s=1:worker=2,stop@s=1:worker=3:for_s=60,kill@s=2:worker=1");
  run.begins();
  CHECK(run.waits_until(1).size() == 2);
  CHECK(run.tell({{"event", "run_ended"}}) ==
        Actions{Continue{WorkerId{2}}, Continue{WorkerId{3}}});
  CHECK(run.waits_until(70).empty());
  CHECK(unstruck(run.clock()) == Texts{"kill@s=2:worker=1"});
}

TEST_CASE("stopped twice, a worker goes on when both stops are over") {
  Run run("stop@s=1:worker=2:for_s=9,stop@s=2:worker=2:for_s=1");
  run.begins();
  run.waits_until(1);
  CHECK(run.waits_until(2) == Actions{Stop{WorkerId{2}, 1.0}});
  CHECK(run.waits_until(3).empty());
  CHECK(run.waits_until(10) == Actions{Continue{WorkerId{2}}});
}

TEST_CASE("a stopped worker that is killed is not continued") {
  Run run("stop@s=1:worker=2:for_s=9,kill@s=2:worker=2");
  run.begins();
  run.waits_until(1);
  CHECK(run.waits_until(2) == Actions{Kill{WorkerId{2}}});
  CHECK(run.waits_until(10).empty());
}

TEST_CASE("workers are started when the step begins that the join names") {
  Run run("join@step=9:count=2,join@step=1");
  CHECK(run.begins() == Actions{StartWorkers{1}});
  CHECK(run.commits(7).empty());
  CHECK(run.commits(8) == Actions{StartWorkers{2}});
  // Steps done again do not order again.
  CHECK(run.tell({{"event", "rolled_back"}, {"from", 8}, {"to", 3}}).empty());
  CHECK(run.clock().step == Step{4});
  CHECK(run.commits(8).empty());
  CHECK(unstruck(run.clock()).empty());
}

TEST_CASE("a join at seconds comes by time alone") {
  Run run("join@s=2.5:count=3");
  run.begins();
  CHECK(run.next_s() == 2.5);
  CHECK(run.waits_until(2.5) == Actions{StartWorkers{3}});
}

TEST_CASE("a kill of the latest joiner waits until somebody has joined") {
  Run run("kill@s=2:worker=joined,kill@s=3:worker=joined");
  run.begins();
  CHECK(run.waits_until(2).empty());
  CHECK(run.why() == "kill@s=2:worker=joined waits: there is no such worker now");
  CHECK(run.joins(4) == Actions{Kill{WorkerId{4}}});
  // Its loss is not told yet, but it is not there any more.
  CHECK(run.waits_until(3).empty());
  CHECK(run.loses(4).empty());
  CHECK(run.joins(5) == Actions{Kill{WorkerId{5}}});
}

TEST_CASE("who was there at the start has not joined later") {
  Run run("kill@s=0:worker=joined");
  CHECK(run.begins().empty());
  CHECK(run.loses(3).empty());
  CHECK(run.joins(7) == Actions{Kill{WorkerId{7}}});
}

TEST_CASE("two orders due at once do not take the same worker") {
  Run run("kill@s=1:worker=joined,kill@s=1:worker=joined");
  run.begins();
  run.joins(4);
  CHECK(run.waits_until(1) == Actions{Kill{WorkerId{4}}});
  CHECK(unstruck(run.clock()).size() == 1);
}

TEST_CASE("a kill of the promoted worker strikes whom the last view promoted") {
  Run run("kill@s=1:worker=promoted");
  run.views(layout_of({0, 1, 2}, {shadow(3, 0), shadow(0, 2), shadow(1, 4)}));
  run.begins();
  CHECK(run.waits_until(1).empty());
  run.loses(1);
  CHECK(run.views(layout_of({3, 0, 2}, {})) == Actions{Kill{WorkerId{3}}});
}

TEST_CASE("orders at a step go to the workers, all others stay with the launcher") {
  const auto plan = faults_from_text(
                        "kill@step=7:worker=2:phase=reduce,kill@s=3:worker=1,join@step=3,"
                        "stop@step=5:worker=joined:for_s=2,throw@step=2:micro_batch=1:layer=0")
                        .value();
  CHECK(orders_for_workers(plan) ==
        "kill@step=7:worker=2:phase=reduce,stop@step=5:worker=joined:for_s=2,"
        "throw@step=2:micro_batch=1:layer=0");
  CHECK(faults_from_text(orders_for_workers(plan)).value().orders.size() == 3);
  CHECK(orders_for_workers(faults_from_text("join@step=3,kill@s=1:worker=0").value()).empty());
}

TEST_CASE("a newcomer does not take an order that another has taken") {
  Run run("kill@step=5:worker=joined,kill@step=5:worker=joined,throw@step=2:micro_batch=1:layer=0");
  run.begins();
  run.joins(4);
  run.strikes_itself("kill@step=5:worker=joined", 4);
  run.strikes_itself("throw@step=2:micro_batch=1:layer=0", 1);
  CHECK(orders_for_newcomers(run.clock()) ==
        "kill@step=5:worker=joined,throw@step=2:micro_batch=1:layer=0");
  CHECK(unstruck(run.clock()) == Texts{"kill@step=5:worker=joined"});
}

TEST_CASE("the longest plan still fits an environment's text") {
  FaultPlan plan;
  const std::string longest =
      "stop@step=9223372036854775807:worker=promoted:phase=committed:for_s=123456.78901234567";
  for (int i = 0; i < 1000; ++i) plan.orders.push_back(order_of(longest));
  CHECK(orders_for_workers(plan).size() < 128 * 1024);
}

TEST_CASE("events of other kinds and torn ones change nothing and never throw") {
  Run run("kill@s=1:worker=2,stop@step=3:worker=1,join@step=5");
  run.begins();
  constexpr std::uint64_t seed = 31;
  INFO("seed " << seed);
  Random random(seed);
  const std::vector<std::string> names = {"step_committed", "rolled_back",    "view",
                                          "worker_joined",  "fault_injected", "computed"};
  const std::vector<Json> values = {
      nullptr, "2", -1, 1e300, true, Json::array({1}), Json::object(), 18446744073709551615ULL,
      "x\xff"};
  const FaultClock before = run.clock();
  for (int i = 0; i < 2000; ++i) {
    Json event = {{"event", names[static_cast<std::size_t>(random.below(names.size()))]}};
    for (const char* key : {"step", "to", "worker", "layout", "order"}) {
      const Json& value = values[static_cast<std::size_t>(random.below(values.size()))];
      if (random.below(2) == 0) event[key] = value;
    }
    CHECK(run.tell(event).empty());
  }
  CHECK(run.tell("text").empty());
  CHECK(run.tell(Json::array({1, 2})).empty());
  CHECK(run.tell({{"event", 7}}).empty());
  CHECK(run.clock().present == before.present);
  CHECK(unstruck(run.clock()) == unstruck(before));
  CHECK(run.waits_until(1) == Actions{Kill{WorkerId{2}}});
}

TEST_CASE("the same story is decided the same way twice") {
  const std::string spec =
      "kill@s=1:worker=joined,stop@s=1:worker=0:for_s=1,join@step=2,join@s=2,kill@s=2:worker=3";
  const auto story = [&] {
    Run run(spec);
    std::string told;
    const auto tell = [&](const Actions& actions) {
      told += std::to_string(actions.size()) + ": " + run.why() + "\n";
    };
    tell(run.begins());
    tell(run.commits(1));
    tell(run.joins(4));
    for (const double s : {1.0, 1.5, 2.0, 3.0}) tell(run.waits_until(s));
    return told;
  };
  CHECK(story() == story());
  CHECK(story() ==
        "0: no order is due\n"
        "1: join@step=2 strikes\n"
        "0: no order is due\n"
        "2: kill@s=1:worker=joined strikes worker 4; stop@s=1:worker=0:for_s=1 strikes worker 0\n"
        "0: no order is due\n"
        "3: join@s=2 strikes; kill@s=2:worker=3 strikes worker 3; worker 0 goes on\n"
        "0: no order is due\n");
}

}  // namespace planaria::host
