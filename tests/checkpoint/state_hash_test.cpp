#include <catch2/catch.hpp>

#include <array>
#include <string>
#include <vector>

#include <planaria/checkpoint/safetensors.hpp>
#include <planaria/checkpoint/state_hash.hpp>

#include "support/temporary_folder.hpp"

namespace planaria::checkpoint {
namespace {

std::span<const std::byte> bytes_of(const std::vector<float>& values) {
  return std::as_bytes(std::span(values));
}

const TensorInfo weight{"a.weight", "F32", {2}};
const TensorInfo mean{"a.mean", "F32", {1}, Role::buffer};
const TensorInfo average{"a.weight:exp_avg", "F32", {2}, Role::optimizer};
const TensorInfo tied{"b.weight", "F32", {2}, Role::parameter, true};
const std::vector<float> two{1.0F, -2.0F};
const std::vector<float> one{0.5F};

}  // namespace

TEST_CASE("the hash of one tensor is that of the bytes written out by hand", "[unit]") {
  // name, 0, dtype, 0, rank 1, dimension 2, then 1.0f and -2.0f: 37 bytes.
  const std::string by_hand(
      "a.weight\0F32\0"
      "\x01\0\0\0\0\0\0\0"
      "\x02\0\0\0\0\0\0\0"
      "\x00\x00\x80\x3f\x00\x00\x00\xc0",
      37);
  Xxh3Stream128 whole;
  whole.add(std::string_view(by_hand));
  StateHasher hasher;
  hasher.add(weight, bytes_of(two));
  CHECK(hasher.weights_hex() == whole.hex());
  // XXH3_128bits of xxHash 0.8.1, called from a C program of six lines, over the same 37 bytes.
  CHECK(hasher.weights_hex() == "1e22b6adf84cf7f31fff656dc7abeec9");
}

TEST_CASE("weights take parameters alone, state takes everything, neither takes tied copies",
          "[unit]") {
  StateHasher plain;
  plain.add(weight, bytes_of(two));
  StateHasher full;
  full.add(weight, bytes_of(two));
  full.add(mean, bytes_of(one));
  full.add(average, bytes_of(two));
  full.add(tied, bytes_of(two));
  CHECK(full.weights_hex() == plain.weights_hex());
  CHECK(plain.weights_hex() == plain.state_hex());
  Xxh3Stream128 state;
  add_tensor(state, weight, bytes_of(two));
  add_tensor(state, mean, bytes_of(one));
  add_tensor(state, average, bytes_of(two));
  CHECK(full.state_hex() == state.hex());
}

TEST_CASE("name, dtype, shape, data and order each show in the hash", "[unit]") {
  const auto hash = [](const std::vector<TensorInfo>& infos, const std::vector<float>& values) {
    StateHasher hasher;
    for (const TensorInfo& info : infos) hasher.add(info, bytes_of(values));
    return hasher.weights_hex();
  };
  const std::string base = hash({weight}, two);
  CHECK(hash({{"a.weigh", "F32", {2}}}, two) != base);
  CHECK(hash({{"a.weight", "I32", {2}}}, two) != base);
  CHECK(hash({{"a.weight", "F32", {2, 1}}}, two) != base);
  CHECK(hash({weight}, {1.0F, 2.0F}) != base);
  const TensorInfo other{"a.bias", "F32", {2}};
  CHECK(hash({weight, other}, two) != hash({other, weight}, two));
}

TEST_CASE("a file's weights hash leaves its buffers out and keeps its order", "[unit]") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("model.safetensors");
  const TensorInfo later{"a.a", "F32", {2}};
  auto writer = SafetensorsWriter::create(path, {weight, mean, later}, {}).value();
  writer.write(bytes_of(two)).value();
  writer.write(bytes_of(one)).value();
  writer.write(bytes_of(two)).value();
  writer.close().value();
  StateHasher hasher;
  hasher.add(weight, bytes_of(two));
  hasher.add(later, bytes_of(two));
  CHECK(weights_hash_of_file(path).value() == hasher.weights_hex());
  CHECK(weights_hash_of_file(folder.file("none")).fault().sentence ==
        folder.file("none") + ": cannot be read: No such file or directory");
}

}  // namespace planaria::checkpoint
