// One side of a conversation: the bytes kept of its innermost layer, what they are, and its HTTP/2
// frames. The conversation owns two and decides; this never looks at the other side. Not the
// session's business.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sniff/bytes.h"
#include "sniff/evidence.h"
#include "sniff/frame_cutter.h"
#include "sniff/http2.h"
#include "sniff/protocol.h"
#include "sniff/sniffer.h"

namespace telltale::sniff {

inline constexpr size_t client_first_bytes_max = 64;  // tell the preface, a request line, a hello

class Stream final {
   public:
    Stream(Side side, uint32_t window_max) noexcept;

    // Every byte that comes, whoever looks at it.
    void count(size_t size, Millis now) noexcept;
    // Takes the first piece of new bytes: all that fits, or up to the next frame border. Answers
    // its size.
    size_t take(Bytes chunk);
    // The same for kept bytes that the frame walker has not seen; false when there are none.
    bool replay();
    // From here on only frame headers count, and what a GOAWAY says: give new bytes to follow().
    void relay();
    void follow(Bytes chunk);
    // No more bytes will come to this side.
    void end() noexcept { ended_ = true; }

    // Asks the probes; true when this call told the protocol.
    bool look();
    void set_protocol(Protocol protocol) noexcept { protocol_ = protocol; }
    // The bytes from this offset of the current layer on are a new layer.
    void restart(uint64_t offset);
    // A mismatch is being described: keep only the first bytes (of a stream of frames: of what was
    // walked).
    void trim(size_t size);
    // Nothing will be described: keep only protocol, SETTINGS and counts.
    void release();
    // The same without allocating.
    void drop() noexcept;

    [[nodiscard]] Protocol protocol() const noexcept { return protocol_; }
    [[nodiscard]] Bytes kept() const noexcept { return kept_; }
    [[nodiscard]] const FrameWalker* walker() const noexcept {
        return walker_ ? &*walker_ : nullptr;
    }
    [[nodiscard]] uint64_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] bool layer_empty() const noexcept { return layer_bytes_ == 0; }
    [[nodiscard]] bool ended() const noexcept { return ended_; }
    [[nodiscard]] bool is_trimmed() const noexcept { return trimmed_; }
    // More of the first message can still be kept.
    [[nodiscard]] bool may_grow() const noexcept;
    // Size of the HTTP/1 head at the start of the layer; 0 while it is not whole.
    [[nodiscard]] size_t head_size() noexcept;
    // The first GOAWAY with all that is kept of its text; nullptr before.
    [[nodiscard]] const Http2Goaway* whole_goaway() const noexcept;
    // A GOAWAY with an error came before any HEADERS.
    [[nodiscard]] bool refused_by_goaway() const noexcept;

    void describe(SideEvidence& evidence) const;

   private:
    void keep(Bytes bytes, size_t size_max);
    void walk(Bytes piece);
    [[nodiscard]] size_t first_bytes_kept() const noexcept;

    std::vector<uint8_t> kept_;  // a prefix of the layer
    std::vector<Http2Setting> settings_;
    std::optional<FrameWalker> walker_;
    uint64_t bytes_ = 0;        // of the connection
    uint64_t layer_bytes_ = 0;  // of the layer, kept or not
    uint64_t walked_ = 0;       // of the layer, preface included
    uint64_t skip_ = 0;         // still belongs to the layer before: a request body
    std::optional<Millis> first_byte_at_;
    Sniffer sniffer_;
    FrameCutter cutter_;
    uint32_t window_max_;
    uint32_t head_size_ = 0;
    uint32_t head_searched_ = 0;
    Side side_;
    Protocol protocol_ = Protocol::undecided;
    bool ended_ = false;
    bool trimmed_ = false;
};

}  // namespace telltale::sniff
