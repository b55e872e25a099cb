// The in-process transport: every endpoint has its own I/O thread, as sockets have, so that what
// runs here keeps its threading when its peers become processes.
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#include <fmt/format.h>

#include <transport/address.hpp>
#include <transport/endpoint.hpp>
#include <transport/options.hpp>
#include <transport/wire.hpp>

namespace planaria::transport {
namespace {

class InProcessTransport;

// Where an endpoint can be reached from other threads, for as long as it lives: it empties this
// before it begins to end, so whatever was delivered earlier is still seen.
class Mailbox {
 public:
  explicit Mailbox(InProcessTransport* owner) : owner_(owner) {}
  void close() {
    const std::lock_guard lock(mutex_);
    owner_ = nullptr;
  }
  /// Calls `use(endpoint)` unless the endpoint is gone; returns whether it did. `use` only
  /// enqueues.
  template <class Use>
  bool with_owner(Use use) {
    const std::lock_guard lock(mutex_);
    if (owner_ == nullptr) return false;
    use(*owner_);
    return true;
  }

 private:
  std::mutex mutex_;
  InProcessTransport* owner_;
};

}  // namespace

class InProcessHub {
 public:
  /// Returns whether `name` was free.
  bool add(const std::string& name, std::shared_ptr<Mailbox> mailbox) {
    const std::lock_guard lock(mutex_);
    return listening_.emplace(name, std::move(mailbox)).second;
  }
  void remove(const std::string& name) {
    const std::lock_guard lock(mutex_);
    listening_.erase(name);
  }
  std::shared_ptr<Mailbox> find(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto found = listening_.find(name);
    return found == listening_.end() ? nullptr : found->second;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Mailbox>> listening_;
};

namespace {

class InProcessTransport final : public Endpoint {
 public:
  InProcessTransport(std::shared_ptr<InProcessHub> hub, const TransportOptions& options)
      : Endpoint(options.frame_bytes_max),
        hub_(std::move(hub)),
        secret_(options.secret),
        mailbox_(std::make_shared<Mailbox>(this)) {}
  ~InProcessTransport() override {
    {
      const std::lock_guard lock(names_mutex_);
      for (const std::string& name : names_) hub_->remove(name);
    }
    mailbox_->close();
    shut_down();
  }

  Result<std::string> listen(const std::string& address) override;
  Result<PeerId> connect(const std::string& address, WorkerId self, double timeout_ms) override;

 private:
  void close_listeners() override {}

  const std::shared_ptr<InProcessHub> hub_;
  const std::string secret_;
  const std::shared_ptr<Mailbox> mailbox_;
  std::mutex names_mutex_;
  std::set<std::string> names_;
};

// One direction of a connection: into the other endpoint's queue.
class InProcessLink final : public Link {
 public:
  InProcessLink(InProcessTransport& here, PeerId peer, std::shared_ptr<Mailbox> there,
                PeerId our_number_there)
      : here_(here), peer_(peer), there_(std::move(there)), our_number_there_(our_number_there) {}

  void start() override {}
  void send(Outgoing frame) override;
  std::vector<Outgoing> close() override {
    there_->with_owner([number = our_number_there_](InProcessTransport& other) {
      other.loop().enqueue([&other, number] {
        other.end_peer(number, Fault::peer_lost(fmt::format("peer {} closed its end", number)));
      });
    });
    return std::move(unsent_);
  }

 private:
  InProcessTransport& here_;
  const PeerId peer_;
  const std::shared_ptr<Mailbox> there_;
  const PeerId our_number_there_;
  std::vector<Outgoing> unsent_;
};

void InProcessLink::send(Outgoing frame) {
  Buffer copy(frame.payload_bytes);
  std::byte* to = copy.data();
  for (const auto& piece : frame.pieces) {
    if (piece.empty()) continue;
    std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
  }
  const bool delivered = there_->with_owner([&](InProcessTransport& other) {
    other.loop().enqueue([&other, number = our_number_there_, key = frame.key, copy] {
      other.arrived(number, key, copy);
    });
  });
  if (delivered) {
    here_.sent(std::move(frame), Result<void>());
    return;
  }
  unsent_.push_back(std::move(frame));
  here_.end_peer(peer_, Fault::peer_lost(fmt::format("peer {} is gone", peer_)));
}

Result<Address> in_process_address(const std::string& text) {
  PLANARIA_TRY(address, parse_address(text));
  if (address.family != AddressFamily::in_process) {
    return Fault::invalid_input(
        fmt::format("address \"{}\": this transport takes in-process:NAME only", text));
  }
  return address;
}

Result<std::string> InProcessTransport::listen(const std::string& address) {
  PLANARIA_TRY(read, in_process_address(address));
  const std::lock_guard lock(names_mutex_);
  if (!hub_->add(read.name, mailbox_)) {
    return Fault::unavailable(fmt::format("{}: in use", text_of(read)));
  }
  names_.insert(read.name);
  return text_of(read);
}

Result<PeerId> InProcessTransport::connect(const std::string& address, WorkerId self,
                                           double /*timeout_ms*/) {
  PLANARIA_TRY(read, in_process_address(address));
  const std::string text = text_of(read);
  const std::shared_ptr<Mailbox> there = hub_->find(read.name);
  const Fault nobody = Fault::unavailable(fmt::format("{}: nobody listens there", text));
  if (there == nullptr) return nobody;
  const PeerId peer = next_peer();
  bool secrets_equal = true;
  const bool reached = there->with_owner([&](InProcessTransport& other) {
    // Nobody can measure this comparison but a thread of the same process, which has the secret.
    secrets_equal = other.secret_ == secret_;
    if (!secrets_equal) {
      other.loop().enqueue(
          [&other, text] { other.refused(text, "a peer in this process has another secret"); });
      return;
    }
    const PeerId their_number = other.next_peer();
    // Ours first: their frames for us queue up behind it.
    loop().enqueue([this, peer, there, their_number, text] {
      add_peer(peer, {not_yet_joined, text},
               std::make_shared<InProcessLink>(*this, peer, there, their_number),
               Origin::we_connected);
    });
    other.loop().enqueue([&other, here = mailbox_, peer, their_number, self, text] {
      other.add_peer(their_number, {self, text},
                     std::make_shared<InProcessLink>(other, their_number, here, peer),
                     Origin::they_connected);
    });
  });
  if (!reached) return nobody;
  if (!secrets_equal) {
    return Fault::unavailable(fmt::format("{}: refused, its secret is another", text));
  }
  return peer;
}

}  // namespace

std::shared_ptr<InProcessHub> make_in_process_hub() {
  return std::make_shared<InProcessHub>();
}

Result<std::unique_ptr<Transport>> make_in_process_transport(std::shared_ptr<InProcessHub> hub,
                                                             const TransportOptions& options) {
  PLANARIA_TRY_VOID(check_options(options));
  return std::unique_ptr<Transport>(std::make_unique<InProcessTransport>(std::move(hub), options));
}

}  // namespace planaria::transport
