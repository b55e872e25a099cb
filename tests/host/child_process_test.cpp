#include <catch2/catch.hpp>

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include <planaria/base/text.hpp>
#include <planaria/host/launcher.hpp>

#include "host/child_process.hpp"
#include "host/private_folder.hpp"
#include "host/processes.hpp"

namespace planaria::host {
namespace {

using test::TemporaryFolder;

// All that the child writes to stdout, and how it ended.
std::pair<std::string, ChildEnd> run_to_end(const ChildOptions& options) {
  ChildProcess child = ChildProcess::start(options).value();
  std::string text;
  char buffer[4096];
  while (true) {
    pollfd waited{child.out().get(), POLLIN, 0};
    ::poll(&waited, 1, -1);
    const ssize_t count = ::read(child.out().get(), buffer, sizeof buffer);
    if (count <= 0) break;
    text.append(buffer, static_cast<std::size_t>(count));
  }
  while (!child.poll()) ::poll(nullptr, 0, 1);
  return {text, *child.poll()};
}

}  // namespace

TEST_CASE("a child gets its arguments, its changed environment and nothing on stdin") {
  ::setenv("PLANARIA_TEST_GONE", "there", 1);
  const auto [text, end] = run_to_end(
      {.program = "sh",
       .arguments = {"-c", "echo \"$1|$NEW|${PLANARIA_TEST_GONE-none}\"; cat; exit 7", "sh", "a b"},
       .environment = {{"NEW", "new"}, {"PLANARIA_TEST_GONE", std::nullopt}}});
  ::unsetenv("PLANARIA_TEST_GONE");
  CHECK(text == "a b|new|none\n");
  CHECK(end.status == 7);
  CHECK(text_of(end) == "exited with status 7");
}

TEST_CASE("a child that is killed says by what") {
  const auto [text, end] = run_to_end({.program = "sh", .arguments = {"-c", "kill -9 $$"}});
  CHECK(end.status == 137);
  CHECK(text_of(end) == "was killed by signal 9 (Killed)");
}

TEST_CASE("what cannot be executed is refused with the reason") {
  const TemporaryFolder folder;
  CHECK(ChildProcess::start({.program = "/no/such"}).fault() ==
        Fault::invalid_input("program /no/such: no such executable file"));
  const std::string script = folder.file("script");
  REQUIRE(write_file_atomically(script, "#!/no/such/interpreter\n").ok());
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  CHECK(ChildProcess::start({.program = script}).fault() ==
        Fault::invalid_input("program " + script +
                             ": cannot be executed: No such file or directory"));
}

TEST_CASE("a child and what it started die with their owner") {
  pid_t grandchild = 0;
  {
    ChildProcess child =
        ChildProcess::start({.program = "sh", .arguments = {"-c", "sleep 1000 & echo $!; wait"}})
            .value();
    pollfd waited{child.out().get(), POLLIN, 0};
    ::poll(&waited, 1, -1);
    char buffer[32] = "";
    REQUIRE(::read(child.out().get(), buffer, sizeof buffer - 1) > 0);
    grandchild = std::atoi(buffer);
    REQUIRE(::kill(grandchild, 0) == 0);
  }
  // Killed, but somebody else's to reap: it is gone or a zombie.
  const auto gone = [&] {
    const auto status = read_file("/proc/" + std::to_string(grandchild) + "/stat");
    return !status.ok() || status.value().find(") Z ") != std::string::npos;
  };
  while (!gone()) ::poll(nullptr, 0, 1);
  CHECK(gone());
}

TEST_CASE("a private folder is private, short enough for sockets, and gone afterwards") {
  const TemporaryFolder long_parent;
  const std::string parent = long_parent.file(std::string(100, 'x'));
  std::filesystem::create_directories(parent);
  const char* before = std::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "/tmp" : before;
  ::setenv("TMPDIR", parent.c_str(), 1);
  std::string secret_path;
  {
    const PrivateFolder folder = PrivateFolder::create().value();
    secret_path = folder.file("secret");
    CHECK(secret_path.size() < 60);
    struct stat status {};
    REQUIRE(::stat(folder.file("").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0700);
    REQUIRE(write_fresh_secret(secret_path).ok());
    CHECK(read_secret(secret_path).value().size() == 32);
    CHECK_FALSE(write_fresh_secret(secret_path).ok());  // never over another
    const std::string other = folder.file("other");
    REQUIRE(write_fresh_secret(other).ok());
    CHECK(read_secret(other).value() != read_secret(secret_path).value());
  }
  ::setenv("TMPDIR", kept.c_str(), 1);
  CHECK_FALSE(std::filesystem::exists(secret_path));
}

TEST_CASE("a secret that others may read, or that can be guessed, is refused") {
  const TemporaryFolder folder;
  const std::string path = folder.file("secret");
  REQUIRE(write_file_atomically(path, std::string(32, 's')).ok());
  std::filesystem::permissions(path, std::filesystem::perms(0640));
  CHECK(read_secret(path).fault() ==
        Fault::invalid_input("secret file " + path +
                             ": others may use it (mode 640), must be its "
                             "owner's alone (chmod 600)"));
  std::filesystem::permissions(path, std::filesystem::perms(0600));
  CHECK(read_secret(path).value() == std::string(32, 's'));
  REQUIRE(write_file_atomically(path, "short\n").ok());
  std::filesystem::permissions(path, std::filesystem::perms(0600));
  CHECK(read_secret(path).fault() ==
        Fault::invalid_input("secret file " + path + ": 6 bytes, must be at least 16"));
  CHECK(read_secret(folder.file("none")).fault() ==
        Fault::unavailable("secret file " + folder.file("none") + ": No such file or directory"));
}

}  // namespace planaria::host
