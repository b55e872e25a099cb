#include <future>

#include <planaria/transport/transport.hpp>

namespace planaria::transport {

Result<Buffer> wait_receive(Transport& transport, PeerId peer, const FrameKey& key) {
  const auto outcome = std::make_shared<std::promise<Result<Buffer>>>();
  auto future = outcome->get_future();
  transport.receive(peer, key,
                    [outcome](Result<Buffer> result) { outcome->set_value(std::move(result)); });
  return future.get();
}

Result<void> wait_send(Transport& transport, PeerId peer, const FrameKey& key, Pieces pieces) {
  const auto outcome = std::make_shared<std::promise<Result<void>>>();
  auto future = outcome->get_future();
  transport.send(peer, key, std::move(pieces),
                 [outcome](Result<void> result) { outcome->set_value(std::move(result)); });
  return future.get();
}

}  // namespace planaria::transport
