#include "cli/demo/counters.h"

#include <gtest/gtest.h>

namespace telltale::cli::demo {
namespace {

constexpr const char* scrape =
    "# HELP telltale_connections_total Connections.\n"
    "# TYPE telltale_connections_total counter\n"
    "telltale_connections_total{listener=\"a b\",verdict=\"match\"} 3\n"
    "telltale_connections_total{listener=\"c\",verdict=\"match\"} 4\n"
    "telltale_connections_total{listener=\"c\",verdict=\"mismatch\"} 5\n"
    "telltale_connections_total_of_another_kind 100\n"
    "telltale_build_info 1";

TEST(Counters, read_every_series_and_no_comment) {
    const Counters counters = parse_counters(scrape);
    EXPECT_EQ(counters.size(), 5U);
    EXPECT_EQ(counters.at("telltale_connections_total{listener=\"a b\",verdict=\"match\"}"), 3);
    EXPECT_EQ(counters.at("telltale_build_info"), 1);
}

TEST(Counters, read_nothing_from_nothing) {
    EXPECT_TRUE(parse_counters("").empty());
    EXPECT_TRUE(parse_counters("\n\nnonsense\n").empty());
}

TEST(Counters, sum_the_series_of_a_name_that_have_all_labels) {
    const Counters counters = parse_counters(scrape);
    EXPECT_EQ(total(counters, "telltale_connections_total", {}), 12);
    EXPECT_EQ(total(counters, "telltale_connections_total", {"verdict=\"match\""}), 7);
    EXPECT_EQ(
        total(counters, "telltale_connections_total", {"verdict=\"match\"", "listener=\"c\""}), 4);
    EXPECT_EQ(total(counters, "telltale_connections", {}), 0);
}

TEST(Counters, that_moved_are_told_with_both_values) {
    const std::vector<Movement> movements =
        moved(parse_counters("a 1\nb 2\n"), parse_counters("a 1\nb 5\nnew 1\n"));
    ASSERT_EQ(movements.size(), 2U);
    EXPECT_EQ(movements[0].series, "b");
    EXPECT_EQ(movements[0].before, 2);
    EXPECT_EQ(movements[0].after, 5);
    EXPECT_EQ(movements[1].series, "new");
    EXPECT_EQ(movements[1].before, 0);
}

}  // namespace
}  // namespace telltale::cli::demo
