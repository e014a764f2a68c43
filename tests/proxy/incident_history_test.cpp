#include "proxy/incident_history.h"

#include <gtest/gtest.h>

#include <limits>

namespace telltale::proxy {
namespace {

using sniff::Cause;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::system_clock;

const system_clock::time_point noon{seconds(1'795'348'800)};  // 2026-11-22T12:00:00Z

uint32_t counted(const IncidentHistory::Minute& minute, Cause cause) {
    return minute.counts[static_cast<size_t>(cause)];
}

TEST(IncidentHistory, holds_nothing_until_something_goes_wrong) {
    const IncidentHistory history;
    EXPECT_TRUE(history.minutes().empty());
    EXPECT_EQ(history.minutes().capacity(), 0U);
}

TEST(IncidentHistory, counts_by_minute_and_cause) {
    IncidentHistory history;
    history.count(noon, Cause::refused, 1);
    history.count(noon + milliseconds(59'999), Cause::refused, 2);
    history.count(noon + seconds(30), Cause::metrics_port, 5);
    history.count(noon + minutes(2), Cause::refused, 7);
    ASSERT_EQ(history.minutes().size(), 2U);
    EXPECT_EQ(history.minutes()[0].at, noon);
    EXPECT_EQ(counted(history.minutes()[0], Cause::refused), 3U);
    EXPECT_EQ(counted(history.minutes()[0], Cause::metrics_port), 5U);
    EXPECT_EQ(counted(history.minutes()[0], Cause::loop), 0U);
    EXPECT_EQ(history.minutes()[1].at, noon + minutes(2));
    EXPECT_EQ(counted(history.minutes()[1], Cause::refused), 7U);
}

TEST(IncidentHistory, counts_a_record_that_comes_late_in_its_own_minute) {
    IncidentHistory history;
    history.count(noon, Cause::refused, 1);
    history.count(noon + minutes(1), Cause::refused, 1);
    history.count(noon + seconds(59), Cause::refused, 1);
    ASSERT_EQ(history.minutes().size(), 2U);
    EXPECT_EQ(counted(history.minutes()[0], Cause::refused), 2U);
}

TEST(IncidentHistory, keeps_six_hours_and_no_more) {
    IncidentHistory history;
    for (int minute = 0; minute < 1000; ++minute) {
        history.count(noon + minutes(minute), Cause::refused, 1);
    }
    ASSERT_EQ(history.minutes().size(), IncidentHistory::minutes_max);
    EXPECT_EQ(history.minutes().front().at, noon + minutes(640));
    EXPECT_EQ(history.minutes().back().at, noon + minutes(999));
}

TEST(IncidentHistory, goes_on_when_the_clock_has_been_set_back_by_days) {
    IncidentHistory history;
    for (size_t minute = 0; minute < IncidentHistory::minutes_max; ++minute) {
        history.count(noon + minutes(minute), Cause::refused, 1);
    }
    for (int minute = 0; minute < 3; ++minute) {
        history.count(noon - minutes(10'000 - minute), Cause::loop, 1);
    }
    EXPECT_EQ(history.minutes().size(), IncidentHistory::minutes_max);
    EXPECT_EQ(history.minutes().back().at, noon - minutes(9'998));
    EXPECT_EQ(counted(history.minutes().back(), Cause::loop), 1U);
    EXPECT_EQ(counted(history.minutes()[IncidentHistory::minutes_max - 3], Cause::loop), 1U);
}

TEST(IncidentHistory, stays_at_the_largest_number) {
    IncidentHistory history;
    history.count(noon, Cause::refused, std::numeric_limits<uint32_t>::max() - 1U);
    history.count(noon, Cause::refused, 1);
    history.count(noon, Cause::refused, std::numeric_limits<uint64_t>::max());
    EXPECT_EQ(counted(history.minutes()[0], Cause::refused), std::numeric_limits<uint32_t>::max());
}

}  // namespace
}  // namespace telltale::proxy
