#include "proxy/probe/target.h"

#include <algorithm>

#include "config/address.h"
#include "sniff/escape.h"

namespace telltale::proxy::probe {

namespace {

constexpr size_t shown_max = 80;
constexpr size_t host_max = 253;  // RFC 1035 §2.3.4

// Letters of names and of IP addresses with a scope; nothing that a URL has.
bool is_host(std::string_view host) {
    return !host.empty() && host.size() <= host_max &&
           std::all_of(host.begin(), host.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      c == '.' || c == '-' || c == '_' || c == ':' || c == '%';
           });
}

std::string said(std::string_view text) {
    return sniff::quote_wire(text, shown_max);
}

}  // namespace

std::string Target::text() const {
    const bool bare = host.find(':') != std::string::npos;
    return (bare ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<Target> parse_target(std::string_view text, std::string& error) {
    if (text.find("://") != std::string_view::npos) {
        error = said(text) + " is a URL; say HOST:PORT";
        return std::nullopt;
    }
    const auto parts = config::split_host_port(text);
    if (!parts || parts->port.empty()) {
        const bool bare_ipv6 = config::canonical_ip(text) && text.find(':') != text.npos;
        error =
            said(text) + (bare_ipv6 ? " needs brackets and a port: [" + std::string(text) + "]:PORT"
                                    : " has no port; say HOST:PORT");
        return std::nullopt;
    }
    const auto port = config::parse_number(parts->port);
    if (!port || *port == 0 || *port > UINT16_MAX) {
        error = said(text) + " has no port from 1 to 65535";
        return std::nullopt;
    }
    if (!is_host(parts->host)) {
        error = said(text) + " has no host name or IP address";
        return std::nullopt;
    }
    return Target{.host = parts->host, .port = static_cast<uint16_t>(*port)};
}

}  // namespace telltale::proxy::probe
