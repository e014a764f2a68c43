#include "sniff/frame_cutter.h"

#include <algorithm>

namespace telltale::sniff {

FramePiece FrameCutter::next(Bytes bytes) noexcept {
    if (payload_left_ > 0) {
        const size_t size = std::min<size_t>(bytes.size(), payload_left_);
        payload_left_ -= static_cast<uint32_t>(size);
        return {.size = size, .part = FramePart::payload};
    }
    const size_t size = std::min(bytes.size(), header_.size() - have_);
    std::copy_n(bytes.begin(), size, header_.begin() + have_);
    have_ = static_cast<uint8_t>(have_ + size);
    if (have_ < header_.size()) return {.size = size, .part = FramePart::header_begun};
    have_ = 0;
    payload_left_ = (uint32_t{header_[0]} << 16U) | (uint32_t{header_[1]} << 8U) | header_[2];
    return {.size = size, .part = FramePart::header_done};
}

}  // namespace telltale::sniff
