#include "sniff/conversation.h"

#include <gtest/gtest.h>

#include "sniff/http2.h"
#include "tests/sniff/conversation_script.h"
#include "tests/sniff/corpus.h"

namespace telltale::sniff::test {

namespace {

constexpr Side cl = Side::client;
constexpr Side up = Side::upstream;
constexpr StreamEnd fin = StreamEnd::fin;
constexpr StreamEnd rst = StreamEnd::reset;

void expect_state(Player& player, Verdict verdict, bool decided, bool ready) {
    EXPECT_EQ(name(player->verdict()), name(verdict));
    EXPECT_EQ(player->decided(), decided);
    EXPECT_EQ(player->ready_for_diagnosis(), ready);
}

void expect_healthy(Player& player) {
    expect_state(player, Verdict::match, true, false);
}
void expect_incident(Player& player) {
    expect_state(player, Verdict::mismatch, true, true);
}
void expect_open(Player& player) {
    expect_state(player, Verdict::undecided, false, false);
}
void expect_no_answer(Player& player) {
    expect_state(player, Verdict::undecided, true, true);
}

std::string get(std::string_view more = {}) {
    return "GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + std::string(more) + "\r\n";
}

std::string http2_error_headers() {
    return headers_frame({{":status", "503"}, {"content-type", "text/html"}});
}

}  // namespace

// ---- HTTP/2 on both sides

TEST(ConversationHttp2, matches_at_the_first_grpc_answer) {
    Player player(Expect::grpc);
    player.play({connected(), client(client_start() + grpc_request()), upstream(settings_frame())});
    expect_open(player);
    player.play(upstream(settings_ack_frame() + grpc_answer(), 7));
    expect_healthy(player);
    EXPECT_EQ(player->verdict_at(), 7);
    EXPECT_EQ(player->deadline(), std::nullopt);
}

TEST(ConversationHttp2, matches_when_the_settle_time_brings_no_answer) {
    Player player(Expect::grpc);
    player.play({connected(), client(client_start()), upstream(settings_frame(), 3)});
    EXPECT_EQ(player->deadline(), 1003);
    player.play(passes(999));
    expect_open(player);
    player.play(passes(1));
    expect_healthy(player);
    EXPECT_EQ(player->deadline(), std::nullopt);
}

TEST(ConversationHttp2, matches_when_it_is_closed_before_any_answer) {
    Player player(Expect::grpc);
    player.play({connected(), client(client_start()), upstream(settings_frame()), closed()});
    expect_healthy(player);
}

TEST(ConversationHttp2, is_a_mismatch_when_a_grpc_call_gets_an_error_page) {
    for (const std::string_view capture :
         {"haproxy_http2_dead_backend_503_headers", "nginx_http2_404_headers",
          "nginx_grpc_pass_to_http1_502_headers", "go_http2_404_headers",
          "node_http2_404_headers"}) {
        Player player(Expect::any);
        player.play({connected(), client(client_start() + grpc_request()),
                     upstream(upstream_bytes(capture))});
        SCOPED_TRACE(capture);
        expect_incident(player);
        const Evidence evidence = player.evidence();
        ASSERT_TRUE(evidence.upstream.first_headers);
        EXPECT_FALSE(evidence.upstream.first_headers->content_type.starts_with("application/grpc"));
        EXPECT_EQ(evidence.client.first_headers.value().path, "/demo.Echo/Say");
        EXPECT_FALSE(evidence.upstream.first_bytes.empty());
    }
}

// A Telltale further in has found the fault already.
TEST(ConversationHttp2, reports_an_answer_that_another_telltale_gave_and_stays_a_match) {
    const Fields trailers_only = {{":status", "200"},
                                  {"content-type", "application/grpc"},
                                  {"grpc-status", "14"},
                                  {"x-telltale-cause", "metrics_port"},
                                  {"x-telltale-hop", "upstream;name=\"a\""}};
    Player player(Expect::grpc);
    player.play({connected(), client(client_start() + grpc_request()),
                 upstream(settings_frame() + headers_frame(trailers_only))});
    expect_state(player, Verdict::match, true, true);
    const Evidence evidence = player.evidence();
    ASSERT_TRUE(evidence.upstream.first_headers);
    EXPECT_EQ(evidence.upstream.first_headers->telltale_cause, "metrics_port");
    EXPECT_EQ(evidence.upstream.first_headers->telltale_hop, "upstream;name=\"a\"");

    // The answer to a request that is no gRPC, where gRPC is expected, is not blamed either.
    Player text(Expect::grpc);
    text.play({connected(), client(client_start() + grpc_request()),
               upstream(settings_frame() + headers_frame({{":status", "502"},
                                                          {"content-type", "text/plain"},
                                                          {"x-telltale-cause", "refused"}}))});
    expect_state(text, Verdict::match, true, true);

    Player unknown(Expect::grpc);
    unknown.play({connected(), client(client_start() + grpc_request()),
                  upstream(settings_frame() + headers_frame({{":status", "200"},
                                                             {"content-type", "application/grpc"},
                                                             {"x-telltale-cause", "magic"}}))});
    expect_healthy(unknown);
}

TEST(ConversationHttp2, reports_an_error_page_that_comes_after_the_verdict) {
    Player player(Expect::grpc);
    player.play({connected(), client(client_start() + grpc_request()), upstream(settings_frame())});
    player.play({passes(1000), upstream(http2_error_headers(), 2000)});
    expect_state(player, Verdict::match, true, true);
    EXPECT_EQ(player->verdict_at(), 1000);
    EXPECT_EQ(player.evidence().upstream.first_headers.value().status, 503);
}

TEST(ConversationHttp2, is_fine_with_any_answer_when_nobody_asked_for_grpc) {
    const std::string request = headers_frame({{":method", "GET"}, {":path", "/"}});
    Player player(Expect::any);
    player.play({connected(), client(client_start() + request),
                 upstream(settings_frame() + http2_error_headers())});
    expect_healthy(player);
}

TEST(ConversationHttp2, judges_every_client_as_grpc_where_grpc_is_expected) {
    const std::string request = headers_frame({{":method", "GET"}, {":path", "/"}});
    Player player(Expect::grpc);
    player.play({connected(), client(client_start() + request),
                 upstream(settings_frame() + http2_error_headers())});
    expect_incident(player);
}

TEST(ConversationHttp2, takes_trailers_without_a_message_for_grpc) {
    for (const std::string_view capture :
         {"grpc_core_unimplemented_trailers", "grpc_go_unimplemented_trailers",
          "grpc_core_unary_answer"}) {
        Player player(Expect::grpc);
        player.play({connected(), client(client_start() + grpc_request()),
                     upstream(upstream_bytes(capture))});
        SCOPED_TRACE(capture);
        expect_healthy(player);
    }
}

TEST(ConversationHttp2, does_not_judge_a_server_by_an_interim_answer) {
    Player player(Expect::grpc);
    player.play({connected(), client(client_start() + grpc_request()),
                 upstream(settings_frame() + headers_frame({{":status", "103"}}))});
    expect_open(player);
    player.play(upstream(grpc_answer()));
    expect_healthy(player);
}

TEST(ConversationHttp2, knows_real_first_frames) {
    for (const std::string_view capture :
         {"grpc_core_settings", "grpc_go_settings", "nginx_http2_settings",
          "haproxy_http2_settings", "node_http2_settings", "lighttpd_http2_settings",
          "apache_http2_settings", "nghttpd_settings"}) {
        Player player(Expect::grpc);
        player.play({connected(), client(client_bytes("grpc_core_first_flight")),
                     upstream(upstream_bytes(capture))});
        SCOPED_TRACE(capture);
        EXPECT_EQ(player->protocol(up), Protocol::http2);
        player.play(passes(1000));
        expect_healthy(player);
    }
}

TEST(ConversationHttp2, does_not_mind_a_graceful_goaway) {
    Player player(Expect::grpc);
    player.play({connected(), client(client_start() + grpc_request()),
                 upstream(settings_frame() + goaway_frame(0, "max_age"))});
    expect_open(player);
    player.play({upstream(grpc_answer()), upstream(goaway_frame(0, {}))});
    expect_healthy(player);
}

TEST(ConversationHttp2, reports_a_goaway_that_demands_http1) {
    Player player(Expect::grpc);
    player.play({connected(), client(client_start() + grpc_request()),
                 upstream(settings_frame() + goaway_frame(0xd, "use HTTP/1.1"))});
    expect_state(player, Verdict::match, true, true);
    EXPECT_EQ(player.evidence().upstream.goaway.value().error_code, 0xdU);
    EXPECT_EQ(player.evidence().upstream.goaway.value().debug, "use HTTP/1.1");
}

TEST(ConversationHttp2, keeps_a_late_goaway_as_evidence_only) {
    Player player(Expect::grpc);
    player.play({connected(), client(client_start() + grpc_request()),
                 upstream(settings_frame() + grpc_answer() + frame(0, 0, 1, "data")),
                 upstream(goaway_frame(11, "too_many_pings"))});
    expect_healthy(player);
    EXPECT_EQ(player.evidence().upstream.goaway.value().debug, "too_many_pings");
    EXPECT_EQ(player.evidence().upstream.settings.size(), 1U);
}

TEST(ConversationHttp2, pairs_a_peer_that_begins_out_of_order) {
    Player ack(Expect::grpc);
    ack.play(
        {connected(), client(client_start() + grpc_request()), upstream(settings_ack_frame())});
    EXPECT_EQ(ack->protocol(up), Protocol::http2_goaway);
    expect_healthy(ack);
    ack.play(upstream(settings_frame() + grpc_answer()));
    expect_healthy(ack);

    Player drained(Expect::grpc);
    drained.play({connected(), client(client_start()), upstream(goaway_frame(0, {}))});
    expect_healthy(drained);

    Player refused(Expect::grpc);
    refused.play({connected(), client(client_start()), upstream(goaway_frame(1, "bad"))});
    expect_state(refused, Verdict::match, true, true);
}

TEST(ConversationHttp2, waits_for_the_client_when_the_server_speaks_first) {
    Player healthy(Expect::grpc);
    healthy.play({connected(), upstream(upstream_bytes("grpc_core_speaks_first"))});
    expect_open(healthy);
    EXPECT_EQ(healthy->deadline(), std::nullopt);
    healthy.play({client(client_start() + grpc_request()), upstream(grpc_answer())});
    expect_healthy(healthy);

    for (const std::string_view capture :
         {"openssl_client_hello", "prometheus_scrape", "curl_get"}) {
        Player wrong(Expect::any);
        wrong.play({connected(), upstream(upstream_bytes("grpc_core_speaks_first"))});
        wrong.play(client(client_bytes(capture)));
        SCOPED_TRACE(capture);
        expect_incident(wrong);
    }
}

TEST(ConversationHttp2, lets_a_client_wait_for_settings_with_only_its_preface_sent) {
    Player player(Expect::grpc);
    player.play({connected(), client(std::string(http2_preface)), passes(4000),
                 upstream(settings_frame())});
    player.play({client(settings_frame() + grpc_request()), upstream(grpc_answer())});
    expect_healthy(player);
}

TEST(ConversationHttp2, stays_fine_when_a_frame_claims_sixteen_mebibytes) {
    Player player(Expect::grpc);
    player.play({connected(), client(client_start()), upstream(settings_frame())});
    player.play(
        upstream(std::string("\xff\xff\xff\x01\x04\0\0\0\x01", 9) + std::string(4096, 'x')));
    EXPECT_EQ(player->protocol(up), Protocol::http2);
    EXPECT_FALSE(player->ready_for_diagnosis());
    player.play(closed());
    expect_healthy(player);
}

// ---- an HTTP/2 client that something else answers

TEST(ConversationMismatch, is_told_for_every_text_that_a_wrong_server_answers) {
    for (const std::string_view capture :
         {"apache_plain_400", "go_not_found_handler_404", "go_servemux_400",
          "gunicorn_http20_text_200", "haproxy_plain_400", "lighttpd_http10_505", "nginx_plain_400",
          "node_http_400", "prometheus_400", "prometheus_cpp_http20_text_400",
          "python_http_server_html", "squid_400", "tinyproxy_http10_400", "openssh_banner",
          "mariadb_handshake", "redis_error", "vsftpd_greeting"}) {
        Player player(Expect::any);
        player.play({connected(), client(client_bytes("grpc_go_first_flight")),
                     upstream(upstream_bytes(capture))});
        SCOPED_TRACE(capture);
        EXPECT_EQ(player->verdict(), Verdict::mismatch);
        player.play(end_of(up, rst));
        expect_incident(player);
        EXPECT_FALSE(player.evidence().upstream.first_bytes.empty());
    }
}

TEST(ConversationMismatch, settles_when_head_and_body_are_there) {
    Player player(Expect::grpc);
    player.play({connected(), client(client_start()), upstream("HTTP/1.1 400 Bad Request\r\n")});
    expect_state(player, Verdict::mismatch, true, false);
    player.play(upstream("Content-Length: 4\r\nServer: nginx\r\n\r\nab", 20));
    EXPECT_FALSE(player->ready_for_diagnosis());
    player.play(upstream("cdEXTRA", 1));
    expect_incident(player);
    const Http1Response answer = player.evidence().upstream.http1_response.value();
    EXPECT_EQ(answer.server, "nginx");
    EXPECT_EQ(answer.body, "abcd");
    EXPECT_EQ(player->verdict_at(), 0);
}

TEST(ConversationMismatch, settles_when_the_time_is_up) {
    Player player(Expect::grpc);
    player.play(
        {connected(), client(client_start()), upstream("HTTP/1.1 400 Bad Request\r\nSer", 10)});
    EXPECT_EQ(player->deadline(), 110);
    player.play(passes(99));
    EXPECT_FALSE(player->ready_for_diagnosis());
    player.play(passes(1));
    expect_incident(player);
    EXPECT_EQ(player->deadline(), std::nullopt);
    EXPECT_EQ(player.evidence().upstream.http1_response.value().status, 400);
}

TEST(ConversationMismatch, settles_at_once_when_the_answer_ends) {
    for (const StreamEnd how : {fin, rst}) {
        Player player(Expect::grpc);
        player.play({connected(), client(client_start()), upstream("HTTP/1.0 505 No\r\n\r\nbye"),
                     end_of(up, how)});
        expect_incident(player);
        EXPECT_EQ(player.evidence().upstream.http1_response.value().body, "bye");
    }
}

TEST(ConversationMismatch, never_takes_text_about_http2_for_http2) {
    Player player(Expect::grpc);
    player.play({connected(), client(client_start()), upstream("HTTP/2.0 400 Bad Request\r\n\r\n"),
                 end_of(up, fin)});
    expect_incident(player);
    EXPECT_EQ(player->protocol(up), Protocol::http1);
    EXPECT_EQ(player.evidence().upstream.http1_response.value().version, "HTTP/2.0");
}

TEST(ConversationMismatch, waits_until_a_dribbling_answer_tells_what_it_is) {
    Player player(Expect::grpc);
    player.play({connected(), client(client_start())});
    for (const char c : std::string_view("HTTP/1.1 40")) {
        player.play(upstream(std::string(1, c)));
        expect_open(player);
    }
    player.play(upstream("0"));
    EXPECT_EQ(player->verdict(), Verdict::mismatch);
}

TEST(ConversationMismatch, does_not_take_an_interim_answer_for_the_answer) {
    Player player(Expect::grpc);
    player.play({connected(), client(client_start()), upstream("HTTP/1.1 100 Continue\r\n\r\n")});
    EXPECT_FALSE(player->ready_for_diagnosis());
    player.play(upstream("HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n"));
    expect_incident(player);
    EXPECT_EQ(player.evidence().upstream.http1_response.value().status, 502);
}

TEST(ConversationMismatch, reads_the_alert_of_a_tls_port) {
    Player player(Expect::grpc);
    player.play({connected(), client(client_start()),
                 upstream(std::string("\x15\x03\x01\0\x02\x02\x16", 7))});
    expect_incident(player);
    EXPECT_EQ(player->protocol(up), Protocol::tls_alert);
    EXPECT_EQ(player.evidence().upstream.tls_alert.value().description, 22);
}

TEST(ConversationMismatch, is_judged_for_the_client_too_where_the_same_port_speaks_both) {
    Player http2_client(Expect::any);
    http2_client.play(
        {connected(), client(client_start()), upstream(settings_frame() + grpc_answer())});
    expect_healthy(http2_client);
    Player http1_client(Expect::any);
    http1_client.play({connected(), client(get()), upstream(upstream_bytes("nginx_get_200"))});
    expect_healthy(http1_client);
}

// ---- no answer

TEST(ConversationSilence, is_an_end_before_any_byte) {
    for (const auto& [how, protocol] :
         {std::pair(fin, Protocol::closed), std::pair(rst, Protocol::reset)}) {
        for (const std::string_view capture :
             {"grpc_go_first_flight", "openssl_client_hello", "curl_get"}) {
            Player player(Expect::any);
            player.play({connected(), client(client_bytes(capture)), end_of(up, how, 4)});
            SCOPED_TRACE(capture);
            expect_no_answer(player);
            EXPECT_EQ(player->protocol(up), protocol);
            EXPECT_EQ(player.evidence().silent_for, std::nullopt);
        }
    }
}

TEST(ConversationSilence, is_judged_when_the_client_speaks_after_the_upstream_left) {
    Player player(Expect::any);
    player.play({connected(), end_of(up, fin)});
    expect_open(player);
    player.play(client(client_start()));
    expect_no_answer(player);
    EXPECT_EQ(player->protocol(up), Protocol::closed);
}

TEST(ConversationSilence, is_no_fault_when_the_client_left_first) {
    Player player(Expect::any);
    player.play({connected(), client(client_start()), end_of(cl, fin, 2), end_of(up, fin, 1)});
    expect_open(player);
    player.play(closed());
    expect_state(player, Verdict::undecided, true, false);
}

TEST(ConversationSilence, is_told_after_its_time) {
    Player player(Expect::any);
    player.play({client(client_start()), passes(20)});
    EXPECT_EQ(player->deadline(), std::nullopt);  // not connected yet
    player.play(connected());
    EXPECT_EQ(player->deadline(), 5020);
    player.play(passes(4999));
    expect_open(player);
    player.play(passes(1));
    expect_no_answer(player);
    EXPECT_EQ(player->protocol(up), Protocol::silent);
    EXPECT_EQ(player.evidence().silent_for, 5000);
    player.play(upstream(settings_frame() + grpc_answer(), 60'000));
    expect_no_answer(player);
    EXPECT_EQ(player->protocol(up), Protocol::silent);
    EXPECT_EQ(player.evidence().upstream.bytes, (settings_frame() + grpc_answer()).size());
}

TEST(ConversationSilence, is_not_counted_before_the_whole_preface_was_sent) {
    Player player(Expect::any);
    player.play({connected(), client(std::string(http2_preface.substr(0, 23))), passes(60'000)});
    expect_open(player);
    EXPECT_EQ(player->deadline(), std::nullopt);
    player.play(client(std::string(http2_preface.substr(23))));
    EXPECT_EQ(player->deadline(), 65'000);
}

TEST(ConversationSilence, is_not_counted_while_a_client_hello_is_cut) {
    const std::string hello = client_bytes("go_client_hello");
    Player player(Expect::any);
    player.play({connected(), client(hello.substr(0, 1000)), passes(60'000)});
    expect_open(player);
    player.play({client(hello.substr(1000)), passes(5000)});
    expect_no_answer(player);
    EXPECT_TRUE(player.evidence().client.tls_hello.value().complete);
}

TEST(ConversationSilence, is_told_when_the_client_gives_up_first) {
    Player player(Expect::any);
    player.play({connected(), client(client_start()), end_of(cl, rst, 800), closed()});
    expect_no_answer(player);
    EXPECT_EQ(player->protocol(up), Protocol::silent);
    EXPECT_EQ(player.evidence().silent_for, 800);
}

TEST(ConversationSilence, lets_an_http1_server_think) {
    Player slow(Expect::any);
    slow.play({connected(), client(get()), passes(60'000)});
    expect_open(slow);
    slow.play(upstream(upstream_bytes("nginx_get_200")));
    expect_healthy(slow);

    Player wrong(Expect::grpc);
    wrong.play({connected(), client(get()), passes(5000)});
    expect_no_answer(wrong);
}

TEST(ConversationSilence, of_a_client_is_no_incident) {
    for (const Expect expect : {Expect::any, Expect::grpc, Expect::http}) {
        Player check(expect);
        check.play({connected(), passes(60'000), end_of(cl, fin), end_of(up, fin), closed()});
        expect_state(check, Verdict::undecided, true, false);
        EXPECT_EQ(check->protocol(cl), Protocol::silent);

        Player late(expect);
        late.play({connected(), upstream("HTTP/1.1 408 Request Time-out\r\n\r\n", 4000),
                   end_of(up, fin), closed()});
        expect_state(late, Verdict::undecided, true, false);
        EXPECT_EQ(late->protocol(up), Protocol::http1);
    }
}

TEST(ConversationSilence, is_none_where_there_was_no_connection) {
    Player player(Expect::grpc);
    player.play({client(client_start()), closed(3000)});
    expect_state(player, Verdict::undecided, true, false);
    EXPECT_EQ(player->protocol(up), Protocol::none);
    EXPECT_EQ(player->protocol(cl), Protocol::http2);
}

TEST(ConversationSilence, of_an_unknown_client_is_an_incident_only_where_grpc_is_expected) {
    Player any(Expect::any);
    any.play({connected(), client("\x01\x02\x03 hello"), end_of(up, rst)});
    expect_state(any, Verdict::undecided, true, false);
    Player grpc(Expect::grpc);
    grpc.play({connected(), client("\x01\x02\x03 hello"), end_of(up, rst), passes(100)});
    expect_no_answer(grpc);
}

// ---- HTTP/1 clients

TEST(ConversationHttp1, matches_http1_where_anything_may_speak) {
    for (const std::string_view capture :
         {"curl_get", "prometheus_scrape", "nginx_proxied_get", "curl_grpc_web_post"}) {
        for (const Expect expect : {Expect::any, Expect::http}) {
            Player player(expect);
            player.play({connected(), client(client_bytes(capture)),
                         upstream(upstream_bytes("nginx_get_200"))});
            SCOPED_TRACE(capture);
            expect_healthy(player);
        }
    }
}

namespace {

constexpr std::string_view told_answer =
    "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 9\r\nX-Telltale-Cause: refused\r\n"
    "x-telltale-hop: upstream\r\n\r\nNothing.\n";

TEST(Conversation, tells_how_the_upstream_ended_after_its_answer) {
    for (const auto& [how, end] : {std::pair{fin, EndKind::eof}, std::pair{rst, EndKind::reset}}) {
        Player player(Expect::grpc);
        player.play({connected(), client(client_start()),
                     upstream("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")});
        EXPECT_EQ(player.evidence().upstream.end, EndKind::none);
        player.play(end_of(Side::upstream, how));
        EXPECT_EQ(player.evidence().upstream.end, end);
    }
}

}  // namespace

TEST(ConversationHttp1, reports_an_answer_that_another_telltale_gave_and_stays_a_match) {
    Player player(Expect::any);
    player.play({connected(), client(get()), upstream(std::string(told_answer))});
    expect_state(player, Verdict::match, true, true);
    const Evidence evidence = player.evidence();
    ASSERT_TRUE(evidence.upstream.http1_response);
    EXPECT_EQ(evidence.upstream.http1_response->telltale_cause, "refused");
    EXPECT_EQ(evidence.upstream.http1_response->telltale_hop, "upstream");
    EXPECT_EQ(evidence.upstream.http1_response->body, "Nothing.\n");
    EXPECT_EQ(evidence.client.http1_request->target, "/healthz");
    EXPECT_EQ(player->deadline(), std::nullopt);
}

TEST(ConversationHttp1, reports_such_an_answer_to_grpc_web_too) {
    Player player(Expect::grpc);
    player.play({connected(), client(get("Content-Type: application/grpc-web\r\n")),
                 upstream(std::string(told_answer))});
    expect_state(player, Verdict::match, true, true);
}

TEST(ConversationHttp1, passes_over_interim_answers_before_such_an_answer) {
    Player player(Expect::any);
    player.play({connected(), client(get()), upstream("HTTP/1.1 100 Continue\r\n\r\n")});
    expect_healthy(player);
    player.play(upstream(std::string(told_answer)));
    expect_state(player, Verdict::match, true, true);
}

TEST(ConversationHttp1,
     is_a_match_before_the_head_is_whole_and_waits_for_it_no_longer_than_to_settle) {
    Player player(Expect::any);
    player.play({connected(), client(get()), upstream("HTTP/1.1 200 OK\r\n")});
    expect_healthy(player);
    EXPECT_EQ(player->verdict_at(), 0);
    EXPECT_EQ(player->deadline(), 100);
    player.play(passes(100));
    EXPECT_EQ(player->deadline(), std::nullopt);
    player.play(upstream("X-Telltale-Cause: refused\r\n\r\n"));
    expect_healthy(player);

    Player ended(Expect::any);
    ended.play({connected(), client(get()), upstream("HTTP/1.1 200 OK\r\n"), end_of(up, fin)});
    expect_healthy(ended);
    EXPECT_EQ(ended->deadline(), std::nullopt);

    Player closed_early(Expect::any);
    closed_early.play({connected(), client(get()), upstream("HTTP/1.1 200 OK\r\n"), closed()});
    expect_healthy(closed_early);
    EXPECT_EQ(closed_early->deadline(), std::nullopt);
}

TEST(ConversationHttp1, is_a_mismatch_where_grpc_is_expected) {
    Player player(Expect::grpc);
    player.play({connected(), client(client_bytes("prometheus_scrape")),
                 upstream(upstream_bytes("prometheus_metrics_200"))});
    EXPECT_EQ(player->verdict(), Verdict::mismatch);
    player.play(passes(100));
    expect_incident(player);
    EXPECT_TRUE(
        player.evidence().client.http1_request.value().user_agent.starts_with("Prometheus"));
}

TEST(ConversationHttp1, matches_grpc_web_where_grpc_is_expected_if_the_answer_is_grpc_web_too) {
    const std::string request = client_bytes("curl_grpc_web_post");
    Player web(Expect::grpc);
    web.play({connected(), client(request),
              upstream("HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web+proto\r\n"
                       "Content-Length: 0\r\n\r\n")});
    expect_healthy(web);
    Player html(Expect::grpc);
    html.play({connected(), client(request),
               upstream("HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n"
                        "Content-Length: 0\r\n\r\n"),
               passes(100)});
    expect_incident(html);
}

TEST(ConversationHttp1, is_a_mismatch_when_it_carries_grpc_itself) {
    const auto post = [](std::string_view type) {
        return "POST /demo.Echo/Say HTTP/1.1\r\nContent-Type: " + std::string(type) +
               "\r\nContent-Length: 0\r\n\r\n";
    };
    const std::string answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    for (const std::string_view type :
         {"application/grpc", "application/grpc+proto", "Application/gRPC"}) {
        Player player(Expect::any);
        player.play({connected(), client(post(type)), upstream(answer)});
        SCOPED_TRACE(type);
        expect_incident(player);
    }
    for (const std::string_view type : {"application/grpc-web", "application/grpc-web+proto",
                                        "application/grpc-web-text", "application/connect+proto"}) {
        Player player(Expect::any);
        player.play({connected(), client(post(type)), upstream(answer)});
        SCOPED_TRACE(type);
        expect_healthy(player);
    }
}

TEST(ConversationHttp1, is_a_mismatch_on_an_http2_port) {
    for (const std::string_view capture : {"grpc_core_settings", "node_http2_goaway_to_http1",
                                           "nginx_proxy_pass_relays_settings_and_goaway"}) {
        Player player(Expect::any);
        player.play(
            {connected(), client(client_bytes("curl_get")), upstream(upstream_bytes(capture))});
        SCOPED_TRACE(capture);
        expect_incident(player);
        EXPECT_EQ(player.evidence().client.http1_request.value().method, "GET");
        EXPECT_TRUE(player.evidence().client.http1_request.value().head_complete);
    }
}

TEST(ConversationHttp1, settles_on_an_http2_port_until_the_request_is_whole) {
    Player player(Expect::any);
    player.play(
        {connected(), upstream(settings_frame()), client("GET /metrics HTTP/1.1\r\nUser-")});
    expect_state(player, Verdict::mismatch, true, false);
    player.play(client("Agent: Prometheus/2.42.0\r\n\r\n"));
    expect_incident(player);
    EXPECT_EQ(player.evidence().client.http1_request.value().user_agent, "Prometheus/2.42.0");
}

TEST(ConversationHttp1, does_not_wait_forever_for_a_dribbling_request) {
    Player player(Expect::any);
    player.play({connected(), client("GET / HTTP/1.1\r\nHo"),
                 upstream("HTTP/1.1 408 Request Timeout\r\n\r\n", 50)});
    expect_open(player);
    EXPECT_EQ(player->deadline(), 150);
    player.play(passes(100));
    expect_healthy(player);
}

TEST(ConversationHttp1, is_a_mismatch_with_text_protocols_and_tls) {
    for (const std::string_view capture :
         {"openssh_banner", "redis_error", "mariadb_handshake", "vsftpd_greeting",
          "nginx_tls_no_application_protocol_alert"}) {
        Player player(Expect::any);
        player.play(
            {connected(), client(get()), upstream(upstream_bytes(capture)), end_of(up, fin)});
        SCOPED_TRACE(capture);
        expect_incident(player);
    }
}

TEST(ConversationHttp1, of_other_text_protocols_is_left_alone) {
    const std::string describe = "DESCRIBE / RTSP/1.0\r\nCSeq: 1\r\n\r\n";
    Player player(Expect::any);
    player.play(
        {connected(), client(describe), upstream("RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"), closed()});
    expect_state(player, Verdict::undecided, true, false);
}

// ---- layers

TEST(ConversationLayers, skip_a_proxy_header) {
    for (const std::string_view capture :
         {"haproxy_proxy_header_v1_then_http2", "haproxy_proxy_header_v2_then_http2"}) {
        Player player(Expect::any);
        player.play({connected(), client(client_bytes(capture)),
                     upstream(settings_frame() + http2_error_headers())});
        SCOPED_TRACE(capture);
        expect_healthy(player);
        EXPECT_EQ(player->protocol(cl), Protocol::http2);
        EXPECT_EQ(player.evidence().layers, std::vector{Layer::proxy_header});
    }
}

TEST(ConversationLayers, skip_a_proxy_header_before_a_wrong_answer) {
    Player player(Expect::any);
    player.play({connected(), client(client_bytes("haproxy_proxy_header_v1_then_http2")),
                 upstream(upstream_bytes("go_servemux_400"))});
    expect_incident(player);
    EXPECT_TRUE(player.evidence().client.first_bytes.starts_with("PRI * HTTP/2.0"));
}

TEST(ConversationLayers, begin_again_in_a_tunnel) {
    Player player(Expect::any);
    player.play({connected(), client(client_bytes("grpc_core_connect"))});
    player.play(upstream("HTTP/1.1 200 Connection established\r\n\r\n",
                         6000));  // a slow dial is not silence
    expect_open(player);
    player.play(
        {client(client_start() + grpc_request()), upstream(settings_frame() + grpc_answer())});
    expect_healthy(player);
    EXPECT_EQ(player.evidence().layers, std::vector{Layer::connect_tunnel});
    EXPECT_FALSE(player.evidence().connect_target.empty());
}

TEST(ConversationLayers, share_a_segment_with_the_answer_to_connect) {
    Player player(Expect::any);
    player.play({connected(), client(client_bytes("curl_connect")),
                 upstream(upstream_bytes("squid_connect_200_then_settings"))});
    EXPECT_EQ(player->protocol(up), Protocol::http2);
    expect_open(player);
    player.play({client(client_start() + grpc_request()), upstream(grpc_answer())});
    expect_healthy(player);
    EXPECT_EQ(player.evidence().connect_target, "group-rpc-service:10260");
}

TEST(ConversationLayers, read_what_the_client_sent_behind_connect) {
    Player player(Expect::any);
    player.play(
        {connected(), client(client_bytes("curl_connect") + client_start() + grpc_request())});
    EXPECT_FALSE(player->client_in_preface());
    player.play(upstream("HTTP/1.1 200 OK\r\n\r\n" + settings_frame() + http2_error_headers()));
    expect_incident(player);
}

TEST(ConversationLayers, show_a_wrong_server_behind_a_tunnel) {
    Player player(Expect::any);
    player.play({connected(), client(client_bytes("curl_connect")),
                 upstream("HTTP/1.1 200 OK\r\n\r\n"), client(client_start()),
                 upstream(upstream_bytes("prometheus_400"))});
    expect_incident(player);
    EXPECT_EQ(player.evidence().upstream.http1_response.value().status, 400);
    EXPECT_TRUE(player.evidence().upstream.first_bytes.starts_with("HTTP/1.1 400"));
}

TEST(ConversationLayers, show_a_server_that_leaves_a_tunnel_without_a_word) {
    Player player(Expect::any);
    player.play({connected(), client(client_bytes("curl_connect")),
                 upstream("HTTP/1.1 200 OK\r\n\r\n"), client(client_start()), end_of(up, fin)});
    expect_no_answer(player);
    EXPECT_EQ(player->protocol(up), Protocol::closed);
}

TEST(ConversationLayers, pass_over_interim_answers_to_connect) {
    Player player(Expect::any);
    player.play({connected(), client(client_bytes("curl_connect")),
                 upstream("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n")});
    expect_open(player);
    player.play(upstream("HTTP/1.1 200 OK\r\n\r\n" + settings_frame()));
    EXPECT_EQ(player->protocol(up), Protocol::http2);
}

TEST(ConversationLayers, are_none_where_connect_is_refused) {
    Player player(Expect::any);
    player.play({connected(), client(client_bytes("grpc_core_connect")),
                 upstream(upstream_bytes("squid_connect_refused_503"))});
    EXPECT_EQ(player->verdict(), Verdict::mismatch);
    player.play(end_of(up, fin));
    expect_incident(player);
    EXPECT_TRUE(player.evidence().layers.empty());
    EXPECT_EQ(player.evidence().client.http1_request.value().method, "CONNECT");
    EXPECT_EQ(player.evidence().upstream.http1_response.value().status, 503);
}

TEST(ConversationLayers, begin_again_after_an_upgrade_to_h2c) {
    Player player(Expect::any);
    player.play({connected(), client(client_bytes("curl_upgrade_h2c")),
                 upstream(upstream_bytes("apache_upgrade_101_then_http2"))});
    EXPECT_EQ(player->protocol(up), Protocol::http2);  // before the client's preface
    expect_open(player);
    player.play(client(client_start()));
    expect_healthy(player);
    EXPECT_EQ(player.evidence().layers, std::vector{Layer::upgrade_h2c});
}

TEST(ConversationLayers, skip_the_body_of_a_request_to_upgrade) {
    const std::string post =
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: "
        "h2c\r\nContent-Length: 20000\r\n\r\n";
    const std::string answer =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n" + settings_frame();
    Player player(Expect::any);
    player.play({connected(), client(post + std::string(20'000, 'b')), upstream(answer),
                 client(client_start())});
    EXPECT_EQ(player->protocol(cl), Protocol::http2);
    Player early(Expect::any);
    early.play({connected(), client(post + std::string(50, 'b')), upstream(answer),
                client(std::string(19'950, 'b') + client_start())});
    EXPECT_EQ(early->protocol(cl), Protocol::http2);
}

TEST(ConversationLayers, stay_http1_where_the_upgrade_is_not_taken) {
    Player any(Expect::any);
    any.play({connected(), client(client_bytes("curl_upgrade_h2c")),
              upstream(upstream_bytes("nginx_get_200"))});
    expect_healthy(any);
    EXPECT_TRUE(any.evidence().layers.empty());
    Player grpc(Expect::grpc);
    grpc.play({connected(), client(client_bytes("curl_upgrade_h2c")),
               upstream(upstream_bytes("nginx_get_200")), passes(100)});
    expect_incident(grpc);
}

TEST(ConversationLayers, stop_at_a_websocket) {
    Player player(Expect::any);
    player.play(
        {connected(), client(client_bytes("curl_websocket_upgrade")),
         upstream("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi")});
    expect_healthy(player);
    EXPECT_EQ(player.evidence().layers, std::vector{Layer::upgrade_other});
}

// ---- TLS

TEST(ConversationTls, matches_what_only_the_ends_can_see_into) {
    for (const std::string_view capture :
         {"go_tls13_server_hello", "openssl_tls13_server_hello",
          "openssl_tls12_server_hello_alpn_h2", "nginx_tls12_server_hello_alpn_h2"}) {
        Player player(Expect::grpc);
        player.play({connected(), client(client_bytes("go_client_hello")),
                     upstream(upstream_bytes(capture))});
        SCOPED_TRACE(capture);
        expect_healthy(player);
    }
}

TEST(ConversationTls, does_not_take_a_retry_for_a_failure) {
    Player player(Expect::grpc);
    player.play({connected(), client(client_bytes("openssl_client_hello")),
                 upstream(upstream_bytes("openssl_hello_retry_request"))});
    EXPECT_FALSE(player->ready_for_diagnosis());
    player.play({client(client_bytes("openssl_client_hello")),
                 upstream(upstream_bytes("openssl_tls13_server_hello"))});
    expect_healthy(player);
}

TEST(ConversationTls, is_a_mismatch_when_an_alert_answers) {
    for (const auto& [capture, description] :
         {std::pair("nginx_tls_no_application_protocol_alert", 120),
          std::pair("openssl_protocol_version_alert", 70)}) {
        Player player(Expect::any);
        player.play({connected(), client(client_bytes("go_client_hello")),
                     upstream(upstream_bytes(capture))});
        SCOPED_TRACE(capture);
        expect_incident(player);
        EXPECT_EQ(player.evidence().upstream.tls_alert.value().description, description);
        EXPECT_EQ(player.evidence().client.tls_hello.value().alpn, std::vector<std::string>{"h2"});
    }
}

TEST(ConversationTls, is_a_mismatch_when_the_refusal_follows_a_retry) {
    Player player(Expect::any);
    const std::string retry = upstream_bytes("openssl_hello_retry_request");
    player.play({connected(), client(client_bytes("go_client_hello")), upstream(retry)});
    expect_open(player);
    player.play(upstream(std::string("\x15\x03\x03\0\x02\x02\x78", 7)));
    expect_incident(player);
    EXPECT_EQ(player.evidence().upstream.tls_alert.value().description, 120);
}

TEST(ConversationTls, is_a_mismatch_when_a_tls12_server_ignores_h2) {
    // ServerHello of TLS 1.2: version, random, no session, cipher, no compression, no extensions.
    const std::string body = "\x03\x03" + std::string(32, 'r') + std::string("\0\xc0\x2f\0", 4);
    const std::string message = std::string("\x02\0\0", 3) + static_cast<char>(body.size()) + body;
    const std::string record =
        std::string("\x16\x03\x03\0", 4) + static_cast<char>(message.size()) + message;
    Player only_h2(Expect::any);
    only_h2.play({connected(), client(client_bytes("go_client_hello")), upstream(record)});
    expect_incident(only_h2);

    Player both(Expect::any);  // offers http/1.1 too
    both.play({connected(), client(client_bytes("openssl_client_hello")), upstream(record)});
    EXPECT_FALSE(both->decided());  // an alert may follow
    both.play(upstream(std::string("\x16\x03\x03", 3)));
    expect_healthy(both);
}

TEST(ConversationTls, is_a_mismatch_on_a_plaintext_port) {
    for (const std::string_view capture : {"go_servemux_400_to_client_hello", "grpc_core_settings",
                                           "openssh_banner", "mariadb_handshake"}) {
        Player player(Expect::any);
        player.play({connected(), client(client_bytes("openssl_client_hello")),
                     upstream(upstream_bytes(capture)), end_of(up, fin)});
        SCOPED_TRACE(capture);
        expect_incident(player);
        EXPECT_EQ(player.evidence().client.tls_hello.value().sni, "group-rpc-service");
    }
}

TEST(ConversationTls, stays_a_match_when_the_client_leaves_after_the_handshake) {
    Player player(Expect::grpc);
    player.play({connected(), client(client_bytes("go_client_hello")),
                 upstream(upstream_bytes("openssl_tls13_server_hello")), end_of(cl, rst),
                 closed()});
    expect_healthy(player);
}

// ---- unknown clients

TEST(ConversationOther, is_a_mismatch_only_on_an_http2_port) {
    const std::string noise = "\x7f\x01\x02 noise";
    Player http2(Expect::any);
    http2.play({connected(), client(noise), upstream(settings_frame()), passes(100)});
    expect_incident(http2);
    Player http1(Expect::any);
    http1.play({connected(), client(noise), upstream("HTTP/1.1 400 Bad Request\r\n\r\n")});
    expect_state(http1, Verdict::undecided, true, false);
    Player grpc(Expect::grpc);
    grpc.play({connected(), client(noise),
               upstream("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), end_of(up, fin),
               passes(100)});
    expect_incident(grpc);
    Player ssh(Expect::any);
    ssh.play(
        {connected(), upstream(upstream_bytes("openssh_banner")), client("SSH-2.0-client\r\n")});
    expect_state(ssh, Verdict::undecided, true, false);
}

// ---- the preface

TEST(ConversationPreface, is_held_only_while_it_may_still_be_one) {
    Conversation conversation(Expect::any, {});
    EXPECT_FALSE(conversation.client_in_preface());
    for (size_t i = 0; i < http2_preface.size(); ++i) {
        conversation.on_bytes(cl, as_bytes(http2_preface.substr(i, 1)), 0);
        EXPECT_EQ(conversation.client_in_preface(), i + 1 < http2_preface.size()) << i;
    }
    for (const std::string_view method :
         {"POST", "PUT", "PATCH", "PROPFIND", "PROXY TCP4", "GET"}) {
        Conversation other(Expect::any, {});
        other.on_bytes(cl, as_bytes(method), 0);
        EXPECT_FALSE(other.client_in_preface()) << method;
    }
}

TEST(ConversationPreface, is_held_inside_a_tunnel_and_behind_a_proxy_header) {
    Player tunnel(Expect::any);
    tunnel.play({connected(), client(client_bytes("curl_connect")),
                 upstream("HTTP/1.1 200 OK\r\n\r\n"), client("PRI * HT")});
    EXPECT_TRUE(tunnel->client_in_preface());
    Player header(Expect::any);
    header.play({connected(), client("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nPRI")});
    EXPECT_TRUE(header->client_in_preface());
}

// ---- limits

TEST(ConversationLimits, end_the_sniff_and_nothing_else) {
    const std::string endless = "GET / HTTP/1.1\r\nX: " + std::string(1'000'000, 'x');
    Player player(Expect::any);
    player.play({connected(), client(endless),
                 upstream("HTTP/1.1 200 OK\r\nY: " + std::string(1'000'000, 'y'))});
    EXPECT_EQ(player->protocol(cl), Protocol::http1);
    expect_healthy(player);
    EXPECT_EQ(player.evidence().client.bytes, endless.size());

    Player tunnel(Expect::any);
    tunnel.play({connected(), client(client_bytes("curl_connect")),
                 upstream("HTTP/1.1 200 OK\r\nY: " + std::string(1'000'000, 'y'))});
    expect_state(tunnel, Verdict::undecided, true, false);
}

TEST(ConversationLimits, hold_for_tunnels_in_tunnels) {
    Player player(Expect::any);
    player.play(connected());
    for (int i = 0; i < 20; ++i) {
        player.play({client("CONNECT a:1 HTTP/1.1\r\n\r\n"), upstream("HTTP/1.1 200 OK\r\n\r\n")});
    }
    EXPECT_TRUE(player->decided());
    EXPECT_EQ(player.evidence().layers.size(), 4U);
}

}  // namespace telltale::sniff::test
