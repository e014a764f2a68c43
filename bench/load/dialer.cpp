#include "bench/load/dialer.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <utility>

namespace telltale::bench::load {

namespace {

constexpr size_t buffer_size = 65536;

int error_of(int socket) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
}

}  // namespace

Dialer::Dialer(Plan plan, Take take)
    : plan_{std::move(plan)},
      take_{std::move(take)},
      epoll_{epoll_create1(EPOLL_CLOEXEC)},
      buffer_(buffer_size) {
    if (!epoll_.open()) throw_errno("can't make an epoll");
    const size_t slots = std::min(plan_.at_a_time, plan_.connections);
    for (size_t i = 0; i < slots; ++i) attempts_.push_back({{}, Answer{plan_.awaited}, {}});
}

void Dialer::run() {
    for (size_t slot = 0; slot < attempts_.size(); ++slot) fill(slot);
    constexpr int patience_ms = static_cast<int>(std::chrono::milliseconds{patience}.count());
    std::array<epoll_event, 64> events{};
    while (done_ + failed_ < plan_.connections) {
        const int count = epoll_wait(epoll_.number(), events.data(), events.size(), patience_ms);
        if (count < 0 && errno != EINTR) throw_errno("can't wait for sockets");
        if (count == 0) give_up();
        for (int i = 0; i < count; ++i) {
            const size_t slot = events[static_cast<size_t>(i)].data.u64;
            advance(slot);
            if (!attempts_[slot].socket.open()) fill(slot);
        }
    }
    if (done_ == 0 && plan_.connections != 0)
        throw std::runtime_error("no connection to " + plan_.to.text +
                                 " got its answer; the first one " + complaint_);
}

void Dialer::fill(size_t slot) {
    while (begun_ < plan_.connections && !begin(slot)) {
    }
}

bool Dialer::begin(size_t slot) {
    ++begun_;
    Attempt& attempt = attempts_[slot];
    attempt = {make_socket(plan_.socket), Answer{plan_.awaited}, Clock::now()};
    if (!attempt.socket.open()) {
        fail(attempt, "got no socket: " + error_text(errno));
        return false;
    }
    const auto* to = reinterpret_cast<const sockaddr*>(&plan_.to.socket);
    if (connect(attempt.socket.number(), to, sizeof plan_.to.socket) != 0 && errno != EINPROGRESS) {
        fail(attempt, "could not connect: " + error_text(errno));
        return false;
    }
    // On loopback the handshake is over when connect() returns, whatever it says: one turn saved.
    send_first(attempt);
    if (!attempt.socket.open()) return false;
    arm(slot, Arm::add);
    return true;
}

// For one event: a connection that was handed on then needs no call to leave the epoll.
void Dialer::arm(size_t slot, Arm how) {
    const Attempt& attempt = attempts_[slot];
    epoll_event event{};
    event.events = (attempt.first_sent ? EPOLLIN : EPOLLOUT) | EPOLLONESHOT;
    event.data.u64 = slot;
    if (epoll_ctl(epoll_.number(), static_cast<int>(how), attempt.socket.number(), &event) != 0)
        throw_errno("can't watch a socket");
}

void Dialer::advance(size_t slot) {
    Attempt& attempt = attempts_[slot];
    if (attempt.first_sent || send_first(attempt)) receive(slot);
    if (attempt.socket.open()) arm(slot, Arm::again);
}

bool Dialer::send_first(Attempt& attempt) {
    attempt.first_sent = send_whole(attempt.socket.number(), plan_.first_flight);
    if (attempt.first_sent) return true;
    const int send_error = errno;
    if (send_error == EAGAIN) return false;
    const int error = error_of(attempt.socket.number());
    fail(attempt, "could not connect or send: " + error_text(error != 0 ? error : send_error));
    return false;
}

void Dialer::receive(size_t slot) {
    Attempt& attempt = attempts_[slot];
    const ssize_t size = recv(attempt.socket.number(), buffer_.data(), buffer_.size(), 0);
    if (size < 0) {
        if (errno != EAGAIN && errno != EINTR)
            fail(attempt, "failed before its answer was whole: " + error_text(errno));
        return;
    }
    const Progress progress =
        size == 0 ? attempt.answer.end()
                  : attempt.answer.take({buffer_.data(), static_cast<size_t>(size)});
    if (progress == Progress::wrong) {
        fail(attempt, attempt.answer.complaint());
        return;
    }
    if (attempt.answer.settings_came() && !attempt.second_sent && !plan_.second_flight.empty()) {
        attempt.second_sent = send_whole(attempt.socket.number(), plan_.second_flight);
        if (!attempt.second_sent) {
            fail(attempt, "could not send: " + error_text(errno));
            return;
        }
    }
    if (progress == Progress::done) finish(attempt);
}

void Dialer::finish(Attempt& attempt) {
    ++done_;
    const auto latency = Clock::now() - attempt.begun;
    take_({std::exchange(attempt.socket, {}), attempt.answer.frames(), latency});
}

void Dialer::fail(Attempt& attempt, const std::string& complaint) {
    if (failed_++ == 0) complaint_ = complaint;
    attempt.socket.close();
}

// Those not begun fail too: each would wait as long again.
void Dialer::give_up() {
    for (Attempt& attempt : attempts_)
        if (attempt.socket.open())
            fail(attempt, "got no answer for " + std::to_string(patience.count()) + " s");
    failed_ += plan_.connections - begun_;
    begun_ = plan_.connections;
}

Opened open_all(const Plan& plan) {
    need_files(plan.connections + files_of_its_own);
    Opened opened;
    opened.connections.reserve(plan.connections);
    Dialer dialer{plan, [&opened](Connection connection) {
                      opened.connections.push_back(std::move(connection));
                  }};
    dialer.run();
    tell_failures(dialer.failed(), plan.connections, dialer.complaint());
    opened.failed = dialer.failed();
    return opened;
}

void tell_failures(size_t failed, size_t of, const std::string& complaint) {
    if (failed != 0)
        std::fprintf(stderr, "warning: %zu of %zu connections failed; the first one %s\n", failed,
                     of, complaint.c_str());
}

}  // namespace telltale::bench::load
