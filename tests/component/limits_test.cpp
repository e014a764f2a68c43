#include <gtest/gtest.h>

#include <deque>
#include <thread>
#include <vector>

#include "tests/support/sidecar.h"
#include "tests/support/sockets.h"

namespace telltale::test {
namespace {

const std::string active = "telltale_connections_active{listener=\"default\"}";

TEST(Limits, at_the_connection_limit_clients_wait_in_the_backlog_and_are_served_later) {
    Server upstream;
    auto config = config_for(upstream.address());
    config.limits.connections = 4;
    Sidecar sidecar(config);
    std::deque<Connection> clients;
    std::deque<Connection> servers;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(connect_to(sidecar.address()));
        servers.push_back(upstream.accept());
    }
    Connection waiting = connect_to(sidecar.address());
    waiting.send("hello");
    EXPECT_FALSE(upstream.has_client(100));
    EXPECT_EQ(sidecar.metric("telltale_accept_paused_total"), 1);
    clients.clear();
    servers.clear();
    Connection served = upstream.accept();
    EXPECT_EQ(served.receive(5).bytes, "hello");
    waiting.close();
    served.close();
}

TEST(Limits, an_idle_connection_ends_when_an_idle_timeout_is_set) {
    Server upstream;
    auto config = config_for(upstream.address());
    config.timeouts.idle = std::chrono::milliseconds(150);
    Sidecar sidecar(config);
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send("x");
    EXPECT_EQ(server.receive(1).bytes, "x");
    EXPECT_EQ(client.receive_to_end().end, End::fin);
    EXPECT_EQ(server.receive_to_end().end, End::fin);
}

TEST(Limits, a_half_closed_connection_ends_when_the_other_side_stays_silent) {
    Server upstream;
    auto config = config_for(upstream.address());
    config.timeouts.half_closed = std::chrono::milliseconds(150);
    Sidecar sidecar(config);
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send("x");
    client.shutdown_send();
    EXPECT_EQ(server.receive_to_end().bytes, "x");
    EXPECT_NE(client.receive_to_end().end, End::timeout);
}

TEST(Limits, many_stalled_readers_share_the_buffer_limit_and_all_get_their_bytes) {
    Server upstream;
    auto config = config_for(upstream.address());
    config.workers = 1;
    config.limits.buffered_bytes = 512 * 1024;  // two lent buffers for eight connections
    Sidecar sidecar(config);
    const std::string block(3 << 20, 'b');
    std::deque<Connection> clients;
    std::deque<Connection> servers;
    std::vector<std::thread> senders;
    for (int i = 0; i < 8; ++i) {
        clients.push_back(connect_to(sidecar.address()));
        servers.push_back(upstream.accept());
    }
    for (Connection& server : servers) {
        senders.emplace_back([&server, &block] {
            server.send(block);
            server.shutdown_send();
        });
    }
    for (Connection& client : clients)
        EXPECT_EQ(client.receive_to_end().bytes.size(), block.size());
    for (std::thread& sender : senders) sender.join();
    clients.clear();
}

TEST(Limits, connections_spread_evenly_over_workers) {
    Server upstream;
    auto config = config_for(upstream.address());
    config.workers = 2;
    Sidecar sidecar(config);
    std::deque<Connection> clients;
    std::deque<Connection> servers;
    for (int i = 0; i < 8; ++i) {
        clients.push_back(connect_to(sidecar.address()));
        servers.push_back(upstream.accept());
    }
    EXPECT_TRUE(sidecar.wait_until([&] { return sidecar.metric(active) == 8; }));
    clients.clear();
    servers.clear();
}

}  // namespace
}  // namespace telltale::test
