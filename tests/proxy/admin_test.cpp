#include "proxy/admin.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/parse.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "proxy/unique_fd.h"
#include "tests/proxy/example_incident.h"

namespace telltale::proxy {
namespace {

namespace json = boost::json;

// What the sources answer.
struct Facts {
    std::string not_ready;
    std::vector<IncidentSink::Entry> incidents;
    std::vector<ConnectionRow> connections;
    std::string metrics = "telltale_build_info 1\n";
    std::vector<std::function<void(std::string)>> held;
    bool hold_metrics = false;
};

config::Address address_of(std::string host) {
    config::Address address;
    address.host = std::move(host);
    return address;
}

config::Address unix_address_of(std::string path) {
    config::Address address;
    address.unix_path = std::move(path);
    return address;
}

// An admin server on its own thread.
class Server final {
   public:
    explicit Server(const config::Address& listen = address_of("127.0.0.1"), Facts given = {})
        : facts(std::move(given)), work_(context_.get_executor()), admin_(make(listen)) {
        thread_ = std::thread([this] { context_.run(); });
    }
    ~Server() {
        stop();
        work_.reset();
        thread_.join();
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    [[nodiscard]] std::string address() const { return address_; }
    void stop() {
        on_thread([this] { admin_->stop(); });
    }
    void on_thread(std::function<void()> work) {
        std::promise<void> done;
        asio::post(context_, [&] {
            work();
            done.set_value();
        });
        done.get_future().wait();
    }

    Facts facts;  // touched on the server's thread, or before anybody asks

   private:
    std::unique_ptr<Admin> make(const config::Address& listen) {
        AdminSources sources;
        sources.metrics = [this](std::function<void(std::string)> then) {
            if (facts.hold_metrics) return facts.held.push_back(std::move(then));
            then(facts.metrics);
        };
        sources.connections = [this](size_t max, auto then) {
            auto rows = facts.connections;
            rows.resize(std::min(rows.size(), max));
            then(std::move(rows));
        };
        sources.incidents = [this](auto then) { then(facts.incidents); };
        sources.config_yaml = [] { return std::string("listeners:\n  - name: <b>\n"); };
        sources.not_ready_reason = [this] { return facts.not_ready; };
        sources.listener_names = [] { return std::vector<std::string>{"group-rpc"}; };
        auto admin = std::make_unique<Admin>(context_, listen, std::move(sources));
        address_ = admin->address();
        return admin;
    }

    asio::io_context context_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::string address_;
    std::unique_ptr<Admin> admin_;
    std::thread thread_;
};

// ---- a plain blocking client; no wait is longer than ten seconds

UniqueFd dial(const std::string& address) {
    sockaddr_storage storage{};
    socklen_t size = 0;
    if (address.starts_with("unix:")) {
        sockaddr_un un{};
        un.sun_family = AF_UNIX;
        std::memcpy(un.sun_path, address.c_str() + 5, address.size() - 5);
        if (un.sun_path[0] == '@') un.sun_path[0] = '\0';
        size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size() - 5);
        std::memcpy(&storage, &un, sizeof un);
    } else if (address.starts_with("[")) {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_addr = in6addr_loopback;
        in.sin6_port =
            htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
        size = sizeof in;
        std::memcpy(&storage, &in, sizeof in);
    } else {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        in.sin_port =
            htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
        size = sizeof in;
        std::memcpy(&storage, &in, sizeof in);
    }
    UniqueFd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    EXPECT_EQ(::connect(fd.get(), static_cast<sockaddr*>(static_cast<void*>(&storage)), size), 0)
        << address << ": " << std::strerror(errno);
    return fd;
}

bool say(const UniqueFd& fd, const std::string& text) {
    return ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
}

std::string hear_to_end(const UniqueFd& fd) {
    std::string out;
    std::array<char, 4096> buffer{};
    for (ssize_t n = 0; (n = ::recv(fd.get(), buffer.data(), buffer.size(), 0)) > 0;) {
        out.append(buffer.data(), static_cast<size_t>(n));
    }
    return out;
}

struct Reply {
    std::string head;
    std::string body;
    [[nodiscard]] int status() const { return head.size() > 12 ? std::stoi(head.substr(9, 3)) : 0; }
    [[nodiscard]] bool has(const std::string& line) const {
        return (head + "\r\n").find("\r\n" + line + "\r\n") != std::string::npos;
    }
};

Reply split(const std::string& text) {
    const size_t end = text.find("\r\n\r\n");
    if (end == std::string::npos) return {text, {}};
    return {text.substr(0, end), text.substr(end + 4)};
}

Reply ask(const std::string& address, const std::string& method, const std::string& target) {
    const UniqueFd fd = dial(address);
    EXPECT_TRUE(
        say(fd, method + " " + target + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    return split(hear_to_end(fd));
}

Reply get(const Server& server, const std::string& target) {
    return ask(server.address(), "GET", target);
}

IncidentSink::Entry entry_of(uint64_t count) {
    IncidentSink::Entry entry;
    entry.incident = example_incident();
    entry.count = count;
    entry.first = entry.incident.at - std::chrono::seconds(5);
    return entry;
}

// ---- routes

TEST(Admin, answers_metrics_with_the_exposition_type) {
    const Server server;
    const auto reply = get(server, "/metrics");
    EXPECT_EQ(reply.status(), 200);
    EXPECT_TRUE(reply.has("Content-Type: text/plain; version=0.0.4; charset=utf-8"));
    EXPECT_TRUE(reply.has("X-Content-Type-Options: nosniff"));
    EXPECT_EQ(reply.body, "telltale_build_info 1\n");
}

TEST(Admin, is_live_also_while_it_is_not_ready) {
    Server server;
    EXPECT_EQ(get(server, "/ready").status(), 200);
    EXPECT_EQ(get(server, "/ready").body, "ready\n");
    server.on_thread([&] { server.facts.not_ready = "draining"; });
    const auto reply = get(server, "/ready");
    EXPECT_EQ(reply.status(), 503);
    EXPECT_EQ(reply.body, "not ready: draining\n");
    EXPECT_EQ(get(server, "/live").status(), 200);
    EXPECT_EQ(get(server, "/live").body, "ok\n");
}

TEST(Admin, lists_incidents_as_json_and_as_text) {
    Facts facts;
    facts.incidents = {entry_of(3), entry_of(1)};
    facts.incidents[1].incident.evidence.upstream.first_bytes = "</script>\x1b[2J\xff";
    const Server server(address_of("127.0.0.1"), facts);
    const auto reply = get(server, "/incidents");
    EXPECT_TRUE(reply.has("Content-Type: application/json"));
    const auto list = json::parse(reply.body).as_array();
    ASSERT_EQ(list.size(), 2U);
    EXPECT_EQ(list[0].at("count"), 3);
    EXPECT_EQ(list[0].at("first"), "2026-11-22T22:01:32.396Z");
    EXPECT_EQ(list[0].at("last"), "2026-11-22T22:01:37.396Z");
    EXPECT_EQ(list[0].at("incident"), json::parse(to_json(example_incident())));

    const auto text = get(server, "/incidents?a=1&format=text");
    EXPECT_TRUE(text.has("Content-Type: text/plain; charset=utf-8"));
    EXPECT_NE(text.body.find("metrics_port (certain)"), std::string::npos);
    EXPECT_NE(text.body.find("seen 3 times"), std::string::npos);
    EXPECT_EQ(text.body.find('\x1b'), std::string::npos);
}

TEST(Admin, says_so_when_there_is_no_incident) {
    const Server server;
    EXPECT_EQ(json::parse(get(server, "/incidents").body).as_array().size(), 0U);
    EXPECT_EQ(get(server, "/incidents?format=text").body, "no incidents\n");
    EXPECT_EQ(json::parse(get(server, "/connections").body).as_array().size(), 0U);
}

TEST(Admin, lists_connections_as_json_and_as_a_table) {
    Facts facts;
    ConnectionRow row;
    row.id = 7;
    row.client_address = "10.0.0.1:1";
    row.upstream_address = "10.0.0.2:12260";
    row.client = sniff::Protocol::http2;
    row.upstream = sniff::Protocol::http1;
    row.verdict = sniff::Verdict::mismatch;
    row.cause = sniff::Cause::metrics_port;
    row.state = "relaying";
    row.bytes = {93, 103};
    row.age_ms = 2500;
    facts.connections = {row};
    const Server server(address_of("127.0.0.1"), facts);
    EXPECT_EQ(json::parse(get(server, "/connections").body), json::parse(R"([{"id":7,
        "listener":"group-rpc","client":{"address":"10.0.0.1:1","protocol":"http/2"},
        "upstream":{"address":"10.0.0.2:12260","protocol":"http/1"},"verdict":"mismatch",
        "cause":"metrics_port","state":"relaying","bytes":{"from_client":93,"from_upstream":103},
        "age_ms":2500}])"));
    const auto text = get(server, "/connections?format=text").body;
    EXPECT_TRUE(text.starts_with("LISTENER   CLIENT      SPEAKS  UPSTREAM        SPEAKS  VERDICT"));
    EXPECT_NE(text.find("group-rpc  10.0.0.1:1  http/2  10.0.0.2:12260  http/1  mismatch"),
              std::string::npos)
        << text;
}

TEST(Admin, shows_the_configuration_as_text_never_as_markup) {
    const Server server;
    const auto reply = get(server, "/config");
    EXPECT_EQ(reply.body, "listeners:\n  - name: <b>\n");
    EXPECT_TRUE(reply.has("Content-Type: text/plain; charset=utf-8"));
    EXPECT_TRUE(reply.has("X-Content-Type-Options: nosniff"));
}

TEST(Admin, lists_its_routes_at_the_root_and_for_an_unknown_path) {
    const Server server;
    const auto root = get(server, "/");
    EXPECT_EQ(root.status(), 200);
    const auto unknown = get(server, "/nope?x=1");
    EXPECT_EQ(unknown.status(), 404);
    for (const char* path :
         {"/metrics", "/live", "/ready", "/incidents", "/connections", "/config"}) {
        EXPECT_NE(root.body.find(path), std::string::npos) << path;
        EXPECT_NE(unknown.body.find(path), std::string::npos) << path;
    }
    EXPECT_EQ(unknown.body.find("nope"), std::string::npos) << "a peer's words are not echoed";
}

TEST(Admin, answers_head_with_the_length_and_no_body) {
    const Server server;
    for (const char* path : {"/", "/metrics", "/live", "/incidents", "/config"}) {
        const auto reply = ask(server.address(), "HEAD", path);
        EXPECT_EQ(reply.status(), 200) << path;
        EXPECT_EQ(reply.body, "") << path;
        const auto size = get(server, path).body.size();
        EXPECT_TRUE(reply.has("Content-Length: " + std::to_string(size))) << reply.head;
    }
}

TEST(Admin, refuses_other_methods) {
    const Server server;
    for (const char* method : {"POST", "DELETE", "OPTIONS", "BREW"}) {
        const auto reply = ask(server.address(), method, "/metrics");
        EXPECT_EQ(reply.status(), 405) << method;
        EXPECT_TRUE(reply.has("Allow: GET, HEAD")) << reply.head;
    }
    EXPECT_EQ(ask(server.address(), "POST", "/nope").status(), 404);
}

// ---- connections

TEST(Admin, answers_twenty_pipelined_requests_in_order) {
    const Server server;
    const UniqueFd fd = dial(server.address());
    std::string requests;
    for (int i = 0; i < 19; ++i) {
        requests += std::string("GET ") + (i % 2 == 0 ? "/live" : "/ready") +
                    " HTTP/1.1\r\nHost: a\r\n\r\n";
    }
    requests += "GET /live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    ASSERT_TRUE(say(fd, requests));
    std::string text = hear_to_end(fd);
    std::string bodies;
    for (size_t at = 0; (at = text.find("\r\n\r\n", at)) != std::string::npos; at += 4) {
        bodies += text.substr(at + 4, 1);
    }
    EXPECT_EQ(bodies, "orororororororororoo");
}

TEST(Admin, serves_others_while_clients_are_slow_or_silent) {
    const Server server;
    std::vector<UniqueFd> slow;
    for (int i = 0; i < 40; ++i) {
        slow.push_back(dial(server.address()));
        ASSERT_TRUE(say(slow.back(), i % 2 == 0 ? "GET /li" : ""));
    }
    EXPECT_EQ(get(server, "/live").status(), 200);
    ASSERT_TRUE(say(slow[0], "ve HTTP/1.0\r\n\r\n"));
    EXPECT_EQ(split(hear_to_end(slow[0])).body, "ok\n");
}

TEST(Admin, makes_room_when_silent_clients_hold_every_place) {
    const Server server;
    std::vector<UniqueFd> silent;
    for (int i = 0; i < 200; ++i) silent.push_back(dial(server.address()));
    EXPECT_EQ(get(server, "/live").status(), 200);
    EXPECT_EQ(hear_to_end(silent[0]), "") << "the oldest silent one was closed";
}

TEST(Admin, lets_one_request_wait_for_its_source_and_goes_on_serving) {
    Server server;
    server.on_thread([&] { server.facts.hold_metrics = true; });
    const UniqueFd waiting = dial(server.address());
    ASSERT_TRUE(say(waiting, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    while (get(server, "/live").status() == 200) {
        size_t held = 0;
        server.on_thread([&] { held = server.facts.held.size(); });
        if (held == 1) break;
    }
    server.on_thread([&] {
        server.facts.held[0]("late 1\n");
        server.facts.held[0]("twice 1\n");
        server.facts.held.clear();
    });
    EXPECT_EQ(split(hear_to_end(waiting)).body, "late 1\n");
}

TEST(Admin, survives_a_client_that_leaves_before_its_answer) {
    Facts facts;
    facts.metrics = std::string(4U << 20U, 'm');
    const Server server(address_of("127.0.0.1"), facts);
    for (int i = 0; i < 20; ++i) {
        const UniqueFd fd = dial(server.address());
        ASSERT_TRUE(say(fd, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    EXPECT_EQ(get(server, "/metrics").body.size(), 4U << 20U);
}

// ---- bad input

TEST(Admin, refuses_garbage_with_400) {
    const Server server;
    for (const std::string& garbage :
         {std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
          std::string("\x16\x03\x01\x02\x00\x01\r\n\r\n", 10), std::string("GET /live\r\n\r\n"),
          std::string("GET / HTTP/1.1\r\nbroken header\r\n\r\n")}) {
        const UniqueFd fd = dial(server.address());
        ASSERT_TRUE(say(fd, garbage));
        EXPECT_EQ(split(hear_to_end(fd)).status(), 400) << garbage;
    }
    EXPECT_EQ(get(server, "/live").status(), 200);
}

TEST(Admin, refuses_an_endless_header_with_431) {
    const Server server;
    const UniqueFd fd = dial(server.address());
    (void)say(fd, "GET /live HTTP/1.1\r\nX: " + std::string(100000, 'x'));
    EXPECT_EQ(split(hear_to_end(fd)).status(), 431);
}

TEST(Admin, refuses_a_long_body_with_413) {
    const Server server;
    const UniqueFd fd = dial(server.address());
    (void)say(fd, "POST /live HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n" +
                      std::string(70000, 'b'));
    EXPECT_EQ(split(hear_to_end(fd)).status(), 413);
    const UniqueFd chunked = dial(server.address());
    (void)say(chunked,
              "POST /live HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n" +
                  std::string(0x11170, 'b') + "\r\n0\r\n\r\n");
    EXPECT_EQ(split(hear_to_end(chunked)).status(), 413);
}

// ---- addresses

TEST(Admin, listens_on_ipv6) {
    const Server server(address_of("::1"));
    EXPECT_TRUE(server.address().starts_with("[::1]:")) << server.address();
    EXPECT_EQ(get(server, "/live").status(), 200);
}

TEST(Admin, listens_on_both_families_for_an_empty_host) {
    const Server server(address_of(""));
    const std::string port = server.address().substr(server.address().rfind(':'));
    EXPECT_EQ(ask("127.0.0.1" + port, "GET", "/live").status(), 200);
    EXPECT_EQ(ask("[::1]" + port, "GET", "/live").status(), 200);
}

TEST(Admin, listens_on_a_unix_socket_and_removes_it_at_the_end) {
    std::string folder = testing::TempDir() + "telltale-admin-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    const std::string path = folder + "/admin.sock";
    {
        const Server server(unix_address_of(path));
        EXPECT_EQ(server.address(), "unix:" + path);
        EXPECT_EQ(get(server, "/live").status(), 200);
        EXPECT_THROW(Server(unix_address_of(path)), boost::system::system_error) << "in use";
        EXPECT_EQ(get(server, "/live").status(), 200) << "the one in use was left alone";
    }
    EXPECT_FALSE(std::filesystem::exists(path));
    {
        const UniqueFd stale(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un un{};
        un.sun_family = AF_UNIX;
        std::memcpy(un.sun_path, path.c_str(), path.size());
        ASSERT_EQ(::bind(stale.get(), static_cast<sockaddr*>(static_cast<void*>(&un)), sizeof un),
                  0);
    }
    ASSERT_TRUE(std::filesystem::exists(path));
    EXPECT_EQ(get(Server(unix_address_of(path)), "/live").status(), 200)
        << "a stale file is replaced";
    std::filesystem::remove_all(folder);
}

std::string refusal(const config::Address& address) {
    asio::io_context context;
    try {
        const Admin admin(context, address, {});
    } catch (const boost::system::system_error& error) {
        return error.what();
    }
    return "";
}

TEST(Admin, tells_in_one_sentence_why_an_address_cannot_be_had) {
    const Server server;
    config::Address taken = address_of("127.0.0.1");
    taken.port =
        static_cast<uint16_t>(std::stoi(server.address().substr(server.address().rfind(':') + 1)));
    EXPECT_EQ(refusal(taken), "admin address " + server.address() +
                                  " can't be used: address already in use; choose another with "
                                  "--admin or admin.listen");
    EXPECT_NE(refusal(address_of("192.0.2.1")).find("cannot assign requested address"),
              std::string::npos);
    EXPECT_NE(refusal(unix_address_of("/nowhere/at/all.sock")).find("no such file or directory"),
              std::string::npos);
    EXPECT_NE(refusal(unix_address_of("/tmp/" + std::string(200, 'x'))).find("too long"),
              std::string::npos);
}

// ---- the end

size_t open_descriptors() {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

TEST(Admin, leaves_no_descriptor_behind_when_stopped_with_connections_open) {
    const size_t before = open_descriptors();
    {
        Server server;
        server.on_thread([&] { server.facts.hold_metrics = true; });
        std::vector<UniqueFd> peers;
        for (int i = 0; i < 12; ++i) peers.push_back(dial(server.address()));
        for (size_t i = 0; i < 4; ++i)
            ASSERT_TRUE(say(peers[i], "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"));
        for (size_t i = 4; i < 8; ++i) ASSERT_TRUE(say(peers[i], "GET /met"));
        EXPECT_EQ(get(server, "/live").status(), 200);
        server.stop();
        for (const auto& peer : peers) EXPECT_EQ(hear_to_end(peer), "");
        server.on_thread([&] {
            for (auto& held : server.facts.held) held("too late\n");
        });
    }
    EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace telltale::proxy
