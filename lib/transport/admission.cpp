#include <transport/admission.hpp>

#include <cerrno>
#include <cstring>

#include <sys/socket.h>

#include <fmt/format.h>

namespace planaria::transport {

void Admission::start(double handshake_ms_max, Done done) {
  done_ = std::move(done);
  timer_.expires_at(deadline_in(handshake_ms_max));
  timer_.async_wait(
      loop_.handler([self = shared_from_this(), handshake_ms_max](const asio::error_code& error) {
        if (error || !self->done_) return;
        self->finish({}, fmt::format("it has not proven itself within {} ms", handshake_ms_max));
      }));
  wait();
}

void Admission::close() {
  done_ = nullptr;
  timer_.cancel();
  asio::error_code ignored;
  descriptor_.close(ignored);
}

void Admission::finish(Descriptor descriptor, const std::string& why) {
  const Done done = std::exchange(done_, nullptr);
  close();
  done(std::move(descriptor), handshake_.worker(), why);
}

void Admission::wait() {
  descriptor_.async_wait(
      asio::posix::descriptor_base::wait_read,
      loop_.handler([self = shared_from_this()](const asio::error_code&) { self->read_some(); }));
}

void Admission::read_some() {
  while (done_) {
    // Never more than one message: what follows the last one are frames, and not ours to read.
    const ssize_t count = ::recv(descriptor_.native_handle(), message_.data() + have_,
                                 message_.size() - have_, MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return wait();
    if (count < 0) {
      return finish({}, fmt::format("its connection broke: {}", std::strerror(errno)));
    }
    if (count == 0) return finish({}, "it hung up before it had proven itself");
    have_ += static_cast<std::size_t>(count);
    if (!may_begin_handshake(std::span<const std::byte>(message_).first(have_))) {
      return finish({}, "what it sent is no handshake");
    }
    if (have_ == message_.size()) take_message();
  }
}

void Admission::take_message() {
  have_ = 0;
  const Handshake::Turn turn = handshake_.take(message_);
  if (turn.reply) {
    // The socket has taken next to nothing so far, so a reply always fits its buffer.
    const ssize_t count = ::send(descriptor_.native_handle(), turn.reply->data(),
                                 turn.reply->size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count != static_cast<ssize_t>(turn.reply->size()) &&
        turn.state != Handshake::State::refused) {
      return finish({}, "its connection broke");
    }
  }
  if (turn.state == Handshake::State::refused) return finish({}, turn.why);
  if (turn.state == Handshake::State::proven) finish(Descriptor(descriptor_.release()), "");
}

}  // namespace planaria::transport
