#include "runtime/process.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include <malloc.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <planaria/base/hash.hpp>
#include <planaria/base/text.hpp>
#include <planaria/model/lanes.hpp>
#include <planaria/model/sample_order.hpp>

#include "runtime/device.hpp"

namespace planaria {

void prepare_process(int threads) {
  // MKL otherwise chooses code by alignment and by what else runs; strict mode costs nothing here.
  ::setenv("MKL_CBWR", "AUTO,STRICT", /*overwrite=*/1);
  at::set_num_threads(std::max(threads, 1));  // a wrong number is refused later, with a sentence
}

namespace runtime {
namespace {

// Reads "VmRSS:   1234 kB" and its like.
std::int64_t status_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.rfind(field, 0) == 0) return std::atoll(line.c_str() + field.size()) * 1024;
  }
  return 0;
}

// Two builds of one program may round differently; the file that runs is the build.
Result<std::string> build_of_this_process() {
  PLANARIA_TRY(program, read_file("/proc/self/exe"));
  return hex64(xxh3_64(std::as_bytes(std::span(program.data(), program.size()))));
}

Result<void> check_evaluation(const TrainerOptions& options) {
  const std::int64_t there = options.dataset->evaluation_samples();
  if (options.evaluation_samples > there) {
    return Fault::invalid_input(
        fmt::format("evaluation_samples: {}, must be at most {}, which is what the data set has",
                    options.evaluation_samples, there));
  }
  if (options.evaluate_every < 0) {
    return Fault::invalid_input(
        fmt::format("evaluate_every: {}, must be at least 0", options.evaluate_every));
  }
  if (options.evaluate_every > 0 && (there == 0 || options.evaluation_samples == 0)) {
    return Fault::invalid_input(fmt::format(
        "evaluate_every: {}, must be 0 without evaluation samples", options.evaluate_every));
  }
  return {};
}

Result<void> check_numbers(const TrainerOptions& options, std::int64_t steps) {
  const auto refuse = [](const char* field, auto value, const std::string& allowed) {
    return Fault::invalid_input(fmt::format("{}: {}, must be {}", field, value, allowed));
  };
  if (steps < 1) return refuse("steps", steps, "at least 1");
  if (options.micro_batches < 1)
    return refuse("micro_batches", options.micro_batches, "at least 1");
  if (options.micro_batch_size < 1) {
    return refuse("micro_batch_size", options.micro_batch_size, "at least 1");
  }
  if (options.lane_size < 1 || options.lane_size > options.micro_batches) {
    return refuse("lane_size", options.lane_size,
                  fmt::format("1 to {}, the number of micro-batches", options.micro_batches));
  }
  if (options.threads < 1) return refuse("threads", options.threads, "at least 1");
  if (!(options.clip_norm >= 0)) return refuse("clip_norm", options.clip_norm, "at least 0");
  if (options.skips_max < 1) return refuse("skips_max", options.skips_max, "at least 1");
  if (!options.loss) return Fault::invalid_input("loss: none, a function is needed");
  if (!options.optimizer.make) return Fault::invalid_input("optimizer: none, a factory is needed");
  if (!options.dataset) return Fault::invalid_input("dataset: none, one is needed");
  return check_evaluation(options);
}

}  // namespace

std::string local_host_towards(const std::string& address) {
  std::string loopback = "127.0.0.1";
  std::string rest = address.rfind("tcp:", 0) == 0 ? address.substr(4) : address;
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string::npos) return loopback;
  std::string name = rest.substr(0, colon);
  if (name.size() > 2 && name.front() == '[') name = name.substr(1, name.size() - 2);

  // Connecting a datagram socket sends nothing; it only asks the kernel for the route.
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(name.c_str(), rest.substr(colon + 1).c_str(), &hints, &found) != 0) {
    return loopback;
  }
  std::string result = loopback;
  const int descriptor = ::socket(found->ai_family, SOCK_DGRAM, 0);
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  char text[NI_MAXHOST];
  if (descriptor >= 0 && ::connect(descriptor, found->ai_addr, found->ai_addrlen) == 0 &&
      ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&local), &size) == 0 &&
      ::getnameinfo(reinterpret_cast<sockaddr*>(&local), size, text, sizeof text, nullptr, 0,
                    NI_NUMERICHOST) == 0) {
    result = found->ai_family == AF_INET6 ? fmt::format("[{}]", text) : text;
  }
  if (descriptor >= 0) ::close(descriptor);
  ::freeaddrinfo(found);
  return result;
}

void keep_freed_memory() {
#ifdef __GLIBC__
  constexpr int mapping_bytes = 32 << 20;  // the most that glibc takes
  constexpr int kept_bytes = 512 << 20;
  if (environment("MALLOC_MMAP_THRESHOLD_").empty()) ::mallopt(M_MMAP_THRESHOLD, mapping_bytes);
  if (environment("MALLOC_TRIM_THRESHOLD_").empty()) ::mallopt(M_TRIM_THRESHOLD, kept_bytes);
#endif
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string{} : std::string{value};
}

Result<InProcessRunAsked> in_process_run_asked() {
  PLANARIA_TRY(json, parse_json(environment(host::env_run_options), host::env_run_options));
  InProcessRunAsked asked;
  PLANARIA_TRY(options, host::run_options_from_json(json, host::env_run_options));
  asked.options = std::move(options);
  const std::string descriptor = environment(host::env_progress_fd);
  if (descriptor.empty()) return asked;
  asked.on_event = [fd = std::atoi(descriptor.c_str())](const Json& event) {
    const std::string line = event.dump() + "\n";
    // Where the launcher is gone, so are we soon.
    [[maybe_unused]] const auto written = ::write(fd, line.data(), line.size());
  };
  asked.on_event(Json{{"listening", "in-process:coordinator"}});
  return asked;
}

std::int64_t resident_bytes() {
  return status_bytes("VmRSS:");
}
std::int64_t peak_resident_bytes() {
  return status_bytes("VmHWM:");
}

double rate_of(const TrainerOptions& options, Step step) {
  return options.rate ? options.rate(step) : options.optimizer.default_rate;
}

TrainingOutcome outcome_of(const Fault& fault) {
  return {fault.kind == FaultKind::invalid_input ? 2 : 1, fault.sentence};
}

Result<std::vector<Property>> identity_of(const TrainerOptions& options) {
  PLANARIA_TRY(build, build_of_this_process());
  PLANARIA_TRY(device, Device::named(options.device, WorkerId{0}));
  std::vector<Property> identity{
      {"build", build},
      {"libtorch", TORCH_VERSION},
      {"device", device.kind()},
      {"threads", fmt::format("{}", options.threads)},
      {"cpu_capability", at::get_cpu_capability()},
      {"mkl_cbwr", std::getenv("MKL_CBWR") == nullptr ? "unset" : std::getenv("MKL_CBWR")},
      {"dataset", options.dataset->fingerprint()},
      {"optimizer", options.optimizer.description},
      {"learning_rate", fmt::format("{}", rate_of(options, Step{1}))},
      {"clip_norm", fmt::format("{}", options.clip_norm)},
  };
  if (options.init_file.empty()) {
    identity.push_back({"init", "keyed by seed and layer"});
  } else {
    auto content = read_file(options.init_file);
    if (!content) return Fault::invalid_input("init: " + content.fault().sentence);
    const std::string& bytes = content.value();
    identity.push_back(
        {"init", "xxh3 " + hex64(xxh3_64(std::as_bytes(std::span(bytes.data(), bytes.size()))))});
  }
  for (const Property& property : options.properties) identity.push_back(property);
  return identity;
}

Result<RunSpec> spec_of(const TrainerOptions& options, std::int64_t steps) {
  PLANARIA_TRY_VOID(check_numbers(options, steps));
  PLANARIA_TRY_VOID(verify_definitions(options.layers));
  RunSpec spec;
  spec.steps = steps;
  spec.micro_batches = options.micro_batches;
  spec.micro_batch_size = options.micro_batch_size;
  spec.lane_size = options.lane_size;
  spec.dataset_samples = options.dataset->samples();
  spec.evaluation_samples = options.evaluation_samples < 0 ? options.dataset->evaluation_samples()
                                                           : options.evaluation_samples;
  spec.seed = options.seed;
  spec.skips_max = options.skips_max;
  for (const LayerDefinition& definition : options.layers) {
    spec.layers.push_back({definition.name, definition.cost, 0,
                           definition.tied.empty() ? "" : definition.tied.front().source_layer});
  }
  PLANARIA_TRY(order, SampleOrder::create({spec.seed, spec.dataset_samples, spec.micro_batches,
                                           spec.micro_batch_size}));
  (void)order;  // only that there is one: the data set is large enough
  PLANARIA_TRY(identity, identity_of(options));
  spec.identity = std::move(identity);
  return spec;
}

}  // namespace runtime
}  // namespace planaria
