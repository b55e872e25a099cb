// The launcher's part in --faults, with files of workers that are not there.
#include <catch2/catch.hpp>

#include <planaria/base/text.hpp>
#include <planaria/observe/events.hpp>

#include "host/fault_driver.hpp"
#include "host/fault_stories.hpp"
#include "host/phase_page.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::host {
namespace {

using test::TemporaryFolder;
using Texts = std::vector<std::string>;

/// A driver over a run directory of its own.
struct Driven {
  TemporaryFolder folder;
  RunDirectory run = create_run_directory(folder.file("run")).value();
  FaultDriver driver;

  explicit Driven(const std::string& faults)
      : driver(
            {.plan = faults_from_text(faults).value(),
             .bounds = {.workers = 4, .spares = 0, .steps = {}, .micro_batches = {}, .layers = {}},
             .directory = run}) {
    for (int worker = 0; worker < 4; ++worker) take(1, "worker_joined", {{"worker", worker}});
  }

  std::vector<FaultCommand> take(double now_ms, const std::string& name,
                                 Json fields = Json::object()) {
    fields["event"] = name;
    return driver.take(fields, Instant{now_ms});
  }
  std::vector<FaultCommand> begin(double now_ms) {
    return take(now_ms, "run_started", {{"view", 1}, {"steps", 20}});
  }
};

/// A worker as its launcher sees it: a file of events and a page.
struct SeenWorker {
  JsonLines events;
  PhasePage page;

  SeenWorker(const RunDirectory& run, int number)
      : events(JsonLines::open(run.worker_events(number)).value()),
        page(PhasePage::create(run.worker_phase(number)).value()) {}

  void strikes(const std::string& order, int number) {
    Json event = fields_of_strike(order_of(order), WorkerId(number), FaultPhase::reduce);
    event["event"] = "fault_injected";
    REQUIRE(events.write({{"event", "computed"}, {"worker", number}}).ok());
    REQUIRE(events.write(event).ok());
    page.count_strike();
  }
};

}  // namespace

TEST_CASE("what a worker did to itself is read from its file, and a stop's end becomes due") {
  Driven run("stop@step=3:worker=1:for_s=2,kill@step=5:worker=1");
  CHECK(run.begin(100).empty());
  SeenWorker worker(run.run, 1);
  CHECK(run.driver.look(Instant{200}).empty());
  CHECK_FALSE(run.driver.next_due(Instant{200}).has_value());
  worker.strikes("stop@step=3:worker=1:for_s=2", 1);
  CHECK(run.driver.look(Instant{300}).empty());
  CHECK(run.driver.next_due(Instant{300}) == Instant{2300});
  CHECK(run.driver.has_struck(WorkerId(1)));
  CHECK_FALSE(run.driver.has_struck(WorkerId(2)));
  const auto commands = run.driver.look(Instant{2300});
  REQUIRE(commands.size() == 1);
  CHECK(commands[0].action == FaultAction(Continue{WorkerId(1)}));
  CHECK(run.driver.unstruck() == Texts{"kill@step=5:worker=1"});
  worker.strikes("kill@step=5:worker=1", 1);
  CHECK(run.driver.look(Instant{2400}).empty());
  CHECK(run.driver.unstruck().empty());
}

TEST_CASE("who is stopped when the run ends is continued, also where that is read only then") {
  Driven run("stop@s=1:worker=2,stop@step=3:worker=1");
  static_cast<void>(run.begin(100));
  SeenWorker worker(run.run, 1);
  CHECK(run.driver.look(Instant{1100}).size() == 1);
  const auto at_end = run.take(1200, "run_ended");
  REQUIRE(at_end.size() == 1);
  CHECK(at_end[0].action == FaultAction(Continue{WorkerId(2)}));
  worker.strikes("stop@step=3:worker=1", 1);
  const auto later = run.driver.look(Instant{1210});
  REQUIRE(later.size() == 1);
  CHECK(later[0].action == FaultAction(Continue{WorkerId(1)}));
}

TEST_CASE("a strike whose line is still on its way is read the next time") {
  Driven run("kill@step=5:worker=1");
  static_cast<void>(run.begin(100));
  PhasePage page = PhasePage::create(run.run.worker_phase(1)).value();
  page.count_strike();
  Json event = fields_of_strike(order_of("kill@step=5:worker=1"), WorkerId(1), FaultPhase::forward);
  event["event"] = "fault_injected";
  REQUIRE(write_file_atomically(run.run.worker_events(1), event.dump()).ok());  // no newline yet
  CHECK(run.driver.look(Instant{200}).empty());
  CHECK(run.driver.unstruck().size() == 1);
  REQUIRE(write_file_atomically(run.run.worker_events(1), event.dump() + "\n").ok());
  CHECK(run.driver.look(Instant{210}).empty());
  CHECK(run.driver.unstruck().empty());
}

TEST_CASE("an order by the clock is due on time, and told with the phase that the page says") {
  Driven run("kill@s=1.5:worker=2");
  CHECK(run.begin(100).empty());
  CHECK(run.driver.next_due(Instant{100}) == Instant{1600});
  PhasePage page = PhasePage::create(run.run.worker_phase(2)).value();
  page.stand(FaultPhase::backward, Step(7));
  const auto commands = run.driver.look(Instant{1600});
  REQUIRE(commands.size() == 1);
  CHECK(commands[0].action == FaultAction(Kill{WorkerId(2)}));
  run.driver.tell(*commands[0].order, WorkerId(2), Instant{1601});
  const auto told = read_json_lines(run.run.launcher_events()).value();
  REQUIRE(told.size() == 1);
  CHECK(told[0] == Json({{"t_ms", 1601.0},
                         {"view", 1},
                         {"step", 7},
                         {"event", "fault_injected"},
                         {"worker", 2},
                         {"kind", "kill"},
                         {"phase", "backward"},
                         {"order", "kill@s=1.5:worker=2"}}));
  CHECK(run.driver.has_struck(WorkerId(2)));
}

TEST_CASE("an order that came too late for its worker is one that never struck") {
  Driven run("kill@s=1.5:worker=2");
  static_cast<void>(run.begin(100));
  const auto commands = run.driver.look(Instant{1600});
  REQUIRE(commands.size() == 1);
  run.driver.missed(*commands[0].order);
  CHECK(run.driver.unstruck() == Texts{"kill@s=1.5:worker=2"});
  CHECK_FALSE(run.driver.has_struck(WorkerId(2)));
}

TEST_CASE("a join starts workers in its step and is told with the step in flight") {
  Driven run("join@step=3:count=2");
  CHECK(run.begin(100).empty());
  CHECK(run.take(110, "step_committed", {{"step", 1}}).empty());
  const auto commands = run.take(120, "step_committed", {{"step", 2}});
  REQUIRE(commands.size() == 1);
  CHECK(commands[0].action == FaultAction(StartWorkers{2}));
  run.driver.tell(*commands[0].order, WorkerId(4), Instant{121});
  const auto told = read_json_lines(run.run.launcher_events()).value();
  CHECK(told[0].at("step") == 3);
  CHECK_FALSE(told[0].contains("phase"));
  CHECK_FALSE(run.driver.has_struck(WorkerId(4)));
}

TEST_CASE("random faults go to the workers as written, and to newcomers as drawn") {
  Driven run("random:kills=2:joins=1:seed=5,throw@step=4:micro_batch=1:layer=2");
  CHECK(
      faults_from_text(run.driver.orders_for_worker()).value() ==
      faults_from_text("random:kills=2:joins=1:seed=5,throw@step=4:micro_batch=1:layer=2").value());
  CHECK(run.driver.bounds_for_worker() == "4,0");
  CHECK(run.driver.unstruck().size() == 2);
  static_cast<void>(run.begin(100));
  const FaultPlan rest = faults_from_text(run.driver.orders_for_worker()).value();
  CHECK_FALSE(rest.random.has_value());
  CHECK(rest.orders.size() == 3);  // the join is the launcher's
  CHECK(run.driver.unstruck().size() == 4);
}

TEST_CASE("fixed orders go to the workers without what is the launcher's") {
  Driven run("kill@step=3:worker=1,kill@s=2:worker=2,join@step=4");
  CHECK(run.driver.orders_for_worker() == "kill@step=3:worker=1");
}

}  // namespace planaria::host
