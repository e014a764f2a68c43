// Between addresses as configured, as the kernel has them, and as records show them.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/net.h"

namespace telltale::proxy {

// "10.244.2.9:12260", "[fd00::1]:10260", "unix:/run/app.sock", "unix:@name"; ::ffff:a.b.c.d shows
// as a.b.c.d.
[[nodiscard]] std::string to_text(const Endpoint& endpoint);
[[nodiscard]] uint16_t port_of(const Endpoint& endpoint);
// The same IP address with another port; a Unix path stays what it is.
[[nodiscard]] Endpoint with_port(const Endpoint& endpoint, uint16_t port);

// The endpoint of an address that needs no resolver: numeric, or a Unix path. nullopt for names.
[[nodiscard]] std::optional<Endpoint> numeric_endpoint(const config::Address& address);

// What a peer was, in 28 bytes instead of sockaddr_storage's 128: a session keeps it all its life.
class PeerAddress final {
   public:
    PeerAddress() noexcept = default;
    PeerAddress(const sockaddr* address, socklen_t size) noexcept;
    [[nodiscard]] std::string text() const;
    [[nodiscard]] int family() const noexcept;

    // Whatever the ports; ::ffff:a.b.c.d is a.b.c.d; all Unix peers are one host.
    [[nodiscard]] bool same_host(const PeerAddress& other) const noexcept;
    // The same for the same host. seed: a secret of the process, or clients could choose addresses
    // that all fall into one bucket.
    [[nodiscard]] size_t host_hash(uint64_t seed) const noexcept;

   private:
    std::array<uint8_t, 28> raw_{};  // sockaddr_in or sockaddr_in6; family 0: a Unix socket
};

// True when dialling `target` reaches a listener bound to `bound`: same port and the same, or any,
// local address.
[[nodiscard]] bool reaches(const Endpoint& target, const Endpoint& bound,
                           const std::vector<Endpoint>& local_addresses);
// The addresses of this host's interfaces, port 0 (getifaddrs).
[[nodiscard]] std::vector<Endpoint> local_addresses();

}  // namespace telltale::proxy
