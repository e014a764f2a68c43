#include <gtest/gtest.h>
#include <sys/socket.h>

#include "proxy/endpoint.h"
#include "tests/support/sidecar.h"
#include "tests/support/sockets.h"

namespace telltale::test {
namespace {

const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const std::string empty_settings("\0\0\0\4\0\0\0\0\0", 9);
const std::string first_flight = preface + empty_settings;

std::string cause(const boost::json::object& record) {
    return record.at("cause").as_string().c_str();
}

TEST(Endings, a_refused_upstream_is_recorded_with_what_the_client_spoke) {
    Sidecar sidecar(config_for("127.0.0.1:" + std::to_string(unused_port())));
    Connection client = connect_to(sidecar.address());
    client.send(first_flight);
    EXPECT_EQ(client.receive_to_end().end, End::reset);
    const auto record = sidecar.incidents(1).at(0);
    EXPECT_EQ(cause(record), "refused");
    EXPECT_EQ(record.at("client").at("protocol"), "http/2");
    EXPECT_EQ(record.at("upstream").at("protocol"), "none");
    EXPECT_EQ(record.at("confidence"), "certain");
}

TEST(Endings, a_missing_unix_socket_is_refused) {
    Sidecar sidecar(config_for("unix:/nonexistent/telltale.sock"));
    Connection client = connect_to(sidecar.address());
    EXPECT_EQ(client.receive_to_end().end, End::reset);
    EXPECT_EQ(cause(sidecar.incidents(1).at(0)), "refused");
}

TEST(Endings, a_name_that_does_not_resolve_is_reported_per_connection) {
    Sidecar sidecar(config_for("no-such-host.invalid:10260"));
    Connection client = connect_to(sidecar.address());
    client.send(first_flight);
    EXPECT_EQ(client.receive_to_end().end, End::reset);
    EXPECT_EQ(cause(sidecar.incidents(1).at(0)), "dns_failure");
}

TEST(Endings, a_name_with_several_addresses_is_tried_until_one_answers) {
    Server upstream;  // 127.0.0.1 only; localhost may give ::1 first
    auto config = config_for("localhost:" + std::to_string(upstream.port()));
    Sidecar sidecar(config);
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send("hello");
    EXPECT_EQ(server.receive(5).bytes, "hello");
    client.close();
    server.close();
}

TEST(Endings, an_upstream_that_accepts_nothing_times_out) {
    Server upstream(0);
    // With its backlog full the kernel drops further SYNs, as a packet filter would.
    std::vector<Connection> fillers;
    for (int i = 0; i < 4; ++i) {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        fillers.emplace_back(fd);
        const auto endpoint = proxy::numeric_endpoint({"127.0.0.1", upstream.port(), {}});
        ::connect(fd, endpoint->data(), static_cast<socklen_t>(endpoint->size()));
    }
    auto config = config_for(upstream.address());
    config.timeouts.connect = std::chrono::milliseconds(200);
    Sidecar sidecar(config);
    Connection client = connect_to(sidecar.address());
    client.send(first_flight);
    EXPECT_EQ(client.receive_to_end().end, End::reset);
    EXPECT_EQ(cause(sidecar.incidents(1).at(0)), "connect_timeout");
}

TEST(Endings, an_upstream_that_is_the_sidecar_itself_is_a_loop) {
    const uint16_t port = unused_port();
    auto config = config_for("127.0.0.1:" + std::to_string(port));
    config.listeners[0].listen = {.host = "0.0.0.0", .port = port, .unix_path = {}};
    Sidecar sidecar(config);
    Connection client = connect_to("127.0.0.1:" + std::to_string(port));
    client.send(first_flight);
    EXPECT_EQ(client.receive_to_end().end, End::reset);
    const auto records = sidecar.incidents(1);
    EXPECT_EQ(cause(records.at(0)), "loop");
    EXPECT_EQ(records.size(), 1U);
}

TEST(Endings, fin_before_any_byte_is_passed_on_and_recorded_at_once) {
    Server upstream;
    Sidecar sidecar(config_for(upstream.address()));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send(first_flight);
    server.receive(first_flight.size());
    server.close();
    EXPECT_EQ(client.receive_to_end().end, End::fin);
    const auto record = sidecar.incidents(1).at(0);
    EXPECT_EQ(cause(record), "closed_before_preface");
    EXPECT_EQ(record.at("upstream").at("protocol"), "closed");
    EXPECT_EQ(record.at("ended_by").at("side"), "upstream");
    client.close();
}

TEST(Endings, reset_before_any_byte_is_passed_on_as_a_reset) {
    Server upstream;
    Sidecar sidecar(config_for(upstream.address()));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send(first_flight);
    server.receive(first_flight.size());
    server.reset();
    EXPECT_EQ(client.receive_to_end().end, End::reset);
    const auto record = sidecar.incidents(1).at(0);
    EXPECT_EQ(cause(record), "reset_before_preface");
    EXPECT_EQ(record.at("upstream").at("protocol"), "reset");
}

TEST(Endings, a_reset_that_is_faster_than_the_client_is_still_recorded) {
    Server upstream;
    auto config = config_for(upstream.address());
    config.sniff.settle = std::chrono::seconds(5);
    Sidecar sidecar(config);
    Connection client = connect_to(sidecar.address());
    upstream.accept().reset();
    // The sidecar has seen the reset before the client says a word.
    ASSERT_TRUE(sidecar.wait_until(
        [&] { return sidecar.get("/connections").find("giving_up") != std::string::npos; }));
    client.send(first_flight);
    EXPECT_EQ(client.receive_to_end().end, End::reset);
    const auto record = sidecar.incidents(1).at(0);
    EXPECT_EQ(cause(record), "reset_before_preface");
    EXPECT_EQ(record.at("client").at("protocol"), "http/2");
}

TEST(Endings, a_reset_by_the_client_reaches_the_upstream_as_a_reset) {
    Server upstream;
    Sidecar sidecar(config_for(upstream.address()));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send("abc");
    EXPECT_EQ(server.receive(3).bytes, "abc");
    client.reset();
    EXPECT_EQ(server.receive_to_end().end, End::reset);
}

TEST(Endings, a_large_answer_before_a_reset_still_reaches_the_client) {
    Server upstream;
    Sidecar sidecar(config_for(upstream.address()));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send("get");
    server.receive(3);
    const std::string answer(200000, 'a');
    server.send(answer);
    // Only when the sidecar has read all of it is the reset the next thing it sees.
    ASSERT_TRUE(sidecar.wait_until([&] {
        return sidecar.metric("telltale_bytes_total{listener=\"default\",side=\"upstream\"}") ==
               200000;
    }));
    server.reset();
    const Received got = client.receive_to_end();
    EXPECT_EQ(got.bytes.size(), answer.size());
    EXPECT_EQ(got.end, End::reset);
}

TEST(Endings, the_answer_of_an_upstream_that_resets_while_being_written_to_is_read_and_judged) {
    Server upstream;
    Sidecar sidecar(config_for(upstream.address()));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send(first_flight);
    // Unread input makes close() a RST; the 400 is in the sidecar's queue already.
    server.send("HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n");
    server.close();
    client.try_send(std::string(100, 'x'));
    const Received got = client.receive_to_end();
    EXPECT_TRUE(got.bytes.starts_with("HTTP/1.1 400"));
    const auto record = sidecar.incidents(1).at(0);
    EXPECT_EQ(record.at("upstream").at("protocol"), "http/1");
    EXPECT_EQ(cause(record), "http1_proxy");
}

TEST(Endings, a_health_check_without_bytes_is_no_incident) {
    Server upstream;
    Sidecar sidecar(config_for(upstream.address()));
    for (int i = 0; i < 5; ++i) {
        Connection client = connect_to(sidecar.address());
        Connection server = upstream.accept();
        client.close();
        EXPECT_EQ(server.receive_to_end().end, End::fin);
    }
    EXPECT_TRUE(sidecar.wait_until([&] {
        return sidecar.metric(
                   "telltale_connections_total{listener=\"default\",direction=\"inbound\","
                   "client_protocol=\"silent\",upstream_protocol=\"silent\",verdict="
                   "\"undecided\"}") == 5;
    })) << sidecar.get("/metrics");
    EXPECT_EQ(sidecar.incident_count(), 0U);
}

TEST(Endings, a_silent_upstream_is_reported_while_the_connection_stays_open) {
    Server upstream;
    auto config = config_for(upstream.address());
    config.sniff.silent_after = std::chrono::milliseconds(100);
    Sidecar sidecar(config);
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send(first_flight);
    const auto record = sidecar.incidents(1).at(0);
    EXPECT_EQ(cause(record), "silent_upstream");
    // The report changes nothing for the bytes.
    server.receive(first_flight.size());
    server.send(empty_settings);
    EXPECT_EQ(client.receive(9).bytes, empty_settings);
    client.close();
    server.close();
}

}  // namespace
}  // namespace telltale::test
