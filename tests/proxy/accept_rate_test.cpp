#include "proxy/accept_rate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace telltale::proxy {
namespace {

constexpr int64_t second_ns = 1'000'000'000;

uint32_t taken_at(AcceptRate& rate, int64_t now_ns, uint32_t tries) {
    uint32_t taken = 0;
    for (uint32_t i = 0; i < tries; ++i) taken += rate.take(now_ns) ? 1 : 0;
    return taken;
}

uint32_t up_to(std::mt19937_64& random, uint32_t below) {
    return static_cast<uint32_t>(random() % below);
}

TEST(AcceptRate, grants_a_burst_and_no_more_while_the_clock_stands_still) {
    for (const uint32_t per_second : {1U, 7U, 160U, 161U, 20'000U, 3'000'000U, UINT32_MAX}) {
        AcceptRate rate(per_second);
        EXPECT_EQ(rate.burst(), std::max(per_second / 10, 16U));
        const uint32_t tries = std::min(rate.burst(), 100'000U);
        EXPECT_EQ(taken_at(rate, second_ns, tries), tries) << per_second;
        if (tries < rate.burst()) continue;
        EXPECT_EQ(taken_at(rate, second_ns, 100), 0U) << per_second;
    }
}

TEST(AcceptRate, grants_as_many_a_second_as_it_is_for) {
    AcceptRate rate(20'000);
    EXPECT_EQ(taken_at(rate, 0, 100'000), rate.burst());
    uint32_t taken = 0;
    for (int64_t ms = 1; ms <= 1000; ++ms) taken += taken_at(rate, ms * 1'000'000, 1000);
    EXPECT_EQ(taken, 20'000U);
}

// Over every window of a random history: the sum of what was granted in it.
TEST(AcceptRate, never_grants_more_than_the_rate_and_one_burst) {
    for (uint32_t seed = 0; seed < 40; ++seed) {
        std::mt19937_64 random(seed);
        const auto per_second = 1 + up_to(random, 50'000);
        AcceptRate rate(per_second);
        struct Step {
            int64_t now_ns;
            uint32_t taken;
        };
        std::vector<Step> steps;
        int64_t now_ns = static_cast<int64_t>(random() % second_ns);
        for (int i = 0; i < 200; ++i) {
            steps.push_back({now_ns, taken_at(rate, now_ns, up_to(random, 300))});
            now_ns += static_cast<int64_t>(random() % (random() % 4 == 0 ? second_ns : 1'000'000));
        }
        for (size_t from = 0; from < steps.size(); ++from) {
            double taken = 0;
            for (size_t to = from; to < steps.size(); ++to) {
                taken += steps[to].taken;
                const double seconds =
                    static_cast<double>(steps[to].now_ns - steps[from].now_ns) / second_ns;
                ASSERT_LE(taken, per_second * seconds + rate.burst()) << "seed " << seed;
            }
        }
    }
}

TEST(AcceptRate, says_to_the_nanosecond_when_the_next_is_granted) {
    for (uint32_t seed = 0; seed < 40; ++seed) {
        std::mt19937_64 random(seed);
        AcceptRate rate(1 + up_to(random, 50'000));
        int64_t now_ns = static_cast<int64_t>(random() % second_ns);
        for (int i = 0; i < 200; ++i) {
            taken_at(rate, now_ns, up_to(random, 300));
            const int64_t wait_ns = rate.ready_in_ns(now_ns);
            if (wait_ns > 0) {
                EXPECT_FALSE(AcceptRate(rate).take(now_ns + wait_ns - 1));
            }
            EXPECT_TRUE(AcceptRate(rate).take(now_ns + wait_ns));
            now_ns += static_cast<int64_t>(random() % 100'000'000);
        }
    }
}

TEST(AcceptRate, saves_up_one_burst_in_a_gap_however_long) {
    AcceptRate rate(1000);
    EXPECT_EQ(taken_at(rate, 0, 1000), 100U);
    for (const int64_t now_ns : {second_ns, int64_t{400} * 86'400 * second_ns, INT64_MAX / 2}) {
        EXPECT_EQ(rate.ready_in_ns(now_ns), 0);
        EXPECT_EQ(taken_at(rate, now_ns, 1000), 100U) << now_ns;
    }
}

TEST(AcceptRate, grants_nothing_extra_to_a_clock_that_goes_back) {
    AcceptRate rate(1000);
    EXPECT_EQ(taken_at(rate, 10 * second_ns, 1000), 100U);
    EXPECT_EQ(taken_at(rate, 9 * second_ns, 1000), 0U);
    EXPECT_EQ(taken_at(rate, 10 * second_ns, 1000), 0U);
}

TEST(AcceptRate, of_nought_is_no_limit) {
    AcceptRate rate(0);
    EXPECT_EQ(taken_at(rate, 0, 100'000), 100'000U);
    EXPECT_EQ(rate.ready_in_ns(0), 0);
}

}  // namespace
}  // namespace telltale::proxy
