#include <planaria/observe/events.hpp>

#include <csignal>
#include <fstream>
#include <limits>

#include <sys/resource.h>

#include <catch2/catch.hpp>

#include <planaria/base/text.hpp>

#include "support/temporary_folder.hpp"

namespace planaria {
namespace {

// Lets no file grow beyond `bytes` while it lives: a disk that fills up.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = SIG_DFL;
};

void put(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

}  // namespace

TEST_CASE("an event is one object of time, view, step, name and its fields", "[unit]") {
  const Event event{
      Instant{12.5}, ViewNumber{3}, Step{12}, "worker_lost", {{"worker", 2}, {"why", "silence"}}};
  CHECK(to_json(event) == Json{{"t_ms", 12.5},
                               {"view", 3},
                               {"step", 12},
                               {"event", "worker_lost"},
                               {"worker", 2},
                               {"why", "silence"}});
}

TEST_CASE("numbers that are not finite become null, deep down too", "[unit]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const Event event{Instant{infinity},
                    {},
                    {},
                    "skipped",
                    {{"loss", nan}, {"all", {1.5, -infinity, {{"x", nan}}}}}};
  const Json json = to_json(event);
  CHECK(json.at("loss").is_null());
  CHECK(json.at("t_ms").is_null());
  CHECK(json.at("all") == Json{1.5, nullptr, {{"x", nullptr}}});
}

TEST_CASE("a field named like one of the event's own gives way", "[unit]") {
  const Event event{Instant{1}, ViewNumber{2}, Step{3}, "skipped_step", {{"step", 99}}};
  CHECK(to_json(event).at("step") == 3);
}

TEST_CASE("lines come back in the order they were written, over several openings", "[unit]") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("events.jsonl");
  {
    JsonLines lines = JsonLines::open(path).value();
    REQUIRE(lines.write({{"a", 1}, {"text", "two\nlines"}}).ok());
    JsonLines moved = std::move(lines);
    REQUIRE(moved.write_text(R"({"a":2})").ok());
  }
  REQUIRE(JsonLines::open(path).value().write({{"a", 3}}).ok());
  CHECK(read_file(path).value() == "{\"a\":1,\"text\":\"two\\nlines\"}\n{\"a\":2}\n{\"a\":3}\n");
  const auto read = read_json_lines(path).value();
  REQUIRE(read.size() == 3);
  CHECK(read[0].at("text") == "two\nlines");
  CHECK(read[2].at("a") == 3);
}

TEST_CASE("two writers of one file never mix their lines", "[unit]") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("events.jsonl");
  JsonLines first = JsonLines::open(path).value();
  JsonLines second = JsonLines::open(path).value();
  for (int i = 0; i < 50; ++i) {
    REQUIRE(first.write({{"from", 1}, {"i", i}}).ok());
    REQUIRE(second.write({{"from", 2}, {"i", i}}).ok());
  }
  CHECK(read_json_lines(path).value().size() == 100);
}

TEST_CASE("a torn last line is dropped, however much of it is there", "[unit]") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("events.jsonl");
  const std::string whole = "{\"a\":1}\n";
  const std::string torn = "{\"b\":\"x\"}";
  for (std::size_t length = 0; length <= torn.size(); ++length) {
    put(path, whole + torn.substr(0, length));
    CHECK(read_json_lines(path).value() == std::vector<Json>{{{"a", 1}}});
    // Whoever goes on writing finds whole lines only.
    REQUIRE(JsonLines::open(path).value().write({{"c", 2}}).ok());
    CHECK(read_file(path).value() == whole + "{\"c\":2}\n");
  }
  put(path, "");
  CHECK(read_json_lines(path).value().empty());
  put(path, std::string(10'000, 'x'));  // longer than any block that is searched at once
  REQUIRE(JsonLines::open(path).value().write({{"c", 2}}).ok());
  CHECK(read_file(path).value() == "{\"c\":2}\n");
  put(path, whole + std::string(10'000, 'x'));
  REQUIRE(JsonLines::open(path).value().write({{"c", 2}}).ok());
  CHECK(read_file(path).value() == whole + "{\"c\":2}\n");
}

TEST_CASE("a broken line that is not the last is bad input, by file and line", "[unit]") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("events.jsonl");
  put(path, "{\"a\":1}\n{\"a\":\n{\"a\":3}\n");
  const auto broken = read_json_lines(path);
  REQUIRE_FALSE(broken.ok());
  CHECK(broken.fault().kind == FaultKind::invalid_input);
  CHECK(broken.fault().sentence.starts_with(path + ": line 2: not JSON at byte "));
  put(path, "{\"a\":1}\n{\"a\":2}\n[3]\n");
  CHECK(read_json_lines(path).fault() ==
        Fault::invalid_input(path + ": line 3: [3], must be an object"));
  put(path, "{\"a\":1}\n\n{\"a\":2}\n");
  CHECK(read_json_lines(path).fault().sentence.starts_with(path + ": line 2: not JSON"));
}

TEST_CASE("a file that cannot be opened is named", "[unit]") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("none/events.jsonl");
  CHECK(JsonLines::open(path).fault() ==
        Fault::unavailable(path + ": cannot be written: No such file or directory"));
  CHECK(read_json_lines(path).fault() ==
        Fault::unavailable(path + ": cannot be read: No such file or directory"));
}

TEST_CASE("a disk that fills up in the middle of a line leaves whole lines", "[unit]") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("events.jsonl");
  JsonLines lines = JsonLines::open(path).value();
  REQUIRE(lines.write_text(R"({"a":1})").ok());
  {
    const FullDisk full(12);
    const auto refused = lines.write_text(R"({"a":"a line of some length"})");
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.fault().kind == FaultKind::exhausted);
    CHECK(refused.fault().sentence.starts_with("events: a line of 30 bytes was not written: "));
  }
  REQUIRE(lines.write_text(R"({"a":2})").ok());
  CHECK(read_file(path).value() == "{\"a\":1}\n{\"a\":2}\n");
}

TEST_CASE("an atomic write to a full disk leaves the file as it was", "[unit]") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("result.json");
  REQUIRE(write_file_atomically(path, "old").ok());
  {
    const FullDisk full(5);
    CHECK_FALSE(write_file_atomically(path, "new and too long").ok());
  }
  CHECK(read_file(path).value() == "old");
  CHECK(folder.size() == 1);
}

}  // namespace planaria
