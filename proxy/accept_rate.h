// How many connections a second may be accepted (limits.accept_rate): a bucket of tokens, filled
// evenly, that lets a burst of a tenth of a second through. Pure: time comes in as a value. One
// thread: that of the acceptor.
#pragma once

#include <cstdint>

namespace telltale::proxy {

class AcceptRate final {
   public:
    // per_second 0: no limit.
    explicit AcceptRate(uint32_t per_second) noexcept;

    // At most per_second × t + burst() are granted in any time t. now_ns: a steady clock; one that
    // stands still or goes back grants no more than that.
    [[nodiscard]] bool take(int64_t now_ns) noexcept;
    // How long until take() says true; 0: it would now.
    [[nodiscard]] int64_t ready_in_ns(int64_t now_ns) const noexcept;

    [[nodiscard]] uint32_t per_second() const noexcept { return per_second_; }
    [[nodiscard]] uint32_t burst() const noexcept {
        return burst_;
    }  // per_second / 10, at least 16

   private:
    uint32_t per_second_;
    uint32_t burst_;
    int64_t interval_ns_;  // between two tokens, rounded up
    int64_t full_at_ns_;   // when the bucket is full again
};

}  // namespace telltale::proxy
