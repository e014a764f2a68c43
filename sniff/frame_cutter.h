// Cuts a stream of HTTP/2 frames into pieces that never pass the end of a frame header or of a
// payload (RFC 9113 §4.1), so that its reader can stop between two frames wherever the segments
// end. Constant memory, no allocation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sniff/bytes.h"

namespace telltale::sniff {

enum class FramePart : uint8_t { header_begun, header_done, payload };

struct FramePiece {
    size_t size = 0;
    FramePart part = FramePart::header_begun;
};

class FrameCutter final {
   public:
    // The next piece at the front of these bytes, at least 1 byte; bytes is not empty.
    [[nodiscard]] FramePiece next(Bytes bytes) noexcept;
    [[nodiscard]] bool between_frames() const noexcept { return have_ == 0 && payload_left_ == 0; }
    // Of the frame whose header was done last.
    [[nodiscard]] uint8_t type() const noexcept { return header_[3]; }
    [[nodiscard]] Bytes header() const noexcept { return header_; }

   private:
    std::array<uint8_t, 9> header_{};
    uint8_t have_ = 0;  // of the header
    uint32_t payload_left_ = 0;
};

}  // namespace telltale::sniff
