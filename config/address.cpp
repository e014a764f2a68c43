#include "config/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>

#include "config/load.h"
#include "config/report.h"

namespace telltale::config {
namespace {

// sockaddr_un.sun_path has 108 bytes; one is the ending NUL, or the leading NUL of an abstract
// name.
constexpr size_t unix_path_max = 107;
constexpr size_t host_name_max = 253;  // RFC 1035 §3.1
constexpr size_t scope_max = 15;       // IFNAMSIZ - 1
constexpr uint64_t port_max = 65535;

enum class Use : uint8_t { listen, upstream };

std::string_view expected(Use use) {
    if (use == Use::listen) {
        return "IP:port, :port, [IPv6]:port, unix:/path or unix:@name, such as 0.0.0.0:15260";
    }
    return "host:port, [IPv6]:port, unix:/path or unix:@name, such as 127.0.0.1:10260";
}

bool is_host_name(std::string_view host) {
    if (host.empty() || host.size() > host_name_max || host.front() == '.') return false;
    if (host.find("..") != std::string_view::npos) return false;
    return std::all_of(host.begin(), host.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
    });
}

// A name whose last label is a number ("10.0.0.300") is a mistyped IPv4 address: no top-level
// domain is all digits (RFC 3696 §2).
bool looks_like_ipv4(std::string_view host) {
    const std::string_view last = host.substr(host.rfind('.') + 1);
    return !last.empty() && std::all_of(last.begin(), last.end(),
                                        [](unsigned char c) { return std::isdigit(c) != 0; });
}

using Parsed = std::variant<Address, std::string>;

Parsed parse_unix(std::string_view text, Use use) {
    const std::string_view path = text.substr(std::strlen("unix:"));
    if (path.size() > unix_path_max) {
        return "got a Unix socket path of " + std::to_string(path.size()) +
               " bytes, expected at most " + std::to_string(unix_path_max);
    }
    const bool absolute = path.size() > 1 && (path.front() == '/' || path.front() == '@');
    if (!absolute || path.find('\0') != std::string_view::npos) {
        return got_expected(text, expected(use));
    }
    return Address{.host = {}, .port = 0, .unix_path = std::string(path)};
}

// The host as Address keeps it, or the hint that says what is wrong with it.
Parsed check_host(std::string_view text, const std::string& host, Use use) {
    const bool bracketed = text.front() == '[';
    if (bracketed) {
        if (host.find(':') != std::string::npos && canonical_ip(host)) return Address{.host = host};
        return got_expected(text, "an IPv6 address in the brackets, such as [::1]:15260");
    }
    if (host.empty()) {
        if (use == Use::listen) return Address{};
        return got_expected(text, "a host before the port, such as 127.0.0.1:10260");
    }
    if (canonical_ip(host)) return Address{.host = host};
    if (!is_host_name(host) || looks_like_ipv4(host)) return got_expected(text, expected(use));
    if (use == Use::upstream) return Address{.host = host};
    // A listener never waits for a resolver; this one name is as good as an address.
    if (host == "localhost") return Address{.host = "127.0.0.1"};
    return got_expected(text, "an IP address to listen on, such as 0.0.0.0:15260");
}

Parsed parse_inet(std::string_view text, Use use) {
    const auto parts = split_host_port(text);
    if (!parts) {
        if (text.find("://") != std::string_view::npos) {
            return got_expected(text, "no scheme, only host:port");
        }
        if (std::count(text.begin(), text.end(), ':') > 1 && text.front() != '[') {
            return got_expected(text, "brackets around an IPv6 address, such as [::1]:15260");
        }
        return got_expected(text, expected(use));
    }
    const uint64_t port_min = use == Use::listen ? 0 : 1;
    const auto port = parse_number(parts->port);
    if (!port || *port < port_min || *port > port_max) {
        return got_expected(
            text, "a port from " + std::to_string(port_min) + " to 65535 after the last ':'");
    }
    Parsed parsed = check_host(text, parts->host, use);
    if (auto* address = std::get_if<Address>(&parsed)) address->port = static_cast<uint16_t>(*port);
    return parsed;
}

Parsed parse(std::string_view text, Use use) {
    if (text.empty()) return got_expected(text, expected(use));
    if (text.substr(0, 5) == "unix:") return parse_unix(text, use);
    return parse_inet(text, use);
}

}  // namespace

std::string Address::text() const {
    if (is_unix()) return "unix:" + unix_path;
    const bool ipv6 = host.find(':') != std::string::npos;
    return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string Upstream::text() const {
    std::string text;
    for (const Address& address : addresses) {
        if (!text.empty()) text += ", ";
        text += address.text();
    }
    return text;
}

Parsed parse_listen_address(std::string_view text) {
    return parse(text, Use::listen);
}

Parsed parse_upstream_address(std::string_view text) {
    return parse(text, Use::upstream);
}

std::optional<uint64_t> parse_number(std::string_view text) {
    uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, value);
    if (text.empty() || error != std::errc{} || stopped != end) return std::nullopt;
    return value;
}

std::optional<HostPort> split_host_port(std::string_view text) {
    if (text.empty()) return std::nullopt;
    if (text.front() == '[') {
        const size_t close = text.find("]:");
        if (close == std::string_view::npos) return std::nullopt;
        return HostPort{std::string(text.substr(1, close - 1)),
                        std::string(text.substr(close + 2))};
    }
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos || colon != text.rfind(':')) return std::nullopt;
    return HostPort{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

std::optional<std::string> canonical_ip(std::string_view text) {
    const size_t percent = std::min(text.find('%'), text.size());
    const std::string ip(text.substr(0, percent));
    const std::string scope(text.substr(percent));
    // inet_pton stops at a NUL; what follows one must not pass as an address.
    if (ip.find('\0') != std::string::npos) return std::nullopt;
    in_addr v4{};
    std::array<char, INET6_ADDRSTRLEN> out{};
    if (inet_pton(AF_INET, ip.c_str(), &v4) == 1) {
        if (!scope.empty()) return std::nullopt;
        inet_ntop(AF_INET, &v4, out.data(), out.size());
        return out.data();
    }
    in6_addr v6{};
    if (inet_pton(AF_INET6, ip.c_str(), &v6) != 1) return std::nullopt;
    if (!scope.empty() && (scope.size() < 2 || scope.size() > scope_max + 1)) return std::nullopt;
    if (!scope.empty() && !is_host_name(scope.substr(1))) return std::nullopt;
    constexpr std::array<uint8_t, 12> v4_mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::memcmp(v6.s6_addr, v4_mapped.data(), v4_mapped.size()) == 0) {
        inet_ntop(AF_INET, &v6.s6_addr[v4_mapped.size()], out.data(), out.size());
        return out.data();
    }
    inet_ntop(AF_INET6, &v6, out.data(), out.size());
    return out.data() + scope;
}

}  // namespace telltale::config
