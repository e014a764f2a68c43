#include "proxy/pump.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "proxy/session.h"

namespace telltale::proxy {

namespace {

ssize_t receive(int fd, uint8_t* to, size_t size) noexcept {
    ssize_t got = 0;
    do {
        got = ::recv(fd, to, size, 0);
    } while (got < 0 && errno == EINTR);
    return got;
}

ssize_t send(int fd, const uint8_t* from, size_t size) noexcept {
    ssize_t sent = 0;
    do {
        sent = ::send(fd, from, size, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent;
}

ErrorCode system_error(int error) {
    return {error, boost::system::system_category()};
}

}  // namespace

void Pump::on_readable(bool ending) noexcept {
    readable_ = true;
    ending_ = ending_ || ending;
}

void Pump::on_writable() noexcept {
    if (!blocked_) return;
    blocked_ = false;
    session_.on_progress();
}

void Pump::proceed() {
    for (int reads = 0; !finished_ && !session_.is_done();) {
        if (held() != 0 && session_.may_write(side_)) {
            if (!write()) return;
        } else if (held() != 0 && !session_.wants_more(side_)) {
            return;
        } else if (held() == 0 && (failed_ || eof_)) {
            finish();
            return;
        } else if (!may_read()) {
            return;
        } else if (reads == turn_reads_max) {
            session_.tell_again(side_);
            return;
        } else {
            read();
            ++reads;
        }
    }
}

bool Pump::may_read() const noexcept {
    if (!readable_ || eof_ || failed_ || (lent_ && end_ == lent_.size())) return false;
    return ending_ || session_.may_read(side_);
}

void Pump::stop() noexcept {
    finished_ = true;
    begin_ = end_ = 0;
    lent_.give_back();
}

void Pump::restart() noexcept {
    stop();
    readable_ = ending_ = blocked_ = eof_ = finished_ = false;
    failed_ = {};
}

bool Pump::replay(sniff::Bytes bytes) noexcept {
    if (!lent_) lent_ = session_.borrow_buffer();
    if (!lent_ || lent_.size() < bytes.size()) return false;
    std::copy(bytes.begin(), bytes.end(), lent_.data());
    begin_ = 0;
    end_ = static_cast<uint32_t>(bytes.size());
    blocked_ = finished_ = false;
    return true;
}

void Pump::finish() {
    if (failed_) {
        finished_ = true;
        session_.on_read_failed(side_, failed_);
    } else if (session_.may_write(
                   side_)) {  // the other leg must be up before its write half is shut
        finished_ = true;
        session_.on_direction_finished(side_);
    }
}

void Pump::read() {
    if (!lent_) lent_ = session_.borrow_buffer();
    const size_t room = lent_.size() - end_;
    const ssize_t got = lent_ ? receive(from_.fd(), lent_.data() + end_, room) : -1;
    const int error = lent_ ? errno : ENOMEM;
    if (got > 0) {
        const sniff::Bytes fresh(lent_.data() + end_, static_cast<size_t>(got));
        end_ += static_cast<uint32_t>(got);
        // The socket is empty and tells when more comes; an ending is told only once, so it is
        // looked for (epoll(7), "EPOLLET").
        if (fresh.size() < room && !ending_) readable_ = false;
        session_.on_bytes(side_, fresh);
    } else if (got == 0) {
        eof_ = true;
        session_.on_eof(side_);
    } else if (error == EAGAIN) {
        readable_ = false;
    } else {
        failed_ = system_error(error);
        session_.on_read_error(side_, failed_);
    }
    if (held() == 0) lent_.give_back();
    if (!session_.is_done() && (got >= 0 || failed_)) session_.after_read();
}

// False: `to` takes no more for now, or is broken.
bool Pump::write() {
    if (blocked_) return false;
    const ssize_t sent = send(to_.fd(), lent_.data() + begin_, held());
    if (sent < 0 && errno != EAGAIN) {
        session_.on_write_failed(side_, system_error(errno));
        return false;
    }
    if (sent > 0) begin_ += static_cast<uint32_t>(sent);
    if (held() != 0) {
        blocked_ = true;
        return false;
    }
    begin_ = end_ = 0;
    lent_.give_back();
    return true;
}

}  // namespace telltale::proxy
