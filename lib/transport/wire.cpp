#include <transport/wire.hpp>

#include <bit>
#include <cstring>

#include <fmt/format.h>

#include <planaria/base/hash.hpp>

namespace planaria::transport {
namespace {

static_assert(std::endian::native == std::endian::little,
              "frames are written as they lie in memory");

constexpr std::uint32_t magic = 0x314e4c50;  // "PLN1"
constexpr std::size_t checksum_at = header_bytes - sizeof(std::uint64_t);

// Writes or reads fields one after another, so that both directions share one order.
class Writer {
 public:
  explicit Writer(std::byte* to) : to_(to) {}
  template <class T>
  void field(T value) {
    std::memcpy(to_, &value, sizeof value);
    to_ += sizeof value;
  }

 private:
  std::byte* to_;
};

class Reader {
 public:
  explicit Reader(const std::byte* from) : from_(from) {}
  template <class T>
  void field(T& value) {
    std::memcpy(&value, from_, sizeof value);
    from_ += sizeof value;
  }

 private:
  const std::byte* from_;
};

const char* name_of_kind(std::uint16_t kind) {
  switch (static_cast<FrameKind>(kind)) {
    case FrameKind::control:
      return "control";
    case FrameKind::activation:
      return "activation";
    case FrameKind::gradient:
      return "gradient";
    case FrameKind::partial:
      return "partial";
    case FrameKind::reduced:
      return "reduced";
    case FrameKind::state:
      return "state";
  }
  return nullptr;
}

}  // namespace

HeaderBytes encode(const FrameHeader& header) {
  HeaderBytes bytes;
  Writer writer(bytes.data());
  writer.field(magic);
  writer.field(static_cast<std::uint16_t>(header.key.kind));
  writer.field(std::uint16_t{0});
  writer.field(header.key.view.value);
  writer.field(header.key.step.value);
  writer.field(header.key.layer.value);
  writer.field(header.key.micro_batch.value);
  writer.field(header.key.part);
  writer.field(std::uint32_t{0});
  writer.field(header.payload_bytes);
  writer.field(header.payload_xxh3);
  writer.field(xxh3_64(std::span<const std::byte>(bytes).first(checksum_at)));
  return bytes;
}

Result<FrameHeader> decode(std::span<const std::byte, header_bytes> bytes,
                           std::uint64_t frame_bytes_max) {
  std::uint32_t found_magic = 0;
  std::uint16_t kind = 0;
  std::uint16_t zero16 = 0;
  std::uint32_t zero32 = 0;
  std::uint64_t checksum = 0;
  FrameHeader header;
  Reader reader(bytes.data());
  reader.field(found_magic);
  reader.field(kind);
  reader.field(zero16);
  reader.field(header.key.view.value);
  reader.field(header.key.step.value);
  reader.field(header.key.layer.value);
  reader.field(header.key.micro_batch.value);
  reader.field(header.key.part);
  reader.field(zero32);
  reader.field(header.payload_bytes);
  reader.field(header.payload_xxh3);
  reader.field(checksum);
  if (found_magic != magic) {
    return Fault::corrupt(
        fmt::format("a frame begins with {:08x}, must be {:08x}", found_magic, magic));
  }
  const std::uint64_t computed = xxh3_64(std::span<const std::byte>(bytes).first(checksum_at));
  if (checksum != computed) {
    return Fault::corrupt(fmt::format("a frame header says its checksum is {:016x}, it is {:016x}",
                                      checksum, computed));
  }
  if (name_of_kind(kind) == nullptr) {
    return Fault::corrupt(fmt::format("a frame is of kind {}, known are 1 to 6", kind));
  }
  header.key.kind = static_cast<FrameKind>(kind);
  if (header.payload_bytes > frame_bytes_max) {
    return Fault::corrupt(fmt::format("a frame has {} bytes, frame_bytes_max allows {}",
                                      header.payload_bytes, frame_bytes_max));
  }
  return header;
}

std::string text_of(const FrameKey& key) {
  const char* kind = name_of_kind(static_cast<std::uint16_t>(key.kind));
  return fmt::format("{} of view {}, step {}, layer {}, micro-batch {}, part {}",
                     kind == nullptr ? "frame" : kind, key.view.value, key.step.value,
                     key.layer.value, key.micro_batch.value, key.part);
}

}  // namespace planaria::transport
