// Telltale in the upstream's place: says what is wrong on the client leg, in the client's own
// protocol, then lets the client go. HTTP/2 clients are answered for a while, so that one that
// calls again at once does not connect again at once; then GOAWAY. HTTP/1 clients get one response.
//
// Closes with FIN after everything was taken: a close with unread bytes would be a reset, and
// destroy the answer on its way (RFC 9112 §9.6).
#pragma once

#include <memory>
#include <string>

#include "proxy/answer_text.h"
#include "proxy/deadlines.h"
#include "proxy/http2_answer.h"
#include "proxy/leg.h"
#include "sniff/bytes.h"

namespace telltale::proxy {

class Answering final {
   public:
    struct Client {
        bool http2 = false;
        bool head_only = false;     // HTTP/1: the request is HEAD
        bool ended = false;         // its FIN was read already
        sniff::Bytes first_flight;  // HTTP/2: all it has sent
    };
    // linger: how long calls are answered before GOAWAY.
    Answering(Leg& leg, AnswerText text, const Client& client, TimeMs now, TimeMs linger);

    enum class Step : uint8_t { wait, again, over };  // again: more is there to read
    // The kernel has something to say about the leg, or may have had before this began.
    [[nodiscard]] Step proceed(TimeMs now);
    [[nodiscard]] Step on_deadline(TimeMs now);
    [[nodiscard]] TimeMs due() const noexcept { return due_; }

   private:
    enum class Phase : uint8_t { talking, leaving, closing };
    enum class Flow : uint8_t { blocked, done, broken };

    [[nodiscard]] Flow read(int& reads);
    [[nodiscard]] Flow write();
    [[nodiscard]] bool all_said() const;
    void leave(TimeMs now);
    void close_softly(TimeMs now);

    Leg& leg_;
    std::unique_ptr<Http2Answer> http2_;  // null: HTTP/1
    std::string http1_;
    size_t http1_sent_ = 0;
    Phase phase_ = Phase::talking;
    bool client_ended_ = false;
    TimeMs due_;
};

}  // namespace telltale::proxy
