// Looks at the machine for host/doctor.hpp: files of the kernel, of LibTorch, and a try of what a
// run would do.
#include <dlfcn.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <sstream>
#include <system_error>

#include <fmt/format.h>

#include <planaria/base/text.hpp>
#include <planaria/host/doctor.hpp>
#include <planaria/transport/transport.hpp>

#include "host/child_process.hpp"
#include "host/private_folder.hpp"

namespace planaria::host {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string text_of_file(const std::string& path) {
  const auto text = read_file(path);
  return text.ok() ? text.value() : "";
}

// The number behind `key` in a file of lines "key number unit".
std::uint64_t number_behind(const std::string& text, const std::string& key) {
  for (const std::string& line : split(text, '\n')) {
    std::istringstream words(line);
    std::string first;
    std::uint64_t number = 0;
    if (words >> first >> number && first == key) return number;
  }
  return 0;
}

// A control file of this process's group (version 2), or "" where there is none.
std::string group_file(const std::string& name) {
  const std::string groups = "/sys/fs/cgroup";
  for (const std::string& line : split(text_of_file("/proc/self/cgroup"), '\n')) {
    if (!line.starts_with("0::/")) continue;
    const std::string text = text_of_file(groups + line.substr(3) + "/" + name);
    if (!text.empty()) return text;
  }
  return text_of_file(groups + "/" + name);
}

// As LibTorch chooses its kernels.
std::string cpu_capability() {
  for (const std::string& line : split(text_of_file("/proc/cpuinfo"), '\n')) {
    if (!line.starts_with("flags")) continue;
    const std::string flags = line + " ";
    const auto has = [&](const char* flag) {
      return flags.find(fmt::format(" {} ", flag)) != std::string::npos;
    };
    if (!has("avx2") || !has("fma")) return "DEFAULT";
    const bool wide = has("avx512f") && has("avx512vl") && has("avx512bw") && has("avx512dq");
    return wide ? "AVX512" : "AVX2";
  }
  return "DEFAULT";
}

void look_at_processor(MachineFacts& facts) {
  facts.cores_online = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  cpu_set_t usable;
  const bool known = ::sched_getaffinity(0, sizeof usable, &usable) == 0;
  facts.cores_usable = known ? CPU_COUNT(&usable) : facts.cores_online;
  double quota_us = 0;
  double period_us = 0;
  std::istringstream words(group_file("cpu.max"));  // "max 100000" has no quota
  if (words >> quota_us >> period_us && period_us > 0) facts.cores_quota = quota_us / period_us;
  facts.cpu_capability = cpu_capability();
  facts.cpu_capability_forced = environment("ATEN_CPU_CAPABILITY");
}

void look_at_memory(MachineFacts& facts) {
  constexpr std::uint64_t kib = 1024;
  const std::string memory = text_of_file("/proc/meminfo");
  facts.memory_bytes = number_behind(memory, "MemTotal:") * kib;
  facts.memory_free_bytes = number_behind(memory, "MemAvailable:") * kib;
  std::uint64_t limit = 0;
  std::uint64_t used = 0;
  if (std::istringstream(group_file("memory.max")) >> limit &&
      std::istringstream(group_file("memory.current")) >> used && limit < facts.memory_bytes) {
    facts.memory_bytes = limit;
    facts.memory_free_bytes = std::min(facts.memory_free_bytes, limit - std::min(limit, used));
  }
  struct statvfs shared {};
  if (::statvfs("/dev/shm", &shared) == 0) {
    facts.shared_memory_bytes = std::uint64_t{shared.f_blocks} * shared.f_frsize;
  }
}

std::optional<std::uint64_t> limit_of(rlim_t limit) {
  if (limit == RLIM_INFINITY) return std::nullopt;
  return limit;
}

void look_at_limits(MachineFacts& facts) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    facts.open_files_max = limit_of(limit.rlim_cur);
    facts.open_files_hard_max = limit_of(limit.rlim_max);
  }
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
    facts.locked_memory_bytes_max = limit_of(limit.rlim_cur);
  }
  std::istringstream(text_of_file("/proc/sys/net/ipv4/ip_local_port_range")) >> facts.ports_low >>
      facts.ports_high;
}

// What stands in the way of one process listening at `address` and another connecting, or "".
std::string connect_fault(const std::string& address) {
  transport::TransportOptions options;
  options.secret = "not a secret: both ends are this process";
  auto listener = transport::make_socket_transport(options);
  auto caller = transport::make_socket_transport(options);
  if (!listener.ok()) return listener.fault().sentence;
  if (!caller.ok()) return caller.fault().sentence;
  const transport::Watcher nobody = {.connected = [](auto, const auto&) {},
                                     .lost = [](auto, const auto&, const auto&) {},
                                     .refused = [](const auto&, const auto&) {}};
  listener.value()->watch(nobody);
  caller.value()->watch(nobody);
  const auto bound = listener.value()->listen(address);
  if (!bound.ok()) return bound.fault().sentence;
  constexpr double patience_ms = 10000;
  const auto peer = caller.value()->connect(bound.value(), transport::not_yet_joined, patience_ms);
  return peer.ok() ? "" : peer.fault().sentence;
}

void try_sockets(MachineFacts& facts) {
  const auto folder = PrivateFolder::create();
  facts.unix_fault = folder.ok() ? connect_fault("unix:" + folder.value().file("socket"))
                                 : folder.fault().sentence;
  facts.tcp_fault = connect_fault("tcp:127.0.0.1:0");
}

// Reads a child's output until it ends; what it said on stdout and on stderr.
struct Answer {
  std::string out;
  std::string err;
  int status = -1;
};

Answer ask(const ChildOptions& options, int patience_ms) {
  auto child = ChildProcess::start(options);
  if (!child.ok()) return {.out = "", .err = child.fault().sentence};
  ChildProcess& running = child.value();
  Answer answer;
  constexpr int round_ms = 50;
  const auto read_into = [](Descriptor& from, std::string& text) {
    std::array<char, 4096> buffer{};
    while (from.open()) {
      const ssize_t count = ::read(from.get(), buffer.data(), buffer.size());
      if (count < 0) return;
      if (count == 0) from.close();
      text.append(buffer.data(), static_cast<std::size_t>(count));
    }
  };
  for (int waited_ms = 0; !running.poll() && waited_ms < patience_ms; waited_ms += round_ms) {
    std::array<pollfd, 2> waiting = {pollfd{running.out().get(), POLLIN, 0},
                                     pollfd{running.err().get(), POLLIN, 0}};
    ::poll(waiting.data(), waiting.size(), round_ms);
    read_into(running.out(), answer.out);
    read_into(running.err(), answer.err);
  }
  read_into(running.out(), answer.out);
  read_into(running.err(), answer.err);
  if (running.poll()) answer.status = running.poll()->status;
  return answer;
}

void look_at_python(MachineFacts& facts) {
  const std::string wanted = environment("PLANARIA_PYTHON");
  const auto python = find_program(wanted.empty() ? "python3" : wanted);
  if (!python) {
    facts.python_fault = wanted.empty()
                             ? "no python3 in PATH"
                             : fmt::format("PLANARIA_PYTHON: {}, no such program", wanted);
    return;
  }
  facts.python = *python;
  constexpr int patience_ms = 60000;  // a cold disk reads gigabytes
  const Answer answer = ask({.program = *python,
                             .arguments = {"-c", "import torch; print(torch.__version__)"},
                             .environment = {}},
                            patience_ms);
  std::istringstream(answer.out) >> facts.python_torch;
  if (answer.status == 0 && !facts.python_torch.empty()) return;
  facts.python_torch.clear();
  std::string last;
  for (const std::string& line : split(answer.err, '\n')) {
    if (!line.empty()) last = line;
  }
  facts.python_fault = last.empty() ? "import torch gives no answer" : last;
}

std::string version_of_headers(const std::string& root) {
  for (const char* header :
       {"torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h"}) {
    const std::string text = text_of_file(root + "/include/" + header);
    std::string version;
    for (const char* part : {"MAJOR", "MINOR", "PATCH"}) {
      const std::string name = fmt::format("#define TORCH_VERSION_{} ", part);
      const auto at = text.find(name);
      if (at == std::string::npos) break;
      const auto end = text.find('\n', at);
      version +=
          (version.empty() ? "" : ".") + text.substr(at + name.size(), end - at - name.size());
      if (part == std::string("PATCH")) return version;
    }
  }
  return "";
}

// version.py of a wheel: __version__ = '2.11.0+cu130'
std::string version_of_wheel(const std::string& root) {
  for (const std::string& line : split(text_of_file(root + "/version.py"), '\n')) {
    const std::vector<std::string> parts = split(line, '\'');
    if (line.starts_with("__version__ = '") && parts.size() >= 2) return parts[1];
  }
  return "";
}

TorchFiles torch_at(const std::string& root, const std::string& why) {
  TorchFiles torch{.root = root, .why = why};
  std::error_code error;
  torch.has_libraries = fs::exists(root + "/lib/libtorch_cpu.so", error) &&
                        fs::exists(root + "/lib/libc10.so", error);
  torch.has_headers = fs::exists(root + "/include/torch/csrc/api/include/torch/torch.h", error);
  torch.version = version_of_wheel(root);
  if (torch.version.empty()) torch.version = version_of_headers(root);
  return torch;
}

// The first place that somebody named rules, as it does for CMake; it need not hold anything.
void look_for_torch(MachineFacts& facts, const LookOptions& options) {
  const std::string named = environment("PLANARIA_TORCH_ROOT");
  if (!options.torch_root.empty()) {
    facts.torch = torch_at(options.torch_root, "--torch-root");
  } else if (!named.empty()) {
    facts.torch = torch_at(named, "PLANARIA_TORCH_ROOT");
  } else if (!options.torch_built_root.empty()) {
    facts.torch = torch_at(options.torch_built_root, "where it was when planaria was built");
  }
  facts.torch_built_version = options.torch_built_version;
}

void look_at_gpus(MachineFacts& facts, const LookOptions& options) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/dev", error)) {
    const std::string name = entry.path().filename();
    const std::string digits = name.starts_with("nvidia") ? name.substr(6) : "";
    const bool numbered =
        !digits.empty() && digits.find_first_not_of("0123456789") == std::string::npos;
    facts.gpus += numbered ? 1 : 0;
  }
  facts.gpu_driver = text_of_file("/sys/module/nvidia/version");
  while (!facts.gpu_driver.empty() && facts.gpu_driver.back() == '\n') facts.gpu_driver.pop_back();
  void* library = ::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) {
    facts.cuda_fault = ::dlerror();
  } else {
    ::dlclose(library);
  }
  facts.built_with_cuda = options.built_with_cuda;
}

}  // namespace

MachineFacts look_at_machine(const LookOptions& options) {
  MachineFacts facts;
  look_at_processor(facts);
  look_at_memory(facts);
  look_for_torch(facts, options);
  look_at_python(facts);
  look_at_limits(facts);
  try_sockets(facts);
  look_at_gpus(facts, options);
  return facts;
}

}  // namespace planaria::host
