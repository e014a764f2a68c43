#include "sniff/paint.h"

#include <gtest/gtest.h>

namespace telltale::sniff::test {
namespace {

TEST(Paint, puts_colours_around_words_and_ends_them) {
    EXPECT_EQ(Paint(true).bold_red("metrics_port"), "\x1b[1;31mmetrics_port\x1b[0m");
    EXPECT_EQ(Paint(true).dim("fix:"), "\x1b[2mfix:\x1b[0m");
}

TEST(Paint, leaves_words_alone_where_it_is_off_or_there_are_none) {
    EXPECT_EQ(Paint(false).green("fix:"), "fix:");
    EXPECT_EQ(Paint(true).bold(""), "");
}

}  // namespace
}  // namespace telltale::sniff::test
