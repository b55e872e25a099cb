// Runs that do not go well: one sentence, the right status, and nothing half-written.
#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <csignal>
#include <filesystem>

#include <fmt/format.h>

#include <planaria/base/text.hpp>

#include "host/processes.hpp"

namespace planaria::test {
namespace {

namespace fs = std::filesystem;

// What a run says on stderr apart from its progress.
std::vector<std::string> sentences(const Ended& ended) {
  std::vector<std::string> found;
  for (const auto& line : lines_of(ended.err)) {
    if (!line.starts_with("step ")) found.push_back(line);
  }
  return found;
}

using Sentences = std::vector<std::string>;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/// A port of this machine that somebody else listens on.
class TakenPort {
 public:
  TakenPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = loopback(0);
    REQUIRE(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(socket_.get(), 1) == 0);
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  [[nodiscard]] int port() const { return port_; }

 private:
  host::Descriptor socket_;
  int port_ = 0;
};

int free_port() {
  return TakenPort().port();
}

}  // namespace

TEST_CASE("bad input gets one sentence, status 2 and leaves no run directory") {
  const TemporaryFolder folder;
  const std::string run_dir = folder.file("runs/new");
  const TakenPort taken;
  struct Case {
    std::vector<std::string> arguments;
    std::string sentence;
  };
  const std::string toy = built("toy_worker");
  const std::vector<Case> cases = {
      {{"run", "--run-dir", run_dir, "--", "./no-such-program"},
       "planaria: program ./no-such-program: no such executable file"},
      {{"run", "--run-dir", run_dir, "--", "no-such-program-anywhere"},
       "planaria: program no-such-program-anywhere: no such executable file in PATH"},
      {{"run", "--run-dir", run_dir},
       "planaria: no program: write it behind two dashes, as in planaria run --workers 4 -- "
       "./train"},
      {toy_run({"--run-dir", run_dir, "--listen", fmt::format("127.0.0.1:{}", taken.port())}, {}),
       fmt::format("planaria: --listen: tcp:127.0.0.1:{}: Address already in use", taken.port())},
      {toy_run({"--run-dir", run_dir, "--listen", "127.0.0.1:x"}, {}),
       "planaria: --listen: address \"tcp:127.0.0.1:x\""},
      {toy_run({"--run-dir", run_dir, "--transport", "pigeon"}, {}),
       "planaria: --transport: pigeon, must be auto, unix, tcp or in-process"},
      {toy_run({"--run-dir", run_dir, "--transport", "unix", "--listen", "127.0.0.1:0"}, {}),
       "planaria: --transport: unix, must be tcp or auto together with --listen"},
      {toy_run({"--run-dir", run_dir, "--schedule", "2f2b"}, {}),
       "planaria: --schedule: 2f2b, must be any or one of gpipe, 1f1b"},
      {toy_run({"--run-dir", run_dir, "--layout", folder.file("none.json")}, {}),
       "planaria: " + folder.file("none.json")},
      {toy_run({"--run-dir", run_dir, "-o", folder.file("no/folder.json")}, {}),
       "planaria: -o: " + folder.file("no/folder.json") + ", must lie in a folder that exists"},
      {toy_run({"--run-dir", run_dir, "--secret-file", "/dev/null"}, {}),
       "planaria: secret file /dev/null: others may use it (mode 666), must be its owner's alone "
       "(chmod 600)"},
      {toy_run({"--run-dir", run_dir, "--faults", "kill@step=7:worker=4"}, {}),
       "planaria: --faults: kill@step=7:worker=4: worker: 4, must be a whole number from 0 to 3, "
       "joined or promoted"},
      {toy_run({"--run-dir", run_dir, "--faults", "kill@step=7:worker=4", "--spares", "1",
                "--transport", "in-process"},
               {}),
       "planaria: --faults: kill@step=7:worker=4: kill needs workers that are processes, must be "
       "throw with --transport in-process"},
      {toy_run(
           {"--run-dir", run_dir, "--faults", "random:kills=1:seed=2", "--transport", "in-process"},
           {}),
       "planaria: --faults: random:kills=1:seed=2: random faults need workers that are processes, "
       "must be left out with --transport in-process"},
      {toy_run({"--run-dir", run_dir, "--faults", "random:kills=3:seed=2"}, {}),
       "planaria: --faults: random:kills=3:seed=2: kills: 3, must be at most 2: "},
      // These are found by the coordinator, when every worker has joined.
      {toy_run({"--run-dir", run_dir, "--workers", "7", "--depth", "7"}, {}),
       "planaria: depth: 7, must be at most 6, the number of layers"},
      {toy_run({"--run-dir", run_dir, "--workers", "9", "--width", "9"}, {}),
       "planaria: width: 9, must be at most 8, the number of lanes"},
      {toy_run(
           {"--run-dir", run_dir, "--workers", "9", "--width", "9", "--transport", "in-process"},
           {}),
       "planaria: width: 9, must be at most 8, the number of lanes"},
      // And these by the workers, each of them.
      {toy_run({"--run-dir", run_dir, "--workers", "4"}, {"--bogus", "1"}),
       "toy_worker: --bogus: unknown option"},
      {toy_run({"--run-dir", run_dir, "--transport", "in-process"}, {"--bogus", "1"}),
       "toy_worker: --bogus: unknown option"},
  };
  for (const Case& each : cases) {
    INFO(join(each.arguments, " "));
    const Ended ended = planaria_ends(each.arguments);
    INFO(ended.err);
    CHECK(ended.status == 2);
    CHECK(ended.out.empty());
    const Sentences said = sentences(ended);
    REQUIRE(said.size() == 1);
    CHECK(said.front().starts_with(each.sentence));
    CHECK_FALSE(fs::exists(folder.file("runs")));
  }
}

TEST_CASE("a run directory that holds a run is never written to again") {
  const TemporaryFolder folder;
  const std::string run_dir = folder.file("run");
  REQUIRE(planaria_ends(toy_run({"--run-dir", run_dir}, {"--steps", "2"})).status == 0);
  const std::string events = read_file(run_dir + "/events.jsonl").value();
  const Ended again = planaria_ends(toy_run({"--run-dir", run_dir}, {"--steps", "2"}));
  CHECK(again.status == 2);
  CHECK(sentences(again) == Sentences{fmt::format("planaria: run directory {} holds a run already "
                                                  "(run.json); name another",
                                                  run_dir)});
  CHECK(read_file(run_dir + "/events.jsonl").value() == events);
}

TEST_CASE("a worker that differs is refused with both values, and the run with it") {
  const TemporaryFolder folder;
  const std::string run_dir = folder.file("run");
  const Ended ended =
      planaria_ends(toy_run({"--workers", "3", "--run-dir", run_dir}, {"--misfit", "1"}));
  INFO(ended.err);
  CHECK(ended.status == 2);
  // One that had joined may be quick enough to say why it stops too.
  Sentences said = sentences(ended);
  std::erase_if(said, [](const std::string& sentence) {
    return sentence.find(": stopped before the first step: worker ") != std::string::npos;
  });
  REQUIRE(said.size() == 1);
  // Whoever joins first binds the others.
  const bool both = said.front().ends_with(" refused: threads: 2 here, 1 in this run") ||
                    said.front().ends_with(" refused: threads: 1 here, 2 in this run");
  CHECK(both);
  CHECK_FALSE(fs::exists(run_dir));
}

TEST_CASE("a worker that crashes before the run begins ends it with its last words") {
  const TemporaryFolder folder;
  const std::string run_dir = folder.file("run");
  const Ended ended = planaria_ends(
      toy_run({"--workers", "3", "--run-dir", run_dir}, {"--crash-before-join", "1"}));
  CHECK(ended.status == 1);
  const std::string sentence =
      fmt::format("worker 1 ({}) exited with status 3 before the run began", built("toy_worker"));
  CHECK(sentences(ended) ==
        Sentences{"toy_worker: crashed before it joined", "planaria: " + sentence});
  const auto ends = events_of(run_dir, "run_ended");
  REQUIRE(ends.size() == 1);
  CHECK(ends.front().at("status") == 1);
  CHECK(ends.front().at("sentence").get<std::string>().find(sentence) != std::string::npos);
}

TEST_CASE("a program that knows nothing of planaria is told apart") {
  const TemporaryFolder folder;
  const Ended ended = planaria_ends(
      {"run", "--workers", "2", "--run-dir", folder.file("run"), "--", "sh", "-c", "echo hello"});
  CHECK(ended.status == 1);
  CHECK(ended.out == "hello\n");
  REQUIRE(sentences(ended).size() == 1);
  CHECK(sentences(ended).front().ends_with(" (sh) exited with status 0 before the run began"));
}

TEST_CASE("user code that fails on one worker leaves the run to the others, and is told") {
  const TemporaryFolder folder;
  for (const std::string transport : {"unix", "in-process"}) {
    INFO(transport);
    const std::string run_dir = folder.file(transport);
    const Ended ended = planaria_ends(toy_run(
        {"--workers", "3", "--run-dir", run_dir, "--transport", transport}, {"--fail-at", "3"}));
    INFO(ended.err);
    CHECK(ended.status == 0);
    const auto failed = events_of(run_dir, "worker_failed");
    REQUIRE(failed.size() == 1);
    CHECK(failed[0].at("worker") == 0);
    CHECK(failed[0].at("failed_step") == 3);
    CHECK(failed[0].at("micro_batch") == 1);
    CHECK(failed[0].at("layer") == 0);
    CHECK(failed[0].at("why") == "the loss was asked to fail");
    CHECK(events_of(run_dir, "step_committed").size() == 6);
  }
}

TEST_CASE("a killed worker is lost, and the others train on to the end") {
  const TemporaryFolder folder;
  for (const std::string transport : {"unix", "tcp"}) {
    INFO(transport);
    const std::string run_dir = folder.file(transport);
    RunningPlanaria running(
        toy_run({"--workers", "3", "--run-dir", run_dir, "--transport", transport},
                {"--steps", "8", "--hold-at", "5", "--gate", folder.file("gate-" + transport)}));
    REQUIRE(running.wait_until([&] { return events_of(run_dir, "step_committed").size() == 4; }));
    const auto joined = events_of(run_dir, "worker_joined");
    REQUIRE(joined.size() == 3);
    for (const Json& event : joined) {
      if (event.at("worker") == 1) ::kill(event.at("process").get<pid_t>(), SIGKILL);
    }
    REQUIRE(write_file_atomically(folder.file("gate-" + transport), "open").ok());
    const Ended ended = running.wait();
    INFO(ended.err);
    CHECK(ended.status == 0);
    CHECK(events_of(run_dir, "step_committed").size() == 8);
    REQUIRE(events_of(run_dir, "worker_lost").size() == 1);
    CHECK(events_of(run_dir, "worker_lost").front().at("worker") == 1);
    CHECK(events_of(run_dir, "run_ended").size() == 1);
    for (const Json& event : joined) {
      // Nobody stays behind.
      CHECK(::kill(event.at("process").get<pid_t>(), 0) != 0);
    }
  }
}

TEST_CASE("garbage on the port is refused and logged while training goes on") {
  const TemporaryFolder folder;
  const std::string run_dir = folder.file("run");
  const int port = free_port();
  RunningPlanaria running(toy_run(
      {"--workers", "2", "--run-dir", run_dir, "--listen", fmt::format("127.0.0.1:{}", port)},
      {"--steps", "6", "--hold-at", "3", "--gate", folder.file("gate")}));
  REQUIRE(running.wait_until([&] { return events_of(run_dir, "step_committed").size() == 2; }));
  {
    const host::Descriptor stranger(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port);
    REQUIRE(::connect(stranger.get(), reinterpret_cast<const sockaddr*>(&address),
                      sizeof address) == 0);
    const std::string garbage(4096, 'x');
    REQUIRE(::send(stranger.get(), garbage.data(), garbage.size(), MSG_NOSIGNAL) > 0);
    REQUIRE(running.wait_until([&] { return !events_of(run_dir, "refused").empty(); }));
  }
  REQUIRE(write_file_atomically(folder.file("gate"), "open").ok());
  const Ended ended = running.wait();
  INFO(ended.err);
  CHECK(ended.status == 0);
  const Json refused = events_of(run_dir, "refused").front();
  CHECK(refused.at("peer").get<std::string>().find("127.0.0.1") != std::string::npos);
  CHECK_FALSE(refused.at("why").get<std::string>().empty());
  CHECK(ended.err.find("planaria: refused ") != std::string::npos);
  CHECK(events_of(run_dir, "step_committed").size() == 6);
}

}  // namespace planaria::test
