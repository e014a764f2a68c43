// One listening socket: binds, accepts in small batches, pauses when the process has no
// descriptors left or a limit is reached, and drains its backlog before it closes. Hands each
// accepted descriptor on; knows nothing of sessions.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "config/config.h"
#include "proxy/accept_rate.h"
#include "proxy/client_counts.h"
#include "proxy/deadlines.h"
#include "proxy/endpoint.h"
#include "proxy/net.h"
#include "proxy/reactor.h"
#include "proxy/stats.h"
#include "proxy/unique_fd.h"

namespace telltale::proxy {

// A bound and listening socket. ":port" binds IPv6 with v6only off, so that it takes IPv4 too;
// where the kernel has no IPv6, IPv4 alone. Throws StartError with one clear sentence.
class ListeningSocket final {
   public:
    ListeningSocket(const std::string& listener_name, const config::Address& address);
    // One that listens already: a predecessor's.
    ListeningSocket(const config::Address& address, UniqueFd handed);
    ~ListeningSocket();  // removes its own Unix path
    ListeningSocket(const ListeningSocket&) = delete;
    ListeningSocket& operator=(const ListeningSocket&) = delete;

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    [[nodiscard]] const Endpoint& bound() const noexcept { return bound_; }
    void close() noexcept;
    // A successor has it too: closing ends nothing, and the Unix path is the successor's.
    void give_away() noexcept;

   private:
    UniqueFd fd_;
    Endpoint bound_;
    std::string unix_path_;  // to remove; empty for TCP and abstract names
};

class Worker;

// What all acceptors of a process share: the limits on what comes in. On the thread of the
// acceptors, but for what says so.
struct AcceptGate {
    std::function<uint32_t()> open_connections;
    uint32_t connections_max = 0;
    ClientCounts clients{0};
    AcceptRate rate{0};
    // Any thread reads them.
    std::atomic<uint64_t> paused_total{0};
    std::array<std::atomic<uint64_t>, limit_count> reached{};

    void count(Limit limit) noexcept {
        reached[static_cast<size_t>(limit)].fetch_add(1, std::memory_order_relaxed);
    }
};

class Acceptor final : public Watcher, public Timed {
   public:
    using Accepted = std::function<void(UniqueFd fd, const PeerAddress& peer)>;

    // home: whose loop and deadlines it uses; outlives it, as the gate does.
    Acceptor(Worker& home, ListeningSocket& socket, AcceptGate& gate) noexcept;
    ~Acceptor();
    Acceptor(const Acceptor&) = delete;
    Acceptor& operator=(const Acceptor&) = delete;

    // From now on connections go there. Begins to accept, if it has not.
    void aim(std::string name, Accepted accepted);
    // Takes what is in the backlog, then closes the listening socket: closing at once would reset
    // those connections.
    void stop();
    // Leaves the backlog to a successor that has the same socket.
    void give_away();
    void on_ready(uint32_t events) override;
    void on_deadline(TimeMs now) override;

   private:
    enum class Step : uint8_t { again, wait, pause };
    [[nodiscard]] Step accept_one();
    void watch();
    void pause(const std::string& why);
    void wait_for(TimeMs ms);
    [[nodiscard]] bool full() const;
    void refuse(UniqueFd fd, const PeerAddress& peer);

    Worker& home_;
    ListeningSocket& socket_;
    AcceptGate& gate_;
    std::string name_;
    Accepted accepted_;
    bool stopped_ = false;
    bool watching_ = false;
    bool paused_ = false;       // in an episode: told once
    TimeMs refusals_told_ = 0;  // when it was last said that a client has too many
};

}  // namespace telltale::proxy
