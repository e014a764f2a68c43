#include "proxy/pump.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include "proxy/session.h"

namespace telltale::proxy {

namespace {

bool would_block(const ErrorCode& error) {
    return error == asio::error::would_block || error == asio::error::try_again ||
           error == asio::error::interrupted;
}

}  // namespace

void Pump::proceed() {
    if (finished_ || writing_) return;
    if (held() != 0) {
        if (session_.may_write(side_)) {
            write();
        } else if (session_.wants_more(side_) && !eof_ && !failed_ && small_end_ < small_bytes) {
            read();
        }
        return;
    }
    if (failed_) {
        finished_ = true;
        session_.on_read_failed(side_, failed_);
    } else if (eof_) {
        // The other socket must be there before its write half can be shut.
        if (!session_.may_write(side_)) return;
        finished_ = true;
        session_.on_direction_finished(side_);
    } else {
        read();
    }
}

void Pump::stop() noexcept {
    finished_ = true;
    // A write under way still reads from the lent buffer; it is given back when that ends.
    if (writing_) return;
    lent_.give_back();
    small_begin_ = small_end_ = lent_begin_ = lent_end_ = 0;
}

void Pump::read() {
    if (reading_) return;
    reading_ = true;
    read_at_ = small_end_;
    from_.async_read_some(
        asio::buffer(small_.data() + read_at_, small_bytes - read_at_),
        [self = session_.ref(), this](ErrorCode error, size_t count) { on_read(error, count); });
}

void Pump::on_read(ErrorCode error, size_t count) {
    reading_ = false;
    if (finished_ || session_.is_done()) return;
    // A preface that was held may have gone out while this read waited behind it.
    if (small_begin_ == small_end_) small_begin_ = small_end_ = read_at_;
    const sniff::Bytes fresh(small_.data() + read_at_, count);
    small_end_ += static_cast<uint32_t>(count);
    if (!fresh.empty()) session_.on_bytes(side_, fresh);
    // A full buffer: there is probably more; take it now, in one large read, and send both in one
    // write.
    if (!error && small_end_ == small_bytes && !session_.is_done()) error = read_rest();
    if (error) settle_read(error);
    if (!session_.is_done()) {
        session_.after_read();
        proceed();
    }
}

ErrorCode Pump::read_rest() {
    if (!lent_) lent_ = session_.borrow_buffer();
    if (!lent_) return {};  // over the limit: the small buffer alone goes on, slower
    ErrorCode error;
    const size_t count =
        from_.read_some(asio::buffer(lent_.data(), BufferPool::buffer_bytes), error);
    if (would_block(error)) error.clear();
    lent_begin_ = 0;
    lent_end_ = static_cast<uint32_t>(count);
    if (count == 0) {
        lent_.give_back();
    } else {
        session_.on_bytes(side_, {lent_.data(), count});
    }
    return error;
}

void Pump::settle_read(ErrorCode error) {
    if (error == asio::error::eof) {
        eof_ = true;
        session_.on_eof(side_);
    } else {
        failed_ = error;
        session_.on_read_error(side_, error);
    }
}

void Pump::write() {
    const std::array<asio::const_buffer, 2> held_bytes = {
        asio::buffer(small_.data() + small_begin_, small_end_ - small_begin_),
        asio::buffer(lent_.data() + lent_begin_, lent_end_ - lent_begin_)};
    ErrorCode error;
    // Most writes fit the socket's buffer: tried at once, they cost one send and no turn of the
    // loop.
    const size_t count = to_.write_some(held_bytes, error);
    if (!error) consumed(count);
    if (error && !would_block(error)) {
        session_.on_write_failed(side_, error);
        return;
    }
    if (held() == 0) {
        proceed();
        return;
    }
    writing_ = true;
    const std::array<asio::const_buffer, 2> rest = {
        asio::buffer(small_.data() + small_begin_, small_end_ - small_begin_),
        asio::buffer(lent_.data() + lent_begin_, lent_end_ - lent_begin_)};
    to_.async_write_some(rest, [self = session_.ref(), this](ErrorCode failure, size_t written) {
        on_write(failure, written);
    });
}

void Pump::on_write(ErrorCode error, size_t count) {
    writing_ = false;
    if (finished_ || session_.is_done()) {
        stop();
        return;
    }
    if (error) {
        session_.on_write_failed(side_, error);
        return;
    }
    consumed(count);
    session_.on_progress();
    proceed();
}

void Pump::consumed(size_t count) noexcept {
    const auto from_small = std::min<size_t>(count, small_end_ - small_begin_);
    small_begin_ += static_cast<uint32_t>(from_small);
    lent_begin_ += static_cast<uint32_t>(count - from_small);
    if (small_begin_ == small_end_) small_begin_ = small_end_ = 0;
    if (lent_begin_ == lent_end_) {
        lent_begin_ = lent_end_ = 0;
        lent_.give_back();
    }
}

}  // namespace telltale::proxy
