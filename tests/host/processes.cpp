#include "host/processes.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include <planaria/base/check.hpp>
#include <planaria/base/text.hpp>
#include <planaria/host/run_options.hpp>

namespace planaria::test {
std::string built(const std::string& name) {
  const char* folder = std::getenv("PLANARIA_BIN");
  return std::string(folder == nullptr ? "." : folder) + "/" + name;
}

RunningPlanaria::RunningPlanaria(const std::vector<std::string>& arguments,
                                 const std::vector<host::EnvironmentChange>& environment)
    : child_(host::ChildProcess::start(
                 {.program = built("planaria"), .arguments = arguments, .environment = environment})
                 .value()) {}

void RunningPlanaria::read_for_a_while() {
  std::array<pollfd, 2> waited = {pollfd{child_.out().get(), POLLIN, 0},
                                  {child_.err().get(), POLLIN, 0}};
  ::poll(waited.data(), waited.size(), 20);
  const auto read_into = [](host::Descriptor& from, std::string& text) {
    std::array<char, 65536> buffer{};
    while (from.open()) {
      const ssize_t count = ::read(from.get(), buffer.data(), buffer.size());
      if (count < 0) return;
      if (count == 0) from.close();
      text.append(buffer.data(), static_cast<std::size_t>(count));
    }
  };
  read_into(child_.out(), ended_.out);
  read_into(child_.err(), ended_.err);
}

bool RunningPlanaria::wait_until(const std::function<bool()>& condition) {
  while (!condition()) {
    if (child_.poll()) return condition();
    read_for_a_while();
  }
  return true;
}

Ended RunningPlanaria::wait() {
  wait_until([&] { return child_.poll().has_value(); });
  read_for_a_while();
  ended_.status = child_.poll()->status;
  return ended_;
}

Ended planaria_ends(const std::vector<std::string>& arguments,
                    const std::vector<host::EnvironmentChange>& environment) {
  return RunningPlanaria(arguments, environment).wait();
}

std::vector<std::string> toy_run(const std::vector<std::string>& options,
                                 const std::vector<std::string>& toy) {
  std::vector<std::string> arguments = {"run"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  arguments.insert(arguments.end(), {"--", built("toy_worker")});
  arguments.insert(arguments.end(), toy.begin(), toy.end());
  return arguments;
}

std::vector<std::string> lines_of(const std::string& text) {
  host::LineBuffer buffer;
  std::vector<std::string> lines = buffer.add(text);
  for (std::string& rest : buffer.finish()) lines.push_back(std::move(rest));
  return lines;
}

std::vector<Json> whole_lines(const std::string& path) {
  const auto text = read_file(path);
  std::vector<Json> lines;
  if (!text.ok()) return lines;
  for (const std::string& line : lines_of(text.value())) {
    Json json = Json::parse(line, nullptr, false);
    if (json.is_object()) lines.push_back(std::move(json));
  }
  return lines;
}

std::vector<Json> events_of(const std::string& run_dir, const std::string& name) {
  std::vector<Json> found;
  for (Json& event : whole_lines(run_dir + "/events.jsonl")) {
    if (event.value("event", "") == name) found.push_back(std::move(event));
  }
  return found;
}

}  // namespace planaria::test
