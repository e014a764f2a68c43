#include "cli/demo/grpc_message.h"

#include <gtest/gtest.h>

namespace telltale::cli::demo {
namespace {

using namespace std::string_view_literals;

TEST(GrpcMessage, is_framed_with_a_flag_and_a_big_endian_length) {
    EXPECT_EQ(frame_message(health_check_serving), "\x00\x00\x00\x00\x02\x08\x01"sv);
    EXPECT_EQ(frame_message(""), "\x00\x00\x00\x00\x00"sv);
    EXPECT_EQ(frame_message(std::string(0x010203, 'x')).substr(0, 5), "\x00\x00\x01\x02\x03"sv);
}

TEST(GrpcMessage, comes_back_as_it_went) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{255}, size_t{256}, size_t{70000}}) {
        const std::string message(size, '\x7F');
        EXPECT_EQ(unframe_message(frame_message(message)), message);
    }
}

TEST(GrpcMessage, is_refused_when_cut_compressed_or_followed_by_more) {
    const std::string framed = frame_message("abc");
    for (size_t size = 0; size < framed.size(); ++size)
        EXPECT_FALSE(unframe_message(framed.substr(0, size))) << size;
    EXPECT_FALSE(unframe_message(framed + "d"));
    EXPECT_FALSE(unframe_message("\x01\x00\x00\x00\x01x"sv));
}

}  // namespace
}  // namespace telltale::cli::demo
