#include "proxy/endpoint.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <charconv>
#include <cstring>

namespace telltale::proxy {

namespace {

// sockaddr is only ever read through copies: the kernel's types alias by convention, not by the
// language.
template <typename T>
T read_as(const void* raw) noexcept {
    T value;
    std::memcpy(&value, raw, sizeof value);
    return value;
}

// Not inet_ntop: it goes through printf, which was a tenth of what a record costs.
std::string ipv4_text(const void* address, uint16_t port) {
    const auto bytes = read_as<std::array<uint8_t, 4>>(address);
    std::array<char, sizeof "255.255.255.255:65535"> buffer;
    char* at = buffer.data();
    for (size_t i = 0; i < bytes.size(); ++i) {
        at = std::to_chars(at, buffer.end(), unsigned{bytes[i]}).ptr;
        *at++ = i == 3 ? ':' : '.';
    }
    at = std::to_chars(at, buffer.end(), unsigned{port}).ptr;
    return {buffer.data(), at};
}

std::string inet_text(const void* raw, sa_family_t family) {
    if (family == AF_INET) {
        const auto in = read_as<sockaddr_in>(raw);
        return ipv4_text(&in.sin_addr, ntohs(in.sin_port));
    }
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    const auto in = read_as<sockaddr_in6>(raw);
    if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) {
        return ipv4_text(&in.sin6_addr.s6_addr[12], ntohs(in.sin6_port));
    }
    inet_ntop(AF_INET6, &in.sin6_addr, buffer.data(), buffer.size());
    const std::string scope = in.sin6_scope_id == 0 ? "" : "%" + std::to_string(in.sin6_scope_id);
    return "[" + (buffer.data() + scope) + "]:" + std::to_string(ntohs(in.sin6_port));
}

std::string unix_text(const Endpoint& endpoint) {
    const auto* raw = endpoint.data();
    const size_t offset = offsetof(sockaddr_un, sun_path);
    if (endpoint.size() <= offset) return "unix:";
    const auto un = read_as<sockaddr_un>(raw);
    const size_t length = std::min(endpoint.size() - offset, sizeof un.sun_path);
    std::string path(un.sun_path, length);
    if (path[0] == '\0') return "unix:@" + path.substr(1);
    return "unix:" + path.substr(0, path.find('\0'));
}

asio::ip::address address_of(const Endpoint& endpoint) {
    if (endpoint.protocol().family() == AF_INET) {
        const auto in = read_as<sockaddr_in>(endpoint.data());
        return asio::ip::address_v4(ntohl(in.sin_addr.s_addr));
    }
    const auto in = read_as<sockaddr_in6>(endpoint.data());
    asio::ip::address_v6::bytes_type bytes;
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    const asio::ip::address_v6 v6(bytes, in.sin6_scope_id);
    if (v6.is_v4_mapped()) return asio::ip::make_address_v4(asio::ip::v4_mapped, v6);
    return v6;
}

// A client as one value: the 16 bytes of its IPv6 address (IPv4: mapped, RFC 4291 §2.5.5.2) and its
// scope; a scope that no interface has for Unix sockets.
using Host = std::array<uint64_t, 3>;

Host host_of(const std::array<uint8_t, 28>& raw) noexcept {
    const auto family = read_as<sa_family_t>(raw.data());
    if (family == 0) return {0, 0, UINT64_MAX};
    std::array<uint8_t, 16> bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    uint64_t scope = 0;
    if (family == AF_INET) {
        const auto in = read_as<sockaddr_in>(raw.data());
        std::memcpy(&bytes[12], &in.sin_addr, sizeof in.sin_addr);
    } else {
        const auto in = read_as<sockaddr_in6>(raw.data());
        std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
        scope = in.sin6_scope_id;
    }
    return {read_as<uint64_t>(bytes.data()), read_as<uint64_t>(&bytes[8]), scope};
}

// The finalizer of SplitMix64: each bit of the input changes half of those of the output.
uint64_t mixed(uint64_t value) noexcept {
    value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9U;
    value = (value ^ (value >> 27U)) * 0x94d049bb133111ebU;
    return value ^ (value >> 31U);
}

}  // namespace

std::string to_text(const Endpoint& endpoint) {
    const auto family = static_cast<sa_family_t>(endpoint.protocol().family());
    if (family == AF_INET || family == AF_INET6) return inet_text(endpoint.data(), family);
    return unix_text(endpoint);
}

uint16_t port_of(const Endpoint& endpoint) {
    const int family = endpoint.protocol().family();
    if (family == AF_INET) return ntohs(read_as<sockaddr_in>(endpoint.data()).sin_port);
    if (family == AF_INET6) return ntohs(read_as<sockaddr_in6>(endpoint.data()).sin6_port);
    return 0;
}

Endpoint with_port(const Endpoint& endpoint, uint16_t port) {
    const int family = endpoint.protocol().family();
    if (family != AF_INET && family != AF_INET6) return endpoint;
    return asio::ip::tcp::endpoint(address_of(endpoint), port);
}

std::optional<Endpoint> numeric_endpoint(const config::Address& address) {
    if (address.is_unix()) {
        std::string path = address.unix_path;
        if (path[0] == '@') path[0] = '\0';
        return Endpoint(asio::local::stream_protocol::endpoint(path));
    }
    ErrorCode error;
    const auto ip = asio::ip::make_address(address.host, error);
    if (error) return std::nullopt;
    return Endpoint(asio::ip::tcp::endpoint(ip, address.port));
}

PeerAddress::PeerAddress(const sockaddr* address, socklen_t size) noexcept {
    if (address->sa_family != AF_INET && address->sa_family != AF_INET6) return;
    std::memcpy(raw_.data(), address, std::min<size_t>(size, raw_.size()));
}

int PeerAddress::family() const noexcept {
    const auto family = read_as<sa_family_t>(raw_.data());
    return family == 0 ? AF_UNIX : family;
}

std::string PeerAddress::text() const {
    const auto family = read_as<sa_family_t>(raw_.data());
    if (family == 0) return "unix:";
    // inet_text copies whole sockaddr structures out of the buffer; sockaddr_in6 is the larger one.
    static_assert(sizeof(sockaddr_in6) == 28 && sizeof(sockaddr_in) <= 28);
    return inet_text(raw_.data(), family);
}

bool PeerAddress::same_host(const PeerAddress& other) const noexcept {
    return host_of(raw_) == host_of(other.raw_);
}

size_t PeerAddress::host_hash(uint64_t seed) const noexcept {
    uint64_t hash = seed;
    for (const uint64_t word : host_of(raw_)) hash = mixed(hash ^ word);
    return hash;
}

bool reaches(const Endpoint& target, const Endpoint& bound,
             const std::vector<Endpoint>& local_addresses) {
    const auto is_ip = [](const Endpoint& e) {
        return e.protocol().family() == AF_INET || e.protocol().family() == AF_INET6;
    };
    if (!is_ip(target) || !is_ip(bound)) return to_text(target) == to_text(bound);
    if (port_of(target) != port_of(bound)) return false;
    const auto dialled = address_of(target);
    const auto listening = address_of(bound);
    if (dialled == listening) return true;
    if (!listening.is_unspecified()) return false;
    if (listening.is_v4() && dialled.is_v6()) return false;
    if (dialled.is_loopback() || dialled.is_unspecified()) return true;
    return std::any_of(local_addresses.begin(), local_addresses.end(),
                       [&](const Endpoint& local) { return address_of(local) == dialled; });
}

std::vector<Endpoint> local_addresses() {
    std::vector<Endpoint> found;
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return found;  // the loop guard then knows loopback only
    for (const ifaddrs* item = list; item != nullptr; item = item->ifa_next) {
        if (item->ifa_addr == nullptr) continue;
        const int family = item->ifa_addr->sa_family;
        if (family == AF_INET) found.emplace_back(item->ifa_addr, sizeof(sockaddr_in));
        if (family == AF_INET6) found.emplace_back(item->ifa_addr, sizeof(sockaddr_in6));
    }
    freeifaddrs(list);
    return found;
}

}  // namespace telltale::proxy
