// One listening socket: binds, accepts in small batches, pauses when the process has no
// descriptors left or the connection limit is reached, and drains its backlog before it closes.
// Hands each accepted descriptor on; knows nothing of sessions.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "config/config.h"
#include "proxy/deadlines.h"
#include "proxy/endpoint.h"
#include "proxy/net.h"
#include "proxy/reactor.h"
#include "proxy/unique_fd.h"

namespace telltale::proxy {

// A bound and listening socket. ":port" binds IPv6 with v6only off, so that it takes IPv4 too;
// where the kernel has no IPv6, IPv4 alone. Throws StartError with one clear sentence.
class ListeningSocket final {
   public:
    ListeningSocket(const std::string& listener_name, const config::Address& address);
    ~ListeningSocket();  // removes its own Unix path
    ListeningSocket(const ListeningSocket&) = delete;
    ListeningSocket& operator=(const ListeningSocket&) = delete;

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    [[nodiscard]] const Endpoint& bound() const noexcept { return bound_; }
    void close() noexcept;

   private:
    UniqueFd fd_;
    Endpoint bound_;
    std::string unix_path_;  // to remove; empty for TCP and abstract names
};

class Worker;

class Acceptor final : public Watcher, public Timed {
   public:
    struct Limits {
        std::function<uint32_t()> open_connections;
        uint32_t connections_max = 0;
    };
    using Accepted = std::function<void(UniqueFd fd, const PeerAddress& peer)>;

    // home: whose loop and deadlines it uses; outlives it.
    Acceptor(Worker& home, ListeningSocket& socket, std::string name, Limits limits,
             Accepted accepted, std::atomic<uint64_t>& paused_total);
    ~Acceptor();
    Acceptor(const Acceptor&) = delete;
    Acceptor& operator=(const Acceptor&) = delete;

    void start();
    // Takes what is in the backlog, then closes the listening socket: closing at once would reset
    // those connections.
    void stop();
    void on_ready(uint32_t events) override;
    void on_deadline(TimeMs now) override;

   private:
    enum class Step : uint8_t { again, wait, pause };
    [[nodiscard]] Step accept_one();
    void pause(const std::string& why);
    [[nodiscard]] bool full() const;

    Worker& home_;
    ListeningSocket& socket_;
    std::string name_;
    Limits limits_;
    Accepted accepted_;
    std::atomic<uint64_t>& paused_total_;
    bool stopped_ = false;
    bool watching_ = false;
    bool paused_ = false;  // in an episode: told once
};

}  // namespace telltale::proxy
