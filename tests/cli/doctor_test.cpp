// `planaria doctor` on this machine, and on ones that lack something.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include <planaria/base/json.hpp>
#include <planaria/base/text.hpp>

#include "host/processes.hpp"

namespace planaria::test {
namespace {

namespace fs = std::filesystem;

/// LibTorch and a Python with torch as far as the doctor looks.
struct Pretended {
  Pretended() {
    write("torch/lib/libtorch_cpu.so", "");
    write("torch/lib/libc10.so", "");
    write("torch/include/torch/csrc/api/include/torch/torch.h", "");
    write("torch/version.py", "__version__ = '2.11.7+cpu'\n");
    write("python", "#!/bin/sh\necho 2.11.7\n");
    fs::permissions(folder.file("python"), fs::perms::owner_all);
  }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories(fs::path(folder.file(name)).parent_path());
    std::ofstream(folder.file(name)) << text;
  }
  [[nodiscard]] Ended doctor(std::vector<std::string> arguments,
                             std::map<std::string, std::string> environment = {}) const {
    arguments.insert(arguments.begin(), "doctor");
    environment.try_emplace("PLANARIA_PYTHON", folder.file("python"));
    environment.try_emplace("PLANARIA_TORCH_ROOT", folder.file("torch"));
    std::vector<host::EnvironmentChange> changes;
    for (const auto& [name, value] : environment) changes.push_back({name, value});
    return planaria_ends(arguments, changes);
  }
  TemporaryFolder folder;
};

Json check_named(const Ended& ran, const std::string& name) {
  INFO(ran.out << ran.err);
  const auto json = parse_json(ran.out, "doctor");
  REQUIRE(json.ok());
  for (const Json& check : json.value()["checks"]) {
    if (check["name"] == name) return check;
  }
  FAIL("no check is named " << name);
  return {};
}

}  // namespace

TEST_CASE("the doctor says a line for each thing, and last whether one can train") {
  const Pretended machine;
  const Ended ran = machine.doctor({});
  INFO(ran.out);
  CHECK(ran.status == 0);
  CHECK(ran.err.empty());
  CHECK(lines_of(ran.out).back() == "training is possible here");
  for (const char* name : {"cores", "cpu kernels", "memory", "Unix sockets", "TCP", "open files",
                           "locked memory", "/dev/shm", "GPU"}) {
    CHECK_THAT("\n" + ran.out, Catch::Contains(std::string("\n") + name + " "));
  }
  CHECK_THAT(ran.out, Catch::Contains("\nLibTorch      ok       2.11.7+cpu in " +
                                      machine.folder.file("torch") + " (PLANARIA_TORCH_ROOT)\n"));
  CHECK_THAT(ran.out, Catch::Contains("\nPython torch  ok       2.11.7 in " +
                                      machine.folder.file("python") + "\n"));
  CHECK_THAT(ran.out, Catch::Contains("\nUnix sockets  ok       a worker can connect\n"));
}

TEST_CASE("without LibTorch the doctor says what to do and ends with status 1") {
  const Pretended machine;
  const Ended ran = machine.doctor({"--torch-root", "/nowhere"});
  CHECK(ran.status == 1);
  CHECK(lines_of(ran.out).back() == "no training here without: LibTorch");
  CHECK_THAT(ran.out, Catch::Contains("LibTorch      missing  no lib/libtorch_cpu.so and "
                                      "lib/libc10.so in /nowhere (--torch-root)\n"
                                      "                       point PLANARIA_TORCH_ROOT to"));
  CHECK(machine.doctor({}, {{"PLANARIA_TORCH_ROOT", "/nowhere"}}).status == 1);
}

TEST_CASE("the doctor's object has what the lines have") {
  const Pretended machine;
  const Ended ran = machine.doctor({"--json"});
  CHECK(ran.status == 0);
  const Json all = parse_json(ran.out, "doctor").value();
  CHECK(all["version"] == 1);
  CHECK(all["can_train"] == true);
  CHECK(all["checks"].size() == 11);
  CHECK(lines_of(ran.out).size() == 1);
  const Json torch = check_named(ran, "LibTorch");
  CHECK(torch["needed"] == true);
  CHECK(torch["advice"].is_null());
  CHECK(torch["values"]["root"] == machine.folder.file("torch"));
  CHECK(torch["values"]["version"] == "2.11.7+cpu");
  CHECK(check_named(ran, "memory")["values"]["memory_bytes"] > 0);
  CHECK(check_named(ran, "cores")["values"]["usable"] > 0);

  const Ended lacking = machine.doctor({"--json"}, {{"PLANARIA_TORCH_ROOT", "/nowhere"}});
  CHECK(lacking.status == 1);
  CHECK(parse_json(lacking.out, "doctor").value()["can_train"] == false);
  CHECK(check_named(lacking, "LibTorch")["state"] == "missing");

  const Ended kept = machine.doctor({"--json", "-o", machine.folder.file("answer.json")});
  CHECK(kept.out.empty());
  CHECK(read_json_file(machine.folder.file("answer.json")).value()["version"] == 1);
}

TEST_CASE("LibTorch's version is read from its headers where no wheel says it") {
  const Pretended machine;
  fs::remove(machine.folder.file("torch/version.py"));
  machine.write("torch/include/torch/headeronly/version.h",
                "/// Version.\n#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 11\n"
                "#define TORCH_VERSION_PATCH 3\n");
  CHECK(check_named(machine.doctor({"--json"}), "LibTorch")["values"]["version"] == "2.11.3");
}

TEST_CASE("why Python has no torch is said in Python's words") {
  const Pretended machine;
  machine.write("python",
                "#!/bin/sh\necho Traceback >&2\necho 'ImportError: no numpy' >&2\nexit 1\n");
  const Json python = check_named(machine.doctor({"--json"}), "Python torch");
  CHECK(python["state"] == "missing");
  CHECK(python["needed"] == false);
  CHECK(python["found"] == machine.folder.file("python") + ": ImportError: no numpy");
  const auto none = machine.doctor({"--json"}, {{"PLANARIA_PYTHON", "/nowhere/python"}});
  CHECK(none.status == 0);
  CHECK(check_named(none, "Python torch")["found"] ==
        "PLANARIA_PYTHON: /nowhere/python, no such program");
}

TEST_CASE("nobody trains where a run could not keep its sockets") {
  const Pretended machine;
  const Ended ran = machine.doctor({"--json"}, {{"TMPDIR", "/nowhere"}});
  CHECK(ran.status == 1);
  const Json sockets = check_named(ran, "Unix sockets");
  CHECK(sockets["state"] == "missing");
  CHECK_THAT(sockets["found"].get<std::string>(),
             Catch::StartsWith("temporary folder /nowhere/planaria-") &&
                 Catch::EndsWith(": No such file or directory"));
}

}  // namespace planaria::test
