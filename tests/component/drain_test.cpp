#include <gtest/gtest.h>

#include <thread>

#include "tests/support/sidecar.h"
#include "tests/support/sockets.h"

namespace telltale::test {
namespace {

proxy::Runtime::Options options_for(config::Config config, std::vector<std::string>& lines) {
    return {.config = std::move(config),
            .version = "test",
            .commit = "test",
            .write_incident = [&lines](const std::string& line) { lines.push_back(line); }};
}

std::string ready(const proxy::Runtime& runtime) {
    Connection admin = connect_to(runtime.admin_address());
    admin.send("GET /ready HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    return admin.receive_to_end().bytes.substr(9, 3);
}

TEST(Drain, says_not_ready_goes_on_accepting_for_the_delay_and_lets_open_calls_finish) {
    Server upstream;
    auto config = config_for(upstream.address());
    config.timeouts.drain_delay = std::chrono::milliseconds(1500);
    std::vector<std::string> lines;
    proxy::Runtime runtime(options_for(config, lines));
    runtime.start();
    EXPECT_EQ(ready(runtime), "200");
    Connection client = connect_to(runtime.listener_address(0));
    Connection server = upstream.accept();
    runtime.drain();
    while (ready(runtime) != "503") std::this_thread::yield();
    Connection late = connect_to(runtime.listener_address(0));
    Connection late_server = upstream.accept();
    client.send("still served");
    EXPECT_EQ(server.receive(12).bytes, "still served");
    for (Connection* connection : {&client, &server, &late, &late_server}) connection->close();
    EXPECT_EQ(runtime.wait(), proxy::Runtime::Exit::clean);
    EXPECT_ANY_THROW(auto refused = connect_to(runtime.listener_address(0)));
    EXPECT_TRUE(lines.empty());
}

TEST(Drain, cuts_what_is_left_at_the_deadline_and_records_its_own_part) {
    Server upstream;
    auto config = config_for(upstream.address());
    config.timeouts.drain = std::chrono::milliseconds(100);
    std::vector<std::string> lines;
    proxy::Runtime runtime(options_for(config, lines));
    runtime.start();
    Connection client = connect_to(runtime.listener_address(0));
    Connection server = upstream.accept();
    client.send("x");
    server.receive(1);
    runtime.drain();
    EXPECT_EQ(runtime.wait(), proxy::Runtime::Exit::connections_cut);
    EXPECT_NE(client.receive_to_end().end, End::timeout);
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_NE(lines[0].find("\"cause\":\"proxy_shutdown\""), std::string::npos) << lines[0];
}

TEST(Drain, abort_does_not_wait) {
    Server upstream;
    auto config = config_for(upstream.address());
    config.timeouts.drain_delay = std::chrono::hours(1);
    config.timeouts.drain = std::chrono::hours(1);
    std::vector<std::string> lines;
    proxy::Runtime runtime(options_for(config, lines));
    runtime.start();
    Connection client = connect_to(runtime.listener_address(0));
    Connection server = upstream.accept();
    runtime.drain();
    runtime.abort();
    EXPECT_EQ(runtime.wait(), proxy::Runtime::Exit::connections_cut);
    EXPECT_NE(client.receive_to_end().end, End::timeout);
}

TEST(Drain, connections_in_the_backlog_are_served_not_reset) {
    Server upstream;
    auto config = config_for(upstream.address());
    std::vector<std::string> lines;
    proxy::Runtime runtime(options_for(config, lines));
    // Not started yet: these wait in the kernel.
    Connection first = connect_to(runtime.listener_address(0));
    Connection second = connect_to(runtime.listener_address(0));
    runtime.start();
    runtime.drain();
    for (int count = 0; count < 2; ++count) {
        Connection server = upstream.accept();
        server.send("served");
        server.close();
    }
    EXPECT_EQ(first.receive_to_end().bytes, "served");
    EXPECT_EQ(second.receive_to_end().bytes, "served");
    first.close();
    second.close();
    EXPECT_EQ(runtime.wait(), proxy::Runtime::Exit::clean);
}

TEST(Start, a_port_in_use_is_one_clear_sentence) {
    Server taken;
    auto config = config_for("127.0.0.1:1");
    config.listeners[0].listen.port = taken.port();
    std::vector<std::string> lines;
    try {
        proxy::Runtime runtime(options_for(config, lines));
        FAIL() << "it bound a port that is in use";
    } catch (const proxy::StartError& error) {
        EXPECT_EQ(std::string(error.what()),
                  "listener default can't listen on 127.0.0.1:" + std::to_string(taken.port()) +
                      ": bind: Address already in use; stop the process that has it or choose "
                      "another address");
    }
}

}  // namespace
}  // namespace telltale::test
