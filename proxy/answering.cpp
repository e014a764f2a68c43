#include "proxy/answering.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace telltale::proxy {

namespace {

// A client that was told to leave takes its leave in this time; and so long it may take to read
// the last bytes.
constexpr TimeMs leaving_ms = 1000;
constexpr TimeMs closing_ms = 2000;
constexpr int turn_reads_max = 16;  // of 16 KiB: then the other connections go first

}  // namespace

Answering::Answering(Leg& leg, AnswerText text, const Client& client, TimeMs now, TimeMs linger)
    : leg_(leg), client_ended_(client.ended), due_(now + linger) {
    if (!client.http2) {
        http1_ = http1_answer(text, client.head_only);
        return;
    }
    http2_ = std::make_unique<Http2Answer>(std::move(text));
    if (!http2_->feed(client.first_flight)) leave(now);
}

Answering::Step Answering::proceed(TimeMs now) {
    int reads = 0;
    const Flow heard = read(reads);
    if (heard == Flow::broken) return Step::over;
    const Flow said = write();
    if (said == Flow::broken) return Step::over;
    if (said == Flow::done && client_ended_) return Step::over;
    if (phase_ != Phase::closing && said == Flow::done && all_said()) close_softly(now);
    return reads == turn_reads_max ? Step::again : Step::wait;
}

Answering::Step Answering::on_deadline(TimeMs now) {
    if (now < due_) return Step::wait;
    switch (phase_) {
        case Phase::talking:
            leave(now);
            return proceed(now);
        case Phase::leaving:
            close_softly(now);
            return Step::wait;
        case Phase::closing:
            return Step::over;
    }
    return Step::over;
}

bool Answering::all_said() const {
    return http2_ ? http2_->finished() : true;
}

void Answering::leave(TimeMs now) {
    phase_ = Phase::leaving;
    due_ = now + leaving_ms;
    if (http2_) http2_->go_away();
}

void Answering::close_softly(TimeMs now) {
    phase_ = Phase::closing;
    due_ = now + closing_ms;
    // Fails when the client is gone, which the next read tells.
    ::shutdown(leg_.fd(), SHUT_WR);
}

Answering::Flow Answering::read(int& reads) {
    std::array<uint8_t, 16384>
        buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): recv fills
    while (!client_ended_ && reads < turn_reads_max) {
        const ssize_t got = ::recv(leg_.fd(), buffer.data(), buffer.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno == EAGAIN ? Flow::done : Flow::broken;
        ++reads;
        client_ended_ = got == 0;
        if (got == 0 || !http2_ || phase_ == Phase::closing) continue;
        const bool sane = http2_->feed({buffer.data(), static_cast<size_t>(got)});
        if (!sane && phase_ == Phase::talking) phase_ = Phase::leaving;
    }
    return Flow::done;
}

Answering::Flow Answering::write() {
    while (phase_ != Phase::closing) {
        const sniff::Bytes rest =
            http2_ ? http2_->output()
                   : sniff::Bytes(reinterpret_cast<const uint8_t*>(http1_.data()), http1_.size())
                         .subspan(http1_sent_);
        if (rest.empty()) return Flow::done;
        const ssize_t sent = ::send(leg_.fd(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return errno == EAGAIN ? Flow::blocked : Flow::broken;
        if (http2_) {
            http2_->consume(static_cast<size_t>(sent));
        } else {
            http1_sent_ += static_cast<size_t>(sent);
        }
    }
    return Flow::done;
}

}  // namespace telltale::proxy
