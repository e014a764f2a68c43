#include "proxy/deadlines.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace telltale::proxy {
namespace {

struct Owner : DeadlineHook {
    TimeMs fired_at = -1;
};

void run_to(Deadlines& deadlines, TimeMs now) {
    deadlines.advance(now, [now](DeadlineHook& hook) { static_cast<Owner&>(hook).fired_at = now; });
}

TEST(Deadlines, fire_when_due_and_not_before) {
    Deadlines deadlines;
    Owner owner;
    deadlines.set(owner, 1000, 10);
    for (TimeMs now = 50; now < 1000; now += 50) {
        run_to(deadlines, now);
        ASSERT_EQ(owner.fired_at, -1) << now;
    }
    run_to(deadlines, 1000);
    EXPECT_EQ(owner.fired_at, 1000);
    EXPECT_TRUE(deadlines.empty());
}

TEST(Deadlines, fire_within_two_ticks_for_random_times) {
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
        Deadlines deadlines;
        const TimeMs start = static_cast<TimeMs>(random() % 100000);
        std::vector<Owner> owners(20);
        std::vector<TimeMs> due;
        for (Owner& owner : owners) {
            due.push_back(start + static_cast<TimeMs>(random() % 60000));
            deadlines.set(owner, due.back(), start);
        }
        for (TimeMs now = start; now < start + 61000; now += Deadlines::tick_ms)
            run_to(deadlines, now);
        for (size_t i = 0; i < owners.size(); ++i) {
            ASSERT_GE(owners[i].fired_at, due[i]);
            ASSERT_LE(owners[i].fired_at, due[i] + 2 * Deadlines::tick_ms);
        }
        ASSERT_TRUE(deadlines.empty());
    }
}

TEST(Deadlines, move_earlier_but_not_later) {
    Deadlines deadlines;
    Owner owner;
    deadlines.set(owner, 5000, 0);
    deadlines.set(owner, 500, 0);
    deadlines.set(owner, 9000, 0);
    EXPECT_EQ(owner.due(), 500);
    run_to(deadlines, 550);
    EXPECT_EQ(owner.fired_at, 550);
}

TEST(Deadlines, dropped_ones_do_not_fire_even_when_dropped_by_another_owner_in_its_turn) {
    Deadlines deadlines;
    Owner first;
    Owner second;
    deadlines.set(first, 100, 0);
    deadlines.set(second, 100, 0);
    int fired = 0;
    deadlines.advance(200, [&](DeadlineHook& hook) {
        ++fired;
        deadlines.drop(&hook == &first ? second : first);
    });
    EXPECT_EQ(fired, 1);
    EXPECT_TRUE(deadlines.empty());
}

TEST(Deadlines, can_be_set_again_while_they_fire) {
    Deadlines deadlines;
    Owner owner;
    deadlines.set(owner, 100, 0);
    int fired = 0;
    for (TimeMs now = 50; now <= 1000; now += 50) {
        deadlines.advance(now, [&](DeadlineHook& hook) {
            ++fired;
            if (fired < 3) deadlines.set(hook, now + 100, now);
        });
    }
    EXPECT_EQ(fired, 3);
}

TEST(Deadlines, are_right_after_the_wheel_stood_still_for_hours) {
    Deadlines deadlines;
    Owner owner;
    const TimeMs later = 10'000'000;
    deadlines.set(owner, later + 200, later);
    run_to(deadlines, later + 100);
    EXPECT_EQ(owner.fired_at, -1);
    run_to(deadlines, later + 250);
    EXPECT_EQ(owner.fired_at, later + 250);
}

}  // namespace
}  // namespace telltale::proxy
