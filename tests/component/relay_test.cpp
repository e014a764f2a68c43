#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include "proxy/endpoint.h"
#include "tests/support/ipv6.h"
#include "tests/support/sidecar.h"
#include "tests/support/sockets.h"

namespace telltale::test {
namespace {

unsigned seed() {
    const char* given = std::getenv("TELLTALE_SEED");
    return given != nullptr ? static_cast<unsigned>(std::stoul(given)) : std::random_device{}();
}

std::string random_bytes(std::mt19937& random, size_t count) {
    std::string bytes(count, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    return bytes;
}

void send_in_chunks(Connection& connection, std::string_view bytes, unsigned chunk_seed) {
    std::mt19937 random(chunk_seed);
    while (!bytes.empty()) {
        // Mostly small, sometimes larger than any buffer on the way.
        const size_t most = random() % 4 == 0 ? 700000 : 1500;
        const size_t size = std::min<size_t>(1 + random() % most, bytes.size());
        connection.send(bytes.substr(0, size));
        bytes.remove_prefix(size);
        if (random() % 8 == 0) std::this_thread::yield();
    }
}

TEST(Relay, delivers_the_same_bytes_both_ways_for_random_chunks_and_half_closes) {
    const unsigned first = seed();
    SCOPED_TRACE("TELLTALE_SEED=" + std::to_string(first));
    std::mt19937 random(first);
    Server upstream;
    Sidecar sidecar(config_for(upstream.address()));
    for (int round = 0; round < 12; ++round) {
        const std::string up = random_bytes(random, random() % 3'000'000);
        const std::string down = random_bytes(random, random() % 3'000'000);
        const auto up_seed = static_cast<unsigned>(random());
        const auto down_seed = static_cast<unsigned>(random());
        const bool client_waits = random() % 2 == 0;  // sends its FIN only after it has everything
        Connection client = connect_to(sidecar.address());
        Connection server = upstream.accept();
        Received at_server;
        Received at_client;
        std::thread server_reads([&] { at_server = server.receive_to_end(); });
        std::thread server_writes([&] {
            send_in_chunks(server, down, down_seed);
            server.shutdown_send();
        });
        std::thread client_reads([&] { at_client = client.receive_to_end(); });
        send_in_chunks(client, up, up_seed);
        if (client_waits) client_reads.join();
        client.shutdown_send();
        if (client_reads.joinable()) client_reads.join();
        server_writes.join();
        server_reads.join();
        EXPECT_EQ(at_server.end, End::fin);
        EXPECT_EQ(at_client.end, End::fin);
        EXPECT_TRUE(at_server.bytes == up) << "round " << round;
        EXPECT_TRUE(at_client.bytes == down) << "round " << round;
    }
    EXPECT_TRUE(sidecar.wait_until(
        [&] { return sidecar.metric("telltale_connections_active{listener=\"default\"}") == 0; }));
}

TEST(Relay, passes_a_late_reply_after_the_client_has_half_closed) {
    Server upstream;
    Sidecar sidecar(config_for(upstream.address()));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send("question");
    client.shutdown_send();
    EXPECT_EQ(server.receive_to_end().bytes, "question");
    server.send("late answer");
    server.close();
    const Received answer = client.receive_to_end();
    EXPECT_EQ(answer.bytes, "late answer");
    EXPECT_EQ(answer.end, End::fin);
}

TEST(Relay, lets_a_server_speak_first) {
    Server upstream;
    Sidecar sidecar(config_for(upstream.address()));
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    server.send("220 ready\r\n");
    EXPECT_EQ(client.receive(11).bytes, "220 ready\r\n");
    client.close();
    EXPECT_EQ(server.receive_to_end().end, End::fin);
}

TEST(Relay, keeps_a_slow_reader_from_growing_memory) {
    Server upstream;
    auto config = config_for(upstream.address());
    config.workers = 1;
    Sidecar sidecar(config);
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    const std::string block(1 << 20, 'x');
    // The client does not read: what the sender can put away is bounded by two kernels' buffers and
    // one lent buffer.
    const std::string read_from_upstream =
        "telltale_bytes_total{listener=\"default\",side=\"upstream\"}";
    size_t accepted = 0;
    for (;;) {
        const ssize_t sent =
            ::send(server.fd(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            accepted += static_cast<size_t>(sent);
            continue;
        }
        // Nothing more fits: it is over once the sidecar reads nothing more either.
        const double before = sidecar.metric(read_from_upstream);
        if (sidecar.metric(read_from_upstream) == before) break;
    }
    EXPECT_LT(accepted, size_t{64} << 20);
    server.shutdown_send();
    EXPECT_EQ(client.receive_to_end().bytes.size(), accepted);
    client.close();
}

TEST(Relay, a_transfer_without_end_lets_other_connections_pass) {
    Server upstream;
    config::Config config = config_for(upstream.address());
    config.workers = 1;
    Sidecar sidecar(std::move(config));
    Connection endless_client = connect_to(sidecar.address());
    Connection endless_server = upstream.accept();
    std::atomic<bool> enough = false;
    std::thread writes([&] {
        const std::string block(1 << 20, 'x');
        while (!enough && endless_client.try_send(block)) {
        }
        endless_client.shutdown_send();
    });
    std::thread reads([&] {
        while (endless_server.receive_some(1 << 20).end == End::open) {
        }
    });
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    for (int round = 0; round < 200; ++round) {
        client.send("ping");
        ASSERT_EQ(server.receive(4).bytes, "ping");
        server.send("pong");
        ASSERT_EQ(client.receive(4).bytes, "pong");
    }
    enough = true;
    writes.join();
    reads.join();
    endless_server.shutdown_send();
    EXPECT_EQ(endless_client.receive_to_end().end, End::fin);
    client.shutdown_send();
    server.shutdown_send();
    EXPECT_EQ(client.receive_to_end().end, End::fin);
}

TEST(Relay, works_over_ipv6) {
    if (!test::has_ipv6()) GTEST_SKIP() << test::no_ipv6;
    Server upstream(64, AF_INET6);
    auto config = config_for(upstream.address());
    config.listeners[0].listen.host = "::1";
    Sidecar sidecar(config);
    Connection client = connect_to(sidecar.address());
    Connection server = upstream.accept();
    client.send("hello");
    EXPECT_EQ(server.receive(5).bytes, "hello");
    client.close();
    server.close();
}

TEST(Relay, accepts_ipv4_and_ipv6_on_a_listener_without_host) {
    if (!test::has_ipv6()) GTEST_SKIP() << test::no_ipv6;
    Server upstream;
    auto config = config_for(upstream.address());
    config.listeners[0].listen.host = "";
    Sidecar sidecar(config);
    const std::string port = sidecar.address().substr(sidecar.address().rfind(':'));
    for (const std::string host : {"127.0.0.1", "[::1]"}) {
        Connection client = connect_to(host + port);
        Connection server = upstream.accept();
        client.send("hello");
        EXPECT_EQ(server.receive(5).bytes, "hello") << host;
        client.close();
        EXPECT_EQ(server.receive_to_end().end, End::fin);
    }
}

TEST(Relay, listens_on_and_dials_unix_sockets_and_removes_its_own_path) {
    std::array<char, 32> folder_template{"/tmp/telltale-test-XXXXXX"};
    const std::filesystem::path folder = ::mkdtemp(folder_template.data());
    Server upstream;
    {
        auto inner = config_for(upstream.address());
        inner.listeners[0].listen = {.host = {}, .port = 0, .unix_path = folder / "inner.sock"};
        Sidecar to_tcp(inner);
        Sidecar to_unix(config_for("unix:" + (folder / "inner.sock").string()));
        Connection client = connect_to(to_unix.address());
        Connection server = upstream.accept();
        client.send("over two sidecars");
        EXPECT_EQ(server.receive(17).bytes, "over two sidecars");
        server.send("and back");
        server.close();
        EXPECT_EQ(client.receive_to_end().bytes, "and back");
        client.close();
    }
    EXPECT_FALSE(std::filesystem::exists(folder / "inner.sock"));
    std::filesystem::remove_all(folder);
}

TEST(Relay, takes_over_a_stale_unix_path_but_not_a_served_one) {
    std::array<char, 32> folder_template{"/tmp/telltale-test-XXXXXX"};
    const std::filesystem::path folder = ::mkdtemp(folder_template.data());
    auto config = config_for("127.0.0.1:1");
    config.listeners[0].listen = {.host = {}, .port = 0, .unix_path = folder / "s.sock"};
    {
        Sidecar first(config);
        EXPECT_THROW(
            proxy::Runtime({.config = config, .version = "", .commit = "", .write_incident = {}}),
            proxy::StartError);
    }
    const int stale = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const auto endpoint = proxy::numeric_endpoint(config.listeners[0].listen);
    ASSERT_EQ(::bind(stale, endpoint->data(), static_cast<socklen_t>(endpoint->size())), 0);
    ::close(stale);
    EXPECT_NO_THROW(Sidecar second(config));
    std::filesystem::remove_all(folder);
}

TEST(Relay, leaves_no_descriptor_behind) {
    const auto open_files = [] {
        return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                             std::filesystem::directory_iterator{});
    };
    Server upstream;
    const auto before = open_files();
    {
        Sidecar sidecar(config_for(upstream.address()));
        for (int round = 0; round < 50; ++round) {
            Connection client = connect_to(sidecar.address());
            Connection server = upstream.accept();
            client.send("x");
            server.receive(1);
            if (round % 2 == 0) client.reset();
            if (round % 3 == 0) server.reset();
        }
    }
    EXPECT_EQ(open_files(), before);
}

}  // namespace
}  // namespace telltale::test
