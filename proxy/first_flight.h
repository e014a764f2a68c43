// What a client sent before its upstream was known to understand it, kept so that Telltale can
// answer it or send it elsewhere. Bounded: what does not fit is no longer kept at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sniff/bytes.h"

namespace telltale::proxy {

class FirstFlight final {
   public:
    // Keeps what comes from now on.
    void begin() noexcept { keeping_ = whole_ = true; }
    // False when it just became too long.
    [[nodiscard]] bool add(sniff::Bytes bytes, size_t bytes_max) {
        if (!keeping_) return true;
        if (kept_.size() + bytes.size() > bytes_max) {
            drop();
            return false;
        }
        kept_.insert(kept_.end(), bytes.begin(), bytes.end());
        return true;
    }
    void drop() noexcept {
        keeping_ = whole_ = false;
        kept_ = {};
    }
    // Every byte of the client so far is here.
    [[nodiscard]] bool whole() const noexcept { return whole_; }
    [[nodiscard]] sniff::Bytes bytes() const noexcept { return kept_; }

   private:
    bool keeping_ = false;
    bool whole_ = false;
    std::vector<uint8_t> kept_;
};

}  // namespace telltale::proxy
