#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <planaria/base/random.hpp>
#include <planaria/checkpoint/tensor_block.hpp>

namespace planaria::checkpoint {
namespace {

// Payloads as the transport hands them over: on a 64-byte border, and not a byte longer than they
// are, so that the address sanitizer sees every step beyond the end.
class Payload {
 public:
  explicit Payload(const std::vector<std::byte>& bytes)
      : size_(bytes.size()),
        bytes_(static_cast<std::byte*>(::operator new (bytes.size() + 1, std::align_val_t{64}))) {
    std::copy(bytes.begin(), bytes.end(), bytes_.get());
  }
  [[nodiscard]] std::span<std::byte> span() const { return {bytes_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* bytes) const { ::operator delete (bytes, std::align_val_t{64}); }
  };
  std::size_t size_;
  std::unique_ptr<std::byte, Free> bytes_;
};

std::vector<std::byte> block_of(const std::vector<TensorInfo>& infos) {
  std::vector<std::byte> block = block_header(infos);
  std::uint8_t value = 1;
  for (const TensorInfo& info : infos) {
    block.resize(block.size() + padding_after(block.size()));
    for (std::uint64_t i = 0; i < data_bytes(info); ++i) block.push_back(std::byte{value++});
  }
  return block;
}

const std::vector<TensorInfo>& three_tensors() {
  static const std::vector<TensorInfo> infos{
      {"block0.norm1.weight", "F32", {5}, Role::parameter, false},
      {"", "I64", {2, 3}, Role::buffer, false},
      {"block0.attention.weight:exp_avg", "BF16", {7, 1, 3}, Role::optimizer, true}};
  return infos;
}

std::string sentence_of(const std::vector<std::byte>& block) {
  const Payload payload(block);
  const auto parsed = parse_block(payload.span());
  if (parsed.ok()) return "read";
  CHECK(parsed.fault().kind == FaultKind::corrupt);
  return parsed.fault().sentence;
}

// A block whose header is `json`, with `bytes` bytes of data from the next multiple of 64 on.
std::vector<std::byte> block_with_header(const std::string& json, std::size_t bytes) {
  std::vector<std::byte> block(8 + json.size());
  const std::uint64_t length = json.size();
  std::memcpy(block.data(), &length, 8);
  std::memcpy(block.data() + 8, json.data(), json.size());
  block.resize(block.size() + padding_after(block.size()) + bytes);
  return block;
}

}  // namespace

TEST_CASE("a dtype has the size that safetensors gives it", "[unit]") {
  CHECK(element_bytes("F64") == 8);
  CHECK(element_bytes("F32") == 4);
  CHECK(element_bytes("F16") == 2);
  CHECK(element_bytes("BF16") == 2);
  CHECK(element_bytes("I64") == 8);
  CHECK(element_bytes("I32") == 4);
  CHECK(element_bytes("I16") == 2);
  CHECK(element_bytes("I8") == 1);
  CHECK(element_bytes("U8") == 1);
  CHECK(element_bytes("BOOL") == 1);
  CHECK(element_bytes("float32") == 0);
  CHECK(element_bytes("") == 0);
}

TEST_CASE("a scalar has one element and an empty dimension has none", "[unit]") {
  CHECK(data_bytes({"a", "F32", {}}) == 4);
  CHECK(data_bytes({"a", "F32", {0}}) == 0);
  CHECK(data_bytes({"a", "F64", {std::int64_t{1} << 61, std::int64_t{1} << 61, 0}}) == 0);
  CHECK(data_bytes({"a", "F16", {3, 5, 7}}) == 210);
}

TEST_CASE("padding reaches the next multiple of 64 and no further", "[unit]") {
  CHECK(padding_after(0) == 0);
  CHECK(padding_after(1) == 63);
  CHECK(padding_after(63) == 1);
  CHECK(padding_after(64) == 0);
  CHECK(padding_after((std::uint64_t{1} << 40) + 65) == 63);
}

TEST_CASE("a tensor's description survives JSON", "[unit]") {
  for (const TensorInfo& info : three_tensors()) {
    INFO(to_json(info).dump());
    CHECK(tensor_info_from_json(to_json(info), "x").value() == info);
  }
  CHECK_FALSE(to_json(three_tensors()[0]).contains("tied_copy"));
}

TEST_CASE("a description that says something impossible is refused by field", "[unit]") {
  const auto sentence = [](const char* key, const Json& value) {
    Json json = to_json(three_tensors()[0]);
    json[key] = value;
    const auto read = tensor_info_from_json(json, "join");
    if (read.ok()) return std::string("read");
    CHECK(read.fault().kind == FaultKind::invalid_input);
    return read.fault().sentence;
  };
  CHECK(sentence("dtype", "F31") ==
        "join: dtype: 'F31', must be one of F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL");
  CHECK(sentence("role", "gradient") ==
        "join: role: 'gradient', must be one of parameter, buffer, optimizer");
  CHECK(sentence("shape", {3, -1}) == "join: shape: -1, must be whole numbers from 0");
  CHECK(sentence("shape", {3, 1.5}) == "join: shape: 1.5, must be whole numbers from 0");
  CHECK(sentence("shape", Json::array({Json::array()})) ==
        "join: shape: array, must be whole numbers from 0");
  CHECK(sentence("shape", {UINT64_MAX}) ==
        "join: shape: 18446744073709551615, must be whole numbers from 0");
  const std::int64_t large = std::int64_t{1} << 40;
  CHECK(sentence("shape", {large, large}) ==
        "join: shape: [1099511627776, 1099511627776] of F32, must be at most 2^62 bytes");
  CHECK(sentence("shape", std::vector<int>(65, 1)) == "join: shape: 65 dimensions, at most 64");
  CHECK(sentence("name", 3) == "join: name: 3, must be a text");
  CHECK(sentence("colour", "red") == "join: colour: unknown key");
}

TEST_CASE("a block gives back its tensors, each on a multiple of 64", "[unit]") {
  const std::vector<std::byte> block = block_of(three_tensors());
  CHECK(block.size() == block_bytes(three_tensors()));
  CHECK(block_header(three_tensors()).size() % 64 == 0);
  const Payload payload(block);
  const auto tensors = parse_block(payload.span()).value();
  REQUIRE(tensors.size() == 3);
  std::uint8_t value = 1;
  for (std::size_t i = 0; i < 3; ++i) {
    INFO("tensor " << i);
    CHECK(tensors[i].info == three_tensors()[i]);
    CHECK(reinterpret_cast<std::uintptr_t>(tensors[i].data.data()) % 64 == 0);
    REQUIRE(tensors[i].data.size() == data_bytes(three_tensors()[i]));
    for (const std::byte byte : tensors[i].data) CHECK(byte == std::byte{value++});
  }
}

TEST_CASE("a block may be padded behind its last tensor, and may hold none", "[unit]") {
  std::vector<std::byte> block = block_of(three_tensors());
  block.resize(block.size() + padding_after(block.size()));
  CHECK(sentence_of(block) == "read");
  CHECK(sentence_of(block_of({})) == "read");
  CHECK(sentence_of(block_of({{"a", "F32", {0}}, {"b", "F32", {0, 3}}})) == "read");
}

TEST_CASE("a block whose lengths do not add up is corrupt, and says where", "[unit]") {
  std::vector<std::byte> block = block_of({{"a", "F32", {5}}, {"b", "F32", {2}}});
  REQUIRE(block.size() == 264);
  block.pop_back();
  CHECK(sentence_of(block) ==
        "tensor block: tensor 'b' has 8 bytes from byte 256 on, the block ends at 263");
  block.resize(200);
  CHECK(sentence_of(block) ==
        "tensor block: tensor 'a' has 20 bytes from byte 192 on, the block ends at 200");
  block.resize(400);
  CHECK(sentence_of(block) == "tensor block: 400 bytes, its tensors end at byte 264");
  block.resize(7);
  CHECK(sentence_of(block) == "tensor block: 7 bytes, its header alone has at least 8");
  block.resize(20);
  CHECK(sentence_of(block).starts_with("tensor block: a header of "));
}

TEST_CASE("a block's header is read strictly", "[unit]") {
  const std::string a = R"({"name":"a","dtype":"U8","shape":[3],"role":"buffer"})";
  CHECK(sentence_of(block_with_header(R"({"tensors":[)" + a + "]}", 3)) == "read");
  CHECK(sentence_of(block_with_header(R"({"tensors":[)" + a + "]", 3))
            .starts_with("tensor block: not JSON at byte "));
  CHECK(sentence_of(block_with_header(R"({"tensors":[],"more":1})", 0)) ==
        "tensor block: more: unknown key");
  CHECK(sentence_of(block_with_header(R"({"tensors":[],"tensors":[]})", 0)) ==
        "tensor block: tensors: must not be there twice");
  CHECK(sentence_of(block_with_header(R"({"tensors":[[]]})", 0)) ==
        "tensor block: tensors[0]: top level: [], must be an object");
  CHECK(sentence_of(block_with_header(std::string(100'000, '['), 0)) ==
        "tensor block: [0][0][0][0]: nested deeper than 4 levels");
}

TEST_CASE("a mutated or shortened block never reaches beyond its end", "[unit]") {
  constexpr std::uint64_t seed = 20260;
  INFO("seed " << seed);
  const std::vector<std::byte> valid = block_of(three_tensors());
  const std::size_t header = block_header(three_tensors()).size();
  Random random(seed);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> block = valid;
    if (random.below(4) == 0) block.resize(random.below(valid.size() + 80));
    const std::uint64_t mutations = random.below(4);
    for (std::uint64_t i = 0; i < mutations && !block.empty(); ++i) {
      const std::size_t at = random.below(std::min(block.size(), header));
      block[at] = static_cast<std::byte>(random.below(256));
    }
    const Payload payload(block);
    const auto parsed = parse_block(payload.span());
    if (!parsed.ok()) {
      ++refused;
      REQUIRE(parsed.fault().kind == FaultKind::corrupt);
      continue;
    }
    for (const BlockTensor& tensor : parsed.value()) {
      REQUIRE(tensor.data.size() == data_bytes(tensor.info));
      REQUIRE(tensor.data.data() >= payload.span().data());
      REQUIRE(tensor.data.data() + tensor.data.size() <=
              payload.span().data() + payload.span().size());
    }
  }
  CHECK(refused > 10'000);
  CHECK(refused < 20'000);
}

}  // namespace planaria::checkpoint
