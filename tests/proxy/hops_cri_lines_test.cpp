#include "proxy/hops/cri_lines.h"

#include <gtest/gtest.h>

#include <string>

namespace telltale::proxy::hops {
namespace {

const std::string time = "2026-11-22T22:01:30.123456789+00:00";

std::string line(const std::string& stream, const std::string& tags, const std::string& text) {
    return time + " " + stream + " " + tags + " " + text + "\n";
}

TEST(CriLines, joins_the_parts_of_a_line_where_its_last_one_stands) {
    const auto joined = join_cri_parts(line("stdout", "P", "one ") + line("stdout", "P:x", "two ") +
                                       line("stdout", "F", "three") + line("stdout", "F", "four"));
    EXPECT_EQ(joined, "\n\n" + line("stdout", "F", "one two three") + line("stdout", "F", "four"));
}

TEST(CriLines, keeps_the_two_streams_and_other_lines_apart) {
    const auto joined =
        join_cri_parts(line("stdout", "P", "{\"a\":") + line("stderr", "P", "panic: ") + "other\n" +
                       line("stdout", "F", "1}") + line("stderr", "F", "oh"));
    EXPECT_EQ(joined,
              "\n\nother\n" + line("stdout", "F", "{\"a\":1}") + line("stderr", "F", "panic: oh"));
}

TEST(CriLines, leaves_a_text_without_parts_alone) {
    for (const std::string& text :
         {std::string(), line("stdout", "F", "x P y"), std::string("{\"a\": \" P\"}\n"),
          std::string("2026-11-22T22:01:30Z stdout P"), std::string("2026-11-22T22:01:30Z P \n"),
          std::string("x026-11-22T22:01:30Z stdout P a\n"), line("stdin", "P", "x"),
          line("stdout", "PF", "x"), line("stdout", "", "P x")}) {
        EXPECT_EQ(join_cri_parts(text), std::nullopt) << text;
    }
}

TEST(CriLines, gives_a_begun_line_at_the_end) {
    EXPECT_EQ(join_cri_parts(line("stderr", "P", "half") + "x"), "\nxhalf");
}

TEST(CriLines, never_makes_a_text_longer) {
    const std::string parts =
        line("stdout", "P", "") + line("stderr", "P:P:P", std::string(99, 'P'));
    for (size_t size = 0; size <= parts.size(); ++size) {
        const auto joined = join_cri_parts(std::string_view(parts).substr(0, size));
        EXPECT_LE(joined.value_or("").size(), size);
    }
}

}  // namespace
}  // namespace telltale::proxy::hops
