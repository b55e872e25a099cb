// host/doctor.hpp: what this machine has for training, and what to do about what it lacks. Floor 7.
// Is: a look at the machine, and apart from it the judgement, a pure function of what was seen.
// Is not: a benchmark, and it loads no LibTorch: it looks for the files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <planaria/base/json.hpp>

namespace planaria::host {

/// A LibTorch on disk; `root` is empty where none was found.
struct TorchFiles {
  std::string root;  // the folder with lib/ and include/
  std::string why;   // why it was looked for there, in words: "--torch-root"
  std::string version;
  bool has_libraries = false;
  bool has_headers = false;
};

/// What was seen. Sizes are bytes; a fault's sentence is empty where there was none.
struct MachineFacts {
  // ---- processor and memory
  int cores_online = 0;
  int cores_usable = 0;                   // by this process's affinity
  std::optional<double> cores_quota;      // of its control group
  std::string cpu_capability;             // as LibTorch names it: AVX512, AVX2, DEFAULT
  std::string cpu_capability_forced;      // ATEN_CPU_CAPABILITY
  std::uint64_t memory_bytes = 0;         // of the machine, or of its control group if that is less
  std::uint64_t memory_free_bytes = 0;    // what new processes may take
  std::uint64_t shared_memory_bytes = 0;  // size of /dev/shm; 0: there is none

  // ---- LibTorch
  TorchFiles torch;
  std::string torch_built_version;  // that this planaria is for; empty: built without
  std::string python;               // the interpreter asked; empty: none found
  std::string python_torch;         // its torch's version
  std::string python_fault;

  // ---- processes and sockets
  std::string unix_fault;
  std::string tcp_fault;
  int ports_low = 0;  // ports that the kernel gives out by itself
  int ports_high = 0;
  std::optional<std::uint64_t> open_files_max;       // nothing: unlimited
  std::optional<std::uint64_t> open_files_hard_max;  // as far as a user may raise it
  std::optional<std::uint64_t> locked_memory_bytes_max;

  // ---- GPU
  int gpus = 0;            // device files
  std::string gpu_driver;  // its version; empty: not loaded
  std::string cuda_fault;  // why libcuda.so.1 cannot be loaded
  bool built_with_cuda = false;
};

struct LookOptions {
  /// Where to look for LibTorch, before all other places.
  std::string torch_root;
  /// Where it was when this program was built, and which.
  std::string torch_built_root;
  std::string torch_built_version;
  bool built_with_cuda = false;
};

/// Looks; never fails, a thing that cannot be seen is not there. Opens a socket of each kind and
/// starts a Python interpreter (at most 60 s).
[[nodiscard]] MachineFacts look_at_machine(const LookOptions& options);

enum class Readiness { ok, limited, missing };
/// Returns "ok", "limited" or "missing".
[[nodiscard]] const char* name_of(Readiness readiness);

struct Finding {
  std::string name;
  Readiness readiness = Readiness::ok;
  bool needed = false;  // without it nobody can train here
  std::string found;    // what is there, in words
  std::string advice;   // what to do; empty where nothing need be done
  Json values;          // the same as an object, units in names
};

/// Judges what was seen, one finding a line. Pure.
[[nodiscard]] std::vector<Finding> diagnose(const MachineFacts& facts);
/// Returns whether nothing that is needed is missing.
[[nodiscard]] bool can_train(const std::vector<Finding>& findings);

}  // namespace planaria::host
