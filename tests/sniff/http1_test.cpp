#include "sniff/http1.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "sniff/http2.h"
#include "tests/sniff/corpus.h"

namespace telltale::sniff {
namespace {

Http1Response response_of(std::string_view text) {
    return parse_http1_response(as_bytes(text));
}
Http1Request request_of(std::string_view text) {
    return parse_http1_request(as_bytes(text));
}

TEST(Http1Probe, says_more_on_every_prefix_of_a_request_line) {
    const std::string_view line = "DELETE /a HTTP/1.1\r\n";
    for (size_t size = 0; size < 8; ++size) {
        EXPECT_EQ(http1_request_probe(as_bytes(line.substr(0, size))), Match::more) << size;
    }
    EXPECT_EQ(http1_request_probe(as_bytes(line.substr(0, 8))), Match::yes);
}

TEST(Http1Probe, says_no_at_the_first_byte_that_no_method_has) {
    EXPECT_EQ(http1_request_probe(as_bytes("GE\x01")), Match::no);
    EXPECT_EQ(http1_request_probe(as_bytes("\x16")), Match::no);
    EXPECT_EQ(http1_request_probe(as_bytes("GET:")), Match::no);
    EXPECT_EQ(http1_request_probe(as_bytes(std::string(33, 'A'))), Match::no);
    EXPECT_EQ(http1_request_probe(as_bytes(std::string(32, 'A'))), Match::more);
}

TEST(Http1Probe, leaves_the_http2_preface_alone) {
    for (size_t size = 0; size < http2_preface.size(); ++size) {
        EXPECT_EQ(http1_request_probe(as_bytes(http2_preface.substr(0, size))), Match::more)
            << size;
    }
    EXPECT_EQ(http1_request_probe(as_bytes(http2_preface)), Match::no);
    EXPECT_EQ(http1_request_probe(as_bytes("PRI * HTTP/1.1")), Match::yes);
}

TEST(HtmlProbe, waits_for_a_tag_behind_white_space_but_not_for_ever) {
    EXPECT_EQ(html_probe(as_bytes(std::string(64, ' '))), Match::more);
    EXPECT_EQ(html_probe(as_bytes(std::string(64, '\n') + "<html>")), Match::yes);
    EXPECT_EQ(html_probe(as_bytes(std::string(65, ' '))), Match::no);
    EXPECT_EQ(html_probe(as_bytes("<head>")), Match::no);
}

TEST(Http1HeadSize, is_that_of_the_first_empty_line) {
    EXPECT_EQ(http1_head_size(as_bytes("HTTP/1.1 200 OK\r\n\r\nbody\r\n\r\n")), 19U);
    EXPECT_EQ(http1_head_size(as_bytes("HTTP/1.1 200 OK\nA: b\n\nbody")), 22U);
    EXPECT_EQ(http1_head_size(as_bytes("\r\n\r\nGET / HTTP/1.1\r\n\r\n")), 22U);
    EXPECT_EQ(http1_head_size(as_bytes("HTTP/1.1 200 OK\r\nA: b\r\n")), 0U);
    EXPECT_EQ(http1_head_size(as_bytes("\r\n\r\n")), 0U);
    EXPECT_EQ(http1_head_size(as_bytes("")), 0U);
}

TEST(Http1HeadSize, is_found_when_the_head_dribbles_in) {
    const std::string_view text = "HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody";
    for (size_t step = 1; step <= text.size(); ++step) {
        size_t searched = 0;
        size_t found = 0;
        while (found == 0 && searched < text.size()) {
            const size_t size = std::min(text.size(), searched + step);
            found = http1_head_size(as_bytes(text.substr(0, size)), searched);
            searched = size;
        }
        EXPECT_EQ(found, 25U) << step;
    }
}

TEST(Http1Response, of_nginx_is_read_whole) {
    const auto response = response_of(test::upstream_bytes("nginx_plain_400"));
    EXPECT_EQ(response.version, "HTTP/1.1");
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.reason, "Bad Request");
    EXPECT_EQ(response.server, "nginx/1.22.1");
    EXPECT_EQ(response.content_type, "text/html");
    EXPECT_EQ(response.content_length, "157");
    EXPECT_EQ(response.connection, "close");
    EXPECT_TRUE(response.head_complete);
    EXPECT_EQ(response.body.size(), 157U);
    ASSERT_EQ(response.headers.size(), 5U);
    EXPECT_EQ(response.headers[0].first, "Server");
    EXPECT_EQ(response.headers[4].first, "Connection");
}

TEST(Http1Response, keeps_header_names_as_sent_and_in_wire_order) {
    const auto haproxy = response_of(test::upstream_bytes("haproxy_plain_400"));
    ASSERT_FALSE(haproxy.headers.empty());
    EXPECT_EQ(haproxy.headers[0].first, "content-length");
    const auto go = response_of(test::upstream_bytes("go_servemux_400"));
    ASSERT_EQ(go.headers.size(), 3U);
    EXPECT_EQ(go.headers[0].first, "Connection");
    EXPECT_EQ(go.headers[1].first, "Date");
    EXPECT_EQ(go.headers[2].first, "Content-Length");
    EXPECT_EQ(go.body, "");
}

TEST(Http1Response, that_only_says_http2_is_text) {
    const auto exposer = response_of(test::upstream_bytes("prometheus_cpp_http20_text_400"));
    EXPECT_EQ(exposer.version, "HTTP/2.0");
    EXPECT_EQ(exposer.status, 400);
    EXPECT_EQ(exposer.connection, "close");
    const auto gunicorn = response_of(test::upstream_bytes("gunicorn_http20_text_200"));
    EXPECT_EQ(gunicorn.version, "HTTP/2.0");
    EXPECT_EQ(gunicorn.server, "gunicorn");
}

TEST(Http1Response, of_older_servers_is_http10) {
    const auto lighttpd = response_of(test::upstream_bytes("lighttpd_http10_505"));
    EXPECT_EQ(lighttpd.version, "HTTP/1.0");
    EXPECT_EQ(lighttpd.status, 505);
    EXPECT_EQ(lighttpd.server, "lighttpd/1.4.69");
    const auto go = response_of(test::upstream_bytes("go_plain_request_to_tls_port"));
    EXPECT_EQ(go.version, "HTTP/1.0");
    EXPECT_TRUE(go.headers.empty());
    EXPECT_EQ(go.body, "Client sent an HTTP request to an HTTPS server.\n");
}

TEST(Http1Response, of_a_proxy_names_it) {
    const auto squid = response_of(test::upstream_bytes("squid_400"));
    EXPECT_EQ(squid.via, "1.1 proxy.example (squid/5.7)");
    EXPECT_EQ(squid.server, "squid/5.7");
    EXPECT_EQ(response_of(test::upstream_bytes("nginx_redirect_301")).location,
              "https://localhost/old");
}

TEST(Http1Response, without_status_line_is_html) {
    const auto response = response_of(test::upstream_bytes("python_http_server_html"));
    EXPECT_EQ(response.version, "");
    EXPECT_EQ(response.status, 0);
    EXPECT_FALSE(response.head_complete);
    EXPECT_TRUE(response.headers.empty());
    EXPECT_NE(response.body.find("Error code: 505"), std::string::npos);
}

TEST(Http1Response, may_have_an_empty_reason) {
    const auto response =
        response_of("HTTP/1.1 400 \r\nContent-Type: text/plain\r\n\r\nBad Request\r\n");
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.reason, "");
    EXPECT_EQ(response.content_type, "text/plain");
    EXPECT_TRUE(response.head_complete);
    EXPECT_EQ(response_of("HTTP/1.1 400\r\nServer: x\r\n\r\n").server, "x");
}

TEST(Http1Response, is_read_as_far_as_it_came) {
    EXPECT_EQ(response_of("HTTP/1.1 40").status, 0);
    const auto line = response_of("HTTP/1.1 404 Not");
    EXPECT_EQ(line.status, 404);
    EXPECT_EQ(line.reason, "");
    const auto head = response_of("HTTP/1.1 404 Not Found\r\nServer: a\r\nVia: 1.1 b");
    EXPECT_EQ(head.server, "a");
    EXPECT_EQ(head.via, "");
    EXPECT_FALSE(head.head_complete);
}

TEST(Http1Response, that_llhttp_refuses_is_read_line_by_line) {
    const auto response =
        response_of("HTTP/1.7 299 Odd\nServer : spaced\nno colon here\nVia: 1.1 b\n\nbody");
    EXPECT_EQ(response.version, "HTTP/1.7");
    EXPECT_EQ(response.status, 299);
    EXPECT_EQ(response.server, "spaced");
    EXPECT_EQ(response.via, "1.1 b");
    EXPECT_EQ(response.body, "body");
}

TEST(Http1Response, passes_over_interim_answers) {
    const std::string_view interim =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    const auto waiting = response_of(interim);
    EXPECT_EQ(waiting.status, 103);
    EXPECT_FALSE(waiting.head_complete);
    const auto done = response_of(std::string(interim) + "HTTP/1.1 200 OK\r\nServer: a\r\n\r\nhi");
    EXPECT_EQ(done.status, 200);
    EXPECT_EQ(done.server, "a");
    EXPECT_EQ(done.body, "hi");
    EXPECT_TRUE(done.head_complete);
}

TEST(Http1Response, that_switches_protocols_is_final) {
    const auto response = response_of(test::upstream_bytes("apache_upgrade_101_then_http2"));
    EXPECT_EQ(response.status, 101);
    EXPECT_TRUE(response.head_complete);
    EXPECT_EQ(response.connection, "Upgrade");
    EXPECT_EQ(response.body.substr(0, 4), std::string_view("\0\0\x06\4", 4));
}

TEST(Http1Response, is_bounded_whatever_comes) {
    std::string text = "HTTP/1.1 200 " + std::string(2000, 'r') + "\r\n";
    for (int i = 0; i < 300; ++i)
        text += "X-" + std::to_string(i) + ": " + std::string(30, 'v') + "\r\n";
    const auto many = response_of(text + "\r\n");
    EXPECT_EQ(many.headers.size(), 32U);
    EXPECT_EQ(many.reason.size(), 256U);
    const auto endless =
        response_of("HTTP/1.1 200 OK\r\nServer: " + std::string(1 << 20, 's') + "\r\n\r\n");
    EXPECT_EQ(endless.status, 200);
    EXPECT_FALSE(endless.head_complete);
    const auto wide = response_of("HTTP/1.1 200 OK\r\nServer: " + std::string(4000, 's') +
                                  "\r\n\r\n" + std::string(4000, 'b'));
    EXPECT_EQ(wide.server.size(), 256U);
    EXPECT_EQ(wide.body.size(), 512U);
}

TEST(Http1Request, of_curl_is_read_whole) {
    const auto request = request_of(test::client_bytes("curl_get"));
    EXPECT_EQ(request.method, "GET");
    EXPECT_EQ(request.target, "/healthz");
    EXPECT_EQ(request.version, "HTTP/1.1");
    EXPECT_EQ(request.host, "127.0.0.1:4900");
    EXPECT_EQ(request.user_agent, "curl/7.88.1");
    EXPECT_TRUE(request.forwarded.empty());
    EXPECT_TRUE(request.head_complete);
}

TEST(Http1Request, shows_tunnel_upgrade_and_content_type) {
    const auto connect = request_of(test::client_bytes("grpc_core_connect"));
    EXPECT_EQ(connect.method, "CONNECT");
    EXPECT_EQ(connect.target, "127.0.0.1:10260");
    EXPECT_EQ(request_of(test::client_bytes("curl_upgrade_h2c")).upgrade, "h2c");
    EXPECT_EQ(request_of(test::client_bytes("curl_websocket_upgrade")).upgrade, "websocket");
    EXPECT_EQ(request_of(test::client_bytes("curl_grpc_web_post")).content_type,
              "application/grpc-web+proto");
    EXPECT_EQ(request_of(test::client_bytes("prometheus_scrape")).user_agent,
              "Prometheus/2.42.0+ds");
}

TEST(Http1Request, through_a_proxy_shows_what_it_added) {
    const auto request = request_of(test::client_bytes("nginx_proxied_get"));
    const std::vector<std::string> expected = {"x-real-ip", "x-forwarded-for", "x-forwarded-proto"};
    EXPECT_EQ(request.forwarded, expected);
    EXPECT_EQ(request.version, "HTTP/1.0");
}

TEST(Http1Request, counts_only_headers_that_prove_a_proxy) {
    const auto request = request_of(
        "GET / HTTP/1.1\r\nX-Request-Id: 1\r\nVIA: 1.1 a\r\nvia: 1.1 b\r\nX-Envoy-Internal: "
        "true\r\n"
        "Forwarded: for=x\r\nTraceparent: 0\r\nCF-Connecting-IP: x\r\n\r\n");
    const std::vector<std::string> expected = {"via", "x-envoy-internal", "forwarded",
                                               "cf-connecting-ip"};
    EXPECT_EQ(request.forwarded, expected);
    EXPECT_EQ(request.via, "1.1 a");
}

TEST(Http1Request, with_an_unknown_method_is_read_line_by_line) {
    const auto request = request_of("FROBNICATE /x y HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(request.method, "FROBNICATE");
    EXPECT_EQ(request.target, "/x y");
    EXPECT_EQ(request.version, "HTTP/1.1");
    EXPECT_EQ(request.host, "h");
}

TEST(Http1Request, has_no_version_when_its_line_is_cut) {
    const auto request = request_of("GET /aaa HTTP/1.1");
    EXPECT_EQ(request.method, "GET");
    EXPECT_EQ(request.version, "");
    const auto endless = request_of("GET /" + std::string(1 << 20, 'a'));
    EXPECT_EQ(endless.target.size(), 256U);
    EXPECT_FALSE(endless.head_complete);
}

TEST(Http1Request, bounds_the_names_of_proxies) {
    std::string text = "GET / HTTP/1.1\r\n";
    for (int i = 0; i < 60; ++i) text += "X-Forwarded-" + std::to_string(i) + ": v\r\n";
    EXPECT_EQ(request_of(text + "\r\n").forwarded.size(), 16U);
}

}  // namespace
}  // namespace telltale::sniff
