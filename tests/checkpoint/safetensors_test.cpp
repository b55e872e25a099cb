#include <catch2/catch.hpp>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <planaria/base/random.hpp>
#include <planaria/checkpoint/safetensors.hpp>

#include "checkpoint/files.hpp"
#include "support/temporary_folder.hpp"

namespace planaria::checkpoint {
namespace {

using test::content_of;
using test::TemporaryFolder;
using test::write_content;

std::vector<std::byte> counted(std::uint64_t size, std::uint8_t from) {
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = std::byte{from++};
  return bytes;
}

const std::vector<TensorInfo>& some_tensors() {
  static const std::vector<TensorInfo> infos{{"z.weight", "F32", {2, 3}},
                                             {"a.mean", "F64", {1}, Role::buffer},
                                             {"a.none", "I32", {0, 4}},
                                             {"a.\"odd\" näme", "BF16", {}}};
  return infos;
}

void write_some(const std::string& path) {
  auto writer = SafetensorsWriter::create(path, some_tensors(), {{"made by", "a test"}}).value();
  std::uint8_t from = 1;
  for (const TensorInfo& info : some_tensors()) {
    writer.write(counted(data_bytes(info), from)).value();
    from += 50;
  }
  writer.close().value();
}

// A file with the header `json` and `bytes` bytes of data.
std::string file_of(const std::string& json, std::size_t bytes) {
  std::string length(8, '\0');
  const std::uint64_t size = json.size();
  std::memcpy(length.data(), &size, 8);
  return length + json + std::string(bytes, 'x');
}

// What open() says about such a file, without the file's name that it must begin with.
std::string refusal(const std::string& content) {
  const TemporaryFolder folder;
  const std::string path = folder.file("file");
  write_content(path, content);
  const auto file = SafetensorsFile::open(path);
  if (file.ok()) return "read";
  CHECK(file.fault().kind == FaultKind::invalid_input);
  REQUIRE(file.fault().sentence.starts_with(path + ": "));
  return file.fault().sentence.substr(path.size() + 2);
}

std::string refusal(const std::string& json, std::size_t bytes) {
  return refusal(file_of(json, bytes));
}

}  // namespace

TEST_CASE("what was written is read back, in the order written", "[unit]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model.safetensors");
  write_some(path);
  const auto file = SafetensorsFile::open(path).value();
  CHECK(file.tensors() == some_tensors());
  std::uint8_t from = 1;
  for (const TensorInfo& info : some_tensors()) {
    INFO(info.name);
    REQUIRE(file.find(info.name) != nullptr);
    CHECK(*file.find(info.name) == info);
    const auto expected = counted(data_bytes(info), from);
    const auto data = file.data(info.name).value();
    CHECK(std::vector(data.begin(), data.end()) == expected);
    from += 50;
  }
  CHECK(file.metadata().at("made by") == "a test");
  CHECK(file.metadata().at("planaria.buffers") == "a.mean");
  CHECK(file.find("none") == nullptr);
  CHECK_FALSE(file.data("none").has_value());
}

TEST_CASE("data starts at a multiple of 64, behind spaces", "[unit]") {
  const TemporaryFolder folder;
  for (int length = 1; length <= 64; ++length) {
    const std::string path = folder.file("model");
    auto writer =
        SafetensorsWriter::create(path, {{std::string(length, 'n'), "U8", {1}}}, {}).value();
    writer.write(counted(1, 7)).value();
    writer.close().value();
    const std::string content = content_of(path);
    INFO("a name of " << length << " letters");
    CHECK(content.size() % 64 == 1);
    CHECK(content[8] == '{');
    const std::size_t text_end = content.find_last_not_of(' ', content.size() - 2);
    CHECK(content[text_end] == '}');
  }
}

TEST_CASE("the same tensors give the same file, byte for byte", "[unit]") {
  const TemporaryFolder folder;
  write_some(folder.file("a"));
  write_some(folder.file("b"));
  CHECK(content_of(folder.file("a")) == content_of(folder.file("b")));
}

TEST_CASE("a file without tensors is a file", "[unit]") {
  const TemporaryFolder folder;
  SafetensorsWriter::create(folder.file("empty"), {}, {}).value().close().value();
  CHECK(SafetensorsFile::open(folder.file("empty")).value().tensors().empty());
}

TEST_CASE("a half-written file never has the name", "[unit]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  write_content(path, "the old one");
  {
    auto writer = SafetensorsWriter::create(path, {{"a", "U8", {9}}}, {}).value();
    writer.write(counted(4, 0)).value();
    CHECK(std::filesystem::exists(path + ".partial"));
    CHECK(writer.close().fault().sentence ==
          path + ": closed in tensor 'a' after 4 of its 9 bytes");
  }
  CHECK(content_of(path) == "the old one");
  CHECK_FALSE(std::filesystem::exists(path + ".partial"));
}

TEST_CASE("a tensor may come in pieces, but a piece may not cross into the next", "[unit]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  const std::vector<TensorInfo> infos{{"a", "U8", {5}}, {"b", "U8", {5}}};
  auto writer = SafetensorsWriter::create(path, infos, {}).value();
  writer.write(counted(3, 0)).value();
  writer.write({}).value();
  writer.write(counted(2, 3)).value();
  writer.write(counted(5, 5)).value();
  CHECK(writer.write(counted(1, 0)).fault().sentence ==
        path + ": 1 bytes more than the tensors announced");
  auto crossing = SafetensorsWriter::create(path, infos, {}).value();
  crossing.write(counted(3, 0)).value();
  const std::string why = path + ": tensor 'a' has 5 bytes, 3 were written and 4 more were given";
  CHECK(crossing.write(counted(4, 0)).fault().sentence == why);
  CHECK(crossing.write(counted(2, 0)).fault().sentence == why);
  CHECK(crossing.close().fault().sentence == why);
}

TEST_CASE("tensors that cannot be in a file are refused by name before it is made", "[unit]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  const auto why = [&](const std::vector<TensorInfo>& infos) {
    const auto writer = SafetensorsWriter::create(path, infos, {});
    CHECK_FALSE(std::filesystem::exists(path + ".partial"));
    return writer.ok() ? "made" : writer.fault().sentence.substr(path.size());
  };
  CHECK(why({{"a", "U8", {1}}, {"a", "U8", {1}}}) == ": tensor 'a': two tensors have this name");
  CHECK(why({{"", "U8", {1}}}) == ": tensor '': a name must not be empty or __metadata__");
  CHECK(why({{"__metadata__", "U8", {1}}}) ==
        ": tensor '__metadata__': a name must not be empty or __metadata__");
  CHECK(
      why({{"a", "F8", {1}}}) ==
      ": tensor 'a': dtype 'F8', must be one of F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL");
  CHECK(why({{"a", "U8", {1}, Role::parameter, true}}) ==
        ": tensor 'a': a tied copy, its first use alone is written");
  CHECK(why({{"a,b", "U8", {1}, Role::buffer}}) ==
        ": tensor 'a,b': a buffer's name must not hold a comma");
  CHECK_THAT(why({{"\xff", "U8", {1}}}), Catch::StartsWith(": names must be UTF-8: "));
}

TEST_CASE("a place where no file can be is unavailable, with the system's reason", "[unit]") {
  const auto writer = SafetensorsWriter::create("/nowhere/at/all", {}, {});
  CHECK(writer.fault() ==
        Fault::unavailable("/nowhere/at/all: cannot be written: No such file or directory"));
}

TEST_CASE("a full disk is said to be full", "[unit]") {
  // /dev/full takes the name and no bytes; the partial file is a link to it.
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  std::filesystem::create_symlink("/dev/full", path + ".partial");
  const auto writer = SafetensorsWriter::create(path, {}, {});
  CHECK(writer.fault() == Fault::exhausted(path + ": cannot be written: No space left on device"));
}

TEST_CASE("what is no file, or too short for one, is refused", "[unit]") {
  const TemporaryFolder folder;
  CHECK(SafetensorsFile::open(folder.file("none")).fault().sentence ==
        folder.file("none") + ": cannot be read: No such file or directory");
  CHECK(SafetensorsFile::open(folder.file("")).fault().sentence ==
        folder.file("") + ": is not a regular file");
  CHECK(refusal("") == "0 bytes, a safetensors file has at least 8");
  CHECK(refusal("1234567") == "7 bytes, a safetensors file has at least 8");
}

TEST_CASE("a header longer than allowed, or than the file, is refused", "[unit]") {
  std::string content = file_of("{}", 0);
  CHECK(refusal(content) == "read");
  content[0] = 3;
  CHECK(refusal(content) == "a header of 3 bytes, the file has 10 in all");
  content[7] = '\x7f';
  CHECK(refusal(content) == "a header of 9151314442816847875 bytes, at most 100000000 are allowed");
}

TEST_CASE("a header that is not what the format says is refused by field", "[unit]") {
  const std::string a = R"("a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]})";
  CHECK(refusal("{" + a + "}", 2) == "read");
  CHECK(refusal("{" + a + "}   ", 2) == "read");
  CHECK_THAT(refusal("{" + a, 2), Catch::StartsWith("not JSON at byte "));
  CHECK(refusal("[]", 0) == "the header is array, must be an object");
  CHECK(refusal("{" + a + "," + a + "}", 2) == "a: must not be there twice");
  CHECK(refusal(R"({"a":{"dtype":"U8","dtype":"I8","shape":[2],"data_offsets":[0,2]}})", 2) ==
        "a.dtype: must not be there twice");
  CHECK(refusal(R"({"a":{"dtype":"F9","shape":[2],"data_offsets":[0,2]}})", 2) ==
        "a: dtype: 'F9', must be one of F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL");
  CHECK(refusal(R"({"a":{"shape":[2],"data_offsets":[0,2]}})", 2) ==
        "a.dtype: missing, must be a text");
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[-2],"data_offsets":[0,2]}})", 2) ==
        "a: shape: -2, must be whole numbers from 0");
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"extra":1}})", 2) ==
        "a.extra: unknown key");
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0]}})", 2) ==
        "a.data_offsets: must be two whole numbers from 0");
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[-2,0]}})", 2) ==
        "a.data_offsets: must be two whole numbers from 0");
  CHECK(refusal(R"({"__metadata__":{"a":1}})", 0) == "__metadata__.a: must be a text, is number");
  CHECK(refusal(R"({"__metadata__":[]})", 0) == "__metadata__: must be an object");
  CHECK(refusal(R"({"__metadata__":{"planaria.buffers":"b"},)" + a + "}", 2) ==
        "__metadata__.planaria.buffers: 'b' is not a tensor of this file");
  CHECK(refusal(std::string(1'000'000, '['), 0) == "[0][0][0]: nested deeper than 3 levels");
}

TEST_CASE("offsets must lay the tensors end to end over the whole file", "[unit]") {
  const auto two = [](const std::string& first, const std::string& second, std::size_t bytes) {
    return refusal(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
                       R"(},"b":{"dtype":"F32","shape":[1],"data_offsets":)" + second + "}}",
                   bytes);
  };
  CHECK(two("[0,4]", "[4,8]", 8) == "read");
  CHECK(two("[4,8]", "[0,4]", 8) == "read");
  CHECK(two("[0,4]", "[3,7]", 8) == "b.data_offsets: [3, 7] overlaps a, which ends at 4");
  CHECK(two("[0,4]", "[0,4]", 8) == "b.data_offsets: [0, 4] overlaps a, which ends at 4");
  CHECK(two("[0,4]", "[5,9]", 9) == "b.data_offsets: [5, 9] leaves bytes 4 to 5 to no tensor");
  CHECK(two("[0,4]", "[4,8]", 7) == "b.data_offsets: [4, 8], the file has 7 bytes of data");
  CHECK(two("[0,4]", "[4,8]", 9) == "9 bytes of data, its tensors end at 8");
  CHECK(two("[0,5]", "[5,9]", 9) == "a.data_offsets: [0, 5], its shape [4] of U8 needs 4 bytes");
  CHECK(two("[4,0]", "[4,8]", 8) == "a.data_offsets: [4, 0], its shape [4] of U8 needs 4 bytes");
  CHECK(two("[18446744073709551612,18446744073709551615]", "[0,4]", 8) ==
        "a.data_offsets: [18446744073709551612, 18446744073709551615], its shape [4] of U8 needs 4 "
        "bytes");
}

TEST_CASE("a mutated or shortened file is refused or read, but never crashes", "[unit]") {
  constexpr std::uint64_t seed = 20261;
  INFO("seed " << seed);
  const TemporaryFolder folder;
  write_some(folder.file("model"));
  const std::string valid = content_of(folder.file("model"));
  test::MemoryFile memory;
  const std::string path = memory.path();
  std::uint64_t header = 0;
  std::memcpy(&header, valid.data(), 8);
  Random random(seed);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string content = valid;
    if (random.below(4) == 0) content.resize(random.below(valid.size() + 20));
    const std::uint64_t mutations = random.below(4);
    for (std::uint64_t i = 0; i < mutations && !content.empty(); ++i) {
      content[random.below(std::min<std::size_t>(content.size(), header + 8))] =
          static_cast<char>(random.below(256));
    }
    memory.write(content);
    const auto file = SafetensorsFile::open(path);
    if (!file.ok()) {
      ++refused;
      REQUIRE(file.fault().kind == FaultKind::invalid_input);
      REQUIRE(file.fault().sentence.starts_with(path + ": "));
      continue;
    }
    // Read every byte that is said to be there.
    std::uint64_t sum = 0;
    for (const TensorInfo& info : file.value().tensors()) {
      const auto data = file.value().data(info.name).value();
      REQUIRE(data.size() == data_bytes(info));
      for (const std::byte byte : data) sum += std::to_integer<std::uint64_t>(byte);
    }
    REQUIRE(sum < UINT64_MAX);
  }
  CHECK(refused > 10'000);
  CHECK(refused < 20'000);
}

}  // namespace planaria::checkpoint
