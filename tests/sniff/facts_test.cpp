#include "sniff/facts.h"

#include "tests/sniff/example_evidence.h"

#include <gtest/gtest.h>
#include <initializer_list>

namespace telltale::sniff::test {
namespace {

FactSet of(const Evidence& e) {
    return find_facts(e, fingerprint(e.upstream));
}

TEST(FactSet, holds_every_fact_in_its_own_bit) {
    for (size_t i = 0; i < fact_count; ++i) {
        const FactSet one{static_cast<Fact>(i)};
        for (size_t j = 0; j < fact_count; ++j) EXPECT_EQ(one.has(static_cast<Fact>(j)), i == j);
    }
}

TEST(FactSet, includes_and_meets_across_both_words) {
    const FactSet both{Fact::client_silent, Fact::upstream_broken};
    EXPECT_TRUE(both.includes({Fact::upstream_broken}));
    EXPECT_FALSE(FactSet{Fact::client_silent}.includes(both));
    EXPECT_TRUE(both.meets({Fact::upstream_broken, Fact::loop}));
    EXPECT_FALSE(both.meets({Fact::loop}));
    EXPECT_TRUE(both.includes({}));
}

TEST(Facts, silence_that_somebody_ended_means_something_from_one_second_on) {
    Evidence e = connected();
    e.upstream = side(Protocol::silent);
    end(e, Side::client, EndKind::eof);
    e.silent_for = 999;
    EXPECT_FALSE(of(e).has(Fact::silence_long));
    e.silent_for = 1000;
    EXPECT_TRUE(of(e).has(Fact::silence_long));
}

TEST(Facts, silence_of_an_open_connection_has_used_up_the_configured_patience) {
    Evidence e = connected();
    e.upstream = side(Protocol::silent);
    EXPECT_FALSE(of(e).has(Fact::silence_long));
    e.silent_for = 200;
    EXPECT_TRUE(of(e).has(Fact::silence_long));
}

TEST(Facts, tls_ports_are_443_and_what_ends_in_443) {
    for (const uint16_t port : std::initializer_list<uint16_t>{443, 4443, 6443, 8443, 10443})
        EXPECT_TRUE(is_tls_port(port)) << port;
    for (const uint16_t port : std::initializer_list<uint16_t>{80, 444, 4430, 8080, 10260, 0})
        EXPECT_FALSE(is_tls_port(port)) << port;
}

TEST(Facts, grpc_content_type_is_not_grpc_web) {
    for (const char* type :
         {"application/grpc", "application/grpc+proto", "Application/GRPC; charset=x"}) {
        EXPECT_TRUE(is_grpc_content_type(type)) << type;
    }
    for (const char* type : {"application/grpc-web", "application/grpc-web+proto",
                             "application/grpcx", "text/html", ""}) {
        EXPECT_FALSE(is_grpc_content_type(type)) << type;
    }
}

TEST(Facts, health_paths_count_with_query_and_sub_path_only) {
    const auto probe = [](std::string_view target) {
        Evidence e = connected();
        e.client = http1_client("GET", target);
        return of(e).has(Fact::request_probe_path);
    };
    EXPECT_TRUE(probe("/healthz"));
    EXPECT_TRUE(probe("/healthz?verbose"));
    EXPECT_TRUE(probe("/health/ready"));
    EXPECT_FALSE(probe("/healthy-food"));
    EXPECT_FALSE(probe("/api/health"));
}

TEST(Facts, an_option_httpchk_of_haproxy_is_a_probe) {
    Evidence e = connected();
    e.client = http1_client("OPTIONS", "/");
    e.client.http1_request->version = "HTTP/1.0";
    EXPECT_TRUE(of(e).has(Fact::request_probe_path));
    e.client.http1_request->user_agent = "curl/8.0";
    EXPECT_FALSE(of(e).has(Fact::request_probe_path));
}

TEST(Facts, an_upstream_that_closed_after_the_client_did_not_hang_up) {
    Evidence e = connected();
    e.upstream = side(Protocol::closed);
    EXPECT_TRUE(of(e).has(Fact::upstream_closed));
    end(e, Side::client, EndKind::eof);
    EXPECT_FALSE(of(e).has(Fact::upstream_closed));
    EXPECT_TRUE(of(e).has(Fact::upstream_mute));
}

TEST(Facts, tls_1_3_hides_the_chosen_protocol) {
    Evidence e = connected();
    e.client = tls_client({"h2"});
    e.upstream = side(Protocol::tls);
    e.upstream.tls_hello = TlsHello{
        .sni = {}, .alpn = {}, .versions = {0x0304}, .complete = true, .hello_retry = false};
    EXPECT_FALSE(of(e).has(Fact::tls_lost_h2));
    e.upstream.tls_hello->versions = {0x0303};
    EXPECT_TRUE(of(e).has(Fact::tls_lost_h2));
    e.upstream.tls_hello->alpn = {"h2"};
    EXPECT_FALSE(of(e).has(Fact::tls_lost_h2));
}

TEST(Facts, a_client_that_can_do_http1_over_tls_lost_nothing_unless_grpc_is_declared) {
    Evidence e = connected();
    e.client = tls_client({"h2", "http/1.1"});
    e.upstream = side(Protocol::tls);
    e.upstream.tls_hello = TlsHello{.sni = {},
                                    .alpn = {"http/1.1"},
                                    .versions = {0x0303},
                                    .complete = true,
                                    .hello_retry = false};
    EXPECT_FALSE(of(e).has(Fact::tls_lost_h2));
    e.expect = Expect::grpc;
    EXPECT_TRUE(of(e).has(Fact::tls_lost_h2));
}

TEST(Facts, a_page_about_tls_with_status_200_does_not_say_that_tls_is_required) {
    Evidence e = connected();
    e.client = http1_client("GET", "/");
    e.upstream =
        http1_answer("HTTP/1.1 200 OK\r\n\r\nClient sent an HTTP request to an HTTPS server.");
    EXPECT_FALSE(of(e).has(Fact::says_tls_required));
    e.upstream = http1_answer(
        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
    EXPECT_TRUE(of(e).has(Fact::says_tls_required));
}

TEST(Facts, wire_evidence_counts_although_nobody_noted_the_connect) {
    Evidence e = connected();
    e.outcome = Outcome::connecting;
    e.connected_at.reset();
    e.upstream = side(Protocol::http2);
    EXPECT_FALSE(of(e).has(Fact::not_connected));
}

}  // namespace
}  // namespace telltale::sniff::test
