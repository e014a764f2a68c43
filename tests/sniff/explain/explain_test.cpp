#include "sniff/explain/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

#include "sniff/explain/line_reader.h"
#include "sniff/explain/report.h"

namespace telltale::sniff::explain::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

// The first finding as the operator reads it.
std::string told(std::string_view text) {
    const auto findings = explain(text);
    return findings.empty() ? "" : to_text(findings[0], {.runbook_url = "runbook.md"});
}

std::vector<std::string> ids(std::string_view text) {
    std::vector<std::string> out;
    for (const Finding& finding : explain(text)) out.push_back(finding.id);
    return out;
}

std::vector<Cause> causes(std::string_view text) {
    std::vector<Cause> out;
    const auto findings = explain(text);
    if (findings.empty()) return out;
    for (const LikelyCause& likely : findings[0].causes) out.push_back(likely.cause);
    return out;
}

Cause first_cause(std::string_view text) {
    const auto findings = explain(text);
    const bool any = !findings.empty() && !findings[0].causes.empty();
    return any ? findings[0].causes[0].cause : Cause::fine;
}

bool is_a_fault(std::string_view text) {
    const auto findings = explain(text);
    return std::any_of(findings.begin(), findings.end(),
                       [](const Finding& finding) { return !finding.causes.empty(); });
}

// ---- texts

constexpr std::string_view guide =
    R"(grpc service group-rpc-service down, grpc message connection error: desc = "error reading server preface: http2: failed reading the frame payload: %!w(<nil>), note that the frame header looked like an HTTP/1.1 header")";

TEST(Explain, tells_the_guides_incident_as_one_finding_with_its_version) {
    const auto findings = explain(guide);
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings[0].id, "grpc_go_http1_header_nil");
    EXPECT_EQ(findings[0].causes[0].cause, Cause::metrics_port);
    EXPECT_THAT(findings[0].wrapped_in, ElementsAre("openim_down"));
    EXPECT_THAT(told(guide), HasSubstr("0.38.0 to 0.40.0"));
    EXPECT_THAT(told(guide), HasSubstr("do not raise MaxRecvMsgSize"));
    EXPECT_THAT(told(guide), HasSubstr("runbook.md#metrics_port"));
    EXPECT_THAT(told(guide), HasSubstr("telltale probe HOST:PORT"));
}

TEST(Explain, gives_each_cause_one_line_and_the_runbook_once) {
    const std::string shown = told("Trying to connect an http1.x server");
    EXPECT_THAT(shown, HasSubstr("\n  cause:       metrics_port: "));
    EXPECT_THAT(shown, HasSubstr("\n  cause:       http1_proxy: "));
    EXPECT_THAT(shown, HasSubstr("\n  runbook:     runbook.md#metrics_port\n"));
    EXPECT_EQ(shown.find("runbook.md#"), shown.rfind("runbook.md#"));
    const std::string no_fault = told("gRPC message exceeds maximum size 4194304: 5242880");
    EXPECT_THAT(no_fault, HasSubstr("no fault between protocols"));
    EXPECT_THAT(no_fault, Not(HasSubstr("runbook.md#")));
}

// Texts as clients printed them beside a peer whose fault was known.
TEST(Explain, lists_the_cause_that_was_behind_a_measured_text) {
    struct Measured {
        std::string_view text;
        Cause cause;
    };
    for (const Measured& row : std::to_array<Measured>({
             {"UNAVAILABLE: HTTP status code 502\\ninvalid content-type: text/html\\nheaders: "
              "Metadata(:status=502,server=nginx/1.22.1)",
              Cause::http2_not_grpc},
             {"UNAVAILABLE: HTTP status code 503\ninvalid content-type: text/html\nheaders: "
              "Metadata(:status=503)\nDATA-----------------------------\n<html><body><h1>503 "
              "Service Unavailable</h1>\nNo server is available to handle this request.\n",
              Cause::http2_not_grpc},
             {"h2 protocol error: http2 error, source: tonic::transport::Error(Transport, "
              "hyper::Error(Http2, Error { kind: GoAway(b\"\", HTTP_1_1_REQUIRED, Remote) }))",
              Cause::http2_not_grpc},
             {"Too many transparent retries. Might be a bug in gRPC | cause: Abrupt GOAWAY closed "
              "unsent stream. HTTP/2 error code: ENHANCE_YOUR_CALM (Bandwidth exhausted), debug "
              "data: too_many_pings",
              Cause::unexplained},
             {"last error: UNKNOWN: ipv4:203.0.113.9:10260: No route to host", Cause::unreachable},
             {"AbstractChannel$AnnotatedNoRouteToHostException: null: /203.0.113.9:10260 | cause: "
              "java.net.NoRouteToHostException",
              Cause::unreachable},
             {"last error: UNAVAILABLE: ipv4:127.0.0.1:33971: Connection reset by peer",
              Cause::reset_before_preface},
             {"AnnotatedConnectException: finishConnect(..) failed: Connection reset by peer: "
              "/127.0.0.1:33971",
              Cause::reset_before_preface},
             {"name resolver error: produced zero addresses", Cause::dns_failure},
             {"error reading server preface: EOF", Cause::alpn_without_h2},
             {"tls: first record does not look like a TLS handshake", Cause::tls_client},
             {"tls: first record does not look like a TLS handshake", Cause::plaintext_upstream},
             {"details = \"Deadline Exceeded\"", Cause::silent_upstream},
             {"details = \"Deadline Exceeded\"", Cause::connect_timeout},
         })) {
        EXPECT_THAT(causes(row.text), Contains(row.cause)) << row.text;
    }
}

TEST(Explain, adds_no_cause_that_a_text_rules_out) {
    EXPECT_THAT(causes("http: server gave HTTP response to HTTPS client"),
                Not(Contains(Cause::tls_client)));
    EXPECT_THAT(causes("too_many_pings"), ElementsAre(Cause::unexplained));
}

TEST(Explain, reads_the_less_than_sign_that_go_writes_into_json) {
    EXPECT_THAT(
        ids(R"({"error":"failed reading the frame payload: %!w(\u003cnil\u003e), note that the frame header looked like an HTTP/1.1 header"})"),
        ElementsAre("grpc_go_http1_header_nil"));
}

TEST(Explain, puts_the_address_of_the_text_into_the_command) {
    EXPECT_THAT(told("last error: INTERNAL: ipv4:10.244.2.9:12260: Trying to connect an http1.x "
                     "server"),
                HasSubstr("telltale probe 10.244.2.9:12260\n"));
    EXPECT_THAT(told("last error: UNAVAILABLE: ipv6:%5B::1%5D:50051: Socket closed"),
                HasSubstr("telltale probe '[::1]:50051'\n"));
}

TEST(Explain, joins_what_a_terminal_has_wrapped_between_words) {
    EXPECT_THAT(ids("error reading server preface:\n  http2: frame\n too large"),
                ElementsAre("grpc_go_frame_too_large"));
}

TEST(Explain, gives_other_readings_after_the_most_specific_one) {
    const auto findings = explain("error reading server preface: http2: frame too large");
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings[0].id, "grpc_go_frame_too_large");
    EXPECT_THAT(findings[0].other_readings, ElementsAre(HasSubstr("golang.org/x/net/http2")));
    // The same program that says less is no other reading.
    EXPECT_THAT(explain("Failed parsing HTTP/2 (Expected SETTINGS frame as the first frame, got "
                        "frame type 80) (Trying to connect an http1.x server (HTTP status 400))")[0]
                    .other_readings,
                IsEmpty());
}

TEST(Explain, tells_two_failures_of_one_line_apart) {
    EXPECT_THAT(
        ids("First received frame was not SETTINGS. Hex dump for first 5 bytes: 485454502f; "
            "and long after that, of another connection altogether, which has nothing to do "
            "with it, there was curl: (1) Received HTTP/0.9 when not allowed"),
        ElementsAre("netty_not_settings", "curl_http09"));
}

// ---- numbers

TEST(Explain, reads_a_frame_length_as_the_three_bytes_it_is_made_of) {
    EXPECT_THAT(told("4740180"), HasSubstr("48 54 54 (\"HTT\")"));
    EXPECT_EQ(first_cause("4740180"), Cause::metrics_port);
    EXPECT_THAT(told("3940676"), HasSubstr("<!D"));
    EXPECT_THAT(told("1377025"), HasSubstr("TLS alert"));
    EXPECT_THAT(told("1442563"), HasSubstr("TLS handshake"));
    EXPECT_THAT(told("2966866"), HasSubstr("Redis"));
    EXPECT_THAT(told("5460808"), HasSubstr("SSH"));
    EXPECT_THAT(told("0x485454"), HasSubstr("HTT"));
    EXPECT_THAT(told("4740180"), HasSubstr("do not raise"));
}

TEST(Explain, leaves_lengths_alone_that_are_lengths) {
    EXPECT_THAT(ids("1638400"), IsEmpty());
    EXPECT_THAT(ids("393509"), IsEmpty());
    EXPECT_THAT(ids("16777215"), IsEmpty());
    EXPECT_FALSE(is_a_fault("Http2Exception: Frame length: 1638400 exceeds maximum: 16384"));
    EXPECT_FALSE(is_a_fault("Http2Exception: Frame length: 393509 exceeds maximum: 16384"));
    EXPECT_THAT(told("Http2Exception: Frame length: 1638400 exceeds maximum: 16384"),
                HasSubstr("no text and no TLS"));
    EXPECT_TRUE(is_a_fault("Http2Exception: Frame length: 4740180 exceeds maximum: 16384"));
}

TEST(Explain, says_every_meaning_of_a_code) {
    std::string all;
    for (const Finding& finding : explain("13")) all += finding.says + "\n";
    EXPECT_THAT(all, HasSubstr("gRPC status 13 INTERNAL"));
    EXPECT_THAT(all, HasSubstr("HTTP/2 error code 13 HTTP_1_1_REQUIRED"));
    EXPECT_THAT(told("14"), HasSubstr("UNAVAILABLE"));
    EXPECT_THAT(told("unavailable"), HasSubstr("gRPC status 14"));
    EXPECT_THAT(told("HTTP status 464"), HasSubstr("AWS"));
    EXPECT_THAT(told("464"), HasSubstr("AWS"));
    EXPECT_THAT(told(":status 000"), HasSubstr("grpc_pass"));
    EXPECT_THAT(told("009"), HasSubstr("HTTP/0.9"));
    EXPECT_THAT(told("alert 120"), HasSubstr("no_application_protocol"));
    EXPECT_THAT(told("no_application_protocol"), HasSubstr("TLS alert 120"));
    EXPECT_THAT(told("0xd"), HasSubstr("HTTP_1_1_REQUIRED"));
    EXPECT_THAT(told("ECONNRESET"), HasSubstr("104"));
    EXPECT_THAT(told("errno 111"), HasSubstr("ECONNREFUSED"));
    EXPECT_THAT(told("-536"), HasSubstr("SETTINGS"));
    EXPECT_THAT(told("UPE"), HasSubstr("upstream protocol error"));
    EXPECT_THAT(told("PH--"), HasSubstr("proto h2"));
    EXPECT_THAT(told("SC--"), HasSubstr("proto h2"));
    EXPECT_THAT(told("HTTP 502"), HasSubstr("gRPC: UNAVAILABLE"));
}

TEST(Explain, knows_flags_by_their_case_and_words_by_their_whole) {
    EXPECT_THAT(ids("upe"), IsEmpty());
    EXPECT_THAT(ids("cancel the order"), IsEmpty());
    EXPECT_THAT(ids("14 apples"), IsEmpty());
    EXPECT_THAT(ids("OK then"), IsEmpty());
}

// ---- bytes

TEST(Explain, reads_bytes_in_every_usual_spelling) {
    for (const char* text :
         {"485454502f312e3120343030204261642052657175657374",
          "48 54 54 50 2f 31 2e 31 20 34 30 30 20", "48:54:54:50:2f:31:2e:31:20:34:30:30:20",
          "0x48 0x54 0x54 0x50 0x2f 0x31 0x2e 0x31 0x20 0x34 0x30 0x30",
          R"(\x48\x54\x54\x50\x2f\x31\x2e\x31\x20\x34\x30\x30\x20)",
          R"("HTTP/1.1 400 Bad Request\r\n\r\n")"}) {
        EXPECT_THAT(told(text), HasSubstr("HTTP/1.1 400")) << text;
    }
    EXPECT_THAT(told("485454502f"), HasSubstr("HTTP/1 status line"));
    EXPECT_THAT(told("3c21444f43"), HasSubstr("HTML"));
    EXPECT_THAT(told("1503010002"), HasSubstr("TLS alert"));
    EXPECT_THAT(told("0000000401"), HasSubstr("acknowledgement"));
    EXPECT_THAT(told("0000080700"), HasSubstr("GOAWAY"));
    EXPECT_THAT(told("2d45525220"), HasSubstr("Redis"));
    EXPECT_THAT(told("5353482d32"), HasSubstr("SSH"));
    EXPECT_THAT(ids("deadbeef"), IsEmpty());
}

TEST(Explain, says_what_is_in_the_bytes) {
    EXPECT_THAT(told(R"("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00@\x00")"),
                HasSubstr("SETTINGS of HTTP/2: MAX_FRAME_SIZE=16384"));
    EXPECT_THAT(told("15 03 03 00 02 02 78"), HasSubstr("no_application_protocol"));
    EXPECT_EQ(first_cause("15 03 03 00 02 02 78"), Cause::alpn_without_h2);
    EXPECT_EQ(first_cause("15 03 03 00 02 02 0a"), Cause::tls_required);
    EXPECT_THAT(told("HTTP status 503"), HasSubstr("healthy backend"));
    EXPECT_THAT(
        told(R"("GET /metrics HTTP/1.1\r\nHost: x\r\nUser-Agent: Prometheus/2.42.0\r\n\r\n")"),
        HasSubstr("Prometheus/2.42.0"));
    EXPECT_THAT(
        told(R"("HTTP/1.1 400 Bad Request\r\nServer: nginx/1.22.1\r\nContent-Length: 0\r\n\r\n")"),
        HasSubstr("nginx"));
}

TEST(Explain, reads_what_a_server_said_as_it_stands_in_a_terminal) {
    EXPECT_EQ(first_cause("-ERR unknown command 'PRI'"), Cause::other_protocol);
    EXPECT_EQ(first_cause("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10"), Cause::other_protocol);
    EXPECT_EQ(first_cause("HTTP/1.1 400 Bad Request"), Cause::metrics_port);
}

TEST(Explain, reads_the_dumps_of_xxd_hexdump_and_tcpdump) {
    EXPECT_THAT(told("00000000: 4854 5450 2f31 2e31 2034 3030 2042 6164  HTTP/1.1 400 Bad\n"
                     "00000010: 2052 6571 7565 7374 0d0a 0d0a             Request....\n"),
                HasSubstr("HTTP/1.1 400 Bad Request"));
    EXPECT_THAT(
        told("00000000  48 54 54 50 2f 31 2e 31  20 34 30 30 20 42 61 64  |HTTP/1.1 400 Bad|\n"
             "00000010  0d 0a 0d 0a                                       |....|\n"),
        HasSubstr("HTTP/1.1 400 Bad"));
    // An IPv4 packet with a TCP segment of seven bytes: a TLS alert.
    EXPECT_THAT(told("10:00:00.000000 IP 127.0.0.1.443 > 127.0.0.1.5000: Flags [P.], length 7\n"
                     "\t0x0000:  4500 002f 0001 4000 4006 3cc6 7f00 0001  E../..@.@.<.....\n"
                     "\t0x0010:  7f00 0001 01bb 1388 0000 0001 0000 0001  ................\n"
                     "\t0x0020:  5018 0200 0000 0000 1503 0300 0202 0a    P..............\n"),
                HasSubstr("unexpected_message"));
}

// ---- what is no fault

TEST(Explain, does_not_take_a_size_limit_for_a_protocol_fault) {
    for (const char* text :
         {"rpc error: code = ResourceExhausted desc = grpc: received message larger "
          "than max (5242880 vs. 4194304)",
          "io.grpc.StatusRuntimeException: RESOURCE_EXHAUSTED: gRPC message exceeds "
          "maximum size 4194304: 5242880",
          "RESOURCE_EXHAUSTED"}) {
        EXPECT_FALSE(is_a_fault(text)) << text;
    }
}

TEST(Explain, recognises_nothing_in_ordinary_lines) {
    for (const char* text :
         {"INFO server started on port 50051", "GET /metrics HTTP/1.1 200 4740",
          "the user's socket was closed by the user", "http2 is enabled", "user 4740180 logged in",
          "connection refused by policy: see the handbook", "frame too large for this picture",
          "UPE is the name of a bank", "EOF", "unexpected EOF in file config.yaml",
          "127.0.0.1 - - [23/Nov/2026:09:59:26 +0000] \"POST /a HTTP/2.0\" 200 157 \"-\" "
          "\"grpc-go/1.85.0\"",
          "[2026-11-23T10:01:00.660Z] \"POST /a HTTP/2\" 200 - 10 10 8 7 \"-\" \"grpc-go/1.85.0\" "
          "\"id\" "
          "\"127.0.0.1:19174\" \"127.0.0.1:60969\"",
          "haproxy[1]: 1.2.3.4:5 [x] f b/s 0/0/0/0/0 200 91 - - ---- 1/1/0/0/0 0/0 \"POST / "
          "HTTP/2.0\"",
          "retrying in 14 s", "protocol error handling improved", ""}) {
        EXPECT_THAT(ids(text), IsEmpty()) << text;
    }
}

TEST(Explain, says_of_a_refused_connection_no_more_than_that) {
    EXPECT_THAT(ids("dial tcp 10.0.0.1:50051: connect: connection refused"),
                ElementsAre("go_refused"));
    EXPECT_EQ(first_cause("dial tcp 10.0.0.1:50051: connect: connection refused"), Cause::refused);
}

// ---- Telltale's own words

TEST(Explain, knows_a_record_of_telltale) {
    const auto findings = explain(
        R"({"ts":"2026-11-22T22:01:37.396Z","level":"warning","event":"incident","id":"7","cause":"metrics_port","confidence":"certain"})");
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings[0].id, "telltale_incident");
    EXPECT_EQ(findings[0].causes[0].cause, Cause::metrics_port);
}

// ---- hostile input

TEST(Explain, puts_only_harmless_letters_into_a_command) {
    EXPECT_EQ(dialled_address("dial tcp $(reboot):80: connect: connection refused"), "");
    EXPECT_EQ(dialled_address("ipv4:1.2.3.4:80;reboot: Trying"), "1.2.3.4:80");
    EXPECT_EQ(dialled_address("dial tcp --help:80: x"), "");
    EXPECT_EQ(dialled_address("dial tcp 1.2.3.4:99999: x"), "");
    EXPECT_EQ(dialled_address("read tcp 10.0.0.1:5->10.0.0.2:6: read"), "10.0.0.2:6");
    EXPECT_EQ(dialled_address("connect to group-rpc-service port 10260 after 0 ms"),
              "group-rpc-service:10260");
    EXPECT_EQ(dialled_address("at 10:30:11 nothing was dialled"), "");
}

TEST(Explain, escapes_what_it_quotes) {
    const std::string shown =
        told(std::string("Failed parsing HTTP/2 \x07\x1b]0;x\x07 \xff <b>") + '\0');
    EXPECT_THAT(shown, HasSubstr("\\xff"));
    EXPECT_TRUE(std::all_of(shown.begin(), shown.end(), [](char c) {
        return c == '\n' || (c >= ' ' && c != '\x7f') || c < 0;
    })) << shown;
}

}  // namespace
}  // namespace telltale::sniff::explain::test
