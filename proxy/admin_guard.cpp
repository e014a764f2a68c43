#include "proxy/admin_guard.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace telltale::proxy {

namespace {

constexpr std::string_view not_from_here =
    "refused: only from this host, by a loopback address or a Unix socket\n";
constexpr std::string_view other_site = "refused: asked by the page of another site\n";

bool is_loopback_v4(const uint8_t* address) {
    return address[0] == 127;  // RFC 1122 §3.2.1.3
}

bool is_loopback_v6(const std::array<uint8_t, 16>& address) {
    constexpr std::array<uint8_t, 12> mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::equal(mapped.begin(), mapped.end(), address.begin())) {
        return is_loopback_v4(&address[mapped.size()]);
    }
    return std::all_of(address.begin(), address.end() - 1, [](uint8_t b) { return b == 0; }) &&
           address.back() == 1;
}

bool is_this_host(const Endpoint& endpoint) {
    switch (endpoint.protocol().family()) {
        case AF_UNIX:
            return true;
        case AF_INET: {
            sockaddr_in in{};
            std::memcpy(&in, endpoint.data(), std::min(sizeof in, endpoint.size()));
            std::array<uint8_t, 4> address{};
            std::memcpy(address.data(), &in.sin_addr, address.size());
            return is_loopback_v4(address.data());
        }
        case AF_INET6: {
            sockaddr_in6 in{};
            std::memcpy(&in, endpoint.data(), std::min(sizeof in, endpoint.size()));
            std::array<uint8_t, 16> address{};
            std::memcpy(address.data(), &in.sin6_addr, address.size());
            return is_loopback_v6(address);
        }
        default:
            return false;
    }
}

std::string lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

// "127.0.0.1:15970", "[::1]", "localhost:80"; no name but localhost is sure to be this host.
bool names_this_host(std::string_view host) {
    const bool bracketed = !host.empty() && host.front() == '[';
    const size_t colon = bracketed ? host.find("]:") : host.find(':');
    if (colon != std::string_view::npos) host = host.substr(0, colon + (bracketed ? 1 : 0));
    if (host == "localhost" || host == "[::1]") return true;
    return host.rfind("127.", 0) == 0 &&
           host.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace

std::string_view why_refused(const ChangeRequest& request) {
    if (!is_this_host(request.peer) || !is_this_host(request.local)) return not_from_here;
    for (const std::string_view site : request.fetch_sites) {
        if (site != "same-origin" && site != "none") return other_site;
    }
    const std::string host = lower_case(request.host);
    for (const std::string_view origin : request.origins) {
        if (!names_this_host(host) || lower_case(origin) != "http://" + host) return other_site;
    }
    return {};
}

}  // namespace telltale::proxy
