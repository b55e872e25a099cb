#include "runtime/exchange.hpp"

#include <array>
#include <memory>

#include <fmt/format.h>

#include <planaria/base/check.hpp>
#include <planaria/checkpoint/tensor_block.hpp>

#include "runtime/device.hpp"
#include "runtime/tensors.hpp"

namespace planaria::runtime {
namespace {

constexpr std::array<std::byte, 64> zeros{};

// What a send borrows: it lives in the completion until the kernel has every byte.
struct Borrowed {
  std::vector<std::byte> header;
  std::vector<at::Tensor> tensors;
};

}  // namespace

void send_block(transport::Transport& transport, transport::PeerId peer,
                const transport::FrameKey& key, const DescribedTensors& tensors) {
  auto borrowed = std::make_shared<Borrowed>();
  std::vector<checkpoint::TensorInfo> infos;
  for (const auto& [info, tensor] : tensors) {
    infos.push_back(info);
    borrowed->tensors.push_back(on_host(tensor.contiguous()));
  }
  borrowed->header = checkpoint::block_header(infos);
  transport::Pieces pieces{borrowed->header};
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto data = bytes_of(borrowed->tensors[i]);
    if (!data.empty()) pieces.push_back(data);
    const std::size_t padding = checkpoint::padding_after(data.size());
    if (padding > 0) pieces.push_back(std::span(zeros).first(padding));
  }
  transport.post(peer, key, std::move(pieces), borrowed);
}

Result<DescribedTensors> read_block(const transport::Buffer& payload) {
  PLANARIA_TRY(blocks, checkpoint::parse_block(payload.bytes()));
  DescribedTensors tensors;
  for (checkpoint::BlockTensor& block : blocks) {
    const auto type = scalar_type_named(block.info.dtype);
    if (!type) return Fault::corrupt(fmt::format("a tensor of unknown type {}", block.info.dtype));
    at::Tensor tensor = tensor_over(payload, block.data, *type, block.info.shape);
    tensors.emplace_back(std::move(block.info), std::move(tensor));
  }
  return tensors;
}

std::optional<transport::PeerId> Exchange::peer(WorkerId worker) const {
  const auto found = peers_.find(worker);
  if (found == peers_.end()) return std::nullopt;
  return found->second;
}

Result<transport::Buffer> Exchange::wait(WorkerId from, const transport::FrameKey& key) {
  const auto connection = peer(from);
  if (!connection) {
    return Fault::peer_lost(fmt::format("worker {} is not connected", from.value));
  }
  return transport::wait_receive(transport_, *connection, key);
}

void Exchange::send_described(WorkerId to, const transport::FrameKey& key,
                              const DescribedTensors& tensors) {
  if (const auto connection = peer(to)) send_block(transport_, *connection, key, tensors);
}

Result<DescribedTensors> Exchange::receive_described(WorkerId from,
                                                     const transport::FrameKey& key) {
  PLANARIA_TRY(buffer, wait(from, key));
  PLANARIA_TRY(tensors, read_block(buffer));
  for (auto& [info, tensor] : tensors) tensor = device_.here(tensor);
  return tensors;
}

void Exchange::send(WorkerId to, const transport::FrameKey& key, const Tensors& tensors) {
  DescribedTensors described;
  for (const at::Tensor& tensor : tensors) described.emplace_back(info_of(tensor), tensor);
  send_described(to, key, described);
}

Result<Tensors> Exchange::receive(WorkerId from, const transport::FrameKey& key) {
  PLANARIA_TRY(described, receive_described(from, key));
  Tensors tensors;
  for (auto& [info, tensor] : described) tensors.push_back(std::move(tensor));
  return tensors;
}

void Exchange::send_raw(WorkerId to, const transport::FrameKey& key, const at::Tensor& tensor) {
  const auto connection = peer(to);
  if (!connection) return;
  const at::Tensor host = on_host(tensor);
  transport_.post(*connection, key, {bytes_of(host)}, std::make_shared<at::Tensor>(host));
}

Result<at::Tensor> Exchange::receive_raw(WorkerId from, const transport::FrameKey& key,
                                         at::ScalarType type, std::int64_t elements) {
  PLANARIA_TRY(buffer, wait(from, key));
  const std::size_t wanted = static_cast<std::size_t>(elements) * c10::elementSize(type);
  if (buffer.size() != wanted) {
    return Fault::corrupt(fmt::format("worker {} sent {} bytes of layer {}, part {}, must be {}",
                                      from.value, buffer.size(), key.layer.value, key.part,
                                      wanted));
  }
  return device_.here(tensor_over(buffer, buffer.bytes(), type, {elements}));
}

}  // namespace planaria::runtime
