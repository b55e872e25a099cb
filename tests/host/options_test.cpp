#include <catch2/catch.hpp>

#include <cstdlib>

#include <planaria/host/run_options.hpp>

namespace planaria::host {

TEST_CASE("run options survive the way through the environment") {
  RunOptions options;
  options.coordinator.workers = 5;
  options.coordinator.spares = 2;
  options.coordinator.depth = 3;
  options.coordinator.schedule = "gpipe";
  options.coordinator.schedule_text = "0: F0 G0\n";
  options.coordinator.layout = Layout{
      .pipelines = {{.micro_batches = 8,
                     .stages = {{.layers = {LayerId(0), LayerId(3)}, .worker = WorkerId(1)},
                                {.layers = {LayerId(4), LayerId(5)}, .worker = WorkerId(0)}}}},
      .shadows = {}};
  options.coordinator.commit_domains = 3;
  options.coordinator.min_workers = 2;
  options.coordinator.wait_ms = 1500;
  options.coordinator.silence_max_ms = 250;
  options.coordinator.recompute = Recompute::any;
  options.faults = "kill@step=7:worker=2";
  options.listen = "tcp:127.0.0.1:0";
  options.run_dir = "/somewhere/else";
  options.command = {"./train", "--text", "a b"};
  options.transport = "tcp";
  const auto read =
      run_options_from_json(parse_json(to_json(options).dump(), "env").value(), "env");
  REQUIRE(read.ok());
  CHECK(to_json(read.value()) == to_json(options));
  CHECK(read.value().coordinator.layout == options.coordinator.layout);
  CHECK_FALSE(read.value().coordinator.width.has_value());
  CHECK(read.value().coordinator.commit_domains == 3);
  CHECK(read.value().coordinator.min_workers == 2);
  CHECK(read.value().coordinator.wait_ms == 1500);
  CHECK(read.value().coordinator.silence_max_ms == 250);
  CHECK(read.value().coordinator.recompute == Recompute::any);
  CHECK(read.value().faults == "kill@step=7:worker=2");
}

TEST_CASE("run options that cannot be right are refused by name") {
  Json json = to_json(RunOptions{});
  json["coordinator"]["recompute"] = "sometimes";
  const auto unknown = run_options_from_json(json, "env");
  REQUIRE_FALSE(unknown.ok());
  CHECK(unknown.fault().sentence ==
        "env: coordinator.recompute: sometimes, must be never, always or any");
  json["coordinator"]["recompute"] = "never";
  json["coordinator"]["workers"] = 0;
  const auto none = run_options_from_json(json, "env");
  REQUIRE_FALSE(none.ok());
  CHECK(none.fault().sentence ==
        "env: coordinator.workers: 0, must be a whole number from 1 to "
        "65536");
  json = to_json(RunOptions{});
  json["colour"] = "red";
  CHECK(run_options_from_json(json, "env").fault().sentence == "env: colour: unknown key");
  json = to_json(RunOptions{});
  json.erase("coordinator");
  CHECK(run_options_from_json(json, "env").fault().sentence ==
        "env: coordinator: missing, must be an object");
}

TEST_CASE("processes of one run count time from one zero") {
  const double now_ms = monotonic_now_ms();
  ::setenv(env_run_began_ms, std::to_string(now_ms - 5000).c_str(), 1);
  CHECK(RunClock().now().since_start_ms >= 4999);
  // A zero that lies ahead is another boot's.
  ::setenv(env_run_began_ms, std::to_string(now_ms + 1e9).c_str(), 1);
  CHECK(RunClock().now().since_start_ms >= 0);
  ::unsetenv(env_run_began_ms);
}

}  // namespace planaria::host
