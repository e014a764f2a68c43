#include "proxy/ticker.h"

#include <sys/timerfd.h>

#include <cerrno>
#include <chrono>
#include <system_error>

namespace telltale::proxy {

Ticker::Ticker(Reactor& reactor)
    : timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
    const int error = timer_.is_open()
                          ? reactor.watch(timer_.get(), *this, Reactor::Trigger::level).value()
                          : errno;
    if (error != 0) throw std::system_error(error, std::generic_category(), "timerfd");
}

void Ticker::set(Timed& timed, TimeMs due, TimeMs now) noexcept {
    deadlines_.set(timed, due, now);
    if (!ticking_) arm(Deadlines::tick_ms);
}

void Ticker::on_ready(uint32_t) {
    uint64_t ticks = 0;
    static_cast<void>(::read(timer_.get(), &ticks, sizeof ticks));
    const auto since_boot = std::chrono::steady_clock::now().time_since_epoch();
    const TimeMs now = std::chrono::duration_cast<std::chrono::milliseconds>(since_boot).count();
    deadlines_.advance(now,
                       [now](DeadlineHook& hook) { static_cast<Timed&>(hook).on_deadline(now); });
    // Only here: connections that come and go would arm and disarm it each time.
    if (deadlines_.empty()) arm(0);
}

void Ticker::arm(TimeMs every_ms) noexcept {
    const timespec interval{.tv_sec = 0, .tv_nsec = every_ms * 1'000'000};
    const itimerspec when{.it_interval = interval, .it_value = interval};
    ticking_ = ::timerfd_settime(timer_.get(), 0, &when, nullptr) == 0 && every_ms != 0;
}

}  // namespace telltale::proxy
