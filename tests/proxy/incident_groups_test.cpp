#include "proxy/incident_groups.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/proxy/example_incident.h"

namespace telltale::proxy {
namespace {

using std::chrono::seconds;
using Time = IncidentGroups::Time;

Incident incident_of(const std::string& upstream, int at_second = 0) {
    Incident incident = example_incident();
    incident.evidence.upstream_address = upstream;
    incident.at += seconds(at_second);
    return incident;
}

const Time start{};

TEST(IncidentGroups, writes_the_first_in_full_and_counts_the_next) {
    IncidentGroups groups({});
    const auto first = groups.add({incident_of("a")}, start);
    ASSERT_EQ(first.size(), 1U);
    EXPECT_FALSE(first[0].repeats);
    EXPECT_FALSE(groups.next_due());
    for (int i = 1; i <= 5; ++i)
        EXPECT_TRUE(groups.add({incident_of("a", i)}, start + seconds(i)).empty());
    EXPECT_EQ(groups.next_due(), start + seconds(60));
    EXPECT_TRUE(groups.flush_due(start + seconds(59)).empty());

    const auto summary = groups.flush_due(start + seconds(60));
    ASSERT_EQ(summary.size(), 1U);
    ASSERT_TRUE(summary[0].repeats);
    EXPECT_EQ(summary[0].repeats->count, 5U);
    EXPECT_EQ(summary[0].repeats->first, incident_of("a", 1).at);
    EXPECT_EQ(summary[0].repeats->last, incident_of("a", 5).at);
    EXPECT_FALSE(groups.next_due()) << "nothing is owed any more";
}

TEST(IncidentGroups, writes_at_most_one_summary_a_minute) {
    IncidentGroups groups({});
    size_t lines = 0;
    uint64_t told = 0;
    for (int second = 0; second < 600; ++second) {
        auto written = groups.add({incident_of("a", second)}, start + seconds(second));
        for (auto& due : groups.flush_due(start + seconds(second)))
            written.push_back(std::move(due));
        for (const auto& line : written) told += line.repeats ? line.repeats->count : 1;
        lines += written.size();
    }
    for (const auto& line : groups.flush_all()) told += line.repeats->count;
    EXPECT_EQ(lines, 10U) << "one full line at 0 and a summary at 60, 120, … 540";
    EXPECT_EQ(told, 600U) << "every incident is counted once";
}

TEST(IncidentGroups, tells_a_repeat_after_a_quiet_time_at_once) {
    IncidentGroups groups({});
    (void)groups.add({incident_of("a")}, start);
    const auto later = groups.add({incident_of("a", 3600)}, start + seconds(3600));
    ASSERT_EQ(later.size(), 1U);
    ASSERT_TRUE(later[0].repeats);
    EXPECT_EQ(later[0].repeats->count, 1U);
}

TEST(IncidentGroups, keeps_upstreams_and_causes_apart) {
    IncidentGroups groups({});
    EXPECT_EQ(groups.add({incident_of("a")}, start).size(), 1U);
    EXPECT_EQ(groups.add({incident_of("b")}, start).size(), 1U);
    Incident refused = incident_of("a");
    refused.diagnosis.cause = sniff::Cause::refused;
    EXPECT_EQ(groups.add({refused}, start).size(), 1U);
    EXPECT_EQ(groups.newest_first().size(), 3U);
}

TEST(IncidentGroups, lists_the_newest_first_with_the_newest_of_each) {
    IncidentGroups groups({});
    (void)groups.add({incident_of("a", 0)}, start);
    (void)groups.add({incident_of("b", 1)}, start);
    (void)groups.add({incident_of("a", 2)}, start);
    const auto& front = groups.newest_first().front();
    EXPECT_EQ(front.newest.evidence.upstream_address, "a");
    EXPECT_EQ(front.count, 2U);
    EXPECT_EQ(front.first, incident_of("a", 0).at);
    EXPECT_EQ(front.newest.at, incident_of("a", 2).at);
}

TEST(IncidentGroups, forgets_the_longest_quiet_group_and_tells_what_it_owed) {
    IncidentGroups groups({.groups_max = 2});
    (void)groups.add({incident_of("a")}, start);
    (void)groups.add({incident_of("a")}, start);
    (void)groups.add({incident_of("b")}, start);
    const auto lines = groups.add({incident_of("c")}, start);
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0].incident.evidence.upstream_address, "a");
    EXPECT_EQ(lines[0].repeats.value_or(Repeats()).count, 1U);
    EXPECT_EQ(lines[1].incident.evidence.upstream_address, "c");
    EXPECT_FALSE(lines[1].repeats);
    EXPECT_EQ(groups.newest_first().size(), 2U);
    const auto again = groups.add({incident_of("a")}, start);
    ASSERT_EQ(again.size(), 1U);
    EXPECT_FALSE(again[0].repeats) << "a forgotten group starts with a full line";
}

TEST(IncidentGroups, flushes_all_that_is_owed_at_the_end) {
    IncidentGroups groups({});
    for (const char* upstream : {"a", "a", "b", "b", "b", "c"}) {
        (void)groups.add({incident_of(upstream)}, start);
    }
    uint64_t told = 0;
    for (const auto& line : groups.flush_all()) told += line.repeats->count;
    EXPECT_EQ(told, 3U);
    EXPECT_TRUE(groups.flush_all().empty());
}

TEST(IncidentGroups, a_run_of_equal_incidents_is_one_line_and_counts_as_many) {
    IncidentGroups groups({});
    IncidentRun run{.newest = incident_of("a", 9), .count = 4, .first = incident_of("a", 6).at};
    EXPECT_EQ(groups.add(std::move(run), start).size(), 1U);
    EXPECT_EQ(groups.newest_first().front().count, 4U);
    const auto owed = groups.flush_all();
    ASSERT_EQ(owed.size(), 1U);
    EXPECT_EQ(owed[0].repeats->count, 3U);
    EXPECT_EQ(owed[0].repeats->first, incident_of("a", 6).at);
    EXPECT_EQ(owed[0].repeats->last, incident_of("a", 9).at);
}

}  // namespace
}  // namespace telltale::proxy
