#include "proxy/stats.h"

#include <gtest/gtest.h>

#include <numeric>

namespace telltale::proxy {
namespace {

TEST(Histogram, counts_a_value_in_the_first_bucket_that_holds_it) {
    Histogram histogram;
    histogram.observe(0.00005);
    histogram.observe(0.0001);  // bounds are inclusive, as Prometheus' le
    histogram.observe(0.3);
    histogram.observe(5.0);
    histogram.observe(60.0);
    EXPECT_EQ(histogram.buckets.front(), 2U);
    EXPECT_EQ(histogram.buckets[9], 1U);
    EXPECT_EQ(histogram.buckets[11], 1U);
    EXPECT_EQ(histogram.buckets.back(), 1U);
    EXPECT_DOUBLE_EQ(histogram.sum_seconds, 65.30015);
}

TEST(Histogram, adds_bucket_by_bucket) {
    Histogram one;
    Histogram two;
    one.observe(0.001);
    two.observe(0.001);
    two.observe(100);
    one.add(two);
    EXPECT_EQ(one.buckets[3], 2U);
    EXPECT_EQ(std::accumulate(one.buckets.begin(), one.buckets.end(), uint64_t{0}), 3U);
    EXPECT_DOUBLE_EQ(one.sum_seconds, 100.002);
}

TEST(ListenerStats, adds_every_number) {
    ListenerStats one;
    one.count_connection(sniff::Protocol::http2, sniff::Protocol::http1, sniff::Verdict::mismatch);
    one.count_mismatch({sniff::Protocol::http2, sniff::Protocol::http1, sniff::Cause::metrics_port,
                        sniff::Role::metrics});
    one.count_incident({sniff::Cause::metrics_port, sniff::HopPosition::upstream});
    one.count_policy_action("observe/forwarded");
    one.active = 2;
    one.accepted = 3;
    one.bytes = {10, 20};
    one.upstream_connect.observe(1);
    one.upstream_first_byte.observe(1);
    one.verdict.observe(1);
    for (size_t i = 0; i < attempt_result_count; ++i) {
        for (size_t n = 0; n <= i; ++n) one.count_attempt(static_cast<AttemptResult>(i));
    }
    for (size_t i = 0; i < limit_count; ++i) one.count_limit(static_cast<Limit>(i));
    one.endpoints_ejected = 2;

    ListenerStats sum = one;
    sum.add(one);
    EXPECT_EQ(sum.connections[4][3][2], 2U);
    EXPECT_EQ(sum.mismatches.begin()->second, 2U);
    EXPECT_EQ(sum.incidents.begin()->second, 2U);
    EXPECT_EQ(sum.policy_actions.at("observe/forwarded"), 2U);
    EXPECT_EQ(sum.active, 4);
    EXPECT_EQ(sum.accepted, 6U);
    EXPECT_EQ(sum.bytes, (std::array<uint64_t, 2>{20, 40}));
    EXPECT_DOUBLE_EQ(sum.upstream_connect.sum_seconds, 2);
    EXPECT_DOUBLE_EQ(sum.upstream_first_byte.sum_seconds, 2);
    EXPECT_DOUBLE_EQ(sum.verdict.sum_seconds, 2);
    EXPECT_EQ(sum.upstream_attempts, (std::array<uint64_t, 5>{2, 4, 6, 8, 10}));
    EXPECT_EQ(sum.limits_reached, (LimitCounts{2, 2, 2, 2, 2, 2}));
    EXPECT_EQ(sum.endpoints_ejected, 2) << "two workers that left out the same";
    one.endpoints_ejected = 3;
    sum.add(one);
    EXPECT_EQ(sum.endpoints_ejected, 3);
}

TEST(ListenerStats, keeps_a_bounded_number_of_rows_and_loses_no_count) {
    ListenerStats stats;
    uint64_t counted = 0;
    for (size_t client = 0; client < sniff::protocol_count; ++client) {
        for (size_t cause = 0; cause < sniff::cause_count; ++cause) {
            for (size_t role = 0; role < sniff::role_count; ++role) {
                stats.count_mismatch({static_cast<sniff::Protocol>(client), sniff::Protocol::http1,
                                      static_cast<sniff::Cause>(cause),
                                      static_cast<sniff::Role>(role)});
                ++counted;
            }
        }
    }
    EXPECT_EQ(stats.mismatches.size(), mismatch_rows_max);
    uint64_t found = 0;
    for (const auto& [key, count] : stats.mismatches) found += count;
    EXPECT_EQ(found, counted);

    for (int i = 0; i < 100; ++i) stats.count_policy_action("observe/" + std::to_string(i));
    EXPECT_EQ(stats.policy_actions.size(), policy_action_rows_max);
    EXPECT_EQ(stats.policy_actions.at(std::string(policy_action_overflow)),
              100 - (policy_action_rows_max - 1));
}

}  // namespace
}  // namespace telltale::proxy
