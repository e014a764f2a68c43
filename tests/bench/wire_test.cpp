#include "bench/load/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

namespace telltale::bench::load {
namespace {

using namespace std::string_literals;
using testing::_;

constexpr size_t header_size = 9;

std::vector<Frame> frames_in(std::string_view bytes, size_t piece) {
    FrameReader reader;
    std::vector<Frame> frames;
    for (size_t at = 0; at < bytes.size(); at += piece)
        reader.read(bytes.substr(at, piece),
                    [&frames](const Frame& frame) { frames.push_back(frame); });
    EXPECT_FALSE(reader.broken());
    return frames;
}

Frame headers_of(const std::string& block, uint8_t flags) {
    Frame frame{FrameType::headers, flags, 1, static_cast<uint32_t>(block.size()), {}};
    std::copy_n(block.begin(), std::min(block.size(), frame.head.size()), frame.head.begin());
    return frame;
}

TEST(FirstFlight, is_the_preface_and_settings_without_push) {
    EXPECT_EQ(first_flight(), std::string{preface} + "\0\0\6\4\0\0\0\0\0\0\2\0\0\0\0"s);
}

TEST(FirstFlight, widens_the_streams_and_the_connection) {
    const std::vector<Frame> frames =
        frames_in(std::string_view{first_flight(window_max)}.substr(preface.size()), 1000);
    ASSERT_EQ(frames.size(), 2U);
    EXPECT_EQ(frames[0].length, 12U);
    EXPECT_EQ(frames[1].length, 4U);
    EXPECT_EQ(frames[1].type, FrameType::window_update);
    EXPECT_EQ(frames[1].stream, 0U);
    // What is there already and the increment are the largest window there may be.
    EXPECT_THAT(frames[1].head, testing::ElementsAre(0x7f, 0xff, 0, 0, _, _, _, _));
}

TEST(FirstFlight, narrows_only_the_streams) {
    const std::vector<Frame> frames =
        frames_in(std::string_view{first_flight(100)}.substr(preface.size()), 1000);
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_EQ(frames[0].length, 12U);
}

TEST(GetRequest, is_one_headers_frame_of_literals) {
    EXPECT_EQ(get_request(1, "a:1", "/"), "\0\0\x8\1\5\0\0\0\1\x82\x86\x84\1\3a:1"s);
    EXPECT_EQ(get_request(0x102, "a", "/b"), "\0\0\x9\1\5\0\0\1\2\x82\x86\4\2/b\1\1a"s);
}

TEST(GetRequest, counts_long_paths_as_hpack_does) {
    const std::string path =
        "/" + std::string(1336, 'x');  // RFC 7541 C.1.2: 1337, prefix of 7 bits
    EXPECT_EQ(get_request(1, "a", path).substr(header_size + 2, 4), "\x4\x7f\xba\x9"s);
    const std::string at_the_prefix = "/" + std::string(126, 'x');
    EXPECT_EQ(get_request(1, "a", at_the_prefix).substr(header_size + 2, 4), "\x4\x7f\0/"s);
}

TEST(GetRequest, refuses_a_path_that_no_frame_holds) {
    EXPECT_THROW(static_cast<void>(get_request(1, "a", std::string(20000, 'x'))),
                 std::invalid_argument);
}

TEST(FrameReader, finds_the_same_frames_however_they_are_cut) {
    const std::string bytes = settings_frame() + ping({1, 2, 3, 4, 5, 6, 7, 8}) + settings_ack() +
                              window_update(5, 70000) + get_request(7, "host", "/path/of/it");
    for (size_t piece = 1; piece <= bytes.size(); ++piece) {
        const std::vector<Frame> frames = frames_in(bytes, piece);
        ASSERT_EQ(frames.size(), 5U) << piece;
        EXPECT_EQ(frames[0].type, FrameType::settings);
        EXPECT_FALSE(frames[0].has(flag_ack));
        EXPECT_EQ(frames[1].type, FrameType::ping);
        EXPECT_THAT(frames[1].head, testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8)) << piece;
        EXPECT_TRUE(frames[2].has(flag_ack));
        EXPECT_EQ(frames[3].stream, 5U);
        EXPECT_EQ(frames[4].type, FrameType::headers);
        EXPECT_EQ(frames[4].stream, 7U);
        EXPECT_EQ(frames[4].length, 21U);
    }
}

TEST(FrameReader, ignores_the_reserved_bit_of_a_stream) {
    EXPECT_EQ(frames_in("\0\0\0\0\1\x80\0\0\3"s, 9).at(0).stream, 3U);
}

TEST(FrameReader, knows_what_it_is_in_the_middle_of) {
    FrameReader reader;
    const auto none = [](const Frame&) { FAIL() << "no frame is whole"; };
    reader.read("\0\0\3\0\0\0\0\0"s, none);
    EXPECT_FALSE(reader.inside(FrameType::data));
    reader.read("\1ab"s, none);
    EXPECT_TRUE(reader.inside(FrameType::data));
    EXPECT_FALSE(reader.inside(FrameType::settings));
    reader.read("c", [](const Frame& frame) { EXPECT_EQ(frame.length, 3U); });
    EXPECT_FALSE(reader.inside(FrameType::data));
}

TEST(FrameReader, takes_an_http1_answer_for_no_frames) {
    FrameReader reader;
    reader.read("HTTP/1.1 400 Bad Request\r\n\r\n", [](const Frame&) { FAIL(); });
    EXPECT_TRUE(reader.broken());
}

TEST(FrameReader, allows_frames_as_long_as_the_protocol_does) {
    FrameReader reader;
    reader.read("\0\x40\0\0\0\0\0\0\1"s, [](const Frame&) { FAIL(); });
    EXPECT_FALSE(reader.broken());
    FrameReader next;
    next.read("\0\x40\1\0\0\0\0\0\1"s, [](const Frame&) { FAIL(); });
    EXPECT_TRUE(next.broken());
}

TEST(Says200, reads_the_indexed_status) {
    EXPECT_TRUE(says_200(headers_of("\x88", 0)));
    EXPECT_FALSE(says_200(headers_of("\x8d", 0)));
    EXPECT_FALSE(says_200(headers_of("\x48\x82\x6c\x02", 0)));
    EXPECT_FALSE(says_200(headers_of("", 0)));
}

TEST(Says200, skips_what_may_stand_before_it) {
    EXPECT_TRUE(says_200(headers_of("\x20\x88"s, 0)));
    EXPECT_TRUE(says_200(headers_of("\x3f\xe1\x1f\x88"s, 0)));
    EXPECT_TRUE(says_200(headers_of("\0\0\0\0\x10\x88"s, flag_priority)));
    EXPECT_TRUE(says_200(headers_of("\1\0\0\0\0\x10\x88\0"s, flag_padded | flag_priority)));
}

}  // namespace
}  // namespace telltale::bench::load
