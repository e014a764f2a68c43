#include <gtest/gtest.h>

#include "tests/support/sidecar.h"
#include "tests/support/sockets.h"

namespace telltale::test {
namespace {

const std::string first_flight =
    std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + std::string("\0\0\0\4\0\0\0\0\0", 9);
const std::string go_mux_400 =
    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nDate: Sun, 22 Nov 2026 22:01:37 GMT\r\n"
    "Content-Length: 0\r\n\r\n";

config::Config guide_config(uint16_t metrics_port) {
    auto config = config_for("127.0.0.1:" + std::to_string(metrics_port));
    config.listeners[0].expect = sniff::Expect::grpc;
    config.services.push_back({.name = "group-rpc-service",
                               .grpc = 10260,
                               .metrics = metrics_port,
                               .addresses = {},
                               .source = "configuration"});
    return config;
}

void wrong_port_once(Sidecar& sidecar, Server& upstream) {
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send(first_flight);
    server.receive(first_flight.size());
    server.send(go_mux_400);
    server.close();
    EXPECT_EQ(client.receive_to_end().bytes, go_mux_400);
    client.close();
}

TEST(Reporting, the_guides_incident_names_the_port_to_dial) {
    Server upstream;
    Sidecar sidecar(guide_config(upstream.port()));
    wrong_port_once(sidecar, upstream);
    const auto record = sidecar.incidents(1).at(0);
    EXPECT_EQ(record.at("cause"), "metrics_port");
    EXPECT_EQ(record.at("confidence"), "certain");
    EXPECT_EQ(record.at("verdict"), "mismatch");
    EXPECT_EQ(record.at("hop").at("name"), "group-rpc-service");
    EXPECT_EQ(record.at("hop").at("role"), "metrics");
    const std::string fix = record.at("fix").as_string().c_str();
    EXPECT_NE(fix.find("10260"), std::string::npos) << fix;
}

TEST(Reporting, counters_move_by_one_per_connection_and_repeats_are_not_printed) {
    Server upstream;
    Sidecar sidecar(guide_config(upstream.port()));
    const std::string sample =
        "telltale_mismatches_total{listener=\"default\",direction=\"inbound\",client_protocol="
        "\"http/2\","
        "upstream_protocol=\"http/1\",cause=\"metrics_port\",hop_role=\"metrics\"}";
    for (int count = 1; count <= 5; ++count) {
        wrong_port_once(sidecar, upstream);
        EXPECT_TRUE(sidecar.wait_until([&] { return sidecar.metric(sample) == count; }))
            << sidecar.get("/metrics");
    }
    EXPECT_EQ(sidecar.incident_count(), 1U);
    EXPECT_NE(sidecar.get("/incidents").find("\"count\":5"), std::string::npos)
        << sidecar.get("/incidents");
}

TEST(Reporting, a_mismatch_is_reported_while_both_sides_keep_the_connection_open) {
    Server upstream;
    Sidecar sidecar(guide_config(upstream.port()));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send(first_flight);
    server.receive(first_flight.size());
    server.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\npart of it");
    const auto record = sidecar.incidents(1).at(0);
    EXPECT_EQ(record.at("upstream").at("status"), 403);
    EXPECT_EQ(sidecar.metric("telltale_connections_active{listener=\"default\"}"), 1);
    client.close();
    server.close();
    EXPECT_TRUE(sidecar.wait_until(
        [&] { return sidecar.metric("telltale_connections_active{listener=\"default\"}") == 0; }));
    EXPECT_EQ(sidecar.incident_count(), 1U);
}

TEST(Reporting, http1_between_http1_peers_is_no_incident_on_an_open_listener) {
    Server upstream;
    Sidecar sidecar(config_for(upstream.address()));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send("GET /healthz HTTP/1.1\r\nHost: x\r\nUser-Agent: kube-probe/1.30\r\n\r\n");
    server.receive_some();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    server.close();
    client.receive_to_end();
    client.close();
    EXPECT_TRUE(sidecar.wait_until([&] {
        return sidecar.metric(
                   "telltale_connections_total{listener=\"default\",direction=\"inbound\","
                   "client_protocol=\"http/1\",upstream_protocol=\"http/1\",verdict=\"match\"}") ==
               1;
    })) << sidecar.get("/metrics");
    EXPECT_EQ(sidecar.incident_count(), 0U);
}

TEST(Reporting, connections_shows_what_both_sides_speak_now) {
    Server upstream;
    Sidecar sidecar(config_for(upstream.address()));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send(first_flight);
    server.receive(first_flight.size());
    server.send(std::string("\0\0\0\4\0\0\0\0\0", 9));
    client.receive(9);
    const std::string rows = sidecar.get("/connections");
    EXPECT_NE(rows.find(upstream.address()), std::string::npos) << rows;
    EXPECT_NE(rows.find("http/2"), std::string::npos) << rows;
    client.close();
    server.close();
}

}  // namespace
}  // namespace telltale::test
