// The server's side of an HTTP/2 connection (RFC 9113) on which every request is answered with the
// same diagnosis: gRPC calls with trailers only and UNAVAILABLE, all others with 502 or 400 and
// text. Bytes in, bytes out; no sockets, no clocks. The session uses it when it takes the
// upstream's place (policy `answer`).
//
// Memory: one nghttp2 session, at most 100 open streams, no request bodies, at most
// http2_answer_output_max bytes of output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "proxy/answer_text.h"
#include "sniff/bytes.h"

namespace telltale::proxy {

// What output() holds at most when nobody takes it.
inline constexpr size_t http2_answer_output_max = size_t{64} * 1024;

class Http2Answer final {
   public:
    explicit Http2Answer(AnswerText text);
    ~Http2Answer();
    Http2Answer(const Http2Answer&) = delete;
    Http2Answer& operator=(const Http2Answer&) = delete;

    // The client's next bytes, the preface first, in any split. False when the client broke the
    // protocol: what output() holds then (a GOAWAY) is the last word, and further bytes are
    // ignored.
    [[nodiscard]] bool feed(sniff::Bytes bytes);
    // Asks the client to make its next connection: GOAWAY (NO_ERROR) with the last stream that was
    // answered. Streams begun before it are still answered.
    void go_away();
    // What to send next; the same bytes until consume(). Valid until the next call of any other
    // function.
    [[nodiscard]] sniff::Bytes output();
    // `sent` bytes of output() went out.
    void consume(size_t sent);
    // Nothing more to say or to hear: one side has said GOAWAY (this one's may still be in
    // output()), and no stream is open. The connection may be closed once output() is empty.
    [[nodiscard]] bool finished() const;
    // Streams that were given an answer.
    [[nodiscard]] uint32_t answered() const;

   private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace telltale::proxy
