// Reads a fuzz input from its front: first the choices (limits, split points), then the bytes they
// apply to. What is not there reads as zero, so that every input is a valid one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sniff/bytes.h"

namespace telltale::fuzz {

class Input final {
   public:
    explicit Input(sniff::Bytes bytes) : rest_(bytes) {}

    [[nodiscard]] bool empty() const { return rest_.empty(); }
    [[nodiscard]] uint8_t u8() {
        if (rest_.empty()) return 0;
        const uint8_t value = rest_[0];
        rest_ = rest_.subspan(1);
        return value;
    }
    [[nodiscard]] uint16_t u16() {
        const uint8_t high = u8();
        return static_cast<uint16_t>((high << 8U) | u8());
    }
    [[nodiscard]] sniff::Bytes take(size_t size) {
        const sniff::Bytes taken = rest_.first(std::min(size, rest_.size()));
        rest_ = rest_.subspan(taken.size());
        return taken;
    }
    [[nodiscard]] std::string text(size_t size) { return std::string(sniff::as_text(take(size))); }
    [[nodiscard]] sniff::Bytes rest() const { return rest_; }

   private:
    sniff::Bytes rest_;
};

// Piece sizes from a 16-bit choice: a linear congruential generator, so that an input replays
// exactly.
class Cuts final {
   public:
    explicit Cuts(uint16_t choice) : state_(choice) {}
    [[nodiscard]] size_t operator()(size_t rest) {
        state_ = state_ * 1103515245U + 12345U;
        const size_t most = (state_ >> 28U) < 8 ? 4 : 200;
        return 1 + (state_ >> 16U) % std::min(rest, most);
    }

   private:
    uint32_t state_;
};

inline void require(bool holds, std::string_view what) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %.*s\n", static_cast<int>(what.size()), what.data());
    std::abort();
}

}  // namespace telltale::fuzz
