// Both directions of one connection: sniffs each side, restarts inside a PROXY header, a CONNECT
// tunnel or an Upgrade, pairs the two answers into a verdict, and goes on watching what still
// matters (first response HEADERS, late GOAWAY). Pure: time comes in as a value, nothing goes out
// but answers. The session calls it from its read handlers.
//
// Cost: no allocation after the verdict of a healthy HTTP/2 pair and its first response HEADERS;
// then only a walk over the 9-byte frame headers of the upstream. Memory: at most 2 × window_max
// while undecided.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "sniff/bytes.h"
#include "sniff/evidence.h"
#include "sniff/protocol.h"

namespace telltale::sniff {

struct ConversationLimits {
    uint32_t window_max = 16384;  // bytes kept per side while undecided; reaching it ends the
                                  // sniff, never the connection
    Millis settle_ms = 100;       // after a mismatch: time for the rest of the answer's head
    // Client spoke, upstream connected, not one byte back. A server of HTTP/1 may think as long as
    // it likes, a proxy may dial as long: there only where gRPC is expected, otherwise silence
    // shows at the close.
    Millis silent_after_ms = 5000;
    Millis http2_settle_ms =
        1000;  // SETTINGS seen, no response HEADERS yet: count it as a match now
};

enum class StreamEnd : uint8_t { fin, reset };

class Conversation final {
   public:
    Conversation(Expect expect, const ConversationLimits& limits) noexcept;
    ~Conversation();
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;

    // Forgets everything: another upstream is dialled for the same client, whose bytes come again.
    void restart() noexcept;
    // The upstream leg is up; before this, silence means nothing.
    void on_connected(Millis now) noexcept;
    // A view of the next bytes of one side, in order; any split gives the same answers.
    void on_bytes(Side side, Bytes chunk, Millis now) noexcept;
    // That side will send no more.
    void on_end(Side side, StreamEnd end, Millis now) noexcept;
    // Call when now >= deadline().
    void on_time(Millis now) noexcept;
    // The connection is over (also when it never came to be): everything still open is decided now.
    void on_close(Millis now) noexcept;

    // True from the moment when the verdict is latched; it never changes afterwards.
    [[nodiscard]] bool decided() const noexcept;
    [[nodiscard]] Verdict verdict() const noexcept;
    [[nodiscard]] std::optional<Millis> verdict_at() const noexcept;
    [[nodiscard]] Protocol protocol(Side side) const noexcept;
    // A reason to call diagnose() is there and settled: a mismatch, a first answer that is not
    // gRPC, one that another Telltale gave (a match), silence, an answer that ended before it
    // began. Stays true; the session diagnoses once. diagnose() may still say `fine`.
    [[nodiscard]] bool ready_for_diagnosis() const noexcept;
    // When on_time() must be called; nullopt: nothing is waited for.
    [[nodiscard]] std::optional<Millis> deadline() const noexcept;
    // True while the client's bytes so far are a proper prefix of the HTTP/2 preface (innermost
    // layer): the session may hold them back so that the preface goes out whole.
    [[nodiscard]] bool client_in_preface() const noexcept;

    // Fills client, upstream, layers, connect_target, verdict and silent_for. Cold path: parses the
    // kept prefixes.
    void describe(Evidence& evidence) const;

   private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace telltale::sniff
