#include <future>

#include <transport/endpoint.hpp>

#include <planaria/base/check.hpp>
#include <planaria/transport/transport.hpp>

namespace planaria::transport {
namespace {

// Waiting on the thread that has to do the work would wait for ever, without a word.
void check_may_wait(Transport& transport) {
  if (auto* endpoint = dynamic_cast<Endpoint*>(&transport)) {
    check(!endpoint->loop().on_thread(), "wait_receive or wait_send on the transport's I/O thread");
  }
}

}  // namespace

Result<Buffer> wait_receive(Transport& transport, PeerId peer, const FrameKey& key) {
  check_may_wait(transport);
  if (auto* endpoint = dynamic_cast<Endpoint*>(&transport)) {
    if (auto here = endpoint->take_now(peer, key)) return std::move(*here);
  }
  const auto outcome = std::make_shared<std::promise<Result<Buffer>>>();
  auto future = outcome->get_future();
  transport.receive(peer, key,
                    [outcome](Result<Buffer> result) { outcome->set_value(std::move(result)); });
  return future.get();
}

Result<void> wait_send(Transport& transport, PeerId peer, const FrameKey& key, Pieces pieces) {
  check_may_wait(transport);
  const auto outcome = std::make_shared<std::promise<Result<void>>>();
  auto future = outcome->get_future();
  transport.send(peer, key, std::move(pieces),
                 [outcome](Result<void> result) { outcome->set_value(std::move(result)); });
  return future.get();
}

}  // namespace planaria::transport
