#include "proxy/upstream_check.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

#include "config/load.h"
#include "proxy/endpoint.h"
#include "tests/support/sockets.h"

namespace telltale::proxy {
namespace {

// What socket() answers: a process without descriptors can't be had without breaking the test too.
// The program's own function wins over that of libc.
int refused_socket = 0;

using namespace std::string_view_literals;
using std::chrono::milliseconds;

constexpr milliseconds patience{20'000};
constexpr milliseconds soon{50};
constexpr milliseconds often{1};
constexpr milliseconds once{3'600'000};

constexpr auto opening = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"sv;
constexpr auto settings = "\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64"sv;
constexpr auto goodbye = "\0\0\0\x04\x01\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0"sv;

config::Address address_of(const std::string& text) {
    return std::get<config::Address>(config::parse_upstream_address(text));
}

class UpstreamCheckTest : public testing::Test {
   protected:
    ~UpstreamCheckTest() override {
        if (check) check->stop();
        if (script.joinable()) script.join();
    }

    void start(const std::string& upstream, milliseconds interval = once,
               milliseconds timeout = patience) {
        check.emplace(context, "inbound", address_of(upstream), interval, timeout);
        check->start();
    }
    void run_until(const std::function<bool()>& condition) {
        const auto limit = std::chrono::steady_clock::now() + patience;
        while (!condition()) {
            ASSERT_LT(std::chrono::steady_clock::now(), limit) << "waited in vain";
            context.run_one_for(milliseconds(100));
        }
    }
    [[nodiscard]] uint64_t checks() const {
        const auto& counts = check->state().counts;
        return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
    }
    [[nodiscard]] uint64_t count_of(CheckResult result) const {
        return check->state().counts[static_cast<size_t>(result)];
    }
    void run_until_checked(uint64_t times = 1) {
        run_until([&] { return checks() >= times; });
    }
    // The other side, on a thread of its own; the context runs until it has ended.
    void run_with(std::function<void()> other_side) {
        std::atomic<bool> ended = false;
        script = std::thread([&] {
            other_side();
            ended = true;
        });
        run_until([&] { return ended.load(); });
        script.join();
    }
    void expect(CheckResult result, const std::string& says) {
        ASSERT_TRUE(check->state().result);
        EXPECT_EQ(name(*check->state().result), name(result));
        EXPECT_NE(check->state().says.find(says), std::string::npos) << check->state().says;
        EXPECT_EQ(count_of(result), checks());
    }

    asio::io_context context{1};
    std::optional<UpstreamCheck> check;
    std::thread script;
};

TEST_F(UpstreamCheckTest, finds_http2_and_leaves_politely) {
    test::Server server;
    start(server.address());
    run_with([&] {
        auto peer = server.accept();
        EXPECT_EQ(peer.receive(opening.size()).bytes, opening);
        for (const char byte : settings) peer.send({&byte, 1});
        const auto rest = peer.receive_to_end();
        EXPECT_EQ(rest.bytes, goodbye);
        EXPECT_EQ(rest.end, test::End::fin);
        // Said after the end, as servers do: no reset is the answer.
        peer.send(goodbye);
    });
    run_until_checked();
    expect(CheckResult::http2, "speaks HTTP/2");
    EXPECT_EQ(checks(), 1U);
}

TEST_F(UpstreamCheckTest, tells_what_else_an_upstream_speaks) {
    struct Row {
        std::string answer, says;
    };
    for (const Row& row : std::vector<Row>{
             {"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
              R"(with http/1: "HTTP/1.1 400 Bad Request\r\n)"},
             {"SSH-2.0-OpenSSH_9.2\r\n", R"(with ssh: "SSH-2.0-OpenSSH_9.2)"},
             {std::string("\x15\x03\x01\0\x02\x02\x46", 7), R"(with tls-alert: "\x15\x03)"},
             {std::string("\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b", 17),
              "answers with HTTP/2, but not with SETTINGS first"},
             {"\x1b[2J\xff hostile", R"(with other: "\x1b[2J\xff hostile)"},
             {std::string(100'000, 'x'), "xxx…\""},
         }) {
        test::Server server;
        start(server.address());
        run_with([&] {
            auto peer = server.accept();
            EXPECT_EQ(peer.receive(opening.size()).bytes, opening);
            peer.send(row.answer);
            const auto rest = peer.receive_to_end();
            EXPECT_EQ(rest.bytes, "");
        });
        run_until_checked();
        expect(CheckResult::other_protocol, row.says);
        EXPECT_LT(check->state().says.size(), 400U);
        EXPECT_FALSE(check->report(UpstreamCheck::Clock::now()).up);
        check->stop();
    }
}

TEST_F(UpstreamCheckTest, hears_a_server_that_speaks_first_and_hangs_up) {
    test::Server server;
    start(server.address());
    run_with([&] {
        auto peer = server.accept();
        peer.send("220 mail ESMTP\r\n");
        peer.shutdown_send();
        peer.receive_to_end();
    });
    run_until_checked();
    expect(CheckResult::other_protocol, "220 mail ESMTP");
}

TEST_F(UpstreamCheckTest, reads_what_was_said_before_a_reset) {
    test::Server server;
    start(server.address());
    run_with([&] {
        auto peer = server.accept();
        EXPECT_EQ(peer.receive(opening.size()).bytes, opening);
        peer.send("HTTP/1.0 400 Bad Request\r\n\r\n");
        peer.reset();
    });
    run_until_checked();
    // The reset may have taken the answer with it; it must not have made up another.
    if (*check->state().result == CheckResult::closed) {
        expect(CheckResult::closed, "resets the connection without a word");
    } else {
        expect(CheckResult::other_protocol, "HTTP/1.0 400");
    }
}

TEST_F(UpstreamCheckTest, tells_a_hang_up_from_a_reset) {
    test::Server server;
    start(server.address());
    run_with([&] {
        auto peer = server.accept();
        EXPECT_EQ(peer.receive(opening.size()).bytes, opening);
        peer.close();
    });
    run_until_checked();
    expect(CheckResult::closed, "closes the connection without a word");
    start(server.address());
    run_with([&] { server.accept().reset(); });
    run_until_checked();
    expect(CheckResult::closed, "resets the connection without a word");
}

TEST_F(UpstreamCheckTest, finds_nobody_at_a_closed_port_or_a_missing_path) {
    start("127.0.0.1:" + std::to_string(test::unused_port()));
    run_until_checked();
    expect(CheckResult::refused, "refuses the connection: ECONNREFUSED");
    start("unix:/no/such/telltale.sock");
    run_until_checked();
    expect(CheckResult::refused, "refuses the connection: ENOENT");
}

TEST_F(UpstreamCheckTest, speaks_to_unix_sockets_too) {
    std::string folder = std::filesystem::temp_directory_path() / "telltale-check-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    const std::string path = folder + "/app.sock";
    const auto endpoint = *numeric_endpoint({{}, 0, path});
    const UniqueFd listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(listening.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())), 0);
    ASSERT_EQ(::listen(listening.get(), 1), 0);
    start("unix:" + path);
    run_with([&] {
        test::Connection peer(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
        EXPECT_EQ(peer.receive(opening.size()).bytes, opening);
        peer.send(settings);
        EXPECT_EQ(peer.receive_to_end().bytes, goodbye);
    });
    run_until_checked();
    expect(CheckResult::http2, "speaks HTTP/2");
    EXPECT_EQ(check->report(UpstreamCheck::Clock::now()).upstream, "unix:" + path);
    std::filesystem::remove_all(folder);
}

TEST_F(UpstreamCheckTest, does_not_wait_for_ever_for_a_word) {
    test::Server server;
    start(server.address(), once, soon);
    run_until_checked();
    expect(CheckResult::timeout, "says nothing within 50 ms");
    // The end of the first check is the first the server hears of it.
    EXPECT_EQ(server.accept().receive_to_end().bytes, opening);
    start(server.address(), once, milliseconds(500));
    auto peer = server.accept();
    peer.send("HTTP/");
    run_until_checked();
    expect(CheckResult::timeout, "says too little within 500 ms: \"HTTP/\"");
}

TEST_F(UpstreamCheckTest, does_not_wait_for_ever_for_a_connection) {
    test::Server server(0);
    // The kernel drops what does not fit into the backlog.
    std::vector<test::Connection> filling;
    filling.push_back(test::connect_to(server.address()));
    start(server.address(), once, soon);
    run_until_checked();
    expect(CheckResult::timeout, "within 50 ms");
}

TEST_F(UpstreamCheckTest, tells_an_address_without_a_way_from_a_name_without_an_address) {
    start("255.255.255.255:1");  // TCP has no broadcast
    run_until_checked();
    expect(CheckResult::unreachable, "can't be reached: ENETUNREACH");
    start("no-such-host.invalid:1");
    run_until_checked();
    expect(CheckResult::dns_failure, "has a name that ");
}

TEST_F(UpstreamCheckTest, tries_every_address_of_a_name) {
    // localhost is ::1 and 127.0.0.1 on most hosts; here only the latter is served.
    test::Server server;
    start("localhost:" + std::to_string(server.port()));
    run_with([&] {
        auto peer = server.accept();
        EXPECT_EQ(peer.receive(opening.size()).bytes, opening);
        peer.send(settings);
        peer.receive_to_end();
    });
    run_until_checked();
    expect(CheckResult::http2, "speaks HTTP/2");
}

TEST_F(UpstreamCheckTest, goes_on_one_check_after_the_other) {
    test::Server server;
    start(server.address(), often);
    run_with([&] {
        for (int i = 0; i < 5; ++i) {
            auto peer = server.accept();
            EXPECT_EQ(peer.receive(opening.size()).bytes, opening);
            EXPECT_FALSE(server.has_client(0));
            peer.send(settings);
            EXPECT_EQ(peer.receive_to_end().bytes, goodbye);
            EXPECT_FALSE(server.has_client(0));  // this one is not closed yet
        }
    });
    EXPECT_GE(count_of(CheckResult::http2), 4U);
}

TEST_F(UpstreamCheckTest, follows_an_upstream_that_changes) {
    test::Server server;
    start(server.address(), often);
    run_with([&] {
        server.accept().close();
        auto peer = server.accept();
        peer.receive(opening.size());
        peer.send(settings);
        peer.receive_to_end();
    });
    run_until([&] { return count_of(CheckResult::http2) == 1; });
    EXPECT_TRUE(check->report(UpstreamCheck::Clock::now()).up);
    EXPECT_EQ(count_of(CheckResult::closed), 1U);
    server.close();
    run_until([&] { return count_of(CheckResult::refused) > 0; });
    EXPECT_FALSE(check->report(UpstreamCheck::Clock::now()).up);
}

TEST_F(UpstreamCheckTest, does_not_stay_with_a_server_that_never_stops_talking) {
    test::Server server;
    start(server.address(), often);
    run_with([&] {
        auto peer = server.accept();
        peer.send(settings);
        const std::string much(65536, '\0');
        while (peer.try_send(much)) {
        }
        server.accept();
    });
    EXPECT_GE(count_of(CheckResult::http2), 1U);
}

TEST_F(UpstreamCheckTest, does_not_stay_with_a_server_that_never_hangs_up) {
    test::Server server;
    start(server.address(), often);
    run_with([&] {
        auto first = server.accept();
        first.send(settings);
        EXPECT_EQ(first.receive_to_end().end, test::End::fin);
        server.accept();
    });
}

TEST_F(UpstreamCheckTest, blames_no_upstream_for_what_this_host_lacks) {
    refused_socket = EMFILE;
    start("127.0.0.1:1", often);
    run_until([this] { return !check->state().says.empty(); });
    EXPECT_FALSE(check->state().result);
    EXPECT_EQ(checks(), 0U);
    EXPECT_EQ(check->state().says.find("could not be checked by this host: EMFILE"), 0U);
    refused_socket = 0;
    run_until_checked();
    expect(CheckResult::refused, "ECONNREFUSED");
}

TEST_F(UpstreamCheckTest, reports_nothing_before_the_first_and_the_age_after) {
    test::Server server;
    start(server.address(), once, soon);
    auto report = check->report(UpstreamCheck::Clock::now());
    EXPECT_EQ(report.listener, "inbound");
    EXPECT_EQ(report.upstream, server.address());
    EXPECT_EQ(report.result, "");
    EXPECT_FALSE(report.up);
    run_until_checked();
    report = check->report(check->state().at + milliseconds(1234));
    EXPECT_EQ(report.result, "timeout");
    EXPECT_EQ(report.age_ms, 1234);
    EXPECT_GE(report.latency_ms, 50);
    EXPECT_EQ(report.says, "says nothing within 50 ms");
}

TEST_F(UpstreamCheckTest, ends_at_once_in_the_middle_of_a_check) {
    test::Server server;
    start(server.address());
    std::optional<test::Connection> peer;
    run_with([&] {
        peer.emplace(server.accept());
        EXPECT_EQ(peer->receive(opening.size()).bytes, opening);
    });
    check->stop();
    context.restart();
    context.run();  // nothing is waited for any more
    EXPECT_EQ(peer->receive_some().end, test::End::fin);
    EXPECT_EQ(checks(), 0U);
    start("no-such-host.invalid:1");
    check.reset();
    context.restart();
    context.run();
}

TEST(Jitter, moves_an_interval_by_at_most_a_tenth) {
    const milliseconds interval(5000);
    milliseconds least = interval;
    milliseconds most = interval;
    for (uint32_t random = 0; random < 10'000; ++random) {
        least = std::min(least, jittered(interval, random));
        most = std::max(most, jittered(interval, random));
    }
    EXPECT_EQ(least, milliseconds(4500));
    EXPECT_EQ(most, milliseconds(5500));
    EXPECT_EQ(jittered(milliseconds(1), 12345), milliseconds(1));
    EXPECT_EQ(jittered(milliseconds(0), UINT32_MAX), milliseconds(0));
}

}  // namespace
}  // namespace telltale::proxy

extern "C" int socket(int domain, int type, int protocol) noexcept {
    errno = telltale::proxy::refused_socket;
    return errno != 0 ? -1 : static_cast<int>(::syscall(SYS_socket, domain, type, protocol));
}
