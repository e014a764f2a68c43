#include "bench/load/answer.h"

#include <gtest/gtest.h>

namespace telltale::bench::load {
namespace {

using namespace std::string_literals;

const std::string headers_200 = "\0\0\1\1\4\0\0\0\1\x88"s;
const std::string headers_404_end = "\0\0\1\1\5\0\0\0\1\x8d"s;
const std::string data_end = "\0\0\2\0\1\0\0\0\1ok"s;

TEST(Answer, of_settings_is_whole_with_the_first_frame) {
    Answer answer{Awaited::settings};
    const std::string settings = settings_frame();
    EXPECT_EQ(answer.take(settings.substr(0, 5)), Progress::waiting);
    EXPECT_EQ(answer.take(settings.substr(5) + settings_ack()), Progress::done);
    EXPECT_TRUE(answer.settings_came());
}

TEST(Answer, of_settings_is_not_an_acknowledgement) {
    EXPECT_EQ(Answer{Awaited::settings}.take(settings_ack()), Progress::wrong);
    EXPECT_EQ(Answer{Awaited::settings}.take(window_update(0, 1)), Progress::wrong);
}

TEST(Answer, of_settings_is_not_http1) {
    Answer answer{Awaited::settings};
    EXPECT_EQ(answer.take("HTTP/1.1 400 Bad Request\r\n\r\n"), Progress::wrong);
    EXPECT_STREQ(answer.complaint(), "was not answered in HTTP/2");
}

TEST(Answer, of_settings_does_not_come_after_the_end) {
    Answer answer{Awaited::settings};
    EXPECT_EQ(answer.take("\0\0"s), Progress::waiting);
    EXPECT_EQ(answer.end(), Progress::wrong);
}

TEST(Answer, to_a_request_ends_with_its_stream) {
    Answer answer{Awaited::response};
    EXPECT_EQ(answer.take(settings_frame()), Progress::waiting);
    EXPECT_TRUE(answer.settings_came());
    EXPECT_EQ(answer.take(settings_ack() + headers_200), Progress::waiting);
    EXPECT_EQ(answer.take(data_end.substr(0, 10)), Progress::waiting);
    EXPECT_EQ(answer.take(data_end.substr(10)), Progress::done);
}

TEST(Answer, to_a_request_is_wrong_when_it_is_an_error) {
    EXPECT_EQ(Answer{Awaited::response}.take(settings_frame() + headers_404_end), Progress::wrong);
    EXPECT_EQ(Answer{Awaited::response}.take(settings_frame() + "\0\0\4\3\0\0\0\0\1\0\0\0\7"s),
              Progress::wrong);
    EXPECT_EQ(Answer{Awaited::response}.take(settings_frame() + "\0\0\0\7\0\0\0\0\0"s),
              Progress::wrong);
}

TEST(Answer, in_http1_is_whole_at_the_end) {
    Answer answer{Awaited::http1};
    EXPECT_EQ(answer.take("HTT"), Progress::waiting);
    EXPECT_EQ(answer.take("P/1.1 400 Bad Request\r\n\r\n400"), Progress::waiting);
    EXPECT_EQ(answer.end(), Progress::done);
}

TEST(Answer, in_http1_is_wrong_in_http2_or_without_a_byte) {
    EXPECT_EQ(Answer{Awaited::http1}.take(settings_frame()), Progress::wrong);
    EXPECT_EQ(Answer{Awaited::http1}.end(), Progress::wrong);
}

}  // namespace
}  // namespace telltale::bench::load
