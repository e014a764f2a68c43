// Deadlines of one worker, driven by a timerfd(2) that ticks while there are any: nothing is set or
// cancelled for a message, and an idle sidecar does not wake up.
#pragma once

#include "proxy/deadlines.h"
#include "proxy/reactor.h"
#include "proxy/unique_fd.h"

namespace telltale::proxy {

class Ticker final : public Watcher {
   public:
    explicit Ticker(Reactor& reactor);  // throws std::system_error without descriptors
    Ticker(const Ticker&) = delete;
    Ticker& operator=(const Ticker&) = delete;

    // As Deadlines::set and drop.
    void set(Timed& timed, TimeMs due, TimeMs now) noexcept;
    void drop(Timed& timed) noexcept { deadlines_.drop(timed); }
    [[nodiscard]] bool ticking() const noexcept { return ticking_; }
    void on_ready(uint32_t events) override;

   private:
    void arm(TimeMs every_ms) noexcept;

    Deadlines deadlines_;
    UniqueFd timer_;
    bool ticking_ = false;
};

}  // namespace telltale::proxy
