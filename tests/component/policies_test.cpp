#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "config/load.h"
#include "tests/proxy/http2_talk.h"
#include "tests/sniff/corpus.h"
#include "tests/support/sidecar.h"
#include "tests/support/sockets.h"

namespace telltale::test {
namespace {

using proxy::test::Fields;
using proxy::test::greeting;
using proxy::test::hear;
using proxy::test::Heard;
using proxy::test::joined;
using proxy::test::Talker;

const std::string settings("\0\0\0\4\0\0\0\0\0", 9);
const std::string not_http2 =
    "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

config::Config with_policy(config::Policy policy, const std::vector<std::string>& upstreams) {
    auto config = config_for(upstreams.at(0));
    config.listeners[0].on_mismatch = policy;
    config.listeners[0].upstream.addresses.clear();
    for (const std::string& upstream : upstreams) {
        config.listeners[0].upstream.addresses.push_back(
            std::get<config::Address>(config::parse_upstream_address(upstream)));
    }
    config.answer.linger = std::chrono::milliseconds(100);
    return config;
}

Heard heard(const Received& received) {
    const auto* data = reinterpret_cast<const uint8_t*>(received.bytes.data());
    return hear({data, received.bytes.size()});
}

std::string text(const boost::json::value& value) {
    return std::string(value.as_string());
}

double actions(Sidecar& sidecar, const std::string& policy, const std::string& action) {
    return sidecar.metric("telltale_policy_actions_total{listener=\"default\",policy=\"" + policy +
                          "\",action=\"" + action + "\"}");
}

// ---- answer

TEST(Answer, a_grpc_client_at_an_http1_port_reads_what_is_wrong) {
    Server upstream;
    Sidecar sidecar(with_policy(config::Policy::answer, {upstream.address()}));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    Talker talker;
    const std::string request = joined({greeting(), talker.call(1)});
    client.send(request);
    EXPECT_EQ(server.receive(request.size()).bytes, request);
    server.send(not_http2);
    const Received received = client.receive_to_end();
    EXPECT_EQ(received.end, End::fin);
    const Heard answer = heard(received);
    EXPECT_TRUE(answer.whole);
    ASSERT_TRUE(answer.responses.contains(1));
    const auto& response = answer.responses.at(1);
    EXPECT_EQ(response.field(":status"), "200");
    EXPECT_EQ(response.field("grpc-status"), "14");
    EXPECT_NE(response.field("grpc-message").find(upstream.address()), std::string::npos);
    EXPECT_FALSE(response.field("x-telltale-cause").empty());
    EXPECT_TRUE(response.ended);
    EXPECT_EQ(answer.goaway, 0U);
    EXPECT_EQ(answer.goaway_last_stream, 1U);
    client.close();

    const auto record = sidecar.incidents(1).at(0);
    EXPECT_EQ(record.at("policy"), "answer");
    EXPECT_EQ(record.at("action"), "answered");
    EXPECT_EQ(text(record.at("cause")), response.field("x-telltale-cause"));
    EXPECT_EQ(actions(sidecar, "answer", "answered"), 1);
    EXPECT_NE(server.receive_to_end().end, End::timeout) << "the upstream is let go at once";
}

TEST(Answer, calls_that_come_later_on_the_same_connection_are_answered_too) {
    Server upstream;
    auto config = with_policy(config::Policy::answer, {upstream.address()});
    config.answer.linger = std::chrono::seconds(30);
    Sidecar sidecar(config);
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    Talker talker;
    client.send(greeting());
    server.send(not_http2);
    std::string bytes = client.receive_some().bytes;
    for (const uint32_t stream : {1U, 3U, 5U}) {
        client.send(talker.call(stream));
        while (!heard({bytes, End::open}).responses.contains(stream)) {
            const std::string more = client.receive_some().bytes;
            ASSERT_FALSE(more.empty());
            bytes += more;
        }
        EXPECT_EQ(heard({bytes, End::open}).responses.at(stream).field("grpc-status"), "14");
    }
    client.close();
}

TEST(Answer, a_grpc_client_whose_upstream_refuses_reads_that) {
    Sidecar sidecar(
        with_policy(config::Policy::answer, {"127.0.0.1:" + std::to_string(unused_port())}));
    Connection client = connect_to(sidecar.address());
    Talker talker;
    client.send(joined({greeting(), talker.call(1)}));
    const Heard answer = heard(client.receive_to_end());
    ASSERT_TRUE(answer.responses.contains(1));
    EXPECT_EQ(answer.responses.at(1).field("x-telltale-cause"), "refused");
    EXPECT_NE(answer.responses.at(1).field("proxy-status").find("error=connection_refused"),
              std::string::npos);
    client.close();
    EXPECT_EQ(sidecar.incidents(1).at(0).at("action"), "answered");
}

TEST(Answer, an_upstream_that_hangs_up_without_a_byte_is_answered_for) {
    for (const bool reset : {false, true}) {
        Server upstream;
        Sidecar sidecar(with_policy(config::Policy::answer, {upstream.address()}));
        Connection client = connect_to(sidecar.address());
        Connection server = upstream.accept();
        Talker talker;
        const std::string request = joined({greeting(), talker.call(1)});
        client.send(request);
        server.receive(request.size());
        if (reset) {
            server.reset();
        } else {
            server.close();
        }
        const Heard answer = heard(client.receive_to_end());
        ASSERT_TRUE(answer.responses.contains(1)) << reset;
        EXPECT_EQ(answer.responses.at(1).field("x-telltale-cause"),
                  reset ? "reset_before_preface" : "closed_before_preface");
        client.close();
    }
}

TEST(Answer, an_http1_client_at_a_grpc_port_gets_400_and_the_sentence) {
    Server upstream;
    Sidecar sidecar(with_policy(config::Policy::answer, {upstream.address()}));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    server.send(settings);  // as grpc-go does, before anybody asked
    client.send("GET /metrics HTTP/1.1\r\nHost: x\r\nUser-Agent: Prometheus/2.42.0\r\n\r\n");
    const Received received = client.receive_to_end();
    EXPECT_EQ(received.end, End::fin);
    EXPECT_EQ(received.bytes.rfind("HTTP/1.1 400 ", 0), 0U) << received.bytes;
    EXPECT_NE(received.bytes.find("x-telltale-cause: metrics_scraper\r\n"), std::string::npos)
        << received.bytes;
    client.close();
    server.close();
}

TEST(Answer, an_http1_client_whose_upstream_refuses_gets_502_and_head_gets_no_body) {
    const std::string nobody = "127.0.0.1:" + std::to_string(unused_port());
    Sidecar sidecar(with_policy(config::Policy::answer, {nobody}));
    const auto ask = [&](const std::string& method) {
        Connection client = connect_to(sidecar.address());
        client.send(method + " / HTTP/1.1\r\nHost: x\r\n\r\n");
        return client.receive_to_end();
    };
    const Received got = ask("GET");
    EXPECT_EQ(got.end, End::fin);
    EXPECT_EQ(got.bytes.rfind("HTTP/1.1 502 ", 0), 0U) << got.bytes;
    EXPECT_NE(got.bytes.find(nobody), std::string::npos);
    const Received head = ask("HEAD");
    EXPECT_EQ(head.bytes.rfind("HTTP/1.1 502 ", 0), 0U) << head.bytes;
    EXPECT_EQ(head.bytes.find("\r\n\r\n") + 4, head.bytes.size());
}

TEST(Answer, a_body_that_is_still_being_sent_does_not_destroy_the_answer) {
    Sidecar sidecar(
        with_policy(config::Policy::answer, {"127.0.0.1:" + std::to_string(unused_port())}));
    Connection client = connect_to(sidecar.address());
    const std::string body(1 << 20, 'x');
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n");
    ASSERT_TRUE(client.try_send(body));
    client.shutdown_send();
    const Received got = client.receive_to_end();
    EXPECT_EQ(got.end, End::fin);
    EXPECT_EQ(got.bytes.rfind("HTTP/1.1 502 ", 0), 0U) << got.bytes;
}

TEST(Answer, addresses_are_hidden_when_the_configuration_says_so) {
    Server upstream;
    auto config = with_policy(config::Policy::answer, {upstream.address()});
    config.answer.show_addresses = false;
    Sidecar sidecar(config);
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    Talker talker;
    client.send(joined({greeting(), talker.call(1)}));
    server.send(not_http2);
    const Heard answer = heard(client.receive_to_end());
    ASSERT_TRUE(answer.responses.contains(1));
    for (const auto& [field, value] : answer.responses.at(1).fields) {
        EXPECT_EQ(value.find("127.0.0.1"), std::string::npos) << field << ": " << value;
        EXPECT_EQ(value.find(std::to_string(upstream.port())), std::string::npos)
            << field << ": " << value;
    }
    client.close();
    server.close();
    // The record is for the operator: it keeps them.
    EXPECT_EQ(text(sidecar.incidents(1).at(0).at("upstream").at("address")), upstream.address());
}

TEST(Answer, tls_clients_can_not_be_answered_and_get_what_the_upstream_said) {
    Server upstream;
    Sidecar sidecar(with_policy(config::Policy::answer, {upstream.address()}));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send(sniff::test::client_bytes("go_client_hello"));
    server.send(not_http2);
    server.close();
    EXPECT_EQ(client.receive_to_end().bytes, not_http2);
    client.close();
    const auto record = sidecar.incidents(1).at(0);
    EXPECT_EQ(record.at("cause"), "plaintext_upstream");
    EXPECT_EQ(record.at("action"), "forwarded");
}

TEST(Answer, more_than_the_kept_first_flight_is_forwarded_as_it_came) {
    Server upstream;
    auto config = with_policy(config::Policy::answer, {upstream.address()});
    config.limits.first_flight_bytes = 4096;
    Sidecar sidecar(config);
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    const std::string flight =
        greeting() + proxy::test::frame(sniff::FrameType::data, 0, 1, std::string(8000, 'x'));
    client.send(flight);
    EXPECT_EQ(server.receive(flight.size()).bytes, flight);
    server.send(not_http2);
    server.close();
    EXPECT_EQ(client.receive_to_end().bytes, not_http2);
    client.close();
    EXPECT_EQ(sidecar.incidents(1).at(0).at("action"), "forwarded");
    EXPECT_EQ(sidecar.metric("telltale_limit_reached_total{limit=\"first_flight_bytes\"}"), 1);
}

TEST(Answer, an_answering_connection_does_not_outlast_a_client_that_never_leaves) {
    Server upstream;
    Sidecar sidecar(with_policy(config::Policy::answer, {upstream.address()}));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send(greeting());
    server.send(not_http2);
    server.close();
    // Nothing is read here and nothing closed: the sidecar ends it by itself.
    EXPECT_TRUE(sidecar.wait_until(
        [&] { return sidecar.metric("telltale_connections_active{listener=\"default\"}") == 0; }));
    client.close();
}

// ---- every policy leaves alone what is right

class Untouched : public ::testing::TestWithParam<config::Policy> {};

TEST_P(Untouched, bytes_of_both_sides_whatever_their_segments) {
    sniff::test::Random random;
    for (const char* answer : {"grpc_core_settings", "grpc_go_settings", "node_http2_settings",
                               "nginx_http2_settings", "grpc_core_unary_answer"}) {
        Server upstream;
        Sidecar sidecar(with_policy(GetParam(), {upstream.address()}));
        Connection client = connect_to(sidecar.address());
        Connection server = upstream.accept();
        const std::string flight = sniff::test::client_bytes("grpc_go_first_flight");
        const std::string said = sniff::test::upstream_bytes(answer);
        client.send(flight);
        EXPECT_EQ(server.receive(flight.size()).bytes, flight);
        for (size_t at = 0; at < said.size();) {
            const size_t size = std::min(said.size() - at, 1 + random.below(12));
            server.send(said.substr(at, size));
            at += size;
        }
        EXPECT_EQ(client.receive(said.size()).bytes, said) << answer;
        client.send("more");
        EXPECT_EQ(server.receive(4).bytes, "more");
        server.close();
        EXPECT_EQ(client.receive_to_end().bytes, "");
        client.close();
        EXPECT_EQ(actions(sidecar, "answer", "answered"), 0);
    }
}

TEST_P(Untouched, a_server_that_speaks_first_is_heard_before_the_client_speaks) {
    Server upstream;
    Sidecar sidecar(with_policy(GetParam(), {upstream.address()}));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    server.send("220 mail.example ESMTP ready\r\n");
    EXPECT_EQ(client.receive(30).bytes, "220 mail.example ESMTP ready\r\n");
    client.close();
    server.close();
}

TEST_P(Untouched, a_server_of_http2_that_speaks_first_is_held_back_for_a_moment_only) {
    Server upstream;
    Sidecar sidecar(with_policy(GetParam(), {upstream.address()}));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    server.send(settings);
    EXPECT_EQ(client.receive(settings.size()).bytes, settings);
    client.close();
    server.close();
}

TEST_P(Untouched, an_answer_that_stops_within_its_first_bytes_goes_on_after_a_moment) {
    Server upstream;
    Sidecar sidecar(with_policy(GetParam(), {upstream.address()}));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send(greeting());
    server.receive(greeting().size());
    server.send(settings.substr(0, 5));
    EXPECT_EQ(client.receive(5).bytes, settings.substr(0, 5));
    server.send(settings.substr(5));
    EXPECT_EQ(client.receive(4).bytes, settings.substr(5));
    client.close();
    server.close();
}

TEST_P(Untouched, http1_between_two_sides_of_http1_with_half_closes) {
    Server upstream;
    Sidecar sidecar(with_policy(GetParam(), {upstream.address()}));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    const std::string request = "GET / HTTP/1.0\r\n\r\n";
    client.send(request);
    client.shutdown_send();
    EXPECT_EQ(server.receive_to_end().bytes, request);
    const std::string answer = "HTTP/1.0 200 OK\r\n\r\n" + std::string(300000, 'a');
    std::thread writer([&] {
        server.send(answer);
        server.close();
    });
    EXPECT_EQ(client.receive_to_end().bytes, answer);
    writer.join();
    client.close();
}

TEST_P(Untouched, the_answer_of_a_slow_http1_server_is_not_cut) {
    Server upstream;
    Sidecar sidecar(with_policy(GetParam(), {upstream.address()}));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    server.receive(27);
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for (const char byte : answer) server.send(std::string(1, byte));
    EXPECT_EQ(client.receive(answer.size()).bytes, answer);
    client.close();
    server.close();
}

INSTANTIATE_TEST_SUITE_P(EachPolicy, Untouched,
                         ::testing::Values(config::Policy::observe, config::Policy::answer,
                                           config::Policy::reroute, config::Policy::reset),
                         [](const auto& policy) {
                             return std::string(
                                 config::policy_names[static_cast<size_t>(policy.param)]);
                         });

// ---- reset

TEST(Reset, the_client_is_reset_at_once_and_sees_nothing_of_the_answer) {
    Server upstream;
    Sidecar sidecar(with_policy(config::Policy::reset, {upstream.address()}));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send(greeting());
    server.receive(greeting().size());
    server.send(not_http2);
    const Received received = client.receive_to_end();
    EXPECT_EQ(received.end, End::reset);
    EXPECT_EQ(received.bytes, "");
    const auto record = sidecar.incidents(1).at(0);
    EXPECT_EQ(record.at("action"), "reset");
    EXPECT_EQ(record.at("ended_by").at("code"), "PV");
    EXPECT_EQ(actions(sidecar, "reset", "reset"), 1);
    server.close();
}

// ---- reroute

// Answers one connection: HTTP/1.1 at the wrong one, SETTINGS at the right one.
std::string serve(Server& server, const std::string& answer, size_t flight) {
    Connection connection = server.accept();
    std::string got = connection.receive(flight).bytes;
    connection.send(answer);
    if (answer == settings) got += connection.receive_to_end().bytes;
    connection.close();
    return got;
}

TEST(Reroute, the_first_flight_is_replayed_to_the_next_endpoint) {
    Server wrong, right;
    Sidecar sidecar(with_policy(config::Policy::reroute, {wrong.address(), right.address()}));
    const std::string flight = sniff::test::client_bytes("grpc_go_first_flight");
    Connection client = connect_to(sidecar.address());
    client.send(flight);
    EXPECT_EQ(serve(wrong, not_http2, flight.size()), flight);
    Connection server = right.accept();
    EXPECT_EQ(server.receive(flight.size()).bytes, flight);
    server.send(settings);
    EXPECT_EQ(client.receive(settings.size()).bytes, settings);
    client.send("and on it goes");
    EXPECT_EQ(server.receive(14).bytes, "and on it goes");
    client.close();
    EXPECT_EQ(server.receive_to_end().bytes, "");
    server.close();

    const auto record = sidecar.incidents(1).at(0);
    EXPECT_EQ(record.at("policy"), "reroute");
    EXPECT_EQ(record.at("action"), "rerouted");
    EXPECT_EQ(text(record.at("upstream").at("address")), wrong.address());
    EXPECT_EQ(text(record.at("rerouted_to")), right.address());
    EXPECT_EQ(actions(sidecar, "reroute", "rerouted"), 1);
    EXPECT_EQ(sidecar.metric("telltale_endpoints_ejected{listener=\"default\"}"), 1);
    EXPECT_EQ(sidecar.metric("telltale_connections_total{listener=\"default\",direction="
                             "\"inbound\",client_protocol=\"http/2\",upstream_protocol=\"http/2\","
                             "verdict=\"match\"}"),
              1);
}

TEST(Reroute, an_ejected_endpoint_is_not_dialled_again) {
    Server wrong, right;
    auto config = with_policy(config::Policy::reroute, {wrong.address(), right.address()});
    config.workers = 1;
    Sidecar sidecar(config);
    const std::string flight = sniff::test::client_bytes("grpc_go_first_flight");
    for (int call = 0; call < 6; ++call) {
        Connection client = connect_to(sidecar.address());
        client.send(flight);
        if (call == 0) serve(wrong, not_http2, flight.size());
        Connection server = right.accept();
        EXPECT_EQ(server.receive(flight.size()).bytes, flight);
        server.send(settings);
        EXPECT_EQ(client.receive(settings.size()).bytes, settings);
        client.close();
        server.close();
    }
    EXPECT_FALSE(wrong.has_client(0));
    EXPECT_EQ(actions(sidecar, "reroute", "rerouted"), 1);
}

TEST(Reroute, an_endpoint_that_hangs_up_without_a_byte_is_left_for_the_next) {
    Server wrong, right;
    Sidecar sidecar(with_policy(config::Policy::reroute, {wrong.address(), right.address()}));
    Connection client = connect_to(sidecar.address());
    client.send(greeting());
    wrong.accept().close();
    Connection server = right.accept();
    EXPECT_EQ(server.receive(greeting().size()).bytes, greeting());
    server.send(settings);
    EXPECT_EQ(client.receive(settings.size()).bytes, settings);
    client.close();
    server.close();
}

TEST(Reroute, the_attempts_are_bounded_and_then_the_answer_is_forwarded) {
    Server first, second, third;
    Sidecar sidecar(
        with_policy(config::Policy::reroute, {first.address(), second.address(), third.address()}));
    Connection client = connect_to(sidecar.address());
    client.send(greeting());
    serve(first, not_http2, greeting().size());
    serve(second, not_http2, greeting().size());
    EXPECT_EQ(client.receive_to_end().bytes, not_http2);
    client.close();
    EXPECT_FALSE(third.has_client(0));
    const auto records = sidecar.incidents(2);
    EXPECT_EQ(records.at(0).at("action"), "rerouted");
    EXPECT_EQ(records.at(1).at("action"), "forwarded");
    EXPECT_EQ(text(records.at(1).at("upstream").at("address")), second.address());
}

TEST(Reroute, a_single_endpoint_is_never_ejected_and_its_answer_is_forwarded) {
    Server wrong;
    Sidecar sidecar(with_policy(config::Policy::reroute, {wrong.address()}));
    for (int call = 0; call < 3; ++call) {
        Connection client = connect_to(sidecar.address());
        client.send(greeting());
        serve(wrong, not_http2, greeting().size());
        EXPECT_EQ(client.receive_to_end().bytes, not_http2);
        client.close();
    }
    EXPECT_EQ(sidecar.metric("telltale_endpoints_ejected{listener=\"default\"}"), 0);
}

TEST(Reroute, a_metrics_port_of_the_registry_is_corrected_to_the_grpc_port_beside_it) {
    Server metrics, grpc;
    auto config = with_policy(config::Policy::reroute, {metrics.address()});
    config.reroute.correct_port = true;
    config.services.push_back({.name = "group-rpc-service",
                               .grpc = grpc.port(),
                               .metrics = metrics.port(),
                               .addresses = {},
                               .source = "configuration"});
    Sidecar sidecar(config);
    Connection client = connect_to(sidecar.address());
    client.send(greeting());
    serve(metrics, not_http2, greeting().size());
    Connection server = grpc.accept();
    EXPECT_EQ(server.receive(greeting().size()).bytes, greeting());
    server.send(settings);
    EXPECT_EQ(client.receive(settings.size()).bytes, settings);
    client.close();
    server.close();
    const auto record = sidecar.incidents(1).at(0);
    EXPECT_EQ(record.at("cause"), "metrics_port");
    EXPECT_EQ(text(record.at("rerouted_to")), grpc.address());
}

TEST(Reroute, a_request_of_http1_is_not_sent_twice_when_its_server_hung_up) {
    Server first, second;
    Sidecar sidecar(with_policy(config::Policy::reroute, {first.address(), second.address()}));
    Connection client = connect_to(sidecar.address());
    client.send("POST /pay HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    Connection server = first.accept();
    server.receive(10);
    server.close();
    client.receive_to_end();
    client.close();
    EXPECT_FALSE(second.has_client(0));
}

}  // namespace
}  // namespace telltale::test
