// Parts of addresses, for the loader, the checks between listeners and the registry.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace telltale::config {

// "10.244.2.9", "[::1]" or "name" in front of ":port"; the brackets are taken off.
struct HostPort {
    std::string host;
    std::string port;  // as written
};
// nullopt when there is no ":port", or more than one ':' outside brackets.
[[nodiscard]] std::optional<HostPort> split_host_port(std::string_view text);

// Whole decimal numbers only: no sign, no space.
[[nodiscard]] std::optional<uint64_t> parse_number(std::string_view text);

// One spelling per IP address ("0:0::1" and "::1", "::ffff:10.0.0.1" and "10.0.0.1" are the same);
// a scope id ("fe80::1%eth0") is kept. nullopt: not an IP address.
[[nodiscard]] std::optional<std::string> canonical_ip(std::string_view text);

}  // namespace telltale::config
