#include "proxy/probe/probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/proxy/probe/frames.h"
#include "tests/support/sockets.h"

namespace telltale::proxy::probe {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr milliseconds patience{20'000};
constexpr milliseconds soon{1000};
constexpr int often_ms = 10;

// Gives each connection to a script of its own thread, and keeps how each of them began.
class Peer final {
   public:
    using Script = std::function<void(test::Connection& connection, const std::string& opening)>;

    explicit Peer(Script script) : script_(std::move(script)), acceptor_([this] { accept(); }) {}
    ~Peer() {
        over_ = true;
        acceptor_.join();
        for (std::thread& thread : threads_) thread.join();
    }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    [[nodiscard]] uint16_t port() const { return server_.port(); }
    [[nodiscard]] std::vector<std::string> openings() {
        const std::lock_guard lock(mutex_);
        return openings_;
    }
    [[nodiscard]] bool over() const { return over_; }

   private:
    void accept() {
        while (!over_) {
            if (!server_.has_client(often_ms)) continue;
            auto connection = std::make_shared<test::Connection>(server_.accept());
            threads_.emplace_back([this, connection] { serve(*connection); });
        }
    }
    void serve(test::Connection& connection) {
        const std::string opening = connection.receive_some().bytes;
        {
            const std::lock_guard lock(mutex_);
            openings_.push_back(opening);
        }
        script_(connection, opening);
    }

    Script script_;
    test::Server server_;
    std::mutex mutex_;
    std::vector<std::string> openings_;
    std::list<std::thread> threads_;
    std::atomic<bool> over_ = false;
    std::thread acceptor_;
};

bool is_preface(const std::string& opening) {
    return opening.starts_with("PRI * HTTP/2.0");
}

void speak_grpc(test::Connection& connection, const std::string& opening) {
    if (!is_preface(opening)) return;
    connection.try_send(test::http2_settings());
    connection.receive_some();
    connection.try_send(test::grpc_refusal(1));
    connection.receive_to_end();
}

void speak_http1(test::Connection& connection, const std::string& opening) {
    const bool metrics = opening.starts_with("GET /metrics ");
    const std::string body = metrics ? "# HELP up Up.\n# TYPE up gauge\nup 1\n" : "";
    connection.try_send((metrics ? "HTTP/1.1 200 OK" : "HTTP/1.1 400 Bad Request") +
                        std::string("\r\nContent-Type: text/plain\r\nContent-Length: ") +
                        std::to_string(body.size()) + "\r\n\r\n" + body);
}

void repeat_until_gone(test::Connection& connection, std::string_view bytes) {
    while (connection.try_send(bytes)) {
    }
}

class ProbeTest : public testing::Test {
   protected:
    Report run(const std::string& host, uint16_t port, Options options = {}) {
        std::optional<Report> found;
        Probe probe(context, {.host = host, .port = port}, std::move(options));
        probe.start([&](const Report& report) { found = report; });
        const auto limit = std::chrono::steady_clock::now() + patience;
        while (!found && std::chrono::steady_clock::now() < limit) {
            context.run_one_for(milliseconds(100));
        }
        EXPECT_TRUE(found) << "no report";
        return found.value_or(Report{});
    }
    Report run(const Peer& peer, Options options = {}) {
        return run("127.0.0.1", peer.port(), std::move(options));
    }
    static Options impatient() {
        Options options;
        options.timeout = soon;
        return options;
    }

    asio::io_context context{1};
};

TEST_F(ProbeTest, says_that_nobody_listens) {
    const Report report = run("127.0.0.1", test::unused_port());
    EXPECT_EQ(report.verdict.finding, Finding::refused);
    ASSERT_EQ(report.seen.attempts.size(), 1U);
    EXPECT_EQ(report.seen.attempts[0].error, ECONNREFUSED);
    EXPECT_FALSE(report.seen.h2c.asked());
}

TEST_F(ProbeTest, proves_grpc) {
    const Peer peer(speak_grpc);
    Options options;
    options.depth = Depth::light;
    const Report report = run(peer, options);
    EXPECT_EQ(report.verdict.finding, Finding::grpc) << report.verdict.sentence;
    EXPECT_EQ(report.seen.h2c.grpc.grpc_status, 12);
    EXPECT_EQ(report.seen.h2c.end, End::finished);
}

TEST_F(ProbeTest, makes_one_connection_where_that_proves_grpc_and_no_more_is_wanted) {
    Peer peer(speak_grpc);
    Options options;
    options.depth = Depth::light;
    run(peer, options);
    EXPECT_EQ(peer.openings().size(), 1U);
}

TEST_F(ProbeTest, sends_nothing_but_a_preface_a_hello_and_gets) {
    Peer peer(speak_http1);
    const Report report = run(peer);
    EXPECT_EQ(report.verdict.finding, Finding::metrics) << report.verdict.sentence;
    const auto openings = peer.openings();
    EXPECT_EQ(openings.size(), 4U);
    const auto count = [&](const std::string& begin) {
        return std::count_if(openings.begin(), openings.end(), [&](const std::string& opening) {
            return opening.starts_with(begin);
        });
    };
    EXPECT_EQ(count("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 1);
    EXPECT_EQ(count("GET / HTTP/1.1\r\n"), 1);
    EXPECT_EQ(count("GET /metrics HTTP/1.1\r\n"), 1);
    EXPECT_EQ(count("\x16\x03"), 1);
}

TEST_F(ProbeTest, leaves_a_port_alone_that_greets_like_ssh) {
    Peer peer(
        [](auto& connection, const auto&) { connection.try_send("SSH-2.0-OpenSSH_9.2p1\r\n"); });
    const Report report = run(peer);
    EXPECT_EQ(report.verdict.finding, Finding::other_protocol);
    EXPECT_EQ(peer.openings().size(), 1U);
}

TEST_F(ProbeTest, finds_the_sibling_that_speaks_grpc) {
    const Peer metrics(speak_http1);
    const Peer grpc(speak_grpc);
    Options options;
    options.try_siblings = TrySiblings::without_grpc;
    options.siblings = {{.port = grpc.port(), .why = "why"},
                        {.port = test::unused_port(), .why = {}}};
    const Report report = run(metrics, options);
    ASSERT_EQ(report.siblings.size(), 2U);
    EXPECT_EQ(report.siblings[0].port, grpc.port());
    EXPECT_EQ(report.siblings[0].why, "why");
    EXPECT_EQ(report.siblings[0].verdict.finding, Finding::grpc);
    EXPECT_EQ(report.siblings[1].verdict.finding, Finding::refused);
}

TEST_F(ProbeTest, tries_no_sibling_of_a_port_that_speaks_grpc) {
    const Peer peer(speak_grpc);
    Options options;
    options.depth = Depth::light;
    options.try_siblings = TrySiblings::without_grpc;
    options.siblings = {{.port = test::unused_port(), .why = {}}};
    EXPECT_TRUE(run(peer, options).siblings.empty());
    options.try_siblings = TrySiblings::always;
    EXPECT_EQ(run(peer, options).siblings.size(), 1U);
}

TEST_F(ProbeTest, tells_silence_from_a_shut_door) {
    const Peer silent([](auto& connection, const auto&) { connection.receive_to_end(); });
    EXPECT_EQ(run(silent, impatient()).verdict.finding, Finding::silent);
    const Peer shut([](auto& connection, const auto&) { connection.close(); });
    EXPECT_EQ(run(shut, impatient()).verdict.finding, Finding::closes);
    const Peer slammed([](auto& connection, const auto&) { connection.reset(); });
    const Report report = run(slammed, impatient());
    EXPECT_EQ(report.verdict.finding, Finding::closes);
    EXPECT_THAT(report.verdict.sentence, HasSubstr("resets"));
}

TEST_F(ProbeTest, reads_no_more_than_its_limit_of_endless_settings) {
    const Peer peer([](auto& connection, const auto&) {
        repeat_until_gone(connection, test::http2_settings(std::string("\0\3\0\0\0\1", 6)));
    });
    const Report report = run(peer);
    EXPECT_EQ(report.verdict.outlook, Outlook::does_not);
    EXPECT_LE(report.seen.h2c.said.bytes, bytes_read_max + 65536);
}

TEST_F(ProbeTest, reads_no_more_than_its_limit_of_an_endless_page) {
    const Peer peer([](auto& connection, const auto&) {
        connection.try_send("HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n");
        repeat_until_gone(connection, std::string(65536, 'x'));
    });
    const Report report = run(peer);
    EXPECT_EQ(report.verdict.finding, Finding::http1_proxy);
    EXPECT_LE(report.seen.get.said.bytes, bytes_read_max + 65536);
}

TEST_F(ProbeTest, reads_no_more_than_its_limit_of_an_endless_head) {
    const Peer peer([](auto& connection, const auto&) {
        connection.try_send("HTTP/1.1 200 OK\r\nServer: ");
        repeat_until_gone(connection, std::string(65536, 'x'));
    });
    const Report report = run(peer);
    EXPECT_EQ(report.verdict.outlook, Outlook::does_not);
    EXPECT_LE(report.seen.h2c.said.http1_response->server.size(), 256U);
}

TEST_F(ProbeTest, waits_no_longer_than_its_time_for_a_dribble) {
    const Peer peer([](auto& connection, const auto&) {
        const std::string head = "HTTP/1.1 200 OK\r\nX: ";
        for (size_t i = 0; connection.try_send(i < head.size() ? head.substr(i, 1) : "x"); ++i) {
            std::this_thread::sleep_for(milliseconds(often_ms));
        }
    });
    const Report report = run(peer, impatient());
    EXPECT_EQ(report.verdict.outlook, Outlook::does_not) << report.verdict.sentence;
}

TEST_F(ProbeTest, takes_garbage_for_tls_for_no_tls) {
    const Peer peer([](auto& connection, const std::string& opening) {
        if (is_preface(opening)) return;
        connection.try_send(std::string("\x16\x03\x03\x40\x00\x02\xff\xff\xff\xff\xff", 11) +
                            std::string(70000, '\xfe'));
        connection.receive_to_end();
    });
    const Report report = run(peer, impatient());
    EXPECT_FALSE(report.seen.tls.handshake);
    EXPECT_EQ(report.verdict.outlook, Outlook::does_not);
}

TEST_F(ProbeTest, ends_when_all_of_its_time_is_over) {
    const Peer silent([](auto& connection, const auto&) { connection.receive_to_end(); });
    Options options;
    options.timeout = patience;
    options.total = soon;
    options.try_siblings = TrySiblings::always;
    options.siblings = {{.port = test::unused_port(), .why = {}}};
    const Report report = run(silent, options);
    EXPECT_TRUE(report.seen.cut);
    EXPECT_EQ(report.verdict.finding, Finding::silent) << report.verdict.sentence;
    EXPECT_TRUE(report.siblings.empty());
}

TEST_F(ProbeTest, tells_nothing_after_it_was_cancelled) {
    const Peer silent([](auto& connection, const auto&) { connection.receive_to_end(); });
    auto probe = std::make_unique<Probe>(
        context, Target{.host = "127.0.0.1", .port = silent.port()}, Options{});
    probe->start([](const Report&) { ADD_FAILURE() << "told"; });
    context.run_for(soon);
    probe.reset();
    context.restart();
    context.run_for(patience);
    EXPECT_TRUE(context.stopped()) << "something was left running";
}

TEST_F(ProbeTest, may_be_destroyed_in_its_own_answer) {
    bool told = false;
    auto probe = std::make_unique<Probe>(
        context, Target{.host = "127.0.0.1", .port = test::unused_port()}, Options{});
    probe->start([&](const Report&) {
        probe.reset();
        told = true;
    });
    EXPECT_FALSE(told);
    context.run_for(patience);
    EXPECT_TRUE(told);
}

TEST_F(ProbeTest, says_that_a_name_has_no_address) {
    const Report report = run("no-such-host.invalid", 80, impatient());
    EXPECT_EQ(report.verdict.finding, Finding::dns_failure);
    EXPECT_THAT(report.verdict.sentence, HasSubstr("the name no-such-host.invalid has no address"));
}

TEST_F(ProbeTest, resolves_a_name_and_tries_its_addresses_in_turn) {
    const Peer peer(speak_http1);
    const Report report = run("localhost", peer.port());
    EXPECT_EQ(report.verdict.finding, Finding::metrics) << report.verdict.sentence;
    EXPECT_EQ(report.seen.address, "127.0.0.1:" + std::to_string(peer.port()));
    for (const Attempt& attempt : report.seen.attempts) {
        const bool is_ours = attempt.address == report.seen.address;
        EXPECT_EQ(attempt.reach == Reach::connected, is_ours) << attempt.address;
    }
}

}  // namespace
}  // namespace telltale::proxy::probe
