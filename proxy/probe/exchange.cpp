#include "proxy/probe/exchange.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <utility>

#include "proxy/probe/probe.h"

namespace telltale::proxy::probe {

namespace {

using std::chrono::milliseconds;

// A peer that pauses so long has said what it had to say.
constexpr milliseconds pause{250};
constexpr milliseconds linger_time{500};
constexpr size_t linger_bytes_max = 64U << 10U;

Reach reach_of(int error) {
    switch (error) {
        case 0:
            return Reach::connected;
        case ECONNREFUSED:
            return Reach::refused;
        case ETIMEDOUT:
            return Reach::timed_out;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
        case EADDRNOTAVAIL:
            return Reach::local_limit;
        default:
            return Reach::unreachable;
    }
}

}  // namespace

Exchange::Exchange(asio::io_context& context, Endpoint endpoint, std::shared_ptr<Talk> talk,
                   milliseconds timeout)
    : endpoint_(std::move(endpoint)),
      talk_(std::move(talk)),
      timeout_(timeout),
      socket_(context),
      deadline_(context) {}

void Exchange::start(Done done) {
    done_ = std::move(done);
    started_ = Clock::now();
    ErrorCode error;
    socket_.open(endpoint_.protocol(), error);
    if (error) {
        asio::post(socket_.get_executor(),
                   [self = shared_from_this(), error] { self->on_connected(error); });
        return;
    }
    expect_within(timeout_);
    socket_.async_connect(endpoint_, [self = shared_from_this()](const ErrorCode& connected) {
        self->on_connected(connected);
    });
}

Micros Exchange::elapsed() const {
    return std::chrono::duration_cast<Micros>(Clock::now() - started_);
}

void Exchange::on_connected(const ErrorCode& error) {
    if (step_ != Step::connecting) return;
    result_.connect = elapsed();
    // The handshake was complete: a RST that answers a SYN reads ECONNREFUSED.
    const bool reset = error == asio::error::connection_reset;
    result_.error = reset ? 0 : error.value();
    result_.reach = reach_of(result_.error);
    if (reset && talk_) talk_->end(sniff::StreamEnd::reset);
    if (reset) return finish(End::reset);
    if (error) return finish(End::no_connect);
    if (!talk_) return finish(End::finished);
    step_ = Step::talking;
    latest_ = Clock::now() + timeout_;
    expect_within(timeout_);
    write();
    read();
}

void Exchange::read() {
    socket_.async_read_some(asio::buffer(input_),
                            [self = shared_from_this()](const ErrorCode& error, size_t size) {
                                self->on_read(error, size);
                            });
}

void Exchange::on_read(const ErrorCode& error, size_t size) {
    if (step_ == Step::over) return;
    read_ += size;
    if (step_ == Step::leaving) {
        const bool enough = error || read_ > linger_bytes_max;
        return enough ? close() : read();
    }
    if (size > 0 && !result_.first_byte) result_.first_byte = elapsed();
    if (size > 0) talk_->feed({input_.data(), size});
    if (error) {
        const bool fin = error == asio::error::eof;
        talk_->end(fin ? sniff::StreamEnd::fin : sniff::StreamEnd::reset);
        return finish(fin ? End::fin : End::reset);
    }
    judge();
    if (step_ != Step::over) read();
}

void Exchange::judge() {
    write();
    const Talk::Wants wants = talk_->wants();
    if (wants == Talk::Wants::nothing) return finish(End::finished);
    if (read_ >= bytes_read_max) return finish(End::limit);
    if (wants == Talk::Wants::a_bit) expect_within(pause);
}

// A failed write is not the end: what the peer said before may still be unread.
void Exchange::write() {
    if (writing_) return;
    output_.clear();
    talk_->take(output_);
    if (output_.empty()) {
        if (step_ != Step::leaving) return;
        ErrorCode ignored;  // the peer may be gone: then the read says so
        socket_.shutdown(Socket::shutdown_send, ignored);
        return;
    }
    writing_ = true;
    asio::async_write(socket_, asio::buffer(output_),
                      [self = shared_from_this()](const ErrorCode& error, size_t) {
                          self->writing_ = false;
                          if (!error && self->step_ != Step::over) self->write();
                      });
}

void Exchange::expect_within(milliseconds time) {
    auto at = Clock::now() + time;
    if (step_ == Step::talking) at = std::min(at, latest_);
    deadline_.expires_at(at);
    deadline_.async_wait([self = shared_from_this(), number = ++waits_](const ErrorCode& error) {
        if (!error && self->waits_ == number) self->on_deadline();
    });
}

void Exchange::on_deadline() {
    switch (step_) {
        case Step::connecting:
            result_.connect = elapsed();
            result_.reach = Reach::timed_out;
            result_.error = ETIMEDOUT;
            return finish(End::no_connect);
        case Step::talking:
            return finish(talk_->wants() == Talk::Wants::a_bit ? End::finished : End::timeout);
        case Step::leaving:
        case Step::over:
            return close();
    }
}

void Exchange::finish(End end) {
    result_.end = end;
    const bool open = end == End::finished || end == End::timeout;
    if (open && talk_) {
        linger();
    } else {
        close();
    }
    if (const Done done = std::exchange(done_, nullptr)) done(result_);
}

void Exchange::linger() {
    step_ = Step::leaving;
    read_ = 0;
    expect_within(linger_time);
    write();
}

void Exchange::close() {
    step_ = Step::over;
    ++waits_;
    deadline_.cancel();
    ErrorCode ignored;  // the descriptor is gone either way
    socket_.close(ignored);
}

void Exchange::cut() {
    if (!done_) return;
    if (step_ == Step::connecting) result_.connect = elapsed();
    const bool talked = step_ == Step::talking;
    close();
    result_.end = talked ? End::timeout : End::no_connect;
    if (const Done done = std::exchange(done_, nullptr)) done(result_);
}

void Exchange::cancel() {
    done_ = nullptr;
    close();
}

}  // namespace telltale::proxy::probe
