#include <transport/socket_link.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include <sys/socket.h>
#include <sys/uio.h>

#include <fmt/format.h>
#include <asio/post.hpp>

#include <planaria/base/hash.hpp>

namespace planaria::transport {
namespace {

// One connection may keep the loop for this long before the others have their turn.
constexpr std::size_t bytes_per_turn = std::size_t{8} << 20;
// Pieces per system call; the kernel's own limit is 1024.
constexpr std::size_t pieces_per_call = 128;

iovec part_of(std::byte* data, std::size_t bytes) {
  return {data, bytes};
}

// sendmsg() does not write to what it is given, whatever its type says.
iovec part_of(const std::byte* data, std::size_t bytes) {
  return {const_cast<std::byte*>(data), bytes};
}

}  // namespace

SocketLink::SocketLink(Endpoint& endpoint, PeerId peer, Descriptor descriptor)
    : endpoint_(endpoint),
      peer_(peer),
      descriptor_(endpoint.loop().context(), descriptor.release()) {}

std::vector<Outgoing> SocketLink::close() {
  std::vector<Outgoing> unsent;
  for (Writing& writing : writing_) unsent.push_back(std::move(writing.frame));
  writing_.clear();
  open_ = false;
  asio::error_code ignored;
  descriptor_.close(ignored);
  return unsent;
}

void SocketLink::lost(const std::string& why) {
  endpoint_.end_peer(peer_, Fault::peer_lost(fmt::format("peer {}: {}", peer_, why)));
}

// --- reading ---

void SocketLink::wait_readable() {
  if (waiting_readable_) return;
  waiting_readable_ = true;
  descriptor_.async_wait(
      asio::posix::descriptor_base::wait_read,
      endpoint_.loop().handler([self = shared_from_this()](const asio::error_code&) {
        self->waiting_readable_ = false;
        self->read_some();
      }));
}

void SocketLink::read_some() {
  const bool more = read_turn();
  if (!open_) return;
  if (!more) return wait_readable();
  if (waiting_readable_) return;
  waiting_readable_ = true;
  asio::post(endpoint_.loop().context(), endpoint_.loop().handler([self = shared_from_this()] {
    self->waiting_readable_ = false;
    self->read_some();
  }));
}

// The wait for more stays armed: a handler that then finds nothing arms it again.
void SocketLink::read_now() {
  if (open_) static_cast<void>(read_turn());
}

bool SocketLink::read_turn() {
  std::size_t taken = 0;
  while (open_ && taken < bytes_per_turn) {
    // Behind a payload the next header is asked for too: a frame costs one call, not two.
    std::array<iovec, 2> parts{};
    std::size_t part_count = 0;
    if (in_payload_) {
      parts[part_count++] = part_of(payload_.data() + have_, payload_.size() - have_);
      parts[part_count++] = part_of(header_in_.data(), header_bytes);
    } else {
      parts[part_count++] = part_of(header_in_.data() + have_, header_bytes - have_);
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = part_count;
    const ssize_t count = ::recvmsg(descriptor_.native_handle(), &message, MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (count <= 0) {
      read_ended(count < 0 ? errno : 0);
      return false;
    }
    const std::size_t wanted = parts[0].iov_len + parts[1].iov_len;
    took_in(static_cast<std::size_t>(count));
    taken += static_cast<std::size_t>(count);
    // Less than asked for: the kernel has no more, so the call that would say so is spared.
    if (static_cast<std::size_t>(count) < wanted) return false;
  }
  return true;
}

void SocketLink::read_ended(int reason) {
  const char* where = in_payload_ || have_ > 0 ? " in the middle of a frame" : "";
  if (reason == 0) return lost(fmt::format("it closed the connection{}", where));
  lost(fmt::format("the connection broke{}: {}", where, std::strerror(reason)));
}

void SocketLink::took_in(std::size_t count) {
  if (in_payload_) {
    const std::size_t of_payload = std::min(count, payload_.size() - have_);
    have_ += of_payload;
    count -= of_payload;
    if (have_ < payload_.size()) return;
    payload_complete();
    if (!open_) return;
  }
  have_ += count;
  if (have_ == header_bytes) header_complete();
}

void SocketLink::header_complete() {
  const Result<FrameHeader> header = decode(header_in_, endpoint_.frame_bytes_max());
  if (!header.ok()) {
    return endpoint_.end_peer(
        peer_, Fault::corrupt(fmt::format("peer {}: {}", peer_, header.fault().sentence)));
  }
  incoming_ = header.value();
  try {
    payload_ = Buffer(incoming_.payload_bytes);
  } catch (const std::bad_alloc&) {
    return endpoint_.end_peer(
        peer_, Fault::exhausted(fmt::format("peer {}: no memory for a frame of {} bytes: {}", peer_,
                                            incoming_.payload_bytes, text_of(incoming_.key))));
  }
  in_payload_ = true;
  have_ = 0;
  if (payload_.size() == 0) payload_complete();
}

void SocketLink::payload_complete() {
  in_payload_ = false;
  have_ = 0;
  const Buffer payload = std::exchange(payload_, Buffer());
  if (const std::uint64_t found = xxh3_64(payload.bytes()); found != incoming_.payload_xxh3) {
    return endpoint_.end_peer(
        peer_,
        Fault::corrupt(fmt::format("peer {}: {}: the checksum is {:016x}, sent was {:016x}", peer_,
                                   text_of(incoming_.key), found, incoming_.payload_xxh3)));
  }
  endpoint_.arrived(peer_, incoming_.key, payload);
}

// --- writing ---

void SocketLink::send(Outgoing frame) {
  const HeaderBytes header = encode({.key = frame.key,
                                     .payload_bytes = frame.payload_bytes,
                                     .payload_xxh3 = xxh3_64(frame.pieces)});
  writing_.push_back({std::move(frame), header});
  schedule_write();
}

// Not at once: what is sent in one turn of the loop leaves in one call.
void SocketLink::schedule_write() {
  if (write_scheduled_ || waiting_writable_) return;
  write_scheduled_ = true;
  endpoint_.loop().at_end_of_turn([self = shared_from_this()] {
    self->write_scheduled_ = false;
    self->write_some();
  });
}

void SocketLink::wait_writable() {
  if (waiting_writable_) return;
  waiting_writable_ = true;
  descriptor_.async_wait(
      asio::posix::descriptor_base::wait_write,
      endpoint_.loop().handler([self = shared_from_this()](const asio::error_code&) {
        self->waiting_writable_ = false;
        self->write_some();
      }));
}

void SocketLink::write_some() {
  if (waiting_writable_) return;
  std::size_t taken = 0;
  while (open_ && !writing_.empty() && taken < bytes_per_turn) {
    std::array<iovec, pieces_per_call> parts;
    std::size_t part_count = 0;
    std::size_t wanted = 0;
    std::size_t skip = front_taken_;
    const auto add = [&](const std::byte* data, std::size_t bytes) {
      const std::size_t skipped = std::min(skip, bytes);
      skip -= skipped;
      if (skipped < bytes && part_count < pieces_per_call) {
        parts[part_count++] = part_of(data + skipped, bytes - skipped);
        wanted += bytes - skipped;
      }
    };
    for (const Writing& writing : writing_) {
      add(writing.header.data(), header_bytes);
      for (const auto& piece : writing.frame.pieces) add(piece.data(), piece.size());
      if (part_count == pieces_per_call) break;
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = part_count;
    const ssize_t count =
        ::sendmsg(descriptor_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return wait_writable();
    if (count < 0) return write_failed(errno);
    took_out(static_cast<std::size_t>(count));
    taken += static_cast<std::size_t>(count);
    if (static_cast<std::size_t>(count) < wanted) return wait_writable();
  }
  if (!open_ || writing_.empty()) return;
  asio::post(endpoint_.loop().context(),
             endpoint_.loop().handler([self = shared_from_this()] { self->write_some(); }));
}

void SocketLink::took_out(std::size_t count) {
  front_taken_ += count;
  while (!writing_.empty()) {
    const std::size_t whole = header_bytes + writing_.front().frame.payload_bytes;
    if (front_taken_ < whole) return;
    front_taken_ -= whole;
    endpoint_.sent(std::move(writing_.front().frame), Result<void>());
    writing_.pop_front();
  }
}

void SocketLink::write_failed(int reason) {
  // What the peer said before it went is still in the kernel, and is worth hearing: a worker's last
  // words come right before its socket closes.
  while (open_ && read_turn()) {
  }
  if (open_) lost(fmt::format("the connection broke: {}", std::strerror(reason)));
}

}  // namespace planaria::transport
