// A worker that strikes itself, with signals written down and with real ones.
#include <catch2/catch.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <planaria/host/fault_striker.hpp>
#include <planaria/host/run_directory.hpp>
#include <planaria/observe/events.hpp>

#include "host/phase_page.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::host {
namespace {

using test::TemporaryFolder;

/// A striker and what it did.
struct Struck {
  std::vector<int> signals;
  std::vector<std::string> told;  // "7 forward kill@step=7:worker=2"

  FaultStriker striker(const std::string& orders, int self, bool joined_later = false,
                       const std::string& run_dir = "", const std::string& bounds = "") {
    return FaultStriker::create(
               {.orders = orders,
                .bounds = bounds,
                .steps = 20,
                .run_dir = run_dir,
                .self = WorkerId(self),
                .joined_later = joined_later,
                .tell =
                    [this](Step step, const Json& fields) {
                      told.push_back(fmt::format(
                          "{} {} {} worker {}", step.value, fields.at("phase").get<std::string>(),
                          fields.at("order").get<std::string>(), fields.at("worker").get<int>()));
                    },
                .raise = [this](int number) { signals.push_back(number); }})
        .value();
  }
};

FaultPoint point(int step, FaultPhase phase) {
  return {.step = Step(step), .phase = phase, .micro_batch = {}, .layer = {}};
}

void train(FaultStriker& striker, int first, int last) {
  for (int step = first; step <= last; ++step) {
    for (const FaultPhase phase : {FaultPhase::forward, FaultPhase::backward, FaultPhase::reduce,
                                   FaultPhase::reported, FaultPhase::committed}) {
      striker.at(point(step, phase));
    }
  }
}

using Told = std::vector<std::string>;

RunDirectory directory_in(const TemporaryFolder& folder) {
  return create_run_directory(folder.file("run")).value();
}

}  // namespace

TEST_CASE("a worker strikes itself where it is told to, once, and tells it first") {
  Struck struck;
  FaultStriker striker = struck.striker(
      "kill@step=3:worker=1:phase=reduce,stop@step=5:worker=1,kill@step=4:worker=2", 1);
  train(striker, 1, 8);
  CHECK(struck.told == Told{"3 reduce kill@step=3:worker=1:phase=reduce worker 1",
                            "5 forward stop@step=5:worker=1 worker 1"});
  CHECK(struck.signals == std::vector<int>{SIGKILL, SIGSTOP});
}

TEST_CASE("without orders a worker does nothing") {
  Struck struck;
  FaultStriker none;
  train(none, 1, 3);
  none.joined(WorkerId(1));
  none.joins_again(WorkerId(2));
  FaultStriker empty = struck.striker("", 0);
  train(empty, 1, 3);
  CHECK(struck.told.empty());
}

TEST_CASE("a throw strikes whoever computes the place, every time") {
  Struck struck;
  FaultStriker striker = struck.striker("throw@step=5:micro_batch=3:layer=2", 1);
  FaultPoint place{.step = Step(5),
                   .phase = FaultPhase::forward,
                   .micro_batch = MicroBatchId(3),
                   .layer = LayerId(1)};
  striker.at(place);
  CHECK(struck.told.empty());
  place.layer = LayerId(2);
  CHECK_THROWS_AS(striker.at(place), ThrownOnPurpose);
  CHECK_THROWS_WITH(striker.at(place), "thrown on purpose: throw@step=5:micro_batch=3:layer=2");
  CHECK(struck.told.size() == 2);
  CHECK(struck.signals.empty());
}

TEST_CASE("the last to join and the last promoted are those it is told of") {
  Struck struck;
  FaultStriker old = struck.striker("kill@step=4:worker=joined,stop@step=6:worker=promoted", 1);
  old.joined(WorkerId(5));
  train(old, 1, 6);
  CHECK(struck.told.empty());
  old.promoted(WorkerId(1));
  train(old, 7, 8);
  CHECK(struck.told == Told{"7 forward stop@step=6:worker=promoted worker 1"});
  // One that joined later is the last itself, until another comes.
  Struck late;
  FaultStriker second_last = late.striker("kill@step=4:worker=joined", 5, true);
  second_last.joined(WorkerId(6));
  train(second_last, 4, 9);
  CHECK(late.told.empty());
  FaultStriker last = late.striker("kill@step=4:worker=joined", 6, true);
  train(last, 9, 9);
  CHECK(late.told == Told{"9 forward kill@step=4:worker=joined worker 6"});
}

TEST_CASE("a process that joins again under another number is not struck again by the same order") {
  const TemporaryFolder folder;
  const RunDirectory run = directory_in(folder);
  Struck struck;
  FaultStriker striker = struck.striker(
      "stop@step=2:worker=1,kill@step=3:worker=1,kill@step=5:worker=4", 1, false, run.path);
  striker.at(point(2, FaultPhase::forward));
  striker.joins_again(WorkerId(4));
  train(striker, 3, 6);
  CHECK(struck.told ==
        Told{"2 forward stop@step=2:worker=1 worker 1", "5 forward kill@step=5:worker=4 worker 4"});
  CHECK(read_phase_page(run.worker_phase(1)) == PhaseSeen{FaultPhase::forward, Step(2), 1});
  CHECK(read_phase_page(run.worker_phase(4)) == PhaseSeen{FaultPhase::committed, Step(6), 1});
}

TEST_CASE("an order for whoever is promoted strikes one worker of a run, not the next one too") {
  // Each promoted worker killed itself, then the one that took its place, until nobody was left.
  const TemporaryFolder folder;
  const RunDirectory directory = directory_in(folder);
  const std::string orders = "kill@step=3:worker=promoted";
  Struck struck;
  FaultStriker first = struck.striker(orders, 1, false, directory.path);
  FaultStriker second = struck.striker(orders, 2, false, directory.path);
  first.promoted(WorkerId(1));
  second.promoted(WorkerId(1));
  train(first, 3, 3);
  second.promoted(WorkerId(2));
  train(second, 3, 5);
  CHECK(struck.told == Told{"3 forward kill@step=3:worker=promoted worker 1"});
  // Another order of the same kind is another one's to take.
  FaultStriker third =
      struck.striker(orders + ",kill@step=4:worker=promoted", 3, false, directory.path);
  third.promoted(WorkerId(3));
  train(third, 4, 5);
  CHECK(struck.told.size() == 2);
}

TEST_CASE("of equal orders each strikes one, also when a worker starts without the first of them") {
  const TemporaryFolder folder;
  const RunDirectory directory = directory_in(folder);
  const std::string order = "kill@step=3:worker=joined";
  Struck struck;
  FaultStriker first = struck.striker(order + "," + order, 4, true, directory.path);
  train(first, 3, 3);
  CHECK(struck.told.size() == 2);  // the signals are only written down here
  const RunDirectory other = create_run_directory(folder.file("other")).value();
  FaultStriker before = struck.striker(order + "," + order, 4, true, other.path);
  before.at(point(3, FaultPhase::forward));
  FaultStriker newcomer = struck.striker(order, 5, true, other.path);
  newcomer.at(point(4, FaultPhase::forward));
  CHECK(struck.told.size() == 4);
}

TEST_CASE("random faults are the same in every worker as in the launcher") {
  const FaultPlan plan = faults_from_text("random:kills=3:seed=5").value();
  const auto drawn =
      expand(*plan.random,
             {.workers = 4, .spares = 1, .steps = 20, .micro_batches = {}, .layers = {}})
          .value();
  REQUIRE(drawn.size() == 3);
  std::size_t strikes = 0;
  for (int worker = 0; worker < 5; ++worker) {
    Struck struck;
    FaultStriker striker = struck.striker("random:kills=3:seed=5", worker, false, "", "4,1");
    train(striker, 1, 20);
    for (const std::string& told : struck.told) {
      ++strikes;
      CHECK(std::ranges::any_of(drawn, [&](const FaultOrder& order) {
        return told.find(text_of(order)) != std::string::npos;
      }));
    }
  }
  CHECK(strikes == 3);
}

TEST_CASE("orders and bounds that cannot be read are refused") {
  CHECK(FaultStriker::create({.orders = "kill@nonsense", .tell = {}, .raise = {}}).fault().kind ==
        FaultKind::invalid_input);
  for (const std::string bounds : {"", "4", "4,x", "4,-1", "4,1,1"}) {
    const auto striker = FaultStriker::create(
        {.orders = "random:kills=1:seed=5", .bounds = bounds, .steps = 9, .tell = {}, .raise = {}});
    REQUIRE_FALSE(striker.ok());
    CHECK(striker.fault().sentence ==
          "PLANARIA_FAULT_BOUNDS: " + bounds + ", must be the workers and spares of the start");
  }
}

TEST_CASE("the page says where a worker stands, whatever the step") {
  const TemporaryFolder folder;
  const std::string path = folder.file("3.phase");
  CHECK_FALSE(read_phase_page(path).has_value());
  PhasePage page = PhasePage::create(path).value();
  CHECK(read_phase_page(path) == PhaseSeen{});
  page.stand(FaultPhase::idle, Step(1'000'000'000'000));
  page.count_strike();
  CHECK(read_phase_page(path) == PhaseSeen{FaultPhase::idle, Step(1'000'000'000'000), 1});
  page.stand(FaultPhase::forward, Step(0));
  CHECK(read_phase_page(path) == PhaseSeen{FaultPhase::forward, Step(0), 1});
  std::filesystem::resize_file(path, 8);
  CHECK_FALSE(read_phase_page(path).has_value());
  std::filesystem::resize_file(path, 4096);
  CHECK(PhasePage::create(folder.file("none/3.phase")).fault().kind == FaultKind::unavailable);
}

TEST_CASE(
    "a real worker is gone or stopped at its point, with the event written and the page left") {
  const TemporaryFolder folder;
  const RunDirectory run = directory_in(folder);
  const pid_t child = ::fork();
  if (child == 0) {
    auto events = JsonLines::open(run.worker_events(2)).value();
    auto striker =
        FaultStriker::create(
            {.orders = "stop@step=2:worker=2:phase=backward,kill@step=3:worker=2:phase=reported",
             .steps = 5,
             .run_dir = run.path,
             .self = WorkerId(2),
             .tell =
                 [&](Step step, Json fields) {
                   static_cast<void>(events.write(to_json(Event{.at = {},
                                                                .view = {},
                                                                .step = step,
                                                                .name = "fault_injected",
                                                                .fields = std::move(fields)})));
                 },
             .raise = {}})
            .value();
    train(striker, 1, 5);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, WUNTRACED) == child);
  CHECK(WIFSTOPPED(status));
  CHECK(read_phase_page(run.worker_phase(2)) == PhaseSeen{FaultPhase::backward, Step(2), 1});
  CHECK(read_json_lines(run.worker_events(2)).value().size() == 1);
  ::kill(child, SIGCONT);
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGKILL);
  CHECK(read_phase_page(run.worker_phase(2)) == PhaseSeen{FaultPhase::reported, Step(3), 2});
  const auto events = read_json_lines(run.worker_events(2)).value();
  REQUIRE(events.size() == 2);
  CHECK(events[1].at("phase") == "reported");
}

}  // namespace planaria::host
