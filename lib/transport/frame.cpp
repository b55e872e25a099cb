#include <new>

#include <planaria/transport/frame.hpp>

namespace planaria::transport {
namespace {

constexpr std::align_val_t alignment{64};

}  // namespace

Buffer::Buffer(std::size_t size) : size_(size) {
  if (size == 0) return;
  auto* memory = static_cast<std::byte*>(::operator new(size, alignment));
  data_ = std::shared_ptr<std::byte[]>(
      memory, [](std::byte* bytes) { ::operator delete(bytes, alignment); });
}

}  // namespace planaria::transport
