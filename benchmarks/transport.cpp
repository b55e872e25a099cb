// What a frame costs next to a raw socket, measured in turn in one process, since load moves both.
//
//   bench_transport [--rounds 5] [--frames 48]
//
// Prints per family: 16 MiB one way (4 frames in flight; GB/s) and 4 bytes there and back (us;
// inside completions, and with wait_send/wait_receive from a compute thread), raw, ours, and the
// ratio of the medians. Frames carry checksums that are verified; the raw socket's bytes do not.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <planaria/transport/transport.hpp>

namespace planaria::transport {
namespace {

constexpr std::size_t large_bytes = std::size_t{16} << 20;
constexpr int ping_count = 2000;

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Two ends of one blocking socket, as plain as they come.
struct RawPair {
  int first = -1;
  int second = -1;
  explicit RawPair(bool tcp) {
    if (!tcp) {
      int ends[2];
      check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "no socket pair");
      first = ends[0];
      second = ends[1];
      return;
    }
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    check(::bind(listener, generic, bytes) == 0 && ::listen(listener, 1) == 0, "no listener");
    ::getsockname(listener, generic, &bytes);
    first = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(::connect(first, generic, bytes) == 0, "no connection");
    second = ::accept(listener, nullptr, nullptr);
    ::close(listener);
    const int yes = 1;
    ::setsockopt(first, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    ::setsockopt(second, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  }
  ~RawPair() {
    ::close(first);
    ::close(second);
  }
  RawPair(const RawPair&) = delete;
  RawPair& operator=(const RawPair&) = delete;
};

void raw_write(int socket, const std::byte* data, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t count = ::send(socket, data, bytes, MSG_NOSIGNAL);
    check(count > 0, "raw send failed");
    data += count;
    bytes -= static_cast<std::size_t>(count);
  }
}

void raw_read(int socket, std::byte* data, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t count = ::recv(socket, data, bytes, 0);
    check(count > 0, "raw receive failed");
    data += count;
    bytes -= static_cast<std::size_t>(count);
  }
}

double raw_large_gigabytes_per_s(bool tcp, int frames, const std::vector<std::byte>& payload) {
  const RawPair pair(tcp);
  std::vector<std::byte> target(payload.size());
  const double seconds = seconds_of([&] {
    std::thread writer([&] {
      for (int i = 0; i < frames; ++i) raw_write(pair.first, payload.data(), payload.size());
    });
    for (int i = 0; i < frames; ++i) raw_read(pair.second, target.data(), target.size());
    writer.join();
  });
  return static_cast<double>(payload.size()) * frames / seconds / 1e9;
}

double raw_ping_us(bool tcp) {
  const RawPair pair(tcp);
  std::thread echo([&] {
    std::byte word[4];
    for (int i = 0; i < ping_count; ++i) {
      raw_read(pair.second, word, sizeof word);
      raw_write(pair.second, word, sizeof word);
    }
  });
  const double seconds = seconds_of([&] {
    std::byte word[4]{};
    for (int i = 0; i < ping_count; ++i) {
      raw_write(pair.first, word, sizeof word);
      raw_read(pair.first, word, sizeof word);
    }
  });
  echo.join();
  return seconds / ping_count * 1e6;
}

struct TransportPair {
  std::unique_ptr<Transport> first =
      make_socket_transport({.secret = "a benchmark's secret"}).value();
  std::unique_ptr<Transport> second =
      make_socket_transport({.secret = "a benchmark's secret"}).value();
  PeerId second_at_first = 0;
  PeerId first_at_second = 0;
  explicit TransportPair(bool tcp) {
    std::promise<PeerId> connected;
    first->watch({.connected = [&](PeerId peer, const PeerInfo&) { connected.set_value(peer); }});
    const auto file =
        std::filesystem::temp_directory_path() / fmt::format("planaria-bench-{}.sock", ::getpid());
    const std::string address =
        first->listen(tcp ? "tcp:127.0.0.1:0" : "unix:" + file.string()).value();
    first_at_second = second->connect(address, WorkerId(1), 10000).value();
    second_at_first = connected.get_future().get();
    first->watch({});
  }
};

FrameKey key_of(int number) {
  return {FrameKind::activation, ViewNumber(1), Step(1), LayerId(0), MicroBatchId(number), 0};
}

double large_gigabytes_per_s(bool tcp, int frames, const std::vector<std::byte>& payload) {
  constexpr int in_flight = 4;
  TransportPair pair(tcp);
  const double seconds = seconds_of([&] {
    std::thread writer([&] {
      std::vector<std::future<void>> sends;
      for (int i = 0; i < frames; ++i) {
        auto done = std::make_shared<std::promise<void>>();
        sends.push_back(done->get_future());
        pair.second->send(pair.first_at_second, key_of(i), {payload},
                          [done](const Result<void>& result) {
                            result.value();
                            done->set_value();
                          });
        if (i + 1 >= in_flight) sends[static_cast<std::size_t>(i + 1 - in_flight)].get();
      }
      for (int i = std::max(0, frames + 1 - in_flight); i < frames; ++i) {
        sends[static_cast<std::size_t>(i)].get();
      }
    });
    for (int i = 0; i < frames; ++i) {
      const Buffer received = wait_receive(*pair.first, pair.second_at_first, key_of(i)).value();
      check_equal(received.size(), payload.size(), "a frame came short");
    }
    writer.join();
  });
  return static_cast<double>(payload.size()) * frames / seconds / 1e9;
}

// Both sides answer on their I/O threads, as protocol messages do.
double ping_us(bool tcp) {
  const std::vector<std::byte> word(4);
  std::promise<void> finished;
  TransportPair pair(tcp);
  std::function<void(int)> serve = [&](int round) {
    if (round == ping_count) return finished.set_value();
    pair.second->send(pair.first_at_second, key_of(round), {word}, [](const Result<void>&) {});
    pair.second->receive(pair.first_at_second, key_of(round),
                         [&, round](const Result<Buffer>& result) {
                           check(result.ok(), "a receive failed");
                           serve(round + 1);
                         });
  };
  std::function<void(int)> echo = [&](int round) {
    if (round == ping_count) return;
    pair.first->receive(
        pair.second_at_first, key_of(round), [&, round](const Result<Buffer>& result) {
          check(result.ok(), "a receive failed");
          pair.first->send(pair.second_at_first, key_of(round), {word}, [](const Result<void>&) {});
          echo(round + 1);
        });
  };
  echo(0);
  return seconds_of([&] {
           serve(0);
           finished.get_future().get();
         }) /
         ping_count * 1e6;
}

// Both sides wait on compute threads, as an executor does.
double waiting_ping_us(bool tcp) {
  const std::vector<std::byte> word(4);
  TransportPair pair(tcp);
  std::thread echo([&] {
    for (int i = 0; i < ping_count; ++i) {
      check(wait_receive(*pair.first, pair.second_at_first, key_of(i)).ok(), "a receive failed");
      wait_send(*pair.first, pair.second_at_first, key_of(i), {word}).value();
    }
  });
  const double seconds = seconds_of([&] {
    for (int i = 0; i < ping_count; ++i) {
      wait_send(*pair.second, pair.first_at_second, key_of(i), {word}).value();
      check(wait_receive(*pair.second, pair.first_at_second, key_of(i)).ok(), "a receive failed");
    }
  });
  echo.join();
  return seconds / ping_count * 1e6;
}

void report(bool tcp, int rounds, int frames) {
  const std::vector<std::byte> payload(large_bytes, std::byte{42});
  std::vector<double> raw_large;
  std::vector<double> large;
  std::vector<double> raw_ping;
  std::vector<double> ping;
  std::vector<double> waiting;
  for (int round = 0; round < rounds; ++round) {
    raw_large.push_back(raw_large_gigabytes_per_s(tcp, frames, payload));
    large.push_back(large_gigabytes_per_s(tcp, frames, payload));
    raw_ping.push_back(raw_ping_us(tcp));
    ping.push_back(ping_us(tcp));
    waiting.push_back(waiting_ping_us(tcp));
  }
  const char* family = tcp ? "tcp " : "unix";
  fmt::print("{}  16 MiB one way        raw {:6.2f} GB/s  ours {:6.2f} GB/s  ratio {:.2f}\n",
             family, median(raw_large), median(large), median(large) / median(raw_large));
  fmt::print("{}  4 bytes, completions  raw {:6.1f} us    ours {:6.1f} us    ratio {:.2f}\n",
             family, median(raw_ping), median(ping), median(ping) / median(raw_ping));
  fmt::print("{}  4 bytes, waiting      raw {:6.1f} us    ours {:6.1f} us    ratio {:.2f}\n",
             family, median(raw_ping), median(waiting), median(waiting) / median(raw_ping));
}

}  // namespace
}  // namespace planaria::transport

int main(int count, char** arguments) {
  int rounds = 5;
  int frames = 48;
  CLI::App program{"frames against raw sockets"};
  program.add_option("--rounds", rounds, "times each figure is taken")->check(CLI::Range(1, 1000));
  program.add_option("--frames", frames, "frames of 16 MiB each time")->check(CLI::Range(1, 10000));
  CLI11_PARSE(program, count, arguments);
  planaria::transport::report(false, rounds, frames);
  planaria::transport::report(true, rounds, frames);
  return EXIT_SUCCESS;
}
