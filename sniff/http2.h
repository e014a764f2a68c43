// HTTP/2 on the wire (RFC 9113): the preface, the first frame, a frame walker in constant memory,
// and a side's first header block read by nghttp2's HPACK. Bytes come in any split.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "sniff/bytes.h"
#include "sniff/evidence.h"
#include "sniff/probe.h"

namespace telltale::sniff {

inline constexpr std::string_view http2_preface =
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";  // RFC 9113 §3.4

inline constexpr uint16_t http2_first_frame_window = 9;
inline constexpr uint32_t http2_frame_length_default_max = 16384;  // RFC 9113 §6.5.2

[[nodiscard]] Match http2_preface_probe(Bytes prefix) noexcept;  // client
[[nodiscard]] Match http2_settings_probe(
    Bytes prefix) noexcept;  // upstream: SETTINGS, stream 0, not ACK, length % 6 == 0, <= 16384
[[nodiscard]] Match http2_goaway_probe(
    Bytes prefix) noexcept;  // upstream: GOAWAY, SETTINGS ACK, WINDOW_UPDATE or PING first, sane
                             // lengths

enum class FrameType : uint8_t {
    data,
    headers,
    priority,
    rst_stream,
    settings,
    push_promise,
    ping,
    goaway,
    window_update,
    continuation,
};

// A name of a header field as one number (FNV-1a), so that names and their order cost no memory of
// their own. Of lower case text, as HTTP/2 has it.
[[nodiscard]] constexpr uint32_t header_name_hash(std::string_view name) noexcept {
    uint32_t hash = 2166136261U;
    for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619U;
    return hash;
}

struct FrameHeader {      // RFC 9113 §4.1
    uint32_t length = 0;  // of the payload
    uint8_t type = 0;
    uint8_t flags = 0;
    uint32_t stream = 0;
};

// Collects the first header block of one side (HEADERS and its CONTINUATIONs, PADDED and PRIORITY
// taken off), at most 16 KiB, and inflates it. Interim 1xx answers are passed over with the same
// HPACK state. Heap only while it works.
class FirstHeaders;

// Walks the frames of one side after its preface (client) or from its first byte (upstream).
// Constant memory apart from the first header block, the first SETTINGS (at most 16 entries kept)
// and one GOAWAY.
class FrameWalker final {
   public:
    explicit FrameWalker(Side speaker) noexcept;
    ~FrameWalker();
    FrameWalker(FrameWalker&&) noexcept;
    FrameWalker& operator=(FrameWalker&&) noexcept;

    void feed(Bytes chunk) noexcept;

    [[nodiscard]] bool settings_complete() const noexcept;  // the first SETTINGS payload is in
    [[nodiscard]] const std::vector<Http2Setting>& settings() const noexcept;
    [[nodiscard]] bool headers_started() const noexcept;  // a HEADERS frame header was seen
    [[nodiscard]] const Http2Headers* first_headers()
        const noexcept;  // nullptr until complete (or never: too long, bad HPACK)
    [[nodiscard]] bool headers_failed() const noexcept;
    [[nodiscard]] const Http2Goaway* goaway() const noexcept;
    [[nodiscard]] uint64_t frames() const noexcept;
    // False when a frame header claims what HTTP/2 forbids at this point (length over 16 MiB is
    // impossible; over the advertised maximum, unknown junk): from then on the walker counts
    // nothing more.
    [[nodiscard]] bool sane() const noexcept;

   private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace telltale::sniff
