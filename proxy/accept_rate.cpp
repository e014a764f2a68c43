#include "proxy/accept_rate.h"

#include <algorithm>

namespace telltale::proxy {

namespace {

constexpr int64_t second_ns = 1'000'000'000;
// A tenth of a second lets clients that start together in; a slow rate must not stop the handful of
// connections that one client opens at once.
constexpr uint32_t burst_part = 10;
constexpr uint32_t burst_min = 16;

}  // namespace

AcceptRate::AcceptRate(uint32_t per_second) noexcept
    : per_second_(per_second),
      burst_(std::max(per_second / burst_part, burst_min)),
      interval_ns_(per_second == 0 ? 0 : (second_ns + per_second - 1) / per_second),
      full_at_ns_(0) {}

// Instead of counting tokens, the time at which the bucket is full again: each token taken moves it
// on by one interval (the virtual scheduling of ITU-T I.371). Nothing is lost to rounding.
bool AcceptRate::take(int64_t now_ns) noexcept {
    if (per_second_ == 0) return true;
    if (ready_in_ns(now_ns) > 0) return false;
    full_at_ns_ = std::max(full_at_ns_, now_ns) + interval_ns_;
    return true;
}

int64_t AcceptRate::ready_in_ns(int64_t now_ns) const noexcept {
    if (full_at_ns_ <= now_ns) return 0;
    const int64_t room_ns = interval_ns_ * (int64_t{burst_} - 1);
    return std::max<int64_t>(full_at_ns_ - now_ns - room_ns, 0);
}

}  // namespace telltale::proxy
