#include "cli/logging.h"

#include <gtest/gtest.h>
#include <spdlog/details/log_msg.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace telltale::cli {
namespace {

std::string format_line(LineFormat format, const std::string& message) {
    spdlog::memory_buf_t out;
    make_line_formatter(format)->format({"telltale", spdlog::level::warn, message}, out);
    return {out.data(), out.size()};
}

TEST(LogLine, is_one_json_object_whatever_the_message_holds) {
    for (const std::string message :
         {"plain", "quote \" and \\ and \n and \x01", "{\"level\":\"error\"}", ""}) {
        const std::string line = format_line(LineFormat::json, message);
        ASSERT_EQ(line.find('\n'), line.size() - 1) << line;
        const boost::json::value parsed = boost::json::parse(line.substr(0, line.size() - 1));
        EXPECT_EQ(parsed.at("message").as_string(), message);
        EXPECT_EQ(parsed.at("level").as_string(), "warning");
        EXPECT_EQ(parsed.at("event").as_string(), "log");
        EXPECT_EQ(parsed.at("ts").as_string().size(),
                  std::string("2026-11-22T22:01:37.396Z").size());
    }
}

TEST(LogLine, is_a_time_a_level_and_the_message_for_people) {
    const std::string line = format_line(LineFormat::plain, "ready");
    EXPECT_EQ(line.substr(8), " warning ready\n");
}

}  // namespace
}  // namespace telltale::cli
