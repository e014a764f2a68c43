#include "proxy/deadlines.h"

#include <algorithm>

namespace telltale::proxy {

void Deadlines::set(DeadlineHook& hook, TimeMs due, TimeMs now) noexcept {
    if (hook.is_set() && hook.due_ <= due) return;
    // An idle wheel was not advanced; catch up, so that "the next tick" means the next one from
    // now.
    if (!hook.is_set() && empty()) tick_ = std::max(tick_, now / tick_ms);
    drop(hook);
    hook.due_ = due;
    insert(hook);
    ++count_;
}

void Deadlines::drop(DeadlineHook& hook) noexcept {
    if (!hook.is_set()) return;
    hook.DeadlineLink::unlink();
    --count_;
}

void Deadlines::insert(DeadlineHook& hook) noexcept {
    // Rounded up: a slot is visited when its tick has begun, and by then the deadline must have
    // passed.
    const int64_t wanted = (hook.due_ + tick_ms - 1) / tick_ms;
    const int64_t slot = std::clamp(wanted, tick_ + 1, tick_ + slot_count - 1);
    slots_[index_of(slot)].push_back(hook);
}

}  // namespace telltale::proxy
