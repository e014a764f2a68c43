#include "sniff/tls.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/sniff/corpus.h"

namespace telltale::sniff {
namespace {

using std::string_literals::operator""s;
using Names = std::vector<std::string>;
using Versions = std::vector<uint16_t>;

std::string u16(size_t value) {
    return {static_cast<char>(value >> 8U), static_cast<char>(value & 0xffU)};
}
std::string u24(size_t value) {
    return static_cast<char>(value >> 16U) + u16(value & 0xffffU);
}
std::string record(std::string_view body, char type = 22) {
    return type + "\3\3"s + u16(body.size()) + std::string(body);
}
std::string extension(size_t id, const std::string& body) {
    return u16(id) + u16(body.size()) + body;
}

std::string server_hello(const std::string& extensions) {
    const std::string body =
        "\3\3"s + std::string(32, 'r') + "\0\x13\1\0"s + u16(extensions.size()) + extensions;
    return "\2"s + u24(body.size()) + body;
}

std::string client_hello(const std::string& extensions) {
    const std::string body =
        "\3\3"s + std::string(32, 'r') + "\0\0\2\x13\1\1\0"s + u16(extensions.size()) + extensions;
    return "\1"s + u24(body.size()) + body;
}

// The handshake message in records of `size` bytes.
std::string in_records(const std::string& message, size_t size) {
    std::string stream;
    for (size_t at = 0; at < message.size(); at += size) stream += record(message.substr(at, size));
    return stream;
}

TEST(ClientHello, of_openssl_and_curl_and_go) {
    const auto openssl = parse_client_hello(as_bytes(test::client_bytes("openssl_client_hello")));
    EXPECT_TRUE(openssl.complete);
    EXPECT_EQ(openssl.sni, "group-rpc-service");
    EXPECT_EQ(openssl.alpn, (Names{"h2", "http/1.1"}));
    EXPECT_EQ(openssl.versions, (Versions{0x0304, 0x0303, 0x0302, 0x0301}));
    const auto go = parse_client_hello(as_bytes(test::client_bytes("go_client_hello")));
    EXPECT_TRUE(go.complete);
    EXPECT_EQ(go.sni, "group-rpc-service");
    EXPECT_EQ(go.alpn, Names{"h2"});
    EXPECT_EQ(parse_client_hello(as_bytes(test::client_bytes("curl_tls_client_hello"))).alpn,
              (Names{"h2", "http/1.1"}));
}

TEST(ClientHello, without_names_or_new_versions_says_the_legacy_version) {
    const auto hello =
        parse_client_hello(as_bytes(test::client_bytes("openssl_tls12_client_hello_without_alpn")));
    EXPECT_TRUE(hello.complete);
    EXPECT_EQ(hello.sni, "");
    EXPECT_TRUE(hello.alpn.empty());
    EXPECT_EQ(hello.versions, Versions{0x0303});
}

TEST(ClientHello, may_be_cut_into_records_of_any_size) {
    const std::string whole = test::client_bytes("openssl_client_hello");
    const std::string message = whole.substr(5);
    for (size_t size = 1; size <= message.size(); ++size) {
        const std::string stream = in_records(message, size);
        const auto hello = parse_client_hello(as_bytes(stream));
        ASSERT_TRUE(hello.complete) << size;
        ASSERT_EQ(hello.sni, "group-rpc-service") << size;
        ASSERT_EQ(tls_client_hello_probe(as_bytes(stream)), Match::yes) << size;
    }
}

TEST(ClientHello, is_read_as_far_as_it_came) {
    const std::string whole = test::client_bytes("go_client_hello");
    for (size_t size = 0; size < whole.size(); ++size) {
        const auto hello = parse_client_hello(as_bytes(std::string_view(whole).substr(0, size)));
        ASSERT_FALSE(hello.complete) << size;
        ASSERT_TRUE(hello.sni.empty() || hello.sni == "group-rpc-service") << size;
    }
}

TEST(ClientHello, leaves_reserved_values_out) {
    const auto hello = parse_client_hello(
        as_bytes(record(client_hello(extension(0x1a1a, "") + extension(43, "\6\x2a\x2a\3\4\3\3"s) +
                                     extension(16, "\0\x06\2\xfa\xfa\2h2"s)))));
    EXPECT_TRUE(hello.complete);
    EXPECT_EQ(hello.versions, (Versions{0x0304, 0x0303}));
    EXPECT_EQ(hello.alpn, Names{"h2"});
}

TEST(ClientHello, keeps_lists_short) {
    std::string names;
    for (int i = 0; i < 2000; ++i) names += "\2yy";
    const auto hello = parse_client_hello(
        as_bytes(record(client_hello(extension(16, u16(names.size()) + names)))));
    EXPECT_EQ(hello.alpn.size(), 16U);
}

TEST(ServerHello, shows_alpn_up_to_tls_12_and_hides_it_in_13) {
    for (const char* file :
         {"nginx_tls12_server_hello_alpn_h2", "openssl_tls12_server_hello_alpn_h2"}) {
        const auto hello = parse_server_hello(as_bytes(test::upstream_bytes(file)));
        EXPECT_TRUE(hello.complete) << file;
        EXPECT_EQ(hello.versions, Versions{0x0303}) << file;
        EXPECT_EQ(hello.alpn, Names{"h2"}) << file;
    }
    for (const char* file : {"openssl_tls13_server_hello", "go_tls13_server_hello"}) {
        const auto hello = parse_server_hello(as_bytes(test::upstream_bytes(file)));
        EXPECT_TRUE(hello.complete) << file;
        EXPECT_EQ(hello.versions, Versions{0x0304}) << file;
        EXPECT_TRUE(hello.alpn.empty()) << file;
        EXPECT_FALSE(hello.hello_retry) << file;
    }
}

TEST(ServerHello, that_asks_for_another_hello_is_told) {
    const auto hello =
        parse_server_hello(as_bytes(test::upstream_bytes("openssl_hello_retry_request")));
    EXPECT_TRUE(hello.complete);
    EXPECT_TRUE(hello.hello_retry);
    EXPECT_EQ(hello.versions, Versions{0x0304});
}

TEST(ServerHello, is_not_a_client_hello) {
    const std::string client = test::client_bytes("openssl_client_hello");
    EXPECT_FALSE(parse_server_hello(as_bytes(client)).complete);
    EXPECT_EQ(tls_server_hello_probe(as_bytes(client)), Match::no);
    EXPECT_TRUE(parse_server_hello(as_bytes(record(server_hello("")))).complete);
}

TEST(TlsAlert, of_real_servers) {
    const auto no_alpn =
        parse_tls_alert(as_bytes(test::upstream_bytes("nginx_tls_no_application_protocol_alert")));
    ASSERT_TRUE(no_alpn);
    EXPECT_EQ(no_alpn->level, 2);
    EXPECT_EQ(alert_name(no_alpn->description), "no_application_protocol");
    const auto version =
        parse_tls_alert(as_bytes(test::upstream_bytes("openssl_protocol_version_alert")));
    ASSERT_TRUE(version);
    EXPECT_EQ(alert_name(version->description), "protocol_version");
    EXPECT_EQ(alert_name(200), "");
}

TEST(TlsAlert, is_none_while_it_is_cut_or_when_it_is_sealed) {
    EXPECT_FALSE(parse_tls_alert(as_bytes("\x15\3\3\0\2\2"s)));
    EXPECT_FALSE(parse_tls_alert(as_bytes("\x15\3\3\0\x1a\2\x28"s)));
    EXPECT_FALSE(parse_tls_alert(as_bytes("HTTP/1.1 400")));
}

TEST(LaterAlert, is_found_behind_whole_records) {
    const std::string hello = record(server_hello(""));
    const std::string alert = record("\2\x30", 21);
    const std::string stream = hello + record("x", 20) + alert;
    const auto found = find_later_alert(as_bytes(stream));
    ASSERT_TRUE(found);
    EXPECT_EQ(alert_name(found->description), "unknown_ca");
    EXPECT_FALSE(find_later_alert(as_bytes(stream.substr(0, stream.size() - 1))));
    EXPECT_FALSE(find_later_alert(as_bytes(hello)));
    EXPECT_FALSE(find_later_alert(as_bytes(hello + record(std::string(26, 'x'), 21))));
    EXPECT_FALSE(find_later_alert(as_bytes(hello + "garbage" + alert)));
    EXPECT_FALSE(find_later_alert(as_bytes("")));
}

}  // namespace
}  // namespace telltale::sniff
