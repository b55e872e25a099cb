// What the doctor makes of machines that need not exist.
#include <catch2/catch.hpp>

#include <algorithm>

#include <planaria/host/doctor.hpp>

namespace planaria::test {
namespace {

using host::Finding;
using host::MachineFacts;
using host::Readiness;

constexpr std::uint64_t mib = std::uint64_t{1} << 20;

MachineFacts good_machine() {
  MachineFacts facts;
  facts.cores_online = 8;
  facts.cores_usable = 8;
  facts.cpu_capability = "AVX2";
  facts.memory_bytes = 32768 * mib;
  facts.memory_free_bytes = 16384 * mib;
  facts.shared_memory_bytes = 16384 * mib;
  facts.torch = {.root = "/opt/torch",
                 .why = "PLANARIA_TORCH_ROOT",
                 .version = "2.11.0+cu130",
                 .has_libraries = true,
                 .has_headers = true};
  facts.torch_built_version = "2.11.0";
  facts.python = "/usr/bin/python3";
  facts.python_torch = "2.11.0";
  facts.ports_low = 32768;
  facts.ports_high = 60999;
  facts.open_files_max = 1024;
  facts.open_files_hard_max = 1048576;
  facts.gpus = 1;
  facts.gpu_driver = "580.65";
  facts.built_with_cuda = true;
  return facts;
}

Finding finding(const MachineFacts& facts, const std::string& name) {
  for (const Finding& found : host::diagnose(facts)) {
    if (found.name == name) return found;
  }
  FAIL("no finding is named " << name);
  return {};
}

}  // namespace

TEST_CASE("a machine that has everything gets no advice") {
  const auto findings = host::diagnose(good_machine());
  CHECK(findings.size() == 11);
  for (const Finding& found : findings) {
    INFO(found.name);
    CHECK(found.readiness == Readiness::ok);
    CHECK(found.advice.empty());
    CHECK(!found.found.empty());
    CHECK(found.values.is_object());
  }
  CHECK(host::can_train(findings));
}

TEST_CASE("nobody trains where LibTorch, Unix sockets, memory or descriptors are missing") {
  struct Lack {
    std::string name;
    std::function<void(MachineFacts&)> take;
    std::string found, advice;
  };
  const std::string torch_advice =
      "point PLANARIA_TORCH_ROOT to the folder torch/ of a wheel or to an unpacked libtorch, or "
      "run "
      "scripts/setup where planaria is built";
  const std::vector<Lack> lacks = {
      {"LibTorch", [](MachineFacts& facts) { facts.torch = {}; }, "nobody says where it is",
       torch_advice},
      {"LibTorch", [](MachineFacts& facts) { facts.torch.has_libraries = false; },
       "no lib/libtorch_cpu.so and lib/libc10.so in /opt/torch (PLANARIA_TORCH_ROOT)",
       torch_advice},
      {"Unix sockets", [](MachineFacts& facts) { facts.unix_fault = "/tmp: Permission denied"; },
       "/tmp: Permission denied",
       "runs on one machine use them: TMPDIR or /tmp must be a folder to write in"},
      {"memory", [](MachineFacts& facts) { facts.memory_free_bytes = 300 * mib; },
       "32.0 GiB, 300.0 MiB free",
       "one worker takes 400.0 MiB before it has a model: end other programs"},
      {"open files",
       [](MachineFacts& facts) {
         facts.open_files_max = 63;
         facts.open_files_hard_max = 63;
       },
       "63 a process", "each worker is one more: ulimit -n 4096, after an administrator raised 63"},
  };
  for (const Lack& lack : lacks) {
    INFO(lack.name << ": " << lack.found);
    MachineFacts facts = good_machine();
    lack.take(facts);
    const Finding found = finding(facts, lack.name);
    CHECK(found.readiness == Readiness::missing);
    CHECK(found.found == lack.found);
    CHECK(found.advice == lack.advice);
    CHECK(!host::can_train(host::diagnose(facts)));
  }
}

TEST_CASE("what makes training slower, or is needed by few, does not forbid it") {
  MachineFacts facts;  // the poorest machine that trains
  facts.cores_online = 4;
  facts.cores_usable = 4;
  facts.cores_quota = 0.5;
  facts.cpu_capability = "AVX512";
  facts.cpu_capability_forced = "avx2";
  facts.memory_bytes = 2048 * mib;
  facts.memory_free_bytes = 900 * mib;
  facts.torch = {.root = "/t", .why = "--torch-root", .version = "2.9.1", .has_libraries = true};
  facts.torch_built_version = "2.11.0";
  facts.python_fault = "no python3 in PATH";
  facts.tcp_fault = "tcp:127.0.0.1:0: Network is unreachable";
  facts.open_files_max = 256;
  facts.cuda_fault = "libcuda.so.1: not found";
  CHECK(host::can_train(host::diagnose(facts)));

  CHECK(finding(facts, "cores").found == "0.5 of 4 usable");
  CHECK(finding(facts, "cpu kernels").found == "AVX512, forced by ATEN_CPU_CAPABILITY=avx2");
  CHECK(finding(facts, "memory").advice ==
        "a worker takes 400.0 MiB before it has a model: start at most 2");
  CHECK(finding(facts, "LibTorch").advice ==
        "this planaria was built with 2.11.0: trainers need that one, or build planaria with this");
  CHECK(finding(facts, "open files").advice == "each worker is one more: ulimit -n 4096");
  for (const char* name : {"cores", "cpu kernels", "memory", "LibTorch", "open files"}) {
    CHECK(finding(facts, name).readiness == Readiness::limited);
  }
  CHECK(finding(facts, "TCP").found == "tcp:127.0.0.1:0: Network is unreachable");
  CHECK(finding(facts, "Python torch").found == "no python3 in PATH");
  CHECK(finding(facts, "GPU").advice == "training goes on the CPU");
  for (const char* name : {"TCP", "Python torch", "GPU", "/dev/shm"}) {
    CHECK(finding(facts, name).readiness == Readiness::missing);
    CHECK(!finding(facts, name).needed);
  }
}

TEST_CASE("patch versions of LibTorch fit each other, lines do not, and headers are missed") {
  MachineFacts facts = good_machine();
  facts.torch.version = "2.11.2";
  CHECK(finding(facts, "LibTorch").readiness == Readiness::ok);
  facts.torch_built_version = "";  // built without LibTorch: any will do
  facts.torch.version = "2.4.0";
  CHECK(finding(facts, "LibTorch").readiness == Readiness::ok);
  facts.torch.has_headers = false;
  CHECK(finding(facts, "LibTorch").advice ==
        "no headers in include/: trainers run here and cannot be compiled here");
}

TEST_CASE("a GPU needs its driver's user part, a planaria with CUDA and memory to pin") {
  MachineFacts facts = good_machine();
  facts.built_with_cuda = false;
  CHECK(finding(facts, "GPU").advice ==
        "this planaria was built without CUDA: scripts/build-cuda builds one with it");
  facts.cuda_fault = "libcuda.so.1: not found";
  CHECK(finding(facts, "GPU").found == "1 in /dev, driver 580.65, libcuda.so.1: not found");
  CHECK(finding(facts, "GPU").readiness == Readiness::limited);
  facts.locked_memory_bytes_max = 8 * mib;
  CHECK(finding(facts, "locked memory").readiness == Readiness::limited);
  facts.gpus = 0;
  CHECK(finding(facts, "locked memory").readiness == Readiness::ok);
}

TEST_CASE("few ports and a small /dev/shm are said") {
  MachineFacts facts = good_machine();
  facts.ports_low = 40000;
  facts.ports_high = 40099;
  CHECK(finding(facts, "TCP").advice ==
        "each pair of workers takes one: widen net.ipv4.ip_local_port_range");
  facts.shared_memory_bytes = 64 * mib;
  CHECK(finding(facts, "/dev/shm").readiness == Readiness::limited);
  CHECK(host::can_train(host::diagnose(facts)));
}

}  // namespace planaria::test
