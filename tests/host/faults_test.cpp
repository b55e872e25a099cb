#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include <planaria/base/random.hpp>
#include <planaria/base/text.hpp>
#include <planaria/host/faults.hpp>

namespace planaria::host {
namespace {

FaultPlan plan_of(const std::string& text) {
  INFO(text);
  const auto plan = faults_from_text(text);
  REQUIRE(plan.ok());
  return plan.value();
}

std::string refusal_of(const std::string& text) {
  const auto plan = faults_from_text(text);
  REQUIRE_FALSE(plan.ok());
  CHECK(plan.fault().kind == FaultKind::invalid_input);
  return plan.fault().sentence;
}

// Every kind, every key, every phase: what the random edits start from.
const std::vector<std::string>& good_items() {
  static const std::vector<std::string> items = {
      "kill@step=7:worker=2",
      "kill@step=7:worker=2:phase=forward",
      "kill@step=7:worker=joined:phase=fill",
      "kill@step=41:zone=b:phase=backward",
      "kill@s=3.5:worker=1",
      "kill@step=1:worker=promoted:phase=migrate",
      "stop@step=5:worker=0:phase=reduce:for_s=3",
      "stop@s=0.25:worker=3",
      "stop@step=9:worker=1:phase=idle",
      "throw@step=5:micro_batch=3:layer=2",
      "throw@step=5:micro_batch=3:layer=2:phase=backward",
      "join@step=9:count=1",
      "join@s=12:count=64",
      "notice@step=5:worker=3:grace_s=2",
      "partition@step=5:worker=1:for_s=2",
      "kill-coordinator@step=4",
      "kill-coordinator@s=1e-05",
  };
  return items;
}

// What holds of every sentence, whatever was typed.
void check_is_sentence(const Fault& fault) {
  CHECK(fault.kind == FaultKind::invalid_input);
  CHECK(fault.sentence.starts_with("--faults: "));
  CHECK(fault.sentence.find("must") != std::string::npos);
  CHECK(fault.sentence.size() < 700);
  CHECK(std::ranges::all_of(fault.sentence, [](char byte) { return byte >= ' ' && byte <= '~'; }));
}

// Reads, and proves that what could be read is written and read again as the same.
void check_any_text(const std::string& text) {
  INFO("SPEC: " << text);
  const auto plan = faults_from_text(text);
  if (!plan.ok()) return check_is_sentence(plan.fault());
  const auto again = faults_from_text(text_of(plan.value()));
  REQUIRE(again.ok());
  CHECK(again.value() == plan.value());
  const auto fits = check_faults(
      plan.value(), {.workers = 4, .spares = 1, .steps = 50, .micro_batches = 8, .layers = 6});
  if (!fits.ok()) check_is_sentence(fits.fault());
}

std::string edited(std::string text, Random& random) {
  static constexpr std::string_view bytes = "@:=,.-+0123456789esworkzn_ \n\xff";
  const auto place = [&] { return static_cast<std::size_t>(random.below(text.size() + 1)); };
  const char byte = bytes[static_cast<std::size_t>(random.below(bytes.size()))];
  switch (random.below(5)) {
    case 0:
      return text.insert(place(), 1, byte);
    case 1:
      return text.erase(place(), 1 + static_cast<std::size_t>(random.below(4)));
    case 2:
      return text.replace(place(), 1, 1, byte);
    case 3:  // a piece of it again, elsewhere
      return text.insert(place(), text.substr(place(), 1 + random.below(12)));
    default:  // crossed with another
      return text.substr(0, place()) +
             good_items()[static_cast<std::size_t>(random.below(good_items().size()))];
  }
}

}  // namespace

TEST_CASE("a kill at a step names its worker and its phase") {
  const auto plan = plan_of("kill@step=7:worker=2:phase=committed");
  REQUIRE(plan.orders.size() == 1);
  const FaultOrder& order = plan.orders[0];
  CHECK(order.kind == FaultAct::kill);
  CHECK(order.when == FaultTime{Step{7}});
  CHECK(order.who == FaultTarget{WorkerId{2}});
  CHECK(order.phase == FaultPhase::committed);
  CHECK(order.written == "kill@step=7:worker=2:phase=committed");
}

TEST_CASE("every kind of order is read with its own fields") {
  const auto plan = plan_of(
      "stop@s=3.5:worker=joined:for_s=0.5,throw@step=5:layer=2:micro_batch=3,join@step=9,"
      "notice@step=5:worker=promoted:grace_s=2,partition@step=5:zone=eu-1.b:for_s=2,"
      "kill-coordinator@step=3");
  REQUIRE(plan.orders.size() == 6);
  CHECK(plan.orders[0].when == FaultTime{AtSeconds{3.5}});
  CHECK(plan.orders[0].who == FaultTarget{LatestJoined{}});
  CHECK(plan.orders[0].for_s == 0.5);
  CHECK(plan.orders[1].kind == FaultAct::throws);
  CHECK(plan.orders[1].micro_batch == MicroBatchId{3});
  CHECK(plan.orders[1].layer == LayerId{2});
  CHECK(plan.orders[2].kind == FaultAct::join);
  CHECK(plan.orders[2].count == 1);
  CHECK(plan.orders[3].who == FaultTarget{LatestPromoted{}});
  CHECK(plan.orders[3].grace_s == 2.0);
  CHECK(plan.orders[4].who == FaultTarget{Zone{"eu-1.b"}});
  CHECK(plan.orders[5].kind == FaultAct::kill_coordinator);
}

TEST_CASE("random faults stay a seed and counts until the run is known") {
  const auto plan = plan_of("random:kills=5:seed=18446744073709551615,join@step=2:count=3");
  REQUIRE(plan.random.has_value());
  CHECK(plan.random == RandomFaults{.kills = 5, .seed = 18446744073709551615ULL});
  CHECK(plan.orders.size() == 1);
  CHECK(plan_of("random:joins=2:stops=1:kills=0:seed=3").random ==
        RandomFaults{.stops = 1, .joins = 2, .seed = 3});
}

TEST_CASE("what is read is written again, in one order of the fields") {
  for (const std::string& item : good_items()) {
    const auto plan = plan_of(item);
    CHECK(text_of(plan.orders[0]) == item);
    CHECK(faults_from_text(text_of(plan)).value() == plan);
  }
  CHECK(text_of(plan_of("stop@step=007:for_s=3.0:phase=fill:worker=02")) ==
        "stop@step=7:worker=2:phase=fill:for_s=3");
  CHECK(text_of(plan_of("join@step=3")) == "join@step=3:count=1");
  CHECK(text_of(plan_of("kill@s=-0.0:worker=1")) == "kill@s=0:worker=1");
  CHECK(text_of(plan_of("random:seed=3:joins=1:kills=5,kill@step=1:worker=0")) ==
        "kill@step=1:worker=0,random:kills=5:joins=1:seed=3");
  CHECK(text_of(plan_of(join(good_items(), ","))) == join(good_items(), ","));
}

TEST_CASE("an item that is not there is refused by its place") {
  const std::string wanted = "must be an order such as kill@step=7:worker=2";
  CHECK(refusal_of("") == "--faults: empty, " + wanted);
  CHECK(refusal_of("kill@step=7:worker=2,") ==
        "--faults: item 2 of 2: nothing after the last comma, " + wanted);
  CHECK(refusal_of("join@step=7,,join@step=8") == "--faults: item 2 of 3: empty, " + wanted);
  CHECK(refusal_of(",join@step=8") == "--faults: item 1 of 2: empty, " + wanted);
  CHECK(refusal_of(",") == "--faults: item 1 of 2: empty, " + wanted);
}

TEST_CASE("an order of no known kind or without a time is refused") {
  CHECK(refusal_of("krill@step=7:worker=2") ==
        "--faults: krill@step=7:worker=2: kind: krill, must be one of kill, stop, throw, join, "
        "notice, partition, kill-coordinator, random");
  const std::string when = "must be step=N or s=SECONDS behind an @, as in kill@step=7:worker=2";
  CHECK(refusal_of("kill") == "--faults: kill: when: missing, " + when);
  CHECK(refusal_of("kill@") == "--faults: kill@: when: missing, " + when);
  CHECK(refusal_of("kill:worker=2") == "--faults: kill:worker=2: when: missing, " + when);
  CHECK(refusal_of("kill@worker=2:step=7") ==
        "--faults: kill@worker=2:step=7: when: worker=2, " + when);
  CHECK(refusal_of("kill@step=x:worker=2") ==
        "--faults: kill@step=x:worker=2: step: x, must be a whole number from 1");
  CHECK(refusal_of("kill@step=7:s=3:worker=2") ==
        "--faults: kill@step=7:s=3:worker=2: s: 3, must be in place of the other: either step or "
        "s");
}

TEST_CASE("a field that is unknown, misplaced, torn or given twice is refused by name") {
  CHECK(refusal_of("kill@step=7:wrker=2") ==
        "--faults: kill@step=7:wrker=2: wrker: unknown key, must be one of worker, zone, phase");
  CHECK(refusal_of("kill@step=7:worker=2:micro_batch=3") ==
        "--faults: kill@step=7:worker=2:micro_batch=3: micro_batch: 3, does not fit kill, must be "
        "one of worker, zone, phase");
  CHECK(refusal_of("kill@step=7:worker=2:for_s=3") ==
        "--faults: kill@step=7:worker=2:for_s=3: for_s: 3, does not fit kill, must be one of "
        "worker, zone, phase");
  CHECK(refusal_of("kill-coordinator@step=7:worker=2") ==
        "--faults: kill-coordinator@step=7:worker=2: worker: 2, does not fit kill-coordinator, "
        "must not be there");
  CHECK(refusal_of("kill@step=7:worker=2:worker=3") ==
        "--faults: kill@step=7:worker=2:worker=3: worker: 3, given twice, must be given once");
  CHECK(refusal_of("kill@step=7:step=8:worker=3") ==
        "--faults: kill@step=7:step=8:worker=3: step: 8, given twice, must be given once");
  CHECK(refusal_of("kill@step=7:worker") ==
        "--faults: kill@step=7:worker: worker: not a key and a value, must be key=value");
  CHECK(refusal_of("kill@step=7::worker=2") ==
        "--faults: kill@step=7::worker=2: a field is empty, must be key=value");
  CHECK(refusal_of("kill@step=7:worker=2:") ==
        "--faults: kill@step=7:worker=2:: a field is empty, must be key=value");
}

TEST_CASE("whom an order strikes must be said once") {
  CHECK(refusal_of("kill@step=7") ==
        "--faults: kill@step=7: worker: missing, must be a worker's number, joined or promoted");
  CHECK(refusal_of("stop@s=7:for_s=3") ==
        "--faults: stop@s=7:for_s=3: worker: missing, must be a worker's number, joined or "
        "promoted");
  CHECK(refusal_of("kill@step=7:worker=2:zone=b") ==
        "--faults: kill@step=7:worker=2:zone=b: zone: b, must be in place of the other: either "
        "worker or zone");
  CHECK(refusal_of("kill@step=7:worker=-1") ==
        "--faults: kill@step=7:worker=-1: worker: -1, must be a whole number from 0 to 999999, "
        "joined or promoted");
  CHECK(refusal_of("kill@step=7:worker=first") ==
        "--faults: kill@step=7:worker=first: worker: first, must be a whole number from 0 to "
        "999999, joined or promoted");
  CHECK(refusal_of("kill@step=7:zone=a b") ==
        "--faults: kill@step=7:zone=a b: zone: a b, must be a name of letters, digits and - _ .");
}

TEST_CASE("a phase must be known and the order at a step") {
  CHECK(refusal_of("kill@step=7:worker=2:phase=foward") ==
        "--faults: kill@step=7:worker=2:phase=foward: phase: foward, must be one of forward, "
        "backward, reduce, reported, committed, migrate, fill, idle");
  CHECK(refusal_of("throw@step=7:micro_batch=1:layer=1:phase=reduce") ==
        "--faults: throw@step=7:micro_batch=1:layer=1:phase=reduce: phase: reduce, must be one of "
        "forward, backward");
  CHECK(refusal_of("kill@s=7:worker=2:phase=forward") ==
        "--faults: kill@s=7:worker=2:phase=forward: phase: forward, must be left out of an order "
        "at s: steps have phases");
}

TEST_CASE("a throw must say where it strikes") {
  CHECK(refusal_of("throw@step=5:layer=2") ==
        "--faults: throw@step=5:layer=2: micro_batch: missing, must be a whole number from 0");
  CHECK(refusal_of("throw@step=5:micro_batch=2") ==
        "--faults: throw@step=5:micro_batch=2: layer: missing, must be a whole number from 0");
  CHECK(refusal_of("throw@s=5:micro_batch=2:layer=1") ==
        "--faults: throw@s=5:micro_batch=2:layer=1: s: 5, must be step=N: a throw has no other "
        "time");
  CHECK(refusal_of("throw@step=5:micro_batch=2:layer=one") ==
        "--faults: throw@step=5:micro_batch=2:layer=one: layer: one, must be a whole number from "
        "0");
}

TEST_CASE("seconds must be a finite number that is not negative") {
  const std::string allowed = "must be a number of seconds from 0 to 604800";
  for (const std::string value :
       {"-1", "inf", "nan", "-inf", "1e999", "604801", "x", "3s", "0x3"}) {
    CHECK(refusal_of("kill@s=" + value + ":worker=1") ==
          fmt::format("--faults: kill@s={0}:worker=1: s: {0}, {1}", value, allowed));
    CHECK(refusal_of("stop@step=3:worker=1:for_s=" + value) ==
          fmt::format("--faults: stop@step=3:worker=1:for_s={0}: for_s: {0}, {1}", value, allowed));
    CHECK(refusal_of("notice@step=3:worker=1:grace_s=" + value) ==
          fmt::format("--faults: notice@step=3:worker=1:grace_s={0}: grace_s: {0}, {1}", value,
                      allowed));
  }
}

TEST_CASE("a join starts from 1 to 4096 workers") {
  for (const std::string value : {"0", "-1", "4097", "1.5", "99999999999999999999"}) {
    CHECK(refusal_of("join@step=3:count=" + value) ==
          fmt::format("--faults: join@step=3:count={0}: count: {0}, must be a whole number from 1 "
                      "to 4096",
                      value));
  }
}

TEST_CASE("random faults need something to do and a seed") {
  CHECK(refusal_of("random") ==
        "--faults: random: kills: missing, must be a whole number from 1 to 1000, or stops or "
        "joins");
  CHECK(refusal_of("random:") ==
        "--faults: random:: kills: missing, must be a whole number from 1 "
        "to 1000, or stops or joins");
  CHECK(
      refusal_of("random:kills=0:seed=1") ==
      "--faults: random:kills=0:seed=1: kills: missing, must be a whole number from 1 to 1000, or "
      "stops or joins");
  CHECK(refusal_of("random:kills=5") ==
        "--faults: random:kills=5: seed: missing, must be a whole number: the same seed gives the "
        "same faults");
  CHECK(refusal_of("random:kills=5:seed=-1") ==
        "--faults: random:kills=5:seed=-1: seed: -1, must be a whole number from 0 to "
        "18446744073709551615");
  CHECK(refusal_of("random:kills=1001:seed=1") ==
        "--faults: random:kills=1001:seed=1: kills: 1001, must be a whole number from 0 to 1000");
  CHECK(refusal_of("random:steps=5:seed=1") ==
        "--faults: random:steps=5:seed=1: steps: unknown key, must be one of kills, stops, joins, "
        "seed");
  CHECK(refusal_of("random:kills=5:seed=1,random:kills=5:seed=2") ==
        "--faults: random:kills=5:seed=2: random: given twice, must be given once");
  CHECK(refusal_of("random@step=3:seed=1") ==
        "--faults: random@step=3:seed=1: when: given, must be left out: random chooses its own "
        "steps");
}

TEST_CASE("a sentence stays one short line whatever was typed") {
  CHECK(refusal_of("kill@step=\n\x01:worker=1") ==
        "--faults: kill@step=\\x0a\\x01:worker=1: step: \\x0a\\x01, must be a whole number from 1");
  CHECK(refusal_of(std::string(5000, 'k')) ==
        fmt::format("--faults: {0}...: kind: {0}..., must be one of kill, stop, throw, join, "
                    "notice, partition, kill-coordinator, random",
                    std::string(120, 'k')));
}

TEST_CASE("random bytes are never read as something else and never throw") {
  constexpr std::uint64_t seed = 20240607;
  INFO("seed " << seed);
  Random random(seed);
  for (int i = 0; i < 4000; ++i) {
    std::string text;
    const auto size = random.below(40);
    for (std::uint64_t j = 0; j < size; ++j) text += static_cast<char>(random.below(256));
    check_any_text(text);
    check_any_text("kill@step=" + text);
    check_any_text("random:" + text);
  }
}

TEST_CASE("good orders with random edits are read the same twice or refused in a sentence") {
  constexpr std::uint64_t seed = 4711;
  INFO("seed " << seed);
  Random random(seed);
  int read = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (std::uint64_t n = 1 + random.below(3); n > 0; --n) {
      if (!text.empty()) text += ',';
      text += good_items()[static_cast<std::size_t>(random.below(good_items().size()))];
    }
    for (std::uint64_t n = random.below(4); n > 0; --n) text = edited(text, random);
    check_any_text(text);
    if (faults_from_text(text).ok()) ++read;
  }
  // Otherwise the edits would prove nothing of what is accepted.
  CHECK(read > 5000);
  CHECK(read < 19000);
}

}  // namespace planaria::host
