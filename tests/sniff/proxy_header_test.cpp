#include "sniff/proxy_header.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "sniff/http2.h"
#include "tests/sniff/corpus.h"

namespace telltale::sniff {
namespace {

const std::string signature("\r\n\r\n\0\r\nQUIT\n", 12);

ProxyHeader parse(std::string_view text) {
    return parse_proxy_header(as_bytes(text));
}

TEST(ProxyHeader, of_haproxy_version_1_is_taken_off) {
    const std::string bytes = test::client_bytes("haproxy_proxy_header_v1_then_http2");
    const auto header = parse(bytes);
    ASSERT_EQ(header.match, Match::yes);
    EXPECT_EQ(header.size, bytes.find("PRI"));
    EXPECT_TRUE(header.source.starts_with("127.0.0.1:")) << header.source;
    EXPECT_TRUE(bytes.substr(header.size).starts_with(http2_preface));
}

TEST(ProxyHeader, of_haproxy_version_2_is_taken_off) {
    const std::string bytes = test::client_bytes("haproxy_proxy_header_v2_then_http2");
    const auto header = parse(bytes);
    ASSERT_EQ(header.match, Match::yes);
    EXPECT_EQ(header.size, 28U);
    EXPECT_TRUE(header.source.starts_with("127.0.0.1:")) << header.source;
    EXPECT_TRUE(bytes.substr(header.size).starts_with(http2_preface));
}

TEST(ProxyHeader, says_more_on_every_proper_prefix) {
    const std::string inet6 = signature + std::string("\x21\x21\0\x24", 4) + std::string(36, '\1');
    for (const std::string& whole :
         {std::string("PROXY TCP4 192.0.2.1 198.51.100.7 5000 443\r\n"),
          std::string("PROXY TCP6 2001:db8::1 ::1 5000 443\r\n"), std::string("PROXY UNKNOWN\r\n"),
          std::string("PROXY UNKNOWN a b c\r\n"), inet6}) {
        for (size_t size = 0; size < whole.size(); ++size) {
            EXPECT_EQ(parse(whole.substr(0, size)).match, Match::more) << size;
        }
        const auto header = parse(whole + "GET / HTTP/1.1\r\n");
        EXPECT_EQ(header.match, Match::yes);
        EXPECT_EQ(header.size, whole.size());
    }
}

TEST(ProxyHeader, names_the_source) {
    EXPECT_EQ(parse("PROXY TCP4 192.0.2.1 198.51.100.7 5000 443\r\n").source, "192.0.2.1:5000");
    EXPECT_EQ(parse("PROXY TCP6 2001:db8::1 ::1 5000 443\r\n").source, "[2001:db8::1]:5000");
    EXPECT_EQ(parse("PROXY UNKNOWN\r\n").source, "");
}

std::string inet6_header(std::string_view source) {
    return signature + std::string("\x21\x21\0\x24", 4) + std::string(source) +
           std::string(16, '\0') + std::string("\x13\x88\1\xbb", 4);
}

TEST(ProxyHeader, writes_ipv6_addresses_the_short_way) {
    EXPECT_EQ(parse(inet6_header({"\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16})).source,
              "[2001:db8::1]:5000");
    EXPECT_EQ(parse(inet6_header(std::string(16, '\0'))).source, "[::]:5000");
    EXPECT_EQ(parse(inet6_header({"\0\1\0\0\0\1\0\1\0\1\0\1\0\0\0\0", 16})).source,
              "[1:0:1:1:1:1::]:5000");
    EXPECT_EQ(parse(inet6_header({"\0\1\0\1\0\1\0\1\0\1\0\1\0\1\0\0", 16})).source,
              "[1:1:1:1:1:1:1:0]:5000");
}

TEST(ProxyHeader, of_a_unix_socket_and_of_local_checks) {
    std::string path = "/run/app.sock";
    path.resize(216);
    const auto unix_header = parse(signature + std::string("\x21\x31\0\xd8", 4) + path);
    EXPECT_EQ(unix_header.match, Match::yes);
    EXPECT_EQ(unix_header.source, "unix:/run/app.sock");
    const auto local = parse(signature + std::string("\x20\0\0\0", 4));
    EXPECT_EQ(local.match, Match::yes);
    EXPECT_EQ(local.size, 16U);
    EXPECT_EQ(local.source, "");
}

TEST(ProxyHeader, skips_what_follows_the_addresses) {
    const auto header = parse(signature + std::string("\x21\x11\0\x0f", 4) + std::string(15, '\1'));
    EXPECT_EQ(header.match, Match::yes);
    EXPECT_EQ(header.size, 31U);
    EXPECT_EQ(header.source, "1.1.1.1:257");
}

TEST(ProxyHeader, says_no_as_soon_as_no_header_can_follow) {
    for (const std::string& text :
         {std::string("G"), std::string("PRI"), std::string("PROXX"), std::string("PROXY TCP5"),
          std::string("PROXY TCP4 x"), std::string("PROXY TCP4 1.1.1.1  "),
          std::string("PROXY TCP4 1.1.1.1 2.2.2.2 123456"),
          std::string("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n"),
          std::string("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rX"), "PROXY UNKNOWN" + std::string(93, 'x'),
          std::string("\r\n\r\nG"), signature + "\x11", signature + "\x22",
          signature + std::string("\x21\x41", 2), signature + std::string("\x21\x13", 2),
          signature + std::string("\x21\x11\0\x0b", 4),
          signature + std::string("\x21\x11\xff", 3)}) {
        EXPECT_EQ(parse(text).match, Match::no) << testing::PrintToString(text);
    }
}

}  // namespace
}  // namespace telltale::sniff
