// Plain blocking sockets for scripted peers: loopback listeners and clients that write, stall,
// half-close and reset when a test says so. Every wait has a limit; running into it fails the test
// with a sentence.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/unique_fd.h"

namespace telltale::test {

enum class End : uint8_t { open, fin, reset, timeout };

struct Received {
    std::string bytes;
    End end = End::open;
};

class Connection final {
   public:
    explicit Connection(int fd);

    void send(std::string_view bytes);
    // False when the peer is gone.
    bool try_send(std::string_view bytes);
    // Exactly so many bytes, or what came before the end.
    Received receive(size_t count);
    // One recv(): what is there, at least one byte.
    Received receive_some(size_t max = 65536);
    Received receive_to_end();
    void shutdown_send();
    void close();
    void reset();  // close() with RST
    [[nodiscard]] int fd() const { return fd_.get(); }

   private:
    proxy::UniqueFd fd_;
};

class Server final {
   public:
    // A TCP listener on a free loopback port; family AF_INET or AF_INET6.
    explicit Server(int backlog = 64, int family = 2);
    Connection accept();
    // False when nobody connected within the time.
    [[nodiscard]] bool has_client(int timeout_ms) const;
    [[nodiscard]] uint16_t port() const { return port_; }
    [[nodiscard]] std::string address() const;
    void close();

   private:
    proxy::UniqueFd fd_;
    uint16_t port_ = 0;
    int family_;
};

[[nodiscard]] Connection connect_to(
    const std::string& address);  // "127.0.0.1:80", "[::1]:80", "unix:/path"
[[nodiscard]] uint16_t unused_port();

}  // namespace telltale::test
