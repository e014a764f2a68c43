// Deadlines of one worker on one coarse tick: a wheel of intrusive lists. Setting,
// moving and dropping a deadline is O(1) and allocates nothing. Time comes in as a value; the
// worker wakes up for it only while the wheel is not empty.
//
// A deadline that moved later is not moved in the wheel: it fires at the old time and its owner
// sets it again. So activity on a connection costs nothing here.
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>

namespace telltale::proxy {

using TimeMs = int64_t;  // steady clock, milliseconds

struct DeadlineTag;
using DeadlineLink =
    boost::intrusive::list_base_hook<boost::intrusive::tag<DeadlineTag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

class DeadlineHook : public DeadlineLink {
   public:
    [[nodiscard]] bool is_set() const noexcept { return DeadlineLink::is_linked(); }
    [[nodiscard]] TimeMs due() const noexcept { return due_; }

   private:
    friend class Deadlines;
    TimeMs due_ = 0;
};

// What the worker calls when a deadline has come.
class Timed : public DeadlineHook {
   public:
    virtual void on_deadline(TimeMs now) = 0;

   protected:
    ~Timed() = default;
};

class Deadlines final {
   public:
    static constexpr TimeMs tick_ms = 50;

    // Fires no earlier than `due`, at most two ticks later. Earlier than the hook's present
    // deadline: it moves; later: it stays, the owner is asked at the earlier time.
    void set(DeadlineHook& hook, TimeMs due, TimeMs now) noexcept;
    // Before a hook dies.
    void drop(DeadlineHook& hook) noexcept;
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

    // Calls fire(hook) for every hook that is due; a hook is unset before its call and may be set
    // again in it.
    template <typename Fire>
    void advance(TimeMs now, Fire&& fire) {
        const int64_t last = now / tick_ms;
        // After a long gap (the timer was stopped) one turn of the wheel visits every slot.
        if (last - tick_ > slot_count) tick_ = last - slot_count;
        while (tick_ < last) {
            ++tick_;
            List due;
            due.swap(slots_[index_of(tick_)]);
            while (!due.empty()) {
                DeadlineHook& hook = due.front();
                due.pop_front();
                if (hook.due_ > now) {
                    insert(hook);
                    continue;
                }
                --count_;
                fire(hook);
            }
        }
    }

   private:
    using List = boost::intrusive::list<DeadlineHook, boost::intrusive::base_hook<DeadlineLink>,
                                        boost::intrusive::constant_time_size<false>>;
    static constexpr int64_t slot_count =
        512;  // 25.6 s; longer deadlines pass their slot and are put back

    static size_t index_of(int64_t tick) noexcept { return static_cast<size_t>(tick % slot_count); }
    void insert(DeadlineHook& hook) noexcept;

    std::array<List, slot_count> slots_;
    int64_t tick_ = 0;  // the last tick that was visited
    size_t count_ = 0;
};

}  // namespace telltale::proxy
