// Open connections per client address, for limits.connections_per_client. One thread: that of the
// acceptor. A client is an IP address; all clients of Unix sockets are one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "proxy/endpoint.h"

namespace telltale::proxy {

class ClientCounts final {
   public:
    explicit ClientCounts(uint32_t limit);  // 0: no limit, and nothing is stored

    // False: this client has as many as it may, and this one is not counted.
    [[nodiscard]] bool enter(const PeerAddress& client);
    // Once for every enter() that said true.
    void leave(const PeerAddress& client) noexcept;

    [[nodiscard]] uint32_t limit() const noexcept { return limit_; }
    // A lower limit turns away new connections only. What entered while there was no limit was not
    // counted; its leave() counts down what the same client has opened since, if anything.
    void set_limit(uint32_t limit);
    [[nodiscard]] size_t clients() const noexcept { return counts_.size(); }

   private:
    struct Hash {
        uint64_t seed;
        size_t operator()(const PeerAddress& client) const noexcept {
            return client.host_hash(seed);
        }
    };
    struct Same {
        bool operator()(const PeerAddress& a, const PeerAddress& b) const noexcept {
            return a.same_host(b);
        }
    };

    uint32_t limit_;
    std::unordered_map<PeerAddress, uint32_t, Hash, Same> counts_;
};

}  // namespace telltale::proxy
