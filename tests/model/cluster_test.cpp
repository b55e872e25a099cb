#include <planaria/model/cluster.hpp>

#include <functional>

#include <catch2/catch.hpp>

namespace planaria {
namespace {

Json worker(int id, const std::string& zone, const std::string& host, double speed = 1) {
  return {{"id", id}, {"zone", zone}, {"host", host}, {"memory_bytes", 1024}, {"speed", speed}};
}

Json link(double latency_ms, double gigabytes_per_s) {
  return {{"latency_ms", latency_ms}, {"gigabytes_per_s", gigabytes_per_s}};
}

Json example() {
  return {
      {"version", 1},
      {"workers",
       {worker(0, "a", "h0"), worker(3, "a", "h0", 2), worker(1, "a", "h1"), worker(2, "b", "h0")}},
      {"links",
       {{"same_host", link(0.5, 8)}, {"same_zone", link(1, 0.5)}, {"cross_zone", link(2, 0.25)}}}};
}

std::string refusal(const std::function<void(Json&)>& spoil) {
  Json json = example();
  spoil(json);
  const auto read = cluster_from_json(json, "c.json");
  if (read.ok()) return "read";
  CHECK(read.fault().kind == FaultKind::invalid_input);
  return read.fault().sentence;
}

}  // namespace

TEST_CASE("a cluster is read as it is written", "[unit]") {
  const Cluster cluster = cluster_from_json(example(), "c.json").value();
  REQUIRE(cluster.workers.size() == 4);
  REQUIRE(cluster.worker(WorkerId{3}) != nullptr);
  CHECK(*cluster.worker(WorkerId{3}) == ClusterWorker{WorkerId{3}, "a", "h0", 1024, 2});
  CHECK(cluster.worker(WorkerId{4}) == nullptr);
  CHECK(cluster.links == Links{{0.5, 8}, {1, 0.5}, {2, 0.25}});
  Json json = example();
  json.erase("links");
  CHECK_FALSE(cluster_from_json(json, "c.json").value().links.has_value());
}

TEST_CASE("a cluster is written as it is read", "[unit]") {
  Json json = example();
  CHECK(to_json(cluster_from_json(json, "c.json").value()) == json);
  json.erase("links");
  CHECK(to_json(cluster_from_json(json, "c.json").value()) == json);
}

TEST_CASE("a transfer takes the link between two places, or what the profile measured", "[unit]") {
  const std::vector<TransferPoint> measured{{1'000'000, 7}};
  Cluster cluster = cluster_from_json(example(), "c.json").value();
  const auto takes = [&](int from, int to) {
    return transfer_ms(cluster, measured, WorkerId{from}, WorkerId{to}, 2'000'000);
  };
  CHECK(takes(0, 3) == 0.5 + 0.25);
  CHECK(takes(0, 1) == 1 + 4);
  CHECK(takes(0, 2) == 2 + 8);  // another zone's h0
  CHECK(takes(2, 0) == 2 + 8);
  cluster.links.reset();
  CHECK(takes(0, 2) == 14);
  const Cluster alike = identical_workers(3, 77);
  CHECK(alike.workers.size() == 3);
  CHECK(alike.workers[2].id == WorkerId{2});
  CHECK(alike.workers[2].memory_bytes == 77);
  CHECK(alike.workers[0].host != alike.workers[1].host);
}

TEST_CASE("what a cluster must not say is refused by its path", "[unit]") {
  CHECK(refusal([](Json& json) { json["workers"][1]["foo"] = 1; }) ==
        "c.json: workers[1].foo: unknown key");
  CHECK(refusal([](Json& json) { json["workers"][1]["id"] = 0; }) ==
        "c.json: workers[1].id: 0, must not be there twice");
  CHECK(refusal([](Json& json) { json["workers"][1]["speed"] = 0; }) ==
        "c.json: workers[1].speed: 0, must be a number from 1e-06 to 1000000");
  CHECK(refusal([](Json& json) { json["workers"] = Json::array(); }) ==
        "c.json: workers: none, must be at least 1");
  CHECK(refusal([](Json& json) { json["links"].erase("same_zone"); }) ==
        "c.json: links.same_zone: null, must be an object");
  CHECK(refusal([](Json& json) { json["links"]["far"] = 1; }) == "c.json: links.far: unknown key");
  CHECK(refusal([](Json& json) { json["links"]["same_host"]["gigabytes_per_s"] = 0; }) ==
        "c.json: links.same_host.gigabytes_per_s: 0, must be a number from 1e-09 to 1000000000");
  CHECK(refusal([](Json& json) { json["links"]["same_host"]["mbit"] = 0; }) ==
        "c.json: links.same_host.mbit: unknown key");
}

}  // namespace planaria
