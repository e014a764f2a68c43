#include "proxy/hops/sighting.h"

#include <algorithm>
#include <string_view>

namespace telltale::proxy::hops {

namespace {

// Before the port's colon; npos when there is no port.
size_t port_colon(std::string_view address) noexcept {
    const size_t colon = address.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == address.size()) {
        return std::string_view::npos;
    }
    const std::string_view port = address.substr(colon + 1);
    const bool digits =
        std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
    const bool one_colon = address.find(':') == colon;
    return digits && (one_colon || address[colon - 1] == ']') ? colon : std::string_view::npos;
}

}  // namespace

bool same_group(const Sighting& one, const Sighting& other) noexcept {
    return one.node == other.node && one.listener == other.listener && one.cause == other.cause &&
           dialled(one) == dialled(other);
}

const std::string& dialled(const Sighting& seen) noexcept {
    return seen.upstream.address.empty() ? seen.upstream.requested : seen.upstream.address;
}

std::string host_part(const std::string& address) {
    if (address.starts_with("unix:")) return {};
    const size_t colon = port_colon(address);
    return colon == std::string::npos ? std::string() : address.substr(0, colon);
}

bool is_loopback(const std::string& host) noexcept {
    return host.starts_with("127.") || host == "[::1]";
}

bool is_socket(const std::string& address) noexcept {
    return !address.starts_with("unix:") && port_colon(address) != std::string_view::npos;
}

}  // namespace telltale::proxy::hops
