#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "proxy/probe/grpc_messages.h"
#include "proxy/probe/grpc_talk.h"
#include "proxy/probe/http_talk.h"
#include "tests/proxy/probe/frames.h"

namespace telltale::proxy::probe {
namespace {

using namespace std::string_view_literals;
using sniff::Protocol;
using testing::HasSubstr;

std::string taken(Talk& talk) {
    std::string out;
    talk.take(out);
    return out;
}

void say(Talk& talk, const std::string& bytes) {
    talk.feed(sniff::as_bytes(bytes));
}

constexpr auto opening = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x02\0\0\0\0"sv;

GrpcTalk talk_with_details() {
    return GrpcTalk({.authority = "a:1", .tls = false, .details = true});
}

TEST(GrpcTalk, sends_preface_and_settings_at_once_and_nothing_else_before_the_answer) {
    GrpcTalk talk({.authority = "a:1"});
    EXPECT_EQ(taken(talk), opening);
    EXPECT_EQ(taken(talk), "");
    EXPECT_EQ(talk.wants(), Talk::Wants::more);
}

TEST(GrpcTalk, proves_grpc_by_the_answer_to_an_unknown_method) {
    GrpcTalk talk({.authority = "a:1"});
    taken(talk);
    say(talk, test::http2_settings());
    EXPECT_THAT(taken(talk), testing::Not(HasSubstr("PRI")));
    say(talk, test::grpc_refusal(1));
    EXPECT_EQ(talk.wants(), Talk::Wants::nothing);
    const auto answer = talk.answer();
    EXPECT_TRUE(answer.grpc.proven());
    EXPECT_EQ(answer.grpc.grpc_status, 12);
    EXPECT_EQ(answer.grpc.grpc_message, "unknown service");
    EXPECT_EQ(answer.said.protocol, Protocol::http2);
    EXPECT_EQ(answer.grpc.health, Health::not_asked);
    EXPECT_THAT(taken(talk), HasSubstr("\0\0\x08\x07"sv)) << "GOAWAY";
}

TEST(GrpcTalk, gives_the_same_answer_for_any_split) {
    const std::string all = test::http2_settings() + test::grpc_refusal(1);
    GrpcTalk talk({.authority = "a:1"});
    for (const char byte : all) {
        say(talk, {&byte, 1});
        taken(talk);
    }
    EXPECT_EQ(talk.answer().grpc.grpc_status, 12);
}

TEST(GrpcTalk, asks_for_health_and_the_services) {
    GrpcTalk talk = talk_with_details();
    say(talk, test::http2_settings());
    taken(talk);
    say(talk, test::grpc_refusal(1));
    taken(talk);
    say(talk, test::grpc_message(3, frame_message("\x08\x01")));
    taken(talk);
    EXPECT_EQ(talk.wants(), Talk::Wants::more);
    say(talk, test::grpc_message(5, frame_message("\x32\x07\x0a\x05\x0a\x03"
                                                  "a.A")));
    EXPECT_EQ(talk.wants(), Talk::Wants::nothing);
    EXPECT_EQ(talk.answer().grpc.health, Health::serving);
    EXPECT_EQ(talk.answer().grpc.reflection, Reflection::listed);
    EXPECT_EQ(talk.answer().grpc.services, std::vector<std::string>{"a.A"});
}

TEST(GrpcTalk, asks_the_older_reflection_where_the_newer_is_not_served) {
    GrpcTalk talk = talk_with_details();
    say(talk, test::http2_settings());
    for (const uint32_t stream : {1U, 3U, 5U}) {
        taken(talk);
        say(talk, test::grpc_refusal(stream));
    }
    EXPECT_EQ(talk.wants(), Talk::Wants::more);
    taken(talk);
    say(talk, test::grpc_refusal(7));
    EXPECT_EQ(talk.wants(), Talk::Wants::nothing);
    EXPECT_EQ(talk.answer().grpc.health, Health::absent);
    EXPECT_EQ(talk.answer().grpc.reflection, Reflection::absent);
}

TEST(GrpcTalk, takes_http_without_grpc_for_no_proof) {
    GrpcTalk talk = talk_with_details();
    say(talk, test::http2_settings());
    taken(talk);
    say(talk, test::http2_headers(1, {{":status", "404"}, {"content-type", "text/html"}}, true));
    EXPECT_EQ(talk.wants(), Talk::Wants::nothing);
    EXPECT_FALSE(talk.answer().grpc.proven());
    EXPECT_EQ(talk.answer().grpc.http_status, 404);
    EXPECT_EQ(talk.answer().grpc.content_type, "text/html");
}

TEST(GrpcTalk, notes_a_stream_that_was_reset) {
    GrpcTalk talk = talk_with_details();
    say(talk, test::http2_settings());
    taken(talk);
    say(talk, test::http2_frame(test::rst_stream_frame, 0, 1, "\0\0\0\x0d"sv));
    EXPECT_TRUE(talk.answer().grpc.reset);
    EXPECT_EQ(talk.answer().grpc.reset_code, 0xdU);
}

TEST(GrpcTalk, stops_at_what_breaks_the_protocol) {
    GrpcTalk talk = talk_with_details();
    say(talk, test::http2_settings() + test::http2_frame(test::data_frame, 0, 0, "x"));
    EXPECT_THAT(taken(talk), HasSubstr("\0\0\0\0\0\0\0\x01"sv)) << "GOAWAY, PROTOCOL_ERROR";
    EXPECT_EQ(talk.wants(), Talk::Wants::nothing);
    EXPECT_FALSE(talk.answer().grpc.proven());
}

TEST(GrpcTalk, refuses_a_header_list_of_a_megabyte) {
    GrpcTalk talk = talk_with_details();
    say(talk, test::http2_settings());
    taken(talk);
    say(talk, test::http2_frame(test::headers_frame, test::end_stream_flag, 1, "\x88"));
    const std::string more(16000, '\x88');
    for (int i = 0; i < 64 && talk.wants() != Talk::Wants::nothing; ++i) {
        say(talk, test::http2_frame(9, 0, 1, more));
    }
    EXPECT_EQ(talk.wants(), Talk::Wants::nothing);
    EXPECT_FALSE(talk.answer().grpc.proven());
}

TEST(GrpcTalk, hears_out_an_answer_of_http1) {
    GrpcTalk talk = talk_with_details();
    say(talk, "HTTP/1.1 400 Bad Request\r\n");
    EXPECT_EQ(talk.wants(), Talk::Wants::a_bit);
    say(talk, "Server: x\r\nContent-Length: 2\r\n\r\nno");
    EXPECT_EQ(talk.wants(), Talk::Wants::nothing);
    EXPECT_EQ(talk.answer().said.http1_response->status, 400);
    EXPECT_EQ(talk.answer().said.http1_response->server, "x");
}

TEST(GrpcTalk, says_how_a_wordless_peer_ended) {
    for (const auto& [how, protocol] : {std::pair{sniff::StreamEnd::fin, Protocol::closed},
                                        std::pair{sniff::StreamEnd::reset, Protocol::reset}}) {
        GrpcTalk talk({.authority = "a:1"});
        talk.end(how);
        EXPECT_EQ(talk.wants(), Talk::Wants::nothing);
        EXPECT_EQ(talk.answer().said.protocol, protocol);
    }
    EXPECT_EQ(GrpcTalk({.authority = "a:1"}).answer().said.protocol, Protocol::silent);
}

TEST(GrpcTalk, knows_a_greeting) {
    GrpcTalk talk({.authority = "a:1"});
    say(talk, "SSH-2.0-OpenSSH_9.2p1 Debian\r\n");
    EXPECT_EQ(talk.wants(), Talk::Wants::nothing);
    EXPECT_EQ(talk.answer().said.protocol, Protocol::ssh);
    EXPECT_THAT(talk.answer().said.greeting, HasSubstr("OpenSSH_9.2p1"));
}

TEST(HttpTalk, gets_and_never_more) {
    HttpTalk talk("10.0.0.1:80", "/metrics");
    const std::string request = taken(talk);
    EXPECT_TRUE(request.starts_with("GET /metrics HTTP/1.1\r\nHost: 10.0.0.1:80\r\n")) << request;
    EXPECT_TRUE(request.ends_with("\r\n\r\n"));
    EXPECT_EQ(taken(talk), "");
}

TEST(HttpTalk, recognises_the_prometheus_text_format) {
    const auto is_metrics = [](const std::string& answer) {
        HttpTalk talk("a:1", "/metrics");
        say(talk, answer);
        talk.end(sniff::StreamEnd::fin);
        return talk.answer().prometheus;
    };
    const std::string ok = "HTTP/1.1 200 OK\r\n";
    EXPECT_TRUE(is_metrics(ok + "Content-Type: text/plain; version=0.0.4\r\n\r\nup 1\n"));
    EXPECT_TRUE(
        is_metrics(ok + "Content-Type: application/openmetrics-text; version=1.0.0\r\n\r\n"));
    EXPECT_TRUE(is_metrics(ok + "Content-Type: text/plain\r\n\r\n# HELP up Up.\n"));
    EXPECT_TRUE(is_metrics(ok + "Content-Type: text/plain\r\n\r\n1f\r\n# TYPE up gauge\n"));
    EXPECT_FALSE(is_metrics(ok + "Content-Type: text/plain\r\n\r\nsee # TYPE here\n"));
    EXPECT_FALSE(is_metrics(ok + "Content-Type: text/html\r\n\r\n# HELP up Up.\n"));
    EXPECT_FALSE(
        is_metrics("HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; version=0.0.4\r\n\r\n"));
}

}  // namespace
}  // namespace telltale::proxy::probe
