#include "sniff/escape.h"

#include <gtest/gtest.h>

namespace telltale::sniff::test {
namespace {

TEST(Escape, keeps_printable_ascii_and_names_the_rest) {
    EXPECT_EQ(escape_wire("GET / \"x\"", 100), "GET / \"x\"");
    EXPECT_EQ(escape_wire(std::string_view("a\r\n\t\0\x1b\x7f\xff\\", 9), 100),
              R"(a\r\n\t\x00\x1b\x7f\xff\\)");
}

TEST(Escape, cuts_with_an_ellipsis_only_when_there_was_more) {
    EXPECT_EQ(escape_wire("abc", 3), "abc");
    EXPECT_EQ(escape_wire("abcd", 3), "abc…");
    EXPECT_EQ(escape_wire("", 0), "");
}

TEST(Escape, quotes_so_that_the_end_is_seen) {
    EXPECT_EQ(quote_wire(R"(say "hi")", 100), R"("say \"hi\"")");
    EXPECT_EQ(quote_wire("abcd", 2), "\"ab…\"");
}

TEST(Escape, cuts_a_finished_text_between_characters) {
    EXPECT_EQ(cut_text("abcdef", 6), "abcdef");
    EXPECT_EQ(cut_text("abcdefg", 6), "abc…");
    EXPECT_EQ(cut_text("ab……", 7), "ab…");
    EXPECT_EQ(cut_text("abcdef", 1), "…");
}

}  // namespace
}  // namespace telltale::sniff::test
