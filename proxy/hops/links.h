// Whether what one sidecar saw (outer) came about because of what another one saw further in
// (inner), and how sure that is. Pure. docs/commands.md tells the rules and the scores to users.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proxy/hops/sighting.h"
#include "sniff/cause.h"

namespace telltale::proxy::hops {

struct JoinOptions {
    UnixMillis window_ms = 2000;  // between what two sidecars say of one fault
    UnixMillis skew_ms = 1000;    // between their clocks; added to the window
    // By host, another address of the same: a pod's, and the Service's that leads to it.
    std::map<std::string, std::string> aliases = {};
};

// The host of an address, or what it is an alias of; "" when there is none.
[[nodiscard]] std::string known_host(const std::string& address, const JoinOptions& options);

enum class LinkKind : uint8_t {
    host,        // what the outer one dialled has the inner one's client's host: a proxy between
    listener,    // the outer one dialled where the inner one accepts
    trail,       // the outer one was told of the fault by x-telltale-cause
    connection,  // both sockets of one TCP connection
};
inline constexpr std::string_view link_names[] = {"host", "listener", "trail", "connection"};
[[nodiscard]] constexpr std::string_view name(LinkKind kind) {
    return link_names[static_cast<size_t>(kind)];
}

struct Match {
    LinkKind kind = LinkKind::host;
    int score = 0;  // larger is better; times do not count
    sniff::Confidence confidence =
        sniff::Confidence::possible;     // when nothing else matches as well
    bool direct = true;                  // false: a proxy stands between
    std::optional<UnixMillis> apart_ms;  // between the two records; nullopt: one has no time
    std::vector<std::string> reasons;
};

// nullopt: nothing says that they belong together, or something says that they do not.
[[nodiscard]] std::optional<Match> match(const Sighting& outer, const Sighting& inner,
                                         const JoinOptions& options);

}  // namespace telltale::proxy::hops
