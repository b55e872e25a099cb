// model/cluster.hpp: the workers there are, and the links between them (cluster.json). Floor 1,
// pure. Is: ids, places, memory, speed, links. Is not: who computes what (layout.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <planaria/base/ids.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>
#include <planaria/model/profile.hpp>

namespace planaria {

struct ClusterWorker {
  WorkerId id;
  std::string zone;
  std::string host;
  std::int64_t memory_bytes = 0;
  double speed = 1;  // divides compute times
  friend bool operator==(const ClusterWorker&, const ClusterWorker&) = default;
};

struct Link {
  double latency_ms = 0;
  double gigabytes_per_s = 1;
  friend bool operator==(const Link&, const Link&) = default;
};

struct Links {
  Link same_host, same_zone, cross_zone;
  friend bool operator==(const Links&, const Links&) = default;
};

struct Cluster {
  static constexpr int workers_max = 10'000;

  std::vector<ClusterWorker> workers;  // ids differ
  std::optional<Links> links;          // nothing: the profile's transfer holds everywhere
  /// Returns the worker with that id, or null.
  [[nodiscard]] const ClusterWorker* worker(WorkerId id) const;
  friend bool operator==(const Cluster&, const Cluster&) = default;
};

/// Returns how long a link takes for `bytes`: latency + bytes / (GB/s x 10^6).
[[nodiscard]] double transfer_ms(const Link& link, std::int64_t bytes);
/// Returns how long `bytes` take from one worker to the other: by the link between their places
/// where the cluster has links, else by `transfer`. Requires both workers in the cluster.
[[nodiscard]] double transfer_ms(const Cluster& cluster, const std::vector<TransferPoint>& transfer,
                                 WorkerId from, WorkerId to, std::int64_t bytes);

/// Returns `count` workers 0 to count-1 alike, each on a host of its own in one zone, without
/// links: `--workers N --memory-gib G`.
[[nodiscard]] Cluster identical_workers(int count, std::int64_t memory_bytes);

/// Reads a cluster.json; invalid_input names source and path of what is missing, unknown or out of
/// range. `links` may be left out; more than workers_max workers are not read.
[[nodiscard]] Result<Cluster> cluster_from_json(const Json& json, const std::string& source);
/// Returns what cluster_from_json() reads.
[[nodiscard]] Json to_json(const Cluster& cluster);

}  // namespace planaria
