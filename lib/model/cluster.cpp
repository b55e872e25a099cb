#include <planaria/model/cluster.hpp>

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include <planaria/base/check.hpp>

namespace planaria {
namespace {

constexpr std::int64_t id_max = 1'000'000;
constexpr std::int64_t bytes_max = 1'000'000'000'000'000;
constexpr double speed_min = 1e-6;
constexpr double speed_max = 1e6;
constexpr double latency_max_ms = 1e9;
constexpr double gigabytes_per_s_min = 1e-9;
constexpr double gigabytes_per_s_max = 1e9;

Result<ClusterWorker> worker_from_json(const Json& json, const std::string& source,
                                       const std::string& path) {
  ObjectReader reader(json, source, path);
  ClusterWorker worker;
  worker.id = WorkerId{static_cast<int>(reader.integer("id", 0, id_max))};
  worker.zone = reader.text("zone");
  worker.host = reader.text("host");
  worker.memory_bytes = reader.integer("memory_bytes", 0, bytes_max);
  worker.speed = reader.number("speed", speed_min, speed_max);
  PLANARIA_TRY_VOID(reader.finish());
  return worker;
}

Result<Link> link_from_json(const Json& links, const std::string& key, const std::string& source) {
  static const Json nothing;
  const auto found = links.find(key);
  ObjectReader reader(found == links.end() ? nothing : *found, source, "links." + key);
  Link link;
  link.latency_ms = reader.number("latency_ms", 0, latency_max_ms);
  link.gigabytes_per_s = reader.number("gigabytes_per_s", gigabytes_per_s_min, gigabytes_per_s_max);
  PLANARIA_TRY_VOID(reader.finish());
  return link;
}

Result<Links> links_from_json(const Json& json, const std::string& source) {
  ObjectReader reader(json, source, "links");
  for (const char* key : {"same_host", "same_zone", "cross_zone"}) reader.ignore(key);
  PLANARIA_TRY_VOID(reader.finish());
  PLANARIA_TRY(same_host, link_from_json(json, "same_host", source));
  PLANARIA_TRY(same_zone, link_from_json(json, "same_zone", source));
  PLANARIA_TRY(cross_zone, link_from_json(json, "cross_zone", source));
  return Links{same_host, same_zone, cross_zone};
}

}  // namespace

const ClusterWorker* Cluster::worker(WorkerId id) const {
  const auto found = std::find_if(workers.begin(), workers.end(),
                                  [&](const ClusterWorker& one) { return one.id == id; });
  return found == workers.end() ? nullptr : &*found;
}

double transfer_ms(const Link& link, std::int64_t bytes) {
  return link.latency_ms + (static_cast<double>(bytes) / (link.gigabytes_per_s * 1e6));
}

double transfer_ms(const Cluster& cluster, const std::vector<TransferPoint>& transfer,
                   WorkerId from, WorkerId to, std::int64_t bytes) {
  if (!cluster.links) return transfer_ms(transfer, bytes);
  const ClusterWorker* const a = cluster.worker(from);
  const ClusterWorker* const b = cluster.worker(to);
  check(a != nullptr && b != nullptr, "both ends of a transfer are in the cluster");
  // Hosts of two zones may bear the same name.
  if (a->zone != b->zone) return transfer_ms(cluster.links->cross_zone, bytes);
  if (a->host != b->host) return transfer_ms(cluster.links->same_zone, bytes);
  return transfer_ms(cluster.links->same_host, bytes);
}

Cluster identical_workers(int count, std::int64_t memory_bytes) {
  Cluster cluster;
  for (int id = 0; id < count; ++id) {
    cluster.workers.push_back({WorkerId{id}, "", fmt::format("h{}", id), memory_bytes, 1});
  }
  return cluster;
}

Result<Cluster> cluster_from_json(const Json& json, const std::string& source) {
  ObjectReader reader(json, source, "");
  reader.integer("version", 1, 1);
  const Json& workers = reader.array("workers");
  const Json* links = reader.optional_object("links");
  PLANARIA_TRY_VOID(reader.finish());
  if (workers.empty()) {
    return Fault::invalid_input(fmt::format("{}: workers: none, must be at least 1", source));
  }
  if (workers.size() > Cluster::workers_max) {
    return Fault::invalid_input(fmt::format("{}: workers: {}, must be at most {}", source,
                                            workers.size(), Cluster::workers_max));
  }
  Cluster cluster;
  std::set<WorkerId> seen;
  for (std::size_t i = 0; i < workers.size(); ++i) {
    PLANARIA_TRY(worker, worker_from_json(workers[i], source, fmt::format("workers[{}]", i)));
    if (!seen.insert(worker.id).second) {
      return Fault::invalid_input(fmt::format("{}: workers[{}].id: {}, must not be there twice",
                                              source, i, worker.id.value));
    }
    cluster.workers.push_back(std::move(worker));
  }
  if (links != nullptr) {
    PLANARIA_TRY(read, links_from_json(*links, source));
    cluster.links = read;
  }
  return cluster;
}

Json to_json(const Cluster& cluster) {
  Json workers = Json::array();
  for (const ClusterWorker& worker : cluster.workers) {
    workers.push_back({{"id", worker.id.value},
                       {"zone", worker.zone},
                       {"host", worker.host},
                       {"memory_bytes", worker.memory_bytes},
                       {"speed", worker.speed}});
  }
  Json json = {{"version", 1}, {"workers", std::move(workers)}};
  if (!cluster.links) return json;
  const auto of = [](const Link& link) {
    return Json{{"latency_ms", link.latency_ms}, {"gigabytes_per_s", link.gigabytes_per_s}};
  };
  json["links"] = {{"same_host", of(cluster.links->same_host)},
                   {"same_zone", of(cluster.links->same_zone)},
                   {"cross_zone", of(cluster.links->cross_zone)}};
  return json;
}

}  // namespace planaria
