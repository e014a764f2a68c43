#include "bench/load/latencies.h"

#include <gtest/gtest.h>

namespace telltale::bench::load {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

TEST(Latencies, are_zero_without_any) {
    const Latencies::Summary summary = Latencies{0}.summary();
    EXPECT_EQ(summary.p50, nanoseconds{0});
    EXPECT_EQ(summary.max, nanoseconds{0});
}

TEST(Latencies, of_one_are_that_one) {
    Latencies latencies{1};
    latencies.add(microseconds{7});
    const Latencies::Summary summary = latencies.summary();
    EXPECT_EQ(summary.p50, microseconds{7});
    EXPECT_EQ(summary.p99, microseconds{7});
    EXPECT_EQ(summary.p999, microseconds{7});
    EXPECT_EQ(summary.max, microseconds{7});
}

TEST(Latencies, are_told_by_nearest_rank_in_whatever_order_they_came) {
    Latencies latencies{1000};
    for (int i = 1000; i >= 1; --i) latencies.add(microseconds{i});
    const Latencies::Summary summary = latencies.summary();
    EXPECT_EQ(summary.p50, microseconds{500});
    EXPECT_EQ(summary.p99, microseconds{990});
    EXPECT_EQ(summary.p999, microseconds{999});
    EXPECT_EQ(summary.max, microseconds{1000});
}

TEST(Latencies, round_a_rank_up) {
    Latencies latencies{3};
    for (int i = 1; i <= 3; ++i) latencies.add(microseconds{i});
    EXPECT_EQ(latencies.summary().p50, microseconds{2});
    EXPECT_EQ(latencies.summary().p99, microseconds{3});
}

TEST(Latencies, are_written_in_microseconds) {
    const Latencies::Summary summary{nanoseconds{1250}, microseconds{20}, microseconds{300},
                                     nanoseconds{4000049}};
    EXPECT_EQ(json_us(summary), R"({"p50":1.2,"p99":20.0,"p999":300.0,"max":4000.0})");
}

}  // namespace
}  // namespace telltale::bench::load
