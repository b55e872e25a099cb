#include <planaria/base/text.hpp>

#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "support/temporary_folder.hpp"

namespace planaria {

TEST_CASE("bytes and durations are written as people read them", "[unit]") {
  CHECK(text_of_bytes(0) == "0 B");
  CHECK(text_of_bytes(512) == "512 B");
  CHECK(text_of_bytes(1023) == "1023 B");
  CHECK(text_of_bytes(1024) == "1.0 KiB");
  CHECK(text_of_bytes(16'986'931) == "16.2 MiB");
  CHECK(text_of_bytes(std::uint64_t{3} << 40) == "3.0 TiB");
  CHECK(text_of_duration_ms(0) == "0 ms");
  CHECK(text_of_duration_ms(412) == "412 ms");
  CHECK(text_of_duration_ms(1500) == "1.5 s");
  CHECK(text_of_duration_ms(42'000) == "42 s");
  CHECK(text_of_duration_ms(200'000) == "3 min 20 s");
  CHECK(text_of_duration_ms(7'500'000) == "2 h 5 min");
}

TEST_CASE("split and join undo each other", "[unit]") {
  CHECK(split("", ',').empty());
  CHECK(split("a", ',') == std::vector<std::string>{"a"});
  CHECK(split("a,,b,", ',') == std::vector<std::string>{"a", "", "b", ""});
  CHECK(join({}, ", ").empty());
  CHECK(join({"a", "b"}, ", ") == "a, b");
  CHECK(join(split("x:y::z", ':'), ":") == "x:y::z");
}

TEST_CASE("a file comes back as it was written, whatever is in it", "[unit]") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("state");
  for (const std::string& content :
       {std::string(), std::string("one\ntwo"), std::string(3, '\0'), std::string(200'000, 'x')}) {
    REQUIRE(write_file_atomically(path, content).ok());
    CHECK(read_file(path).value() == content);
    CHECK(folder.size() == 1);  // nothing temporary stays
  }
}

TEST_CASE("a write that fails leaves what was there and nothing half-written", "[unit]") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("taken");
  std::filesystem::create_directory(path);  // the rename onto it cannot succeed
  const auto failed = write_file_atomically(path, "new");
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.fault().sentence.starts_with(path + ": cannot be written: "));
  CHECK(std::filesystem::is_directory(path));
  CHECK(folder.size() == 1);

  const std::string nowhere = folder.file("none/file");
  CHECK(write_file_atomically(nowhere, "new").fault().sentence ==
        nowhere + ": cannot be written: No such file or directory");
  CHECK(folder.size() == 1);
}

TEST_CASE("a pipe is written into and stays a pipe", "[unit]") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("pipe");
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const int reader = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(reader >= 0);
  REQUIRE(write_file_atomically(path, "through").ok());
  char block[16];
  CHECK(::read(reader, block, sizeof block) == 7);
  CHECK(std::string_view(block, 7) == "through");
  ::close(reader);
  CHECK(std::filesystem::is_fifo(path));
  CHECK(folder.size() == 1);

  // What stands for an open file is that file.
  const std::string file = folder.file("file");
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(descriptor >= 0);
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  REQUIRE(write_file_atomically(link, "through").ok());
  ::close(descriptor);
  CHECK(read_file(file).value() == "through");
  CHECK(folder.size() == 2);
}

TEST_CASE("text from outside is shown on one line, in UTF-8, and not at any length", "[unit]") {
  CHECK(printable("block 0, größer") == "block 0, größer");
  CHECK(printable("a\nb\x1b[31m\x7f") == "a\\x0ab\\x1b[31m\\x7f");
  CHECK(printable("\xc2\x9b"
                  "31m") == "\\xc2\\x9b31m");  // terminals obey this one too
  CHECK(printable("\xc2\xa0") == "\xc2\xa0");
  CHECK(printable("t\xff\xfey") == "t\\xff\\xfey");
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // half of a pair
  CHECK(printable(std::string(61, 'x')) == std::string(60, 'x') + "…");
  CHECK(printable("ää", 3) == "ää");
  CHECK(printable("äää", 3) == "ää…");
  CHECK(printable("") == "");
  CHECK(printable("xyz", 2) == "xy…");
  CHECK(character_bytes("") == 0);
  CHECK(character_bytes("a") == 1);
  CHECK(character_bytes("\xf0\x9f\x8c\xb1 grows") == 4);
  CHECK(character_bytes("\xf0\x9f") == 0);
}

TEST_CASE("a file longer than allowed is refused", "[unit]") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("long");
  REQUIRE(write_file_atomically(path, "12345").ok());
  CHECK(read_file(path, 5).value() == "12345");
  CHECK(read_file(path, 4).fault() ==
        Fault::invalid_input(path + ": more than 4 bytes, must be at most that"));
  CHECK(read_file("/dev/zero", 100).fault().kind == FaultKind::invalid_input);
}

TEST_CASE("a file that cannot be read is named with the reason", "[unit]") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("none");
  CHECK(read_file(path).fault() ==
        Fault::unavailable(path + ": cannot be read: No such file or directory"));
  const std::string self = folder.path().string();
  CHECK(read_file(self).fault() == Fault::unavailable(self + ": cannot be read: Is a directory"));
}

}  // namespace planaria
