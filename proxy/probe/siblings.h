// Ports worth trying beside one that does not speak gRPC: by the registry, by a table of ports that
// programs are known to use in pairs, and those that were asked for.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "proxy/probe/probe.h"

namespace telltale::proxy::probe {

struct PortPair {
    std::string_view program;
    uint16_t other = 0;  // what people dial by mistake: HTTP/1, metrics, peers
    std::string_view other_is;
    uint16_t grpc = 0;
    std::string_view source;  // where the program's own documentation says so
};
[[nodiscard]] std::span<const PortPair> port_pairs() noexcept;

// host, port: of the target. asked: by --ports; they come first. Each port once, never the target's
// own, at most siblings_max.
[[nodiscard]] std::vector<Sibling> siblings_of(const std::string& host, uint16_t port,
                                               const std::vector<config::Service>& services,
                                               const std::vector<uint16_t>& asked);

// "10260,10200-10210" as ports; `error` says what is wrong, for an empty answer.
[[nodiscard]] std::vector<uint16_t> parse_ports(std::string_view text, std::string& error);

}  // namespace telltale::proxy::probe
