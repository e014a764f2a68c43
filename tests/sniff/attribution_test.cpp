#include "sniff/attribution.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/sniff/example_evidence.h"

namespace telltale::sniff::test {
namespace {

TEST(AttributedCause, is_a_word_of_the_closed_list_and_never_fine) {
    for (const std::string_view word : cause_names) {
        const auto cause = attributed_cause(word);
        ASSERT_EQ(cause.has_value(), word != "fine") << word;
        EXPECT_EQ(name(cause.value_or(Cause::fine)), word);
    }
    for (const std::string_view word : {"", "Refused", "refused ", "refuse", "refused,loop"}) {
        EXPECT_EQ(attributed_cause(word), std::nullopt) << word;
    }
}

TEST(ToldHop, has_position_name_role_and_address) {
    const auto hop = parse_told_hop(
        "upstream;name=\"group-rpc-service\";role=metrics;address=\"10.244.2.9:12260\"");
    ASSERT_TRUE(hop);
    EXPECT_EQ(hop->position, HopPosition::upstream);
    EXPECT_EQ(hop->name, "group-rpc-service");
    EXPECT_EQ(hop->role, Role::metrics);
    EXPECT_EQ(hop->address, "10.244.2.9:12260");
}

TEST(ToldHop, takes_every_position_and_role_by_its_word) {
    for (size_t i = 0; i < hop_position_count; ++i) {
        const auto hop = parse_told_hop(hop_position_names[i]);
        ASSERT_TRUE(hop) << hop_position_names[i];
        EXPECT_EQ(hop->position, static_cast<HopPosition>(i));
        EXPECT_EQ(hop->name + hop->address, "");
    }
    for (size_t i = 0; i < role_count; ++i) {
        const auto hop = parse_told_hop("proxy;role=" + std::string(role_names[i]));
        ASSERT_TRUE(hop);
        EXPECT_EQ(hop->role, static_cast<Role>(i));
    }
    EXPECT_EQ(parse_told_hop("proxy;role=king")->role, Role::unknown);
}

TEST(ToldHop, reads_escapes_and_passes_over_what_it_does_not_know) {
    const auto hop = parse_told_hop(R"(upstream; name="a\"b\\c";since=12;x;y=*t/1;address="h:1")");
    ASSERT_TRUE(hop);
    EXPECT_EQ(hop->name, R"(a"b\c)");
    EXPECT_EQ(hop->address, "h:1");
}

TEST(ToldHop, is_none_where_the_item_is_malformed) {
    for (const std::string_view text :
         {"", " upstream", "up", "upstream;", "upstream;name=", "upstream;name=\"",
          "upstream;name=\"a", "upstream;name=\"a\\", "upstream;name=\"\\n\"",
          "upstream;name=\"a\nb\"", "upstream,proxy", "upstream;NAME=a", "upstream;name=\"\xff\"",
          "\"upstream\"x", "upstream extra"}) {
        EXPECT_FALSE(parse_told_hop(text)) << text;
    }
    for (size_t size = 1; size < 300; ++size) {
        EXPECT_FALSE(parse_told_hop(std::string(size, ';')));
    }
}

TEST(Attribution, decodes_what_the_client_was_told) {
    Evidence e = connected();
    e.client = http2_client("application/grpc");
    e.upstream = http2_answer(200, "application/grpc");
    e.upstream.first_headers->telltale_cause = "refused";
    e.upstream.first_headers->grpc_message = "100%25 %C3%BC %zz %4";
    const auto attribution = find_attribution(e);
    ASSERT_TRUE(attribution);
    EXPECT_EQ(attribution->cause, Cause::refused);
    EXPECT_EQ(attribution->sentence, "100% ü %zz %4");
    EXPECT_FALSE(attribution->hop);
}

TEST(Attribution, takes_the_first_line_of_an_http1_body) {
    Evidence e = connected();
    e.client = http1_client("GET", "/");
    e.upstream = http1_answer("HTTP/1.1 502 No\r\nX-TELLTALE-CAUSE: loop\r\n\r\nOne.\nTwo.\n");
    EXPECT_EQ(find_attribution(e)->sentence, "One.");
    EXPECT_EQ(find_attribution(e)->cause, Cause::loop);
}

TEST(Attribution, is_none_where_the_sides_speak_differently) {
    Evidence e = connected();
    e.client = http2_client("application/grpc");
    e.upstream = http1_answer("HTTP/1.1 502 No\r\nx-telltale-cause: loop\r\n\r\n");
    EXPECT_FALSE(find_attribution(e));
    e.client = side(Protocol::tls);
    EXPECT_FALSE(find_attribution(e));
}

}  // namespace
}  // namespace telltale::sniff::test
