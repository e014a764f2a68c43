#include "tests/support/sockets.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <variant>

#include "config/load.h"
#include "proxy/endpoint.h"
#include "proxy/options.h"

namespace telltale::test {

namespace {

constexpr int patience_ms = 10000;

[[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error(what + ": " + std::strerror(errno));
}

bool wait_for(int fd, int16_t events, int timeout_ms) {
    pollfd item{.fd = fd, .events = events, .revents = 0};
    return ::poll(&item, 1, timeout_ms) > 0;
}

}  // namespace

Connection::Connection(int fd) : fd_(fd) {
    if (fd < 0) fail("connection");
    const auto ignored = proxy::set_no_delay(fd);  // fails on a Unix socket, which needs none
    static_cast<void>(ignored);
}

bool Connection::try_send(std::string_view bytes) {
    while (!bytes.empty()) {
        if (!wait_for(fd_.get(), POLLOUT, patience_ms)) fail("send: no room in time");
        const ssize_t sent =
            ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) continue;
        if (sent < 0) return false;
        bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
}

void Connection::send(std::string_view bytes) {
    if (!try_send(bytes)) fail("send");
}

Received Connection::receive_some(size_t max) {
    Received got;
    if (!wait_for(fd_.get(), POLLIN, patience_ms)) {
        got.end = End::timeout;
        return got;
    }
    got.bytes.resize(max);
    const ssize_t count = ::recv(fd_.get(), got.bytes.data(), max, 0);
    got.bytes.resize(count > 0 ? static_cast<size_t>(count) : 0);
    if (count == 0) got.end = End::fin;
    if (count < 0) got.end = End::reset;
    return got;
}

Received Connection::receive(size_t count) {
    Received all;
    while (all.bytes.size() < count && all.end == End::open) {
        const Received got = receive_some(count - all.bytes.size());
        all.bytes += got.bytes;
        all.end = got.end;
    }
    return all;
}

Received Connection::receive_to_end() {
    Received all;
    while (all.end == End::open) {
        const Received got = receive_some();
        all.bytes += got.bytes;
        all.end = got.end;
    }
    return all;
}

void Connection::shutdown_send() {
    ::shutdown(fd_.get(), SHUT_WR);
}

void Connection::close() {
    fd_.reset();
}

void Connection::reset() {
    const auto error = proxy::set_reset_on_close(fd_.get());
    EXPECT_FALSE(error) << error.message();
    fd_.reset();
}

Server::Server(int backlog, int family) : family_(family) {
    fd_ = proxy::UniqueFd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage storage{};
    socklen_t size = 0;
    if (family == AF_INET) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        std::memcpy(&storage, &in, size = sizeof in);
    } else {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_addr = in6addr_loopback;
        std::memcpy(&storage, &in, size = sizeof in);
    }
    auto* raw = reinterpret_cast<sockaddr*>(&storage);
    if (::bind(fd_.get(), raw, size) != 0) fail("bind");
    if (::listen(fd_.get(), backlog) != 0) fail("listen");
    if (::getsockname(fd_.get(), raw, &size) != 0) fail("getsockname");
    port_ = proxy::port_of(proxy::Endpoint(raw, size));
}

bool Server::has_client(int timeout_ms) const {
    return wait_for(fd_.get(), POLLIN, timeout_ms);
}

Connection Server::accept() {
    if (!has_client(patience_ms)) fail("accept: nobody came");
    return Connection(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

std::string Server::address() const {
    return (family_ == AF_INET ? "127.0.0.1:" : "[::1]:") + std::to_string(port_);
}

void Server::close() {
    fd_.reset();
}

Connection connect_to(const std::string& address) {
    const auto parsed = config::parse_upstream_address(address);
    const auto endpoint = proxy::numeric_endpoint(std::get<config::Address>(parsed));
    const int fd = ::socket(endpoint->protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, endpoint->data(), static_cast<socklen_t>(endpoint->size())) != 0) {
        fail("connect to " + address);
    }
    return Connection(fd);
}

uint16_t unused_port() {
    Server server;
    return server.port();
}

}  // namespace telltale::test
