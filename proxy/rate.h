// So many of something per period, in a row if need be, and then one as each period's share of time
// has passed. Knows no clock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace telltale::proxy {

class Rate final {
   public:
    using Time = std::chrono::steady_clock::time_point;

    // count: at least 1.
    Rate(uint32_t count, std::chrono::milliseconds period)
        : share_(std::chrono::nanoseconds(period) / std::max<uint32_t>(count, 1)),
          ahead_max_(std::chrono::nanoseconds(period) - share_) {}

    [[nodiscard]] bool take(Time now) {
        next_ = std::max(next_, now);
        if (next_ - now > ahead_max_) return false;
        next_ += std::chrono::duration_cast<Time::duration>(share_);
        return true;
    }

   private:
    std::chrono::nanoseconds share_;
    std::chrono::nanoseconds ahead_max_;  // how far `next_` may be in the future
    Time next_;                           // when the ones taken would all be due, evenly spread
};

}  // namespace telltale::proxy
