#include "proxy/probe/grpc_messages.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace telltale::proxy::probe {
namespace {

using namespace std::string_view_literals;

std::string field(uint8_t number, std::string_view bytes) {
    std::string out(1, static_cast<char>(number << 3U | 2U));
    out.push_back(static_cast<char>(bytes.size()));
    return out.append(bytes);
}

TEST(ProbeMessages, frames_as_grpc_does) {
    EXPECT_EQ(frame_message(""), "\0\0\0\0\0"sv);
    EXPECT_EQ(frame_message("\x08\x01"), "\0\0\0\0\x02\x08\x01"sv);
    EXPECT_EQ(first_message("\0\0\0\0\x02\x08\x01more"sv), "\x08\x01"sv);
}

TEST(ProbeMessages, reads_no_message_that_is_cut_or_compressed) {
    EXPECT_FALSE(first_message("\0\0\0\0"sv));
    EXPECT_FALSE(first_message("\0\0\0\0\x03\x08\x01"sv));
    EXPECT_FALSE(first_message("\0\xff\xff\xff\xff\x08\x01"sv));
    EXPECT_FALSE(first_message("\x01\0\0\0\x02\x08\x01"sv));
}

TEST(ProbeMessages, reads_each_health_status) {
    EXPECT_EQ(read_health("\x08\x01"), Health::serving);
    EXPECT_EQ(read_health("\x08\x02"), Health::not_serving);
    EXPECT_EQ(read_health("\x08\x03"), Health::service_unknown);
    EXPECT_EQ(read_health(""), Health::unknown);
    EXPECT_EQ(read_health("\x12\x01x\x08\x01"), Health::serving) << "fields of a later version";
    EXPECT_EQ(read_health("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), Health::unknown);
}

TEST(ProbeMessages, asks_for_the_list_of_services) {
    EXPECT_EQ(list_services_request(), "\x3a\0"sv);
}

TEST(ProbeMessages, reads_the_names_of_services) {
    const std::string list = field(1, field(1, "a.A")) + field(1, field(1, "b.B"));
    const auto services = read_services(field(1, "host") + field(6, list));
    ASSERT_TRUE(services);
    EXPECT_EQ(services->names, (std::vector<std::string>{"a.A", "b.B"}));
    EXPECT_FALSE(services->cut);
}

TEST(ProbeMessages, keeps_a_bounded_list_of_bounded_names) {
    std::string list;
    for (size_t i = 0; i < services_max + 1; ++i) list += field(1, field(1, "x"));
    // Longer than one byte tells.
    std::string message = "\x32";
    message.push_back(static_cast<char>(0x80U | (list.size() & 0x7fU)));
    message.push_back(static_cast<char>(list.size() >> 7U));
    const auto services = read_services(message + list);
    ASSERT_TRUE(services);
    EXPECT_EQ(services->names.size(), services_max);
    EXPECT_TRUE(services->cut);
}

TEST(ProbeMessages, reads_no_list_from_other_answers) {
    EXPECT_FALSE(read_services(""));
    EXPECT_FALSE(read_services(field(7, "error")));
    EXPECT_FALSE(read_services("\x32\x7fshort"));
    EXPECT_FALSE(read_services("\x07\x07\x07")) << "a wire type that there is not";
}

}  // namespace
}  // namespace telltale::proxy::probe
