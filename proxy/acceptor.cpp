#include "proxy/acceptor.h"

#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "proxy/options.h"
#include "proxy/runtime.h"
#include "proxy/worker.h"

namespace telltale::proxy {

namespace {

// One turn takes at most so many, so that the sessions of this worker go on meanwhile; not one, or
// a burst of connections would wake their upstream once for each.
constexpr int batch_max = 16;
constexpr TimeMs pause_ms = 200;
constexpr TimeMs refusals_told_every_ms = 10'000;
constexpr int backlog = 4096;  // the kernel cuts it to net.core.somaxconn

[[noreturn]] void fail(const std::string& listener, const config::Address& address,
                       const std::string& what, int error) {
    std::string text = "listener " + listener + " can't listen on " + address.text() + ": " + what +
                       ": " + std::strerror(error);
    if (error == EADDRINUSE) text += "; stop the process that has it or choose another address";
    if (error == EACCES) text += "; ports below 1024 need the capability NET_BIND_SERVICE";
    if (error == EADDRNOTAVAIL) text += "; no interface of this host has that address";
    throw StartError(text);
}

UniqueFd open_socket(int family) {
    return UniqueFd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// A path that another process left behind refuses connections; one that is served must not be taken
// away.
void remove_stale_path(const Endpoint& endpoint, const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return;
    const UniqueFd probe = open_socket(AF_UNIX);
    const int connected =
        ::connect(probe.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size()));
    if (connected != 0 && errno == ECONNREFUSED) ::unlink(path.c_str());
}

Endpoint bound_endpoint(int fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
    return {&storage, size};
}

bool try_bind(UniqueFd& fd, const Endpoint& endpoint, bool dual_stack) {
    fd = open_socket(endpoint.protocol().family());
    if (!fd.is_open()) return false;
    if (endpoint.protocol().family() != AF_UNIX) {
        const ErrorCode reuse = set_reuse_address(fd.get());
        const ErrorCode no_delay = set_no_delay(fd.get());
        static_cast<void>(reuse);     // a restart would have to wait
        static_cast<void>(no_delay);  // small messages would be slower
    }
    if (endpoint.protocol().family() == AF_INET6) {
        const int v6_only = dual_stack ? 0 : 1;
        ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
    }
    return ::bind(fd.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0;
}

}  // namespace

ListeningSocket::ListeningSocket(const std::string& listener_name, const config::Address& address) {
    const bool all = !address.is_unix() && address.host.empty();
    bool bound = false;
    if (all) {
        const auto any6 = asio::ip::tcp::endpoint(asio::ip::address_v6::any(), address.port);
        bound = try_bind(fd_, Endpoint(any6), true);
        if (!bound && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
            const auto any4 = asio::ip::tcp::endpoint(asio::ip::address_v4::any(), address.port);
            bound = try_bind(fd_, Endpoint(any4), false);
        }
    } else {
        const auto endpoint = numeric_endpoint(address);
        if (!endpoint) {
            throw StartError("listener " + listener_name + " can't listen on " + address.text() +
                             ": it is a name; give an IP address of this host or \":port\"");
        }
        if (address.is_unix() && address.unix_path[0] != '@') {
            remove_stale_path(*endpoint, address.unix_path);
        }
        bound = try_bind(fd_, *endpoint, false);
        if (bound && address.is_unix() && address.unix_path[0] != '@')
            unix_path_ = address.unix_path;
    }
    if (!bound) fail(listener_name, address, "bind", errno);
    if (::listen(fd_.get(), backlog) != 0) fail(listener_name, address, "listen", errno);
    bound_ = bound_endpoint(fd_.get());
}

ListeningSocket::ListeningSocket(const config::Address& address, UniqueFd handed)
    : fd_(std::move(handed)), bound_(bound_endpoint(fd_.get())) {
    if (address.is_unix() && address.unix_path[0] != '@') unix_path_ = address.unix_path;
}

ListeningSocket::~ListeningSocket() {
    close();
}

void ListeningSocket::close() noexcept {
    if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
    unix_path_.clear();
    fd_.reset();
}

void ListeningSocket::give_away() noexcept {
    unix_path_.clear();
    fd_.reset();
}

Acceptor::Acceptor(Worker& home, ListeningSocket& socket, AcceptGate& gate) noexcept
    : home_(home), socket_(socket), gate_(gate) {}

Acceptor::~Acceptor() {
    home_.drop_deadline(*this);
}

void Acceptor::aim(std::string name, Accepted accepted) {
    name_ = std::move(name);
    accepted_ = std::move(accepted);
    if (stopped_ || watching_ || is_set()) return;
    home_.read_clock();
    watch();
}

void Acceptor::watch() {
    const ErrorCode error = home_.reactor().watch(socket_.fd(), *this, Reactor::Trigger::level);
    watching_ = !error;
    if (error) pause(error.message());
}

void Acceptor::stop() {
    if (stopped_) return;
    stopped_ = true;
    home_.drop_deadline(*this);
    home_.read_clock();
    while (accepted_ && accept_one() == Step::again) {
    }
    // A successor that asked and went away may still hold a duplicate: closing alone would leave it
    // in the epoll set.
    if (watching_) home_.reactor().forget(socket_.fd());
    socket_.close();
}

void Acceptor::give_away() {
    if (stopped_) return;
    stopped_ = true;
    home_.drop_deadline(*this);
    // Closing would not end the watch: the successor's descriptor keeps the socket open.
    if (watching_) home_.reactor().forget(socket_.fd());
    socket_.give_away();
}

void Acceptor::on_ready(uint32_t) {
    if (stopped_ || !watching_) return;
    home_.read_clock();
    for (int taken = 0; taken < batch_max; ++taken) {
        if (full()) {
            gate_.count(Limit::connections);
            pause("the connection limit of " + std::to_string(gate_.connections_max) +
                  " is reached");
            return;
        }
        if (const int64_t ns = gate_.rate.ready_in_ns(home_.now_ns())) {
            gate_.count(Limit::accept_rate);
            wait_for(ns / 1'000'000);
            return;
        }
        const Step step = accept_one();
        if (step == Step::pause) {
            pause(std::strerror(errno));
            return;
        }
        if (step == Step::wait) break;
    }
    paused_ = false;
}

Acceptor::Step Acceptor::accept_one() {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    UniqueFd fd(::accept4(socket_.fd(), reinterpret_cast<sockaddr*>(&peer), &size,
                          SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.is_open()) {
        const PeerAddress from(reinterpret_cast<const sockaddr*>(&peer), size);
        static_cast<void>(gate_.rate.take(home_.now_ns()));  // asked before
        if (gate_.clients.enter(from)) {
            accepted_(std::move(fd), from);
        } else {
            refuse(std::move(fd), from);
        }
        return Step::again;
    }
    switch (errno) {
        case EAGAIN:
            return Step::wait;
        // That connection is gone, the next may be fine: accept(2), "Error handling".
        case ECONNABORTED:
        case EINTR:
        case EPROTO:
        case EPERM:
        case ENETDOWN:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH:
            return Step::again;
        default:  // EMFILE, ENFILE, ENOBUFS, ENOMEM: at once it would fail again
            return Step::pause;
    }
}

// A reset: the client learns at once, and this host keeps no TIME_WAIT for it.
void Acceptor::refuse(UniqueFd fd, const PeerAddress& peer) {
    gate_.count(Limit::connections_per_client);
    static_cast<void>(set_reset_on_close(fd.get()));
    if (refusals_told_ != 0 && home_.now_ms() < refusals_told_ + refusals_told_every_ms) return;
    refusals_told_ = home_.now_ms();
    spdlog::warn(
        "listener {} refuses connections from {}: it has {} open "
        "(limits.connections_per_client); said at most every 10 s",
        name_, peer.text(), gate_.clients.limit());
}

bool Acceptor::full() const {
    const uint32_t open = gate_.open_connections();
    // Once full, it stays closed until one in ten has left: no flapping at the limit.
    const uint32_t resume_at = gate_.connections_max - gate_.connections_max / 10;
    return open >= (paused_ ? resume_at : gate_.connections_max);
}

void Acceptor::pause(const std::string& why) {
    if (!paused_) {
        paused_ = true;
        gate_.paused_total.fetch_add(1, std::memory_order_relaxed);
        spdlog::warn("listener {} stops accepting for a while: {}; clients wait in the backlog",
                     name_, why);
    }
    wait_for(pause_ms);
}

void Acceptor::wait_for(TimeMs ms) {
    if (watching_) home_.reactor().forget(socket_.fd());
    watching_ = false;
    home_.set_deadline(*this, home_.now_ms() + ms);
}

void Acceptor::on_deadline(TimeMs) {
    home_.read_clock();
    watch();
}

}  // namespace telltale::proxy
