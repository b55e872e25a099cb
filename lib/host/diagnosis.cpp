// Judges a machine for host/doctor.hpp. Pure: what was seen comes in.
#include <algorithm>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/host/doctor.hpp>

namespace planaria::host {
namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20;
constexpr std::uint64_t gib = std::uint64_t{1} << 30;
/// A worker linked to LibTorch takes so much before it has a model.
constexpr std::uint64_t worker_bytes = 400 * mib;

Json number_or_null(const std::optional<std::uint64_t>& number) {
  return number ? Json(*number) : Json();
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Finding cores(const MachineFacts& facts) {
  const double usable = facts.cores_quota ? std::min<double>(facts.cores_usable, *facts.cores_quota)
                                          : facts.cores_usable;
  Finding finding{.name = "cores", .needed = true};
  finding.found = fmt::format("{:g} of {} usable", usable, facts.cores_online);
  if (usable < 2) {
    finding.readiness = Readiness::limited;
    finding.advice = "more workers than cores train no faster: give the process two cores or more";
  }
  finding.values = {{"online", facts.cores_online}, {"usable", usable}};
  return finding;
}

Finding kernels(const MachineFacts& facts) {
  Finding finding{.name = "cpu kernels", .needed = true};
  finding.found = fmt::format("{}, one of DEFAULT, AVX2, AVX512", facts.cpu_capability);
  if (!facts.cpu_capability_forced.empty()) {
    finding.found = fmt::format("{}, forced by ATEN_CPU_CAPABILITY={}", facts.cpu_capability,
                                facts.cpu_capability_forced);
    finding.readiness = Readiness::limited;
    finding.advice = "all machines of a run must use the same kernels: set it on each of them";
  }
  finding.values = {{"capability", facts.cpu_capability},
                    {"forced", text_or_null(facts.cpu_capability_forced)}};
  return finding;
}

Finding memory(const MachineFacts& facts) {
  Finding finding{.name = "memory", .needed = true};
  finding.found = fmt::format("{}, {} free", text_of_bytes(facts.memory_bytes),
                              text_of_bytes(facts.memory_free_bytes));
  if (facts.memory_free_bytes < worker_bytes) {
    finding.readiness = Readiness::missing;
    finding.advice = fmt::format("one worker takes {} before it has a model: end other programs",
                                 text_of_bytes(worker_bytes));
  } else if (facts.memory_free_bytes < 4 * worker_bytes) {
    finding.readiness = Readiness::limited;
    finding.advice =
        fmt::format("a worker takes {} before it has a model: start at most {}",
                    text_of_bytes(worker_bytes), facts.memory_free_bytes / worker_bytes);
  }
  finding.values = {{"memory_bytes", facts.memory_bytes}, {"free_bytes", facts.memory_free_bytes}};
  return finding;
}

// "2.11" of "2.11.0+cu130": what must be equal for programs to fit a library.
std::string line_of(const std::string& version) {
  const std::vector<std::string> parts = split(version, '.');
  return parts.size() < 2 ? version : parts[0] + "." + parts[1];
}

Finding libtorch(const MachineFacts& facts) {
  const TorchFiles& torch = facts.torch;
  Finding finding{.name = "LibTorch", .needed = true};
  const std::string where =
      "point PLANARIA_TORCH_ROOT to the folder torch/ of a wheel or to an "
      "unpacked libtorch, or run scripts/setup where planaria is built";
  if (torch.root.empty()) {
    finding.readiness = Readiness::missing;
    finding.found = "nobody says where it is";
    finding.advice = where;
  } else if (!torch.has_libraries) {
    finding.readiness = Readiness::missing;
    finding.found =
        fmt::format("no lib/libtorch_cpu.so and lib/libc10.so in {} ({})", torch.root, torch.why);
    finding.advice = where;
  } else {
    finding.found =
        fmt::format("{} in {} ({})", torch.version.empty() ? "unknown version" : torch.version,
                    torch.root, torch.why);
    if (!facts.torch_built_version.empty() &&
        line_of(torch.version) != line_of(facts.torch_built_version)) {
      finding.readiness = Readiness::limited;
      finding.advice = fmt::format(
          "this planaria was built with {}: trainers need that one, or build planaria with this",
          facts.torch_built_version);
    } else if (!torch.has_headers) {
      finding.readiness = Readiness::limited;
      finding.advice = "no headers in include/: trainers run here and cannot be compiled here";
    }
  }
  finding.values = {{"root", text_or_null(torch.root)},
                    {"version", text_or_null(torch.version)},
                    {"built_version", text_or_null(facts.torch_built_version)}};
  return finding;
}

Finding python(const MachineFacts& facts) {
  Finding finding{.name = "Python torch"};
  finding.found = fmt::format("{} in {}", facts.python_torch, facts.python);
  if (facts.python_torch.empty()) {
    finding.readiness = Readiness::missing;
    finding.found = facts.python.empty() ? facts.python_fault
                                         : fmt::format("{}: {}", facts.python, facts.python_fault);
    finding.advice =
        "only comparing with Python needs it: scripts/setup --python-torch, or "
        "PLANARIA_PYTHON names an interpreter that has torch";
  }
  finding.values = {{"program", text_or_null(facts.python)},
                    {"version", text_or_null(facts.python_torch)}};
  return finding;
}

Finding unix_sockets(const MachineFacts& facts) {
  Finding finding{.name = "Unix sockets", .needed = true, .found = "a worker can connect"};
  if (!facts.unix_fault.empty()) {
    finding.readiness = Readiness::missing;
    finding.found = facts.unix_fault;
    finding.advice = "runs on one machine use them: TMPDIR or /tmp must be a folder to write in";
  }
  finding.values = {{"fault", text_or_null(facts.unix_fault)}};
  return finding;
}

Finding tcp(const MachineFacts& facts) {
  Finding finding{.name = "TCP"};
  const int ports = facts.ports_high < facts.ports_low ? 0 : facts.ports_high - facts.ports_low + 1;
  finding.found = fmt::format("a worker can connect on 127.0.0.1; {} ports from {} to {}", ports,
                              facts.ports_low, facts.ports_high);
  if (!facts.tcp_fault.empty()) {
    finding.readiness = Readiness::missing;
    finding.found = facts.tcp_fault;
    finding.advice = "runs over several machines and --listen need it: bring the interface lo up";
  } else if (ports < 1024) {
    finding.readiness = Readiness::limited;
    finding.advice = "each pair of workers takes one: widen net.ipv4.ip_local_port_range";
  }
  finding.values = {{"fault", text_or_null(facts.tcp_fault)},
                    {"ports_low", facts.ports_low},
                    {"ports_high", facts.ports_high}};
  return finding;
}

Finding open_files(const MachineFacts& facts) {
  Finding finding{.name = "open files", .needed = true};
  const auto& most = facts.open_files_max;
  finding.found = most ? fmt::format("{} a process", *most) : "unlimited";
  // A process of a run has its libraries, its files and a connection to each other one.
  if (most && *most < 64) {
    finding.readiness = Readiness::missing;
  } else if (most && *most < 1024) {
    finding.readiness = Readiness::limited;
  }
  if (finding.readiness != Readiness::ok) {
    const auto& hard = facts.open_files_hard_max;
    finding.advice = fmt::format(
        "each worker is one more: ulimit -n 4096{}",
        hard && *hard < 4096 ? fmt::format(", after an administrator raised {}", *hard) : "");
  }
  finding.values = {{"soft_max", number_or_null(most)},
                    {"hard_max", number_or_null(facts.open_files_hard_max)}};
  return finding;
}

Finding locked_memory(const MachineFacts& facts) {
  Finding finding{.name = "locked memory"};
  const auto& most = facts.locked_memory_bytes_max;
  finding.found = most ? text_of_bytes(*most) : "unlimited";
  if (facts.gpus > 0 && most && *most < 64 * mib) {
    finding.readiness = Readiness::limited;
    finding.advice = "some ways to and from a GPU pin memory: ulimit -l unlimited";
  }
  finding.values = {{"locked_bytes_max", number_or_null(most)}};
  return finding;
}

Finding shared_memory(const MachineFacts& facts) {
  Finding finding{.name = "/dev/shm"};
  finding.found = text_of_bytes(facts.shared_memory_bytes);
  if (facts.shared_memory_bytes == 0) {
    finding.readiness = Readiness::missing;
    finding.found = "not mounted";
    finding.advice = "planaria does without; Python's data loaders do not: mount a tmpfs there";
  } else if (facts.shared_memory_bytes < gib) {
    finding.readiness = Readiness::limited;
    finding.advice =
        "planaria does without; Python's data loaders want 1.0 GiB, in containers --shm-size=1g";
  }
  finding.values = {{"size_bytes", facts.shared_memory_bytes}};
  return finding;
}

Finding gpu(const MachineFacts& facts) {
  Finding finding{.name = "GPU"};
  const bool drives = facts.gpus > 0 && facts.cuda_fault.empty();
  finding.found = fmt::format("{} in /dev, driver {}", facts.gpus,
                              facts.gpu_driver.empty() ? "unknown" : facts.gpu_driver);
  if (facts.gpus == 0) {
    finding.readiness = Readiness::missing;
    finding.found = "no /dev/nvidia0";
    finding.advice = "training goes on the CPU";
  } else if (!drives) {
    finding.readiness = Readiness::limited;
    finding.found += ", " + facts.cuda_fault;
    finding.advice = "install the driver's user part, which brings libcuda.so.1";
  } else if (!facts.built_with_cuda) {
    finding.readiness = Readiness::limited;
    finding.advice = "this planaria was built without CUDA: scripts/build-cuda builds one with it";
  }
  finding.values = {{"devices", facts.gpus},
                    {"driver_version", text_or_null(facts.gpu_driver)},
                    {"libcuda_fault", text_or_null(facts.cuda_fault)},
                    {"built_with_cuda", facts.built_with_cuda}};
  return finding;
}

}  // namespace

const char* name_of(Readiness readiness) {
  switch (readiness) {
    case Readiness::ok:
      return "ok";
    case Readiness::limited:
      return "limited";
    case Readiness::missing:
      return "missing";
  }
  return "missing";
}

std::vector<Finding> diagnose(const MachineFacts& facts) {
  return {cores(facts),         kernels(facts), memory(facts),     libtorch(facts),
          unix_sockets(facts),  tcp(facts),     open_files(facts), locked_memory(facts),
          shared_memory(facts), gpu(facts),     python(facts)};
}

bool can_train(const std::vector<Finding>& findings) {
  return std::none_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.needed && finding.readiness == Readiness::missing;
  });
}

}  // namespace planaria::host
