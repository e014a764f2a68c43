#include "sniff/fingerprint.h"

#include "sniff/bytes.h"
#include "sniff/conversation.h"
#include "tests/sniff/corpus.h"
#include "tests/sniff/example_evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <set>

namespace telltale::sniff::test {
namespace {

using ::testing::HasSubstr;

Fingerprint of_answer(std::string_view text) {
    return fingerprint(http1_answer(text));
}

// The first call of a gRPC client, answered with these bytes.
Fingerprint of_http2_capture(std::string_view name) {
    Conversation conversation(Expect::grpc, ConversationLimits{});
    conversation.on_connected(0);
    conversation.on_bytes(Side::client, as_bytes(client_bytes("grpc_go_first_flight")), 1);
    conversation.on_bytes(Side::upstream, as_bytes(upstream_bytes(name)), 2);
    Evidence e;
    conversation.describe(e);
    return fingerprint(e.upstream);
}

TEST(Fingerprint, names_the_software_of_captured_http1_answers) {
    const std::map<std::string_view, std::string_view> names = {
        {"nginx_plain_400", "nginx"},
        {"nginx_redirect_301", "nginx"},
        {"haproxy_plain_400", "HAProxy"},
        {"haproxy_dead_backend_503", "HAProxy"},
        {"apache_plain_400", "Apache httpd"},
        {"lighttpd_http10_505", "lighttpd"},
        {"squid_400", "Squid"},
        {"squid_connect_refused_503", "Squid"},
        {"tinyproxy_http10_400", "tinyproxy"},
        {"go_servemux_400", "Go net/http ServeMux"},
        {"prometheus_400", "Go net/http ServeMux"},
        {"go_servemux_400_to_client_hello", "Go net/http"},
        {"go_not_found_handler_404", "Go net/http"},
        {"node_http_400", "Node.js http"},
        {"python_http_server_html", "Python http.server"},
        {"python_http_server_http10_200", "Python http.server"},
        {"gunicorn_http20_text_200", "gunicorn"},
        {"prometheus_cpp_http20_text_400", "prometheus-cpp (civetweb)"},
    };
    for (const auto& [file, software] : names) {
        EXPECT_EQ(fingerprint(http1_capture(file)).software, software) << file;
    }
}

TEST(Fingerprint, reads_the_version_behind_the_name) {
    EXPECT_EQ(fingerprint(http1_capture("nginx_plain_400")).version, "1.22.1");
    EXPECT_EQ(fingerprint(http1_capture("squid_400")).version, "5.7");
    EXPECT_EQ(
        of_answer("HTTP/1.1 404 Not Found\r\nServer: Jetty(9.4.57.v20241219)\r\n\r\n").version,
        "9.4.57.v20241219");
    EXPECT_EQ(
        of_answer("HTTP/1.1 400 Bad Request\r\nServer: Python/3.11 aiohttp/3.8.4\r\n\r\n").software,
        "aiohttp");
    EXPECT_EQ(
        of_answer("HTTP/1.1 400 Bad Request\r\nServer: Python/3.11 aiohttp/3.8.4\r\n\r\n").version,
        "3.8.4");
    EXPECT_EQ(of_answer("HTTP/1.1 400 Bad Request\r\nserver: envoy\r\n\r\n").version, "");
}

TEST(Fingerprint, names_http2_servers_by_their_settings) {
    const std::map<std::string_view, std::string_view> names = {
        {"nginx_http2_settings", "nginx"},       {"haproxy_http2_settings", "HAProxy"},
        {"grpc_core_settings", "gRPC C-core"},   {"grpc_go_settings", "grpc-go"},
        {"lighttpd_http2_settings", "lighttpd"},
    };
    for (const auto& [file, software] : names)
        EXPECT_EQ(of_http2_capture(file).software, software) << file;
}

TEST(Fingerprint, does_not_guess_from_settings_that_several_programs_send) {
    EXPECT_EQ(of_http2_capture("nghttpd_settings").id, "");
    EXPECT_EQ(of_http2_capture("node_http2_settings").id, "");
}

TEST(Fingerprint, keeps_to_the_next_hop_when_a_proxy_passes_a_server_header_on) {
    SideEvidence s = http2_answer(502, "text/html");
    s.settings = {{.id = 8, .value = 1}, {.id = 3, .value = 100}};
    s.first_headers->server = "nginx/1.25.3";
    EXPECT_EQ(fingerprint(s).software, "HAProxy");
    s.settings = {{.id = 3, .value = 128}, {.id = 4, .value = 65536}, {.id = 5, .value = 16777215}};
    EXPECT_EQ(fingerprint(s).software, "nginx");
    EXPECT_EQ(fingerprint(s).version, "1.25.3");
}

TEST(Fingerprint, does_not_recognise_a_page_that_merely_mentions_a_name) {
    const std::string page =
        "<html><body>nginx/1.22.1, HAProxy, Squid, envoy: <h1>400 Bad request</h1>\nYour browser "
        "sent an invalid request."
        " No context found for request <title>Error response</title></body></html>";
    EXPECT_EQ(
        of_answer("HTTP/1.1 400 Bad Request\r\nServer: my-nginx-like\r\nX-Note: squid\r\n\r\n" +
                  page)
            .id,
        "");
    EXPECT_EQ(
        of_answer("HTTP/1.1 400 Bad Request\r\nServer: acme (nginx/1.2 inside)\r\n\r\n" + page).id,
        "");
    EXPECT_EQ(
        of_answer("<!DOCTYPE HTML>\n<html><p>About <title>Error response</title> pages</p></html>")
            .id,
        "");
}

TEST(Fingerprint, names_databases_and_ssh_by_their_greeting) {
    SideEvidence s = side(Protocol::mysql);
    s.greeting = "5.5.5-10.11.19-MariaDB-0+deb12u1";
    EXPECT_EQ(fingerprint(s).software, "MariaDB");
    EXPECT_EQ(fingerprint(s).role, Role::database);
    s = side(Protocol::ssh);
    s.greeting = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10";
    EXPECT_EQ(fingerprint(s).software, "OpenSSH");
    EXPECT_EQ(fingerprint(s).version, "9.2p1");
}

TEST(Fingerprint, escapes_hostile_versions_and_reasons) {
    const Fingerprint f =
        of_answer("HTTP/1.1 400 Bad Request\r\nServer: nginx/1.2 \"\x1b[31m\xff\r\n\r\n");
    for (const char c : f.version + f.reason) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << f.reason;
}

TEST(Fingerprint, rows_have_different_names_and_a_condition) {
    std::set<std::string_view> ids;
    for (const FingerprintRow& row : fingerprint_rows()) {
        EXPECT_TRUE(ids.insert(row.id).second) << row.id;
        EXPECT_FALSE(row.software.empty()) << row.id;
        const bool http1 = !row.product.empty() || !row.header.empty() ||
                           !row.header_order.empty() || !row.body_prefix.empty();
        const bool http2 = !row.settings.empty() || row.setting_id != 0;
        EXPECT_NE(http1, http2) << row.id;
    }
}

TEST(Product, is_the_first_token_of_a_user_agent) {
    EXPECT_EQ(first_product("Prometheus/2.42.0").name, "Prometheus");
    EXPECT_EQ(first_product("Prometheus/2.42.0").version, "2.42.0");
    EXPECT_EQ(first_product("").name, "");
    EXPECT_EQ(first_product("\x01").name, "");
}

}  // namespace
}  // namespace telltale::sniff::test
