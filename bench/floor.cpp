// The floor: the least that a TCP relay with the same promises can cost. Bare epoll,
// edge-triggered, one buffer of 256 KiB per thread, no sniffing, no counters, no records. Only the
// benchmark runs it.
//
// floor_relay LISTEN_PORT UPSTREAM_PORT THREADS   (127.0.0.1)
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

namespace {

constexpr size_t buffer_bytes = 256 * 1024;

// Bytes that did not fit the other socket; empty most of the time, so it costs nothing while idle.
struct Leg {
    int fd = -1;
    bool eof = false;
    bool shut = false;  // the other side's FIN was passed on to this one
    std::vector<uint8_t> waiting = {};
};
struct Pair {
    Leg client = {}, upstream = {};
    bool connected = false;
    bool dead = false;
};

// What epoll gives back: the pair's address, its lowest bit says which leg.
uint64_t tag(Pair* pair, bool upstream) {
    return reinterpret_cast<uintptr_t>(pair) | (upstream ? 1U : 0U);
}

void set(int fd, int level, int option, int value) {
    if (::setsockopt(fd, level, option, &value, sizeof value) != 0) std::perror("setsockopt");
}

void watch(int epoll, int fd, uint64_t data) {
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u64 = data}};
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) std::perror("epoll_ctl");
}

sockaddr_in loopback(uint16_t port) {
    return {.sin_family = AF_INET,
            .sin_port = htons(port),
            .sin_addr = {htonl(INADDR_LOOPBACK)},
            .sin_zero = {}};
}

int tcp_socket() {
    return ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

class Relay {
   public:
    Relay(uint16_t listen_port, uint16_t upstream_port) : upstream_(loopback(upstream_port)) {
        for (const int option : {SO_REUSEADDR, SO_REUSEPORT}) set(listener_, SOL_SOCKET, option, 1);
        set(listener_, IPPROTO_TCP, TCP_NODELAY, 1);
        const sockaddr_in address = loopback(listen_port);
        if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            ::listen(listener_, 4096) != 0) {
            std::perror("listen");
            std::exit(1);
        }
        watch(epoll_, listener_, 0);
    }

    [[noreturn]] void run() {
        std::array<epoll_event, 256> events{};
        for (std::vector<Pair*> dead;; dead.clear()) {
            const int count = ::epoll_wait(epoll_, events.data(), events.size(), -1);
            for (int i = 0; i < count; ++i) {
                const uint64_t data = events[static_cast<size_t>(i)].data.u64;
                if (data == 0) {
                    accept_all();
                    continue;
                }
                auto* pair = reinterpret_cast<Pair*>(data & ~uint64_t{1});
                if (pair->dead) continue;
                turn(*pair, (data & 1U) != 0, events[static_cast<size_t>(i)].events);
                if (pair->dead) dead.push_back(pair);
            }
            // Only now: a later event of the same batch may still name the pair.
            for (Pair* pair : dead) delete pair;
        }
    }

   private:
    void accept_all() {
        for (;;) {
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) return;
            auto* pair = new Pair{.client = {.fd = fd}, .upstream = {.fd = tcp_socket()}};
            set(pair->upstream.fd, IPPROTO_TCP, TCP_NODELAY, 1);
            const auto* to = reinterpret_cast<const sockaddr*>(&upstream_);
            if (::connect(pair->upstream.fd, to, sizeof upstream_) != 0 && errno != EINPROGRESS) {
                end(*pair, true);
                delete pair;
                continue;
            }
            watch(epoll_, pair->upstream.fd, tag(pair, true));
            watch(epoll_, fd, tag(pair, false));
        }
    }

    void turn(Pair& pair, bool of_upstream, uint32_t events) {
        Leg& leg = of_upstream ? pair.upstream : pair.client;
        Leg& other = of_upstream ? pair.client : pair.upstream;
        if (!pair.connected) {
            if (!of_upstream) return;  // its bytes wait in the kernel; connecting reads them
            if ((events & (EPOLLERR | EPOLLHUP)) != 0) return end(pair, true);
            pair.connected = true;
            move(pair, other, leg, true);
            if (pair.dead) return;
        }
        if ((events & EPOLLOUT) != 0 && !leg.waiting.empty()) {
            flush(pair, leg);
            // What the other side sent meanwhile was announced once, and not read.
            if (!pair.dead && leg.waiting.empty()) move(pair, other, leg, true);
        }
        const bool ending = (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0;
        if (!pair.dead && ((events & EPOLLIN) != 0 || ending)) move(pair, leg, other, ending);
    }

    // A short read emptied the socket and the next edge tells of more; only an ending that is
    // already there has no edge to come: to_the_end reads until it shows.
    void move(Pair& pair, Leg& from, Leg& to, bool to_the_end) {
        for (;;) {
            if (from.eof || !to.waiting.empty()) return;
            const ssize_t got = ::recv(from.fd, buffer_.get(), buffer_bytes, 0);
            if (got < 0) return errno == EAGAIN ? void() : end(pair, true);
            if (got == 0) {
                from.eof = true;
                return pass_fin(pair, to);
            }
            const ssize_t sent =
                ::send(to.fd, buffer_.get(), static_cast<size_t>(got), MSG_NOSIGNAL);
            if (sent < 0 && errno != EAGAIN) return end(pair, true);
            const ssize_t done = sent < 0 ? 0 : sent;
            if (done < got) to.waiting.assign(buffer_.get() + done, buffer_.get() + got);
            if (!to_the_end && static_cast<size_t>(got) < buffer_bytes) return;
        }
    }

    void flush(Pair& pair, Leg& leg) {
        const ssize_t sent = ::send(leg.fd, leg.waiting.data(), leg.waiting.size(), MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN ? void() : end(pair, true);
        leg.waiting.erase(leg.waiting.begin(), leg.waiting.begin() + sent);
        if (!leg.waiting.empty()) return;
        std::vector<uint8_t>().swap(leg.waiting);
        if ((&leg == &pair.client ? pair.upstream : pair.client).eof) pass_fin(pair, leg);
    }

    static void pass_fin(Pair& pair, Leg& to) {
        if (!to.waiting.empty()) return;
        to.shut = ::shutdown(to.fd, SHUT_WR) == 0;
        if (pair.client.shut && pair.upstream.shut) end(pair, false);
    }

    static void end(Pair& pair, bool reset) {
        for (const Leg* leg : {&pair.client, &pair.upstream}) {
            const linger at_once{.l_onoff = 1, .l_linger = 0};
            if (reset) ::setsockopt(leg->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
            ::close(leg->fd);
        }
        pair.dead = true;
    }

    sockaddr_in upstream_;
    std::unique_ptr<uint8_t[]> buffer_{new uint8_t[buffer_bytes]};
    int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    int listener_ = tcp_socket();
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 64;
    const rlimit files{.rlim_cur = 65536, .rlim_max = 65536};
    static_cast<void>(::setrlimit(RLIMIT_NOFILE, &files));
    const auto port = [argv](int at) { return static_cast<uint16_t>(std::atoi(argv[at])); };
    std::vector<std::jthread> threads;
    for (int i = 0; i < std::atoi(argv[3]); ++i) {
        threads.emplace_back([port] { Relay(port(1), port(2)).run(); });
    }
}
